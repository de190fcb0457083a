"""Who trains and who tests: official lists as they are distributed, folders, label budgets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elo_tf.config import InputError
from elo_tf.data.records import Manifest
from elo_tf.evaluate.videos import budget, official
from elo_tf.evaluate.videos.split import LabelledVideo, Split, of_folders
from elo_tf.evaluate.videos.splits import in_records


def _manifest(ids, frames=20, split="train"):
    lines = [
        {"id": name, "ok": True, "split": split, "label": name.split("/")[-2], "frames": frames, "sound": False}
        for name in ids
    ]
    return Manifest({"size": 24, "fps": 12.5}, 16000, 1280, lines, True, "records")


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
    assert lists.train == {("brush_hair", "april"): 0, ("cartwheel", "wheel"): 1}
    assert lists.test == {("brush_hair", "may_1"): 0, ("cartwheel", "(2)wheel!"): 1}


def test_ucf101(ucf):
    lists = official.ucf101(ucf, 1)
    assert lists.classes == ("ApplyEyeMakeup", "Archery")
    assert lists.train[("Archery", "v_Archery_g08_c01")] == 1
    assert lists.test == {("ApplyEyeMakeup", "v_ApplyEyeMakeup_g01_c01"): 0, ("Archery", "v_Archery_g01_c01"): 1}


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
        ("label,time_start,time_end\n", r"kinetics_train.csv:1: the header lacks"),
        (f"{HEADER}run,abc,1,2,train\nrun,abc,x,2,train\n", r"kinetics_train.csv:3: not a label"),
        (f"{HEADER}run,abc,1\n", r"kinetics_train.csv:2: not a label"),
        ("", r"kinetics_train.csv:1: the header lacks"),
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
        InputError, match=r"of 4 videos the records lack 1, and 0 have .* cartwheel/\(2\)wheel!"
    ) as lacking:
        split.check(8, 0.0)
    assert "\n" not in str(lacking.value) and "0.250 with --max_missing" in str(lacking.value)
    split.check(8, 0.25)
    manifest.videos[1]["frames"] = 7
    short = split.without_short(manifest, 8)
    assert (short.short, short.missing, len(short.train)) == (1, 1, 2)
    with pytest.raises(InputError, match=r"and 1 have fewer frames than a clip \(8\)"):
        short.check(8, 0.25)


def test_lists_that_contradict_are_refused(hmdb, kinetics):
    ids = ["a/brush_hair/april.avi", "b/brush_hair/april.mp4"]
    with pytest.raises(InputError, match="both fit brush_hair/april"):
        in_records("1", official.hmdb51(hmdb, 1), _manifest(ids))
    (kinetics / "kinetics_val.csv").write_text(f"{HEADER}air drumming,--ABCdef_01,7,17,val\n")
    with pytest.raises(InputError, match="1 videos are both for training and for testing, such as --ABCdef"):
        in_records("1", official.kinetics(kinetics, 1), _manifest(["x/y.mp4"]))


def test_folders():
    manifest = _manifest(["a/1.avi", "b/2.avi"])
    manifest.videos.extend(_manifest(["b/3.avi", "c/4.avi"], split="holdout").videos)
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
