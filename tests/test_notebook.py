"""docs/quickstart.ipynb: what is stored is of one run of these cells, and a small run shows what the text promises."""

import ast
import base64
import itertools
import json
import pathlib
import re

import cv2
import numpy as np
import pytest
from matplotlib import pyplot

from elo_tf.data.records import Manifest
from tests import notebooks, videos

# Values for the cell that is tagged `parameters`: as little as the terms, the score and the classes take.
SMALL = {"WORLD": 64, "LABELLED": 8, "CLUSTERS": 4, "GENERATIONS": 1, "POPULATION": 3, "SEARCH_STEPS": 2, "STEPS": 2}


def shown(outputs, kind):
    """What outputs of a cell have of a MIME type."""
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def printed(outputs) -> str:
    return "".join("".join(output["text"]) for output in outputs if output.get("name") == "stdout")


class TestStored:
    """The notebook as readers find it."""

    cells = notebooks.cells("code")

    def test_it_was_run_from_top_to_bottom_without_an_error(self):
        assert [cell["execution_count"] for cell in self.cells] == list(range(1, len(self.cells) + 1))
        outputs = [output for cell in self.cells for output in cell["outputs"]]
        assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
        assert not [output for output in outputs if output.get("name") == "stderr"]

    def test_its_code_is_what_was_run(self):
        stored = json.loads(notebooks.NOTEBOOK.read_text())["metadata"]["code"]
        assert stored == notebooks.digest(), "run python -m tests.notebooks"

    def test_it_is_small_enough_to_be_shown_by_web_pages(self):
        assert notebooks.NOTEBOOK.stat().st_size < 500_000

    def test_it_names_no_folder_of_the_machine_that_ran_it(self):
        text = notebooks.NOTEBOOK.read_text()
        assert re.findall(r"/(?:home|root|tmp|Users|work|opt)/[^\s\"]*", text) == []

    def test_the_table_of_sizes_says_what_the_settings_are(self):
        (parameters,) = [cell for cell in self.cells if notebooks.PARAMETERS in cell["metadata"].get("tags", ())]
        values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(parameters["source"]).body}
        assert set(SMALL) | {"VIDEOS", "FOLDER"} == set(values)
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in notebooks.text().splitlines()]
        here = {row[1]: row[2] for row in rows if len(row) == 5}
        assert here["`VIDEOS`"] == f"{values['WORLD']} rendered"
        assert here["`SEARCH_STEPS`"] == str(values["SEARCH_STEPS"]) and here["`STEPS`"] == str(values["STEPS"])
        assert here["`GENERATIONS` × `POPULATION`"] == f"{values['GENERATIONS']} × {values['POPULATION']}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a small run, and the code cells with their outputs."""
    folder = tmp_path_factory.mktemp("notebook")
    done = notebooks.execute(folder, SMALL)
    return folder / "runs" / "quickstart", [cell for cell in done.cells if cell.cell_type == "code"]


def test_a_folder_of_ones_own_takes_the_place_of_the_world(tmp_path, monkeypatch):
    for number in range(4):
        videos.plain(tmp_path / "mine" / f"{number % 2}" / f"{number}.mp4", size=40, grey=60 * number)
    (tmp_path / "mine" / "notes.txt").write_text("no video")
    names = {"VIDEOS": "mine", "FOLDER": "made"}
    monkeypatch.chdir(tmp_path)
    _, imports, records, look, *_ = (cell["source"] for cell in notebooks.cells("code"))
    for source in (imports, records, look):
        exec(source, names)
    pyplot.close(names["figure"])
    assert names["videos"] / names["labelled"].usable[0].video == pathlib.Path("mine/0/0.mp4")
    assert names["unlabelled"] is names["labelled"] and names["labelled"].labels == ["0", "1"]
    assert [left.get_ylabel() for left, _ in names["rows"]] == ["0", "0", "1", "1"]
    greys = [np.median(np.asarray(left.images[0].get_array())) for left, _ in names["rows"]]
    assert np.allclose(greys, [0, 120, 60, 180], atol=3)
    # Nothing moves in them.
    assert all(right.images[0].get_array().min() == 255 for _, right in names["rows"])


@pytest.mark.slow
class TestRun:
    """A run of all cells by a kernel of its own; one that raises fails them all."""

    def outputs(self, run, code):
        """Of the one cell that has this code."""
        (found,) = [cell.outputs for cell in run[1] if code in cell.source]
        return found

    def test_it_makes_the_files_that_it_names(self, run):
        folder, _ = run
        names = (
            "search/evolved_loss.json", "search/report.html", "evolved/tower.json", "equal/tower.json",
            "evaluation/results.json", "models/elo_rgb/1/saved_model.pb", "embeddings-1.npz", "neighbours.png",
        )  # fmt: skip
        assert [name for name in names if not (folder / name).is_file()] == []
        counts = [Manifest.load(folder / "records" / part).counts for part in ("unlabelled", "labelled")]
        assert [count["train"] + count["holdout"] for count in counts] == [64, 12 * 8]

    def test_videos_are_shown_with_flow(self, run):
        (picture,) = shown(self.outputs(run, "flow_colours(video.flow"), "image/png")
        image = cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR)
        left, right = np.array_split(image.astype(float), 2, axis=1)
        # Flow is mostly white, and coloured in places.
        assert right.mean() > left.mean() and (right.max(axis=-1) - right.min(axis=-1)).max() > 60

    def test_the_weights_of_the_search_are_shown(self, run):
        outputs = self.outputs(run, "lambdas.png")
        assert len(shown(outputs, "image/png")) == 2
        (weights,) = shown(outputs, "text/plain")[-1:]
        found = ast.literal_eval(weights)
        assert set(found) == {"rgb-flow/embed", "rgb/predict", "rgb/reconstruct", "rgb-audio/embed"}
        assert all(0 <= weight <= 1 for weight in found.values())

    def test_the_table_has_a_row_a_network_and_a_column_a_protocol(self, run):
        lines = printed(self.outputs(run, "evaluate.run")).splitlines()
        (head,) = [place for place, line in enumerate(lines) if line.startswith("representation")]
        assert lines[head].split() == ["representation", "k-means", "1-layer"]
        table = itertools.takewhile(lambda line: " against " not in line, lines[head + 1 :])
        assert [line.split()[0] for line in table] == ["evolved", "equal", "scratch"]

    def test_there_is_a_feature_vector_a_video(self, run):
        first, *_, last = printed(self.outputs(run, "features.table")).splitlines()
        assert last == "(96, 128) float32"
        assert first.split()[0] == "videos"  # Nothing of TensorFlow's own before it.

    def test_the_query_is_nearest_to_itself(self, run):
        outputs = self.outputs(run, "neighbours.png")
        title, *found = printed(outputs).splitlines()
        similarity, video = zip(*(line.split()[1:] for line in found))
        assert title == f"nearest to runs/quickstart/videos/labelled/{video[0]}" and len(set(video)) == 4
        assert float(similarity[0]) == pytest.approx(1, abs=1e-3)
        assert len(shown(outputs, "image/png")) == 1
