"""Who trains and who tests: official lists as they are distributed, folders, label budgets."""

import os
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elo_tf.config import InputError
from elo_tf.data.records import Manifest
from elo_tf.data.video_entry import VideoEntry
from elo_tf.evaluate.videos import budget, names, official
from elo_tf.evaluate.videos.split import LabelledVideo, Split, of_folders
from elo_tf.evaluate.videos.splits import in_records
from elo_tf.evaluate.videos.stored import StoredVideo


def _manifest(ids, frames=20, split="train"):
    entries = [VideoEntry(name, split, name.split("/")[-2], frames, False) for name in ids]
    return Manifest({"size": 24, "fps": 12.5}, 16000, 1280, entries, [], True, "records")


def _entry(name):
    return VideoEntry(name, "train", "", 20, False)


def _lengthen(manifest, place, frames):
    manifest.usable[place] = manifest.usable[place]._replace(frames=frames)


def _write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.fixture
def hmdb(tmp_path):
    return _write(
        tmp_path / "hmdb",
        brush_hair_test_split1__txt="april.avi 1 \nmay_1.avi 2 \njune.avi 0 \n",
        cartwheel_test_split1__txt="wheel.avi 1 \n(2)wheel!.avi 2 \n",
        cartwheel_test_split2__txt="wheel.avi 2 \n",
        brush_hair_test_split2__txt="april.avi 2 \n",
    )


@pytest.fixture
def ucf(tmp_path):
    return _write(
        tmp_path / "ucf",
        classInd__txt="1 ApplyEyeMakeup\r\n2 Archery\r\n",
        trainlist01__txt="ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\nArchery/v_Archery_g08_c01.avi 2\r\n",
        testlist01__txt="ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\r\nArchery/v_Archery_g01_c01.avi\r\n",
    )


HEADER = "label,youtube_id,time_start,time_end,split\n"


@pytest.fixture
def kinetics(tmp_path):
    return _write(
        tmp_path / "kinetics",
        kinetics_train__csv=f'{HEADER}air drumming,--ABCdef_01,7,17,train\n"a, b",xyz_-901234,120,130,train\n',
        kinetics_val__csv=f"{HEADER}air drumming,qqqqqqqqqqq,0,10,val\n",
    )


def test_hmdb51(hmdb):
    lists = official.hmdb51(hmdb, 1)
    assert lists.classes == ("brush_hair", "cartwheel")
    assert lists.train == {("brush_hair", "april.avi"): 0, ("cartwheel", "wheel.avi"): 1}
    assert lists.test == {("brush_hair", "may_1.avi"): 0, ("cartwheel", "(2)wheel!.avi"): 1}
    assert lists.neither == (("brush_hair", "june.avi"),)


def test_ucf101(ucf):
    lists = official.ucf101(ucf, 1)
    assert lists.classes == ("ApplyEyeMakeup", "Archery")
    assert lists.train[("Archery", "v_Archery_g08_c01.avi")] == 1
    assert lists.test == {
        ("ApplyEyeMakeup", "v_ApplyEyeMakeup_g01_c01.avi"): 0,
        ("Archery", "v_Archery_g01_c01.avi"): 1,
    }


def test_kinetics(kinetics):
    lists = official.kinetics(kinetics, 1)
    assert lists.classes == ("a, b", "air drumming")
    assert lists.train == {("", "--ABCdef_01_000007_000017"): 1, ("", "xyz_-901234_000120_000130"): 0}
    assert lists.test == {("", "qqqqqqqqqqq_000000_000010"): 1}


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("brush_hair_test_split1.txt", "april.avi 1\nmay.avi 3\n", r"brush_hair_test_split1.txt:2: 'may.avi 3' is not"),
        ("brush_hair_test_split1.txt", "april.avi\n", r"split1.txt:1: 'april.avi' is not"),
    ],
)
def test_malformed_lists_of_hmdb51(hmdb, name, text, message):
    (hmdb / name).write_text(text)
    with pytest.raises(InputError, match=message):
        official.hmdb51(hmdb, 1)


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("classInd.txt", "1 A\n3 B\n", r"classInd.txt:2: '3 B' is not the number 2"),
        ("trainlist01.txt", "Archery/v.avi 1\n", r"trainlist01.txt:1: 1 is not the number of Archery"),
        ("trainlist01.txt", "\nArchery/v.avi\n", r"trainlist01.txt:2: 'Archery/v.avi' is not"),
        ("testlist01.txt", "Archer/v.avi\n", r"testlist01.txt:1: 'Archer/v.avi' is not"),
        ("testlist01.txt", b"\xff\xfe\x00", r"testlist01.txt is not a text file"),
    ],
)
def test_malformed_lists_of_ucf101(ucf, name, text, message):
    (ucf / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        official.ucf101(ucf, 1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("label,time_start,time_end\n", r"kinetics_train.csv:1: the header has not all of"),
        (f"{HEADER}run,abc,1,2,train\nrun,abc,x,2,train\n", r"kinetics_train.csv:3: not a label"),
        (f"{HEADER}run,abc,1\n", r"kinetics_train.csv:2: not a label"),
        ("", r"kinetics_train.csv:1: the header has not all of"),
    ],
)
def test_malformed_lists_of_kinetics(kinetics, text, message):
    (kinetics / "kinetics_train.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        official.kinetics(kinetics, 1)


def test_lists_that_are_not_there(hmdb, ucf, kinetics):
    with pytest.raises(InputError, match="has no file <class>_test_split3.txt"):
        official.hmdb51(hmdb, 3)
    with pytest.raises(InputError, match="trainlist02.txt is missing"):
        official.ucf101(ucf, 2)
    with pytest.raises(InputError, match="Kinetics has one split"):
        official.kinetics(kinetics, 2)
    (kinetics / "other_val.csv").write_text(HEADER)
    with pytest.raises(InputError, match=r"has 2 files \*val\*.csv"):
        official.kinetics(kinetics, 1)


def test_videos_are_found_whatever_their_extension(hmdb, kinetics):
    ids = ["brush_hair/april.mp4", "brush_hair/may_1.avi", "cartwheel/wheel.webm", "cartwheel/(2)wheel!.avi"]
    split = in_records("1", official.hmdb51(hmdb, 1), _manifest([f"all/{name}" for name in ids]))
    assert split.train == (LabelledVideo("all/brush_hair/april.mp4", 0), LabelledVideo("all/cartwheel/wheel.webm", 1))
    assert [video.id for video in split.test] == ["all/brush_hair/may_1.avi", "all/cartwheel/(2)wheel!.avi"]
    assert (split.missing, split.short) == (0, 0)
    # A list of Kinetics does not know the folder.
    split = in_records("1", official.kinetics(kinetics, 1), _manifest(["x/--ABCdef_01_000007_000017.mp4"]))
    assert split.train == (LabelledVideo("x/--ABCdef_01_000007_000017.mp4", 1),) and split.missing == 2


def test_missing_and_short_videos_are_counted_and_named(hmdb):
    manifest = _manifest(["brush_hair/april.avi", "brush_hair/may_1.avi", "cartwheel/wheel.avi"])
    split = in_records("1", official.hmdb51(hmdb, 1), manifest)
    with pytest.raises(
        InputError, match=r"of 4 videos 1 are not in the records, and 0 have .* cartwheel/\(2\)wheel!"
    ) as lacking:
        split.check(8, 0.0)
    assert "\n" not in str(lacking.value) and "0.250 with --max_missing" in str(lacking.value)
    split.check(8, 0.25)
    _lengthen(manifest, 1, 7)
    short = split.with_short(manifest, 8, loop=False)
    assert (short.short, short.missing, len(short.train)) == (1, 1, 2)
    with pytest.raises(InputError, match=r"and 1 have fewer frames than a clip \(8\)"):
        short.check(8, 0.25)
    looped = split.with_short(manifest, 8, loop=True)
    assert (looped.short, looped.looped_train, looped.looped_test, len(looped.test)) == (0, 0, 1, 1)
    looped.check(8, 0.25)


BOM = "\ufeff"


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: BOM + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\r\n", "\n").replace("\n", "\r"),
        lambda text: BOM + text.replace("\n", "  \t\n\n \t\n"),
        lambda text: f"# made by hand\n\n{text}\n#\n## end\n#end",
        lambda text: text.replace(" ", "\t"),
        lambda text: text.rstrip("\r\n"),
        lambda text: re.sub(r"(?m)^(\S+\.avi)", r'"\1"', text),
    ],
    ids=["mark", "windows", "old mac", "blank", "comments", "tabs", "no last line", "quotes"],
)
def test_how_a_list_was_saved_does_not_matter(hmdb, ucf, kinetics, rewrite):
    parsers = {official.hmdb51: hmdb, official.ucf101: ucf, official.kinetics: kinetics}
    plain = {parse: parse(folder, 1) for parse, folder in parsers.items()}
    for folder in parsers.values():
        for file in folder.iterdir():
            text = file.read_bytes().decode()
            if file.suffix == ".csv" and "\t" in rewrite("a b"):
                continue  # A label of Kinetics has spaces in it.
            file.write_bytes(rewrite(text).encode())
        (folder / f"._{file.name}").write_bytes(b"\x00\x05\x16\x07\xff")  # As macOS leaves beside each.
    assert {parse: parse(folder, 1) for parse, folder in parsers.items()} == plain


def test_lists_in_utf_16_and_with_capital_names_are_read(hmdb, kinetics):
    plain = official.hmdb51(hmdb, 1)
    for file in list(hmdb.iterdir()):
        file.write_bytes(file.read_text().encode("utf-16"))
        file.rename(file.with_suffix(".TXT"))
    assert official.hmdb51(hmdb, 1) == plain
    plain = official.kinetics(kinetics, 1)
    (kinetics / "kinetics_val.csv").rename(kinetics / "VALIDATE.CSV")
    assert official.kinetics(kinetics, 1) == plain


def test_what_is_no_file_or_too_large_is_refused_at_once(ucf, monkeypatch):
    (ucf / "testlist01.txt").unlink()
    os.mkfifo(ucf / "testlist01.txt")
    with pytest.raises(InputError, match=r"testlist01.txt is not a text file \(it is no regular file\)"):
        official.ucf101(ucf, 1)
    (ucf / "testlist01.txt").unlink()
    with open(ucf / "testlist01.txt", "wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(InputError, match="it is larger than 256 MiB"):
        official.ucf101(ucf, 1)


def test_names_of_hmdb51_may_begin_with_a_hash_and_hold_spaces(hmdb):
    (hmdb / "cartwheel_test_split1.txt").write_text("#20 Rhythm.avi 1\n#note\n# wheel.avi 2\n(2)wheel!.avi 2\n")
    lists = official.hmdb51(hmdb, 1)
    assert lists.train == {("brush_hair", "april.avi"): 0, ("cartwheel", "#20 Rhythm.avi"): 1}
    assert list(lists.test) == [("brush_hair", "may_1.avi"), ("cartwheel", "(2)wheel!.avi")]
    (hmdb / "cartwheel_test_split1.txt").write_text("#20_Rhythm.avi\n")  # The number is missing.
    with pytest.raises(InputError, match="split1.txt:1: '#20_Rhythm.avi' is not"):
        official.hmdb51(hmdb, 1)


def test_paths_in_lists_of_ucf101_end_in_class_and_file(ucf):
    plain = official.ucf101(ucf, 1)
    for file in ucf.glob("t*.txt"):
        file.write_text(file.read_text().replace("A", "UCF-101\\A", 1).replace("Archery/", "./Archery/g08/"))
    assert official.ucf101(ucf, 1) == plain


def test_columns_of_kinetics_may_be_parted_and_ordered_otherwise(kinetics):
    plain = official.kinetics(kinetics, 1)
    train = (
        '\ufeff"Split" ; "Time_End";time_start; youtube_id;"label"\n\n#x\n train;17.0; 7 ;--ABCdef_01;"air drumming"\n'
    )
    (kinetics / "kinetics_train.csv").write_text(f'{train}train;130;120;xyz_-901234;"a, b"\n')
    (kinetics / "kinetics_val.csv").write_text(
        "label\tyoutube_id\ttime_start\ttime_end\nair drumming\tqqqqqqqqqqq\t000000\t000010\n"
    )
    assert official.kinetics(kinetics, 1) == plain
    (kinetics / "kinetics_val.csv").write_text(f"{HEADER}run,a,1,2,val\nrun,a,1,2,val\njump,a,1,2,val\n")
    with pytest.raises(InputError, match="val.csv:4: a_000001_000002 is jump here and run before"):
        official.kinetics(kinetics, 1)


def _found(listed, files, kinetics=False):
    """Listed file name -> ids of the files that it means."""
    stored = [StoredVideo(file, 20, (file,)) for file in files]
    found = names.find([("" if kinetics else "c", name) for name in listed], stored, kinetics)
    return {name[1]: [video.id for video in videos] for name, videos in found.items()}


@pytest.mark.parametrize(
    "listed, files, expected",
    [
        # Without extension, and with dots in the name.
        (["v1.0_a", "v1.0_b"], ["c/v1.0_a.mp4", "c/v1.0_b.mp4"], {"v1.0_a": "c/v1.0_a.mp4", "v1.0_b": "c/v1.0_b.mp4"}),
        (["v1.0_a", "v1.0_b"], ["c/v1.mp4"], {}),
        (["v1.0", "v1"], ["c/v1.0.avi", "c/v1.avi"], {"v1.0": "c/v1.0.avi", "v1": "c/v1.avi"}),
        (["v.1.avi", "v.2.avi"], ["c/v.1.mkv", "c/v.2.mkv"], {"v.1.avi": "c/v.1.mkv", "v.2.avi": "c/v.2.mkv"}),
        # The longest form that fits, and each file for one name.
        (["a.avi", "a.mp4"], ["c/a.mp4"], {"a.mp4": "c/a.mp4"}),
        (["a.avi", "a.mp4"], ["c/a.mkv"], {}),
        (["a", "a.avi"], ["c/a.avi.mkv", "c/a.mp4"], {"a": "c/a.mp4", "a.avi": "c/a.avi.mkv"}),
        (["a.avi"], ["c/a.AVI"], {"a.avi": "c/a.AVI"}),
        (["a.AVI"], ["c/a.h264"], {"a.AVI": "c/a.h264"}),
        (["a"], ["c/a"], {"a": "c/a"}),
        # Capitals: as they are, where both are there.
        (["A.avi"], ["c/a.mp4"], {"A.avi": "c/a.mp4"}),
        (["A.avi"], ["c/a.avi", "c/A.mp4"], {"A.avi": "c/A.mp4"}),
        (["A.avi", "a.avi"], ["c/a.mp4"], {"a.avi": "c/a.mp4"}),
        (["A.avi", "a.avi"], ["c/A.AVI.mkv", "c/a.mp4"], {"A.avi": "c/A.AVI.mkv", "a.avi": "c/a.mp4"}),
        # Folders: the class, whatever its capitals, groups below it, or none at all; never another class.
        (["a.avi"], ["x/C/g01/a.mp4"], {"a.avi": "x/C/g01/a.mp4"}),
        (["a.avi"], ["flat/a.mp4"], {"a.avi": "flat/a.mp4"}),
        (["a.avi"], ["flat/a.avi", "c/a.mp4"], {"a.avi": "c/a.mp4"}),
        # A way out of the folder is a name like any other.
        (["../../etc/passwd", "/etc/passwd"], ["c/passwd"], {}),
    ],
)
def test_listed_names_mean_files(listed, files, expected):
    assert _found(listed, files) == {name: [file] for name, file in expected.items()}


def test_a_name_without_its_folder_goes_to_no_class_where_two_have_it():
    listed = [("c", "a.avi"), ("d", "a.avi")]
    stored = [StoredVideo(file, 20, (file,)) for file in ("flat/a.avi", "d/b.avi")]
    assert names.find(listed, stored, False) == {}
    assert names.find([("c", "b.avi"), ("d", "x.avi")], stored, False) == {}  # d/b.avi is of the other class.


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_found_however_they_are_written(form):
    other = "NFD" if form == "NFC" else "NFC"
    listed, file = unicodedata.normalize(form, "été.avi"), unicodedata.normalize(other, "c/été.mp4")
    assert _found([listed], [file]) == {listed: [file]}


CLIP = "--ABCdef_01_000007_000017"


@pytest.mark.parametrize(
    "file",
    [f"{CLIP}.mp4", f"{CLIP}.MKV.webm", "--ABCdef_01_7_17.mp4", "--ABCdef_01_0007_0017.mp4", "--ABCdef_01_7.0_17.0.mp4",
     "--ABCdef_01_7_17", "--ABCdef_01.mp4", "--ABCdef_01", "drummers [--ABCdef_01].mp4", "drum-mers---ABCdef_01.mp4"],
)  # fmt: skip
def test_clips_of_kinetics_are_found_by_id_and_times_or_by_id(file):
    other = "--ABCdef_02_000007_000017"
    assert _found([CLIP, other], [f"train/air drumming/{file}"], True) == {CLIP: [f"train/air drumming/{file}"]}


def test_a_file_called_by_its_id_goes_to_no_clip_where_two_have_the_id():
    clips = ["abc_000007_000017", "abc_000020_000030", "abc_1_2_000003_000004"]
    assert _found(clips, ["abc.mp4", "abc_20_30.mp4", "abc_1_2.mp4"], True) == {
        "abc_000020_000030": ["abc_20_30.mp4"],
        "abc_1_2_000003_000004": ["abc_1_2.mp4"],
    }


def test_how_clips_of_kinetics_are_called_is_said_where_they_are_missing(kinetics):
    split = in_records("1", official.kinetics(kinetics, 1), _manifest(["x/title.mp4"]))
    with pytest.raises(InputError, match="3 are not in the records, .* files are found as ID_START_END .* or ID"):
        split.check(8, 0.0, official.CALLED["kinetics"])


def test_one_of_several_copies_is_taken_by_a_rule(hmdb):
    ids = [
        "train/brush_hair/april.avi",
        "replacement/brush_hair/april.avi",
        "cartwheel/wheel.mkv",
        "w/cartwheel/wheel.mp4",
    ]
    manifest, lists = _manifest(ids), official.hmdb51(hmdb, 1)
    taken = in_records("1", lists, manifest)  # Of equal lengths the first by path.
    assert [video.id for video in taken.train] == [ids[1], ids[2]] and taken.duplicates == 2
    _lengthen(manifest, 0, 21)
    _lengthen(manifest, 3, 19)
    assert [video.id for video in in_records("1", lists, manifest).train] == [ids[0], ids[2]]
    assert [video.id for video in in_records("1", lists, manifest, "first").train] == [ids[1], ids[2]]
    with pytest.raises(InputError, match="replacement/.* and train/.* both match brush_hair/april.avi .* --duplicates"):
        in_records("1", lists, manifest, "refuse")


def test_a_clip_of_both_lists_tests_and_does_not_train(kinetics):
    with open(kinetics / "kinetics_val.csv", "a") as file:
        file.write("other,--ABCdef_01,7,17,val\n")
    lists = official.kinetics(kinetics, 1)
    ids = ["x/--ABCdef_01_000007_000017.mp4", "x/xyz_-901234.mp4", "x/qqqqqqqqqqq_0_10.mp4"]
    split = in_records("1", lists, _manifest(ids))
    assert lists.classes == ("a, b", "air drumming", "other")
    assert split.train == (LabelledVideo(ids[1], 0),)
    assert split.test == (LabelledVideo(ids[0], 2), LabelledVideo(ids[2], 1))
    assert (split.overlap, split.missing, split.duplicates) == (1, 0, 0)


def test_folders():
    manifest = _manifest(["a/1.avi", "b/2.avi"])
    manifest.usable.extend(_manifest(["b/3.avi", "c/4.avi"], split="holdout").usable)
    split = of_folders(manifest)
    assert split.classes == ("a", "b", "c")
    assert split.train == (LabelledVideo("a/1.avi", 0), LabelledVideo("b/2.avi", 1))
    assert split.test == (LabelledVideo("b/3.avi", 1), LabelledVideo("c/4.avi", 2))
    with pytest.raises(InputError, match="1 classes have no training video, such as c"):
        split.check(8, 0.0)
    with pytest.raises(InputError, match="no test videos"):
        of_folders(_manifest(["a/1.avi", "b/2.avi"])).check(8, 0.0)
    with pytest.raises(InputError, match="has 1 classes"):
        of_folders(_manifest(["a/1.avi", "a/2.avi"])).check(8, 0.0)


def _split(counts):
    train = [LabelledVideo(f"{label}/{place}", label) for label, count in enumerate(counts) for place in range(count)]
    return Split("1", tuple(map(str, range(len(counts)))), tuple(train), ())


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=8), st.integers(0, 2**31 - 1), st.data())
def test_budgets_are_nested_and_balanced(counts, seed, data):
    split = _split(counts)
    budgets = data.draw(st.lists(st.integers(len(counts), sum(counts)), min_size=2, max_size=4))
    smaller = set()
    for number in sorted(budgets):
        train = budget.restrict(split, number, seed).train
        assert len(set(train)) == len(train) == number
        assert smaller <= set(train) <= set(split.train)
        smaller = set(train)
        own = [sum(video.label == label for video in train) for label in range(len(counts))]
        # No class that still has videos is more than one behind any other.
        assert all(max(own) - one <= 1 for one, count in zip(own, counts) if one < count)


def test_budgets_depend_on_the_seed_alone():
    split = _split([30, 30])
    assert budget.restrict(split, 10, 3) == budget.restrict(split, 10, 3) != budget.restrict(split, 10, 4)
    assert budget.restrict(split, None, 3) == split
    assert budget.restrict(split, 60, 3).train == split.train


def test_budgets_that_do_not_fit():
    assert budget.parse(["all", "20", "4", "20"]) == [4, 20, None] and budget.parse([]) == [None]
    for wrong in ("0", "-3", "2k", ""):
        with pytest.raises(InputError, match="neither a number of videos nor all"):
            budget.parse([wrong])
    with pytest.raises(InputError, match="more than the 5 training videos"):
        budget.restrict(_split([2, 3]), 6, 0)
    with pytest.raises(InputError, match="without a video"):
        budget.restrict(_split([2, 3]), 1, 0)
