"""A search by gradient: trainings learn λ, what they found is scored, and it ends in a loss like any other search."""

import base64
import json

import numpy as np
import pytest

from elo_tf.model.objective import load_loss
from tests import videos
from tests.test_report import Page
from tests.test_search import refused, run

GRADIENT = ("--strategy=gradient", "--descents=2", "--lambda_every=2", "--lambda_clips=8", "--lambda_rate=0.3")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("descents"))


@pytest.mark.slow
def test_a_search_by_gradient_ends_in_a_loss(records, tmp_path, capsys):
    result = run(records, tmp_path / "run", *GRADIENT)
    assert "Descent 2 of 2" in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    notes = {line["name"]: line["value"] for line in lines if line["record"] == "note"}
    [asked] = [line for line in lines if line["record"] == "asked"]
    assert asked["lambdas"] == [notes[f"descent-{number}"]["lambdas"] for number in range(2)]
    path = notes["descent-0"]["path"]
    assert [step for step, _, _ in path] == [0, 2] and path[0][1] != path[1][1]
    assert notes["descent-0"]["lambdas"] != notes["descent-1"]["lambdas"]  # Their clips come in other orders.
    loss = json.loads(result.loss.read_text())
    assert loss["strategy"] == "gradient"
    # Two descents, two candidates, and two fresh seeds of the best: of four steps each.
    assert loss["training_steps"] == 4 * 6
    assert np.all(load_loss(result.loss, tuple(result.lambdas)).lambdas > 0)
    drawn = base64.b64encode((tmp_path / "run" / "figures" / "descents.png").read_bytes()).decode()
    page = Page(tmp_path / "run" / "report.html")
    assert "Weights while they are learned" in page.text and drawn in page.source
    assert "descent-0: seconds" in page.text and "descent-0: path" not in page.text
    # Repeated, it has nothing to do.
    assert run(records, tmp_path / "run", *GRADIENT).lambdas == result.lambdas
    assert "Descent" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--learn_lambdas=lookahead",), "--strategy=cma_es, which finds λ without gradients; use --strategy=gradient"),
        ((*GRADIENT, "--learn_lambdas=beauty"), "--learn_lambdas='beauty' is unknown; choose from lookahead, unroll"),
        ((*GRADIENT, "--rungs=2"), "--strategy=gradient trains each loss in full; use --rungs=1, not 2"),
        ((*GRADIENT, "--initial_loss=missing.json"), "loss file missing.json does not exist"),
    ],
)
def test_what_cannot_be_descended_is_refused(records, tmp_path, flags, message):
    assert message in refused(records, tmp_path / "run", *flags)
