"""Verdicts on claims, from results worked by hand; the page says what has not run."""

import json
import re

import pytest

from elo_tf.config import InputError
from experiments import claim_rules, claims, demo_worlds, paper_page, table1
from experiments.claim_rules import NOT_RUN, Results
from experiments.contrasts import FAILS, HOLDS, UNTOLD

EVOLVED, UNTRAINED, LABELS, RANDOM = table1.EVOLVED["default"][0], table1.UNTRAINED, table1.LABELS, table1.RANDOM


def write(folder, name, rows, **more):
    """A file of results with rows {name: [run, ...]}."""
    content = {"command": f"python -m experiments.{name}", "worlds": "w", **more}
    content["rows"] = [{"row": row, "paper": {}, "note": "", "runs": runs} for row, runs in rows.items()]
    (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / f"{name}.md").write_text("# title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n")


def runs(column, *values, **more):
    return [{"world": "w", "seed": seed, column: value, **more} for seed, value in enumerate(values)]


def outcome(folder, text):
    (claim,) = [claim for claim in claims.CLAIMS if text in claim.text]
    return claim.read(Results(folder))


def test_without_results_every_claim_is_not_run_and_says_how(tmp_path):
    for claim in claims.CLAIMS:
        found = claim.read(Results(tmp_path))
        assert found.verdict == NOT_RUN and "python -m experiments." in found.reason and not found.ours, claim.text


def test_evolved_over_random(tmp_path):
    write(tmp_path, "table1", {EVOLVED: runs("kmeans", 0.4, 0.5, 0.45), RANDOM: runs("kmeans", 0.2, 0.31, 0.24)})
    found = outcome(tmp_path, "loss beats random")
    assert found.verdict == HOLDS and found.size == pytest.approx(1.35 / 0.75)
    assert found.ours == f"{EVOLVED} 45.0 ± 2.9, {RANDOM} 25.0 ± 3.2"
    (claim,) = [claim for claim in claims.CLAIMS if "loss beats random" in claim.text]
    assert f"| {1.8 / 1.64:.2f} | holds |" in paper_page.line(claim, found)


def test_the_demo_is_compared_over_its_worlds(tmp_path):
    def rows(evolved, random, single):
        accuracies = {"evolved": evolved, "random": random, demo_worlds.SINGLE: single}
        return {"rows": {row: {"kmeans": (value, 0.01), "linear": (value, 0.01)} for row, value in accuracies.items()}}

    worlds = {"7": rows(0.4, 0.2, 0.41), "8": rows(0.5, 0.25, 0.48), "9": rows(0.45, 0.25, 0.46)}
    (tmp_path / "demo_worlds.json").write_text(json.dumps({"command": "make demo", "worlds": worlds}))
    (tmp_path / "demo_worlds.md").write_text("| a |\n| 1 |\n\nwords\n\n| b |\n| 2 |\n")
    found = outcome(tmp_path, "demo it beats random")
    assert found.verdict == HOLDS and found.size == pytest.approx(1.35 / 0.7)
    assert outcome(tmp_path, "best single term").verdict == UNTOLD
    page = paper_page.page(Results(tmp_path), tmp_path)
    assert "worlds: 7, 8, 9\n\n| a |\n| 1 |\n\n| b |\n| 2 |\n" in page


def test_two_runs_tell_nothing_and_the_contrary_fails(tmp_path):
    write(tmp_path, "table1", {EVOLVED: runs("kmeans", 0.4, 0.5), RANDOM: runs("kmeans", 0.2, 0.3)})
    found = outcome(tmp_path, "loss beats random")
    assert found.verdict == UNTOLD and "fewer than 3 tell nothing" in found.reason
    write(tmp_path, "table1", {EVOLVED: runs("kmeans", 0.2, 0.3, 0.2), RANDOM: runs("kmeans", 0.4, 0.5, 0.41)})
    assert outcome(tmp_path, "loss beats random").verdict == FAILS


def test_the_share_of_the_way_to_labels(tmp_path):
    rows = {UNTRAINED: runs("kmeans", 0.1, 0.1, 0.1), LABELS: runs("kmeans", 0.5, 0.5, 0.5)}
    write(tmp_path, "table1", {**rows, EVOLVED: runs("kmeans", 0.4, 0.41, 0.42)})
    found = outcome(tmp_path, "half of the way")
    assert found.verdict == HOLDS and found.size == pytest.approx(0.31 / 0.4)
    write(tmp_path, "table1", {**rows, EVOLVED: runs("kmeans", 0.2, 0.21, 0.22)})
    assert outcome(tmp_path, "half of the way").verdict == FAILS


def test_the_best_single_task_is_the_one_to_beat(tmp_path):
    single = {"frame shuffle": runs("linear", 0.2, 0.2, 0.2), "joint embedding": runs("linear", 0.4, 0.4, 0.4)}
    write(tmp_path, "table1", {EVOLVED: runs("linear", 0.3, 0.31, 0.3), **single})
    found = outcome(tmp_path, "best single task")
    assert found.verdict == FAILS and "joint embedding 40.0" in found.ours


def test_every_single_task_has_to_be_ahead(tmp_path):
    rows = {UNTRAINED: runs("linear", 0.1, 0.1, 0.1), **{row: runs("linear", 0.2, 0.21, 0.2) for row in table1.SINGLE}}
    write(tmp_path, "table1", rows)
    assert outcome(tmp_path, "Every single task").verdict == HOLDS
    write(tmp_path, "table1", {**rows, "reverse": runs("linear", 0.1, 0.12, 0.09)})
    found = outcome(tmp_path, "Every single task")
    assert found.verdict == UNTOLD and found.reason == "not shown for reverse"


def test_equally_good_is_not_far_behind(tmp_path):
    zipf, weak = table1.EVOLVED["zipf"][0], table1.EVOLVED["weak"][0]
    write(tmp_path, "table1", {zipf: runs("linear", 0.4, 0.5, 0.45), weak: runs("linear", 0.41, 0.51, 0.46)})
    assert outcome(tmp_path, "Zipf score finds").verdict == HOLDS
    write(tmp_path, "table1", {zipf: runs("linear", 0.2, 0.3, 0.25), weak: runs("linear", 0.41, 0.51, 0.47)})
    assert outcome(tmp_path, "Zipf score finds").verdict == FAILS


def test_labels_needed(tmp_path):
    def curve(*values):
        return [run for labels, value in zip((12, 60, 120), values)
                for run in runs("finetune", value, value + 0.01, value - 0.01, labels=labels)]  # fmt: skip

    write(tmp_path, "label_budgets", {"untrained": curve(0.1, 0.3, 0.5), "ELo": curve(0.3, 0.6, 0.7)})
    found = outcome(tmp_path, "Half of the labels")
    # .5 is two thirds of the way from .3 to .6, on the logarithmic axis from 12 to 60.
    assert found.verdict == HOLDS and found.size == pytest.approx(12 * 5 ** (2 / 3) / 120)
    write(tmp_path, "label_budgets", {"untrained": curve(0.1, 0.3, 0.5), "ELo": curve(0.1, 0.2, 0.3)})
    found = outcome(tmp_path, "Half of the labels")
    assert (found.verdict, found.ours, found.size) == (FAILS, "never", None)


def test_more_videos(tmp_path):
    def row(*values):
        return [run for videos, value in zip((75, 150, 300), values)
                for run in runs("accuracy", value, value + 0.01, value - 0.01, videos=videos)]  # fmt: skip

    write(tmp_path, "unlabelled_videos", {"iterations fixed": row(0.2, 0.3, 0.4), "epochs fixed": row(0.2, 0.5, 0.4)})
    assert outcome(tmp_path, "iterations fixed").verdict == HOLDS
    found = outcome(tmp_path, "epochs fixed")
    assert found.verdict == FAILS and found.reason.endswith("a step goes down")


def test_searchers_are_compared_seed_by_seed(tmp_path):
    rows = [
        {"searcher": name, "fitness": "zipf", "seeds": [0, 1, 2], "winners": {"true/linear": values}}
        for name, values in {
            "cma_es": [0.3, 0.4, 0.5], "tournament": [0.2, 0.3, 0.4],
            "grid": [0.2, 0.31, 0.4], "random": [0.3, 0.5, 0.2],
        }.items()
    ]  # fmt: skip
    (tmp_path / "table4_x.json").write_text(json.dumps({"command": "c", "rows": rows}))
    found = outcome(tmp_path, "CMA-ES")
    assert found.verdict == UNTOLD and "over tournament +10.0 ± 0.0" in found.ours


def test_terms_that_agree_by_more_than_chance(tmp_path):
    content = {"command": "c", "terms": list("abcdefgh"), "directions": ["rises in all"] * 7 + ["differs"],
               "expected by chance": 2.0, "searches": [{}, {}, {}]}  # fmt: skip
    (tmp_path / "evolution.json").write_text(json.dumps(content))
    assert outcome(tmp_path, "which terms matter").verdict == HOLDS
    few = dict(content, directions=["rises in all"] * 4 + ["differs"] * 4)
    (tmp_path / "evolution.json").write_text(json.dumps(few))
    assert outcome(tmp_path, "which terms matter").verdict == UNTOLD


def test_correlations_of_worlds():
    assert claim_rules.correlation({"a": 0.9, "b": 0.8, "c": 0.95}).verdict == HOLDS
    assert claim_rules.correlation({"a": 0.5, "b": -0.1, "c": 0.0}).verdict == UNTOLD
    assert claim_rules.correlation({}).verdict == NOT_RUN


def test_damaged_results_are_named(tmp_path):
    (tmp_path / "table1.json").write_text("{")
    with pytest.raises(InputError, match="table1.json is damaged"):
        outcome(tmp_path, "loss beats random")
    (tmp_path / "table1.json").write_text("[]")
    with pytest.raises(InputError, match="is no file of results of this version"):
        outcome(tmp_path, "loss beats random")


def test_the_page_has_every_claim_and_the_tables_of_what_has_run(tmp_path):
    write(tmp_path, "table1", {UNTRAINED: runs("linear", 0.1, 0.1, 0.1)}, budget="5 clips")
    text = paper_page.page(Results(tmp_path), tmp_path)
    for claim in claims.CLAIMS:
        assert f"| {claim.text} | {claim.place} |" in text
    assert "[table1.md](results/table1.md)" in text and "| 1 | 2 |" in text and "budget: 5 clips" in text
    assert re.search(r"## Table 2\n\nNot run\.", text)
    assert text.count("\n## ") == len(paper_page.TABLES)


def test_sizes_of_the_paper_are_those_of_its_tables():
    assert table1.EVOLVED["zipf"][1][0] / table1.PAPER[RANDOM][0] == pytest.approx(1.64, abs=0.005)
    sizes = {claim.text: claim.size for claim in claims.CLAIMS}
    (own,) = [size for text, size in sizes.items() if "best single task" in text]
    best = max(paper[1] for _, paper in table1.SINGLE.values())
    assert own == pytest.approx(table1.EVOLVED["zipf"][1][1] - best)
