"""The benchmark of very many videos, on few: all are converted, and the table has what it says."""

from elo_tf.data.records import Manifest
from elo_tf.runtime.workers.local import LocalEngine
from experiments.benchmarks import prepare_many


def test_every_name_is_converted_and_every_tenth_is_measured(tmp_path):
    said, *lines = prepare_many.measure(tmp_path, 21, LocalEngine(1)).splitlines()
    manifest = Manifest.load(str(tmp_path / "records"))
    assert said.startswith("21 videos in ") and manifest.complete and len(manifest.usable) == 21
    assert set(manifest.usable.frames) <= {12, 13} and manifest.usable.sound.all()
    rows = [[float(value) for value in line.split()] for line in lines[1:]]
    assert [row[0] for row in rows] == [3, 5, 7, 9, 11, 13, 15, 17, 19, 21]
    assert all(min(row[1:]) > 0 for row in rows)
