"""Listing: what lies beside videos is no video, whatever it is called, and is told."""

import os

import pytest

from elo_tf.config import InputError
from elo_tf.decoding.listing import content_mark, frame_names, list_videos, missing_numbers, survey


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_files_beside_videos_are_set_aside(tmp_path):
    beside = (
        "a.info.json",
        "a.en.vtt",
        "a.srt",
        "a.description",
        "a.nfo",
        "a.TXT",
        "a.webp",
        "a.jpg",
        "a.wav",
        "a.zip",
    )
    unfinished = ("b.mp4.part", "c.mkv.crdownload", "d.f137.mp4.ytdl", "e.tmp", "f.mp4.part-Frag12")
    found = survey(fill(tmp_path, "a.mp4", "no_extension", "x.dat", *beside, *unfinished))
    assert found.videos == ["a.mp4", "no_extension", "x.dat"] and found.unfinished == sorted(unfinished)
    assert sum(found.aside.values()) == len(beside) and found.aside[".txt"] == 1
    assert "5 unfinished downloads, such as b.mp4.part" in found.words


def test_a_folder_without_videos_says_what_it_holds(tmp_path):
    with pytest.raises(InputError, match=r"has no videos, but 2 files that are no videos: .json \(2\); put"):
        list_videos(fill(tmp_path / "a", "1.json", "2.json"))
    with pytest.raises(InputError, match=r"has no videos, but 1 unfinished downloads, such as 1.mp4.part"):
        list_videos(fill(tmp_path / "b", "1.mp4.part"))
    frames = [f"v1/img_{number:05d}.jpg" for number in range(1, 6)]
    with pytest.raises(InputError, match="1 folders of numbered images, such as v1; .* --frames_fps=25 reads each"):
        list_videos(fill(tmp_path / "c", *frames))


def test_frames_are_the_longest_series_that_is_no_flow():
    images = [f"img_{number}.jpg" for number in (10, 9, 1, 2, 11)]
    others = [f"flow_x_{number:05d}.jpg" for number in range(9)] + ["cover1.png", "notes.txt"]
    assert frame_names(images + others) == [f"img_{number}.jpg" for number in (1, 2, 9, 10, 11)]
    assert frame_names(["IMG_1.jpg", "IMG_2.jpg"]) == [] == frame_names(others[-2:])
    assert frame_names([f"v ({number}).ppm" for number in (4, 10, 2, 3)])[-1] == "v (10).ppm"  # As Windows renames.


@pytest.mark.parametrize("numbers, missing", [((1, 2, 5, 9), 5), ((0, 5, 10, 15), 0), ((33, 67, 100), 0), ((7,), 0)])
def test_numbers_that_are_missing_are_counted_in_steps(numbers, missing):
    assert missing_numbers([f"img_{number:05d}.jpg" for number in numbers]) == missing


def test_images_beside_a_video_are_its_thumbnails(tmp_path):
    found = survey(fill(tmp_path, "a.mp4", *(f"a_{number}.jpg" for number in range(9))))
    assert found.videos == ["a.mp4"] and found.frames == [] and found.aside[".jpg"] == 9


def test_names_of_any_bytes_are_listed(tmp_path):
    names = [b"caf\xe9.mp4", b"a\nb.mp4", b"n" * 250 + b".mp4", "é.mp4".encode(), "e\u0301.mp4".encode()]
    for name in names:
        open(os.path.join(os.fsencode(tmp_path), name), "wb").close()
    assert sorted(map(os.fsencode, list_videos(tmp_path))) == sorted(names)


def test_the_mark_of_a_file_follows_from_each_of_its_bytes(tmp_path):
    path, content = tmp_path / "a", bytearray(range(256)) * 8192  # 2 MiB
    path.write_bytes(content)
    first = content_mark(path)
    for place in (0, 1 << 20, len(content) - 1):
        path.write_bytes(content[:place] + b"\x55" + content[place + 1 :])
        assert content_mark(path) != first
    path.write_bytes(content)
    assert content_mark(path) == first
