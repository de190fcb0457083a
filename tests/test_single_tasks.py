"""The experiment on single terms: its rows, its table, its record of finished runs, its protocols."""

import dataclasses
import functools
import os
import sys

import numpy as np
import pytest

from elo_tf.config import InputError, TrainConfig
from experiments import jobs, protocols, single_tasks, training, worlds
from experiments.single_tasks import Row
from tests.smokes import rows_of, smoke


@pytest.fixture(scope="module")
def terms():
    return training.select(["*"])


@pytest.fixture(scope="module")
def rows(terms):
    return single_tasks.make_rows(terms)


def test_each_term_is_the_subject_of_one_row(rows, terms):
    assert sorted(row.subject for row in rows if row.subject) == sorted(term.name for term in terms)
    assert len({row.name for row in rows}) == len(rows)


def test_every_row_trains_the_rgb_tower_and_is_compared_with_a_row(rows):
    names = {row.name for row in rows}
    for row in rows:
        assert row.control in names
        if row.patterns:
            assert any("rgb" in term.teaches for term in training.select(row.patterns)), row.name


def test_a_row_and_its_control_differ_by_the_subject(rows):
    by_name = {row.name: row for row in rows}
    beside = [row for row in rows if row.subject and row.control != single_tasks.UNTRAINED]
    assert {"flow/shuffle", "audio/reconstruct", "flow-audio/embed"} <= {row.subject for row in beside}
    for row in beside:
        assert set(row.patterns) - set(by_name[row.control].patterns) == {row.subject}


def test_a_trained_teacher_is_taught_by_its_own_terms_only(rows, terms):
    (row,) = [row for row in rows if row.name == "flow/distill/stage3 (trained teacher)"]
    own = {term.name for term in terms if term.teaches == ("flow",)}
    assert {"flow/reconstruct", "flow/shuffle"} <= own
    assert set(row.patterns) == own | {"flow/distill/stage3"}
    assert row.control == "flow/distill/stage3"


def test_clustering_stands_alone_and_beside_an_embedding():
    @dataclasses.dataclass
    class Term:
        name: str
        kind: str
        teaches: tuple = ("rgb",)
        modalities: tuple = ("rgb",)

    made = single_tasks.make_rows([Term("rgb/deep-cluster", "deep-cluster")])
    assert [row.name for row in made[2:4]] == ["rgb/deep-cluster", "rgb/deep-cluster + rgb-flow/embed"]
    assert made[3].control == "rgb-flow/embed" and made[3].subject == ""


def test_rows_are_chosen_by_pattern(rows):
    chosen = single_tasks.choose(rows, ["all", "rgb/*"])
    assert {"rgb/shuffle", "all"} <= {row.name for row in chosen}
    assert all(row.name == "all" or row.name.startswith("rgb/") for row in chosen)
    with pytest.raises(InputError, match="'shuffle' matches none of"):
        single_tasks.choose(rows, ["shuffle"])


def test_the_table_of_results_worked_by_hand():
    def runs(*linear):
        return {seed: {"kmeans": 0.2, "linear": value, "seconds": 10 + seed} for seed, value in enumerate(linear)}

    rows = [Row("untrained"), Row("a", ("a",), "noted"), Row("b + a", ("a", "b"), control="a"), Row("absent", ("c",))]
    results = {"untrained": runs(0.1, 0.1, 0.1), "a": runs(0.2, 0.3, 0.4), "b + a": runs(0.45)}
    results["b + a"][1] = {"reason": "not finite: b by step 50", "seconds": 5.0}
    lines = single_tasks.table(rows, results).splitlines()
    assert lines[2:] == [
        "| untrained | .200 ± .000 | .100 ± .000 |  |  | 11 |  |",
        # s.d. .1, standard error .1 / sqrt(3) = .0577, .2 / .0577 = 3.5
        "| a | .200 ± .000 | .300 ± .100 | +.200 (+3.5 s.e.) |  | 11 | noted |",
        "| b + a | .200 | .450 | +.350 | +.150 over a | 8 | seed 1: not finite: b by step 50 |",
    ]


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    seed: int


def leave_a_mark(folder, job):
    """Work of the tests below, in a process of its own."""
    if job.name == "bad":
        sys.exit(3)
    with open(os.path.join(folder, "marks"), "a") as file:
        file.write(f"{job.name}{job.seed}\n")
    return {"value": job.seed + 0.5}


def run(folder, todo):
    work = functools.partial(leave_a_mark, str(folder))
    return list(jobs.run(todo, work, jobs.Record(folder / "record"), processes=1))


def marks(folder):
    return (folder / "marks").read_text().split()


def test_a_finished_job_does_not_run_again(tmp_path):
    first, second = Job("a", 0), Job("a", 1)
    assert run(tmp_path, [first]) == [first]
    with open(tmp_path / "record", "a") as file:
        file.write('{"job": {"name": "a", "se')  # The command was killed in mid-write.
    assert run(tmp_path, [first, second]) == [second]
    assert run(tmp_path, [first, second]) == []
    assert marks(tmp_path) == ["a0", "a1"]
    record = jobs.Record(tmp_path / "record")
    assert record.of_all_seeds(Job("a", 7)) == {0: {"value": 0.5}, 1: {"value": 1.5}}
    with pytest.raises(InputError, match="in use"):
        jobs.Record(tmp_path / "record")


def test_a_process_that_dies_is_named_and_what_ended_before_is_kept(tmp_path):
    with pytest.raises(RuntimeError, match="exit status 3 .*bad"):
        run(tmp_path, [Job("a", 0), Job("bad", 0)])
    assert Job("a", 0) in jobs.Record(tmp_path / "record")


def test_a_loss_that_is_not_finite_ends_the_run():
    class Batches(list):
        def take(self, count):
            return self[:count]

    values = iter([1.0, float("nan"), 1.0])
    with pytest.raises(training.DivergedError, match="not finite: a by step 2"):
        training.make_steps(lambda clips: {"a": next(values), "b": 0.0}, Batches([0, 1, 2]), 2)


@pytest.mark.slow
def test_all_runs_of_a_seed_start_from_the_same_tower():
    from elo_tf.model.elo_model import EloModel
    from tests.batches import SIZES

    train = TrainConfig()
    job = training.Job("main:0", "untrained", (), False, 5, 16, 2, train)
    alone = training.new_tower(job)
    model = EloModel(training.select(["rgb/*", "rgb-flow/*"]), SIZES)
    joined = training._draw_weights(model.towers["rgb"], job)
    assert len(alone.variables) == len(joined.variables) > 10
    for ours, theirs in zip(alone.variables, joined.variables):
        np.testing.assert_array_equal(ours, theirs)
    other = training.new_tower(dataclasses.replace(job, seed=6))
    assert any(np.any(ours != theirs) for ours, theirs in zip(alone.get_weights(), other.get_weights()))


def test_kmeans_accuracy_of_two_heaps():
    features = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2], [9.3]])
    labels = np.array([0, 0, 1, 1, 1, 0, 1])  # Majorities: 2 of 3, 3 of 4.
    assert protocols.kmeans_accuracy(features, labels, clusters=2) == pytest.approx(5 / 7)


def test_kmeans_accuracy_is_the_mean_over_restarts():
    from sklearn.cluster import KMeans

    random = np.random.default_rng(0)
    features, labels = random.standard_normal([40, 3]), random.integers(0, 4, 40)
    hits = [
        sum(max(sum((labels == k) & (found == c)) for k in range(4)) for c in range(4)) / 40
        for found in (KMeans(4, n_init=1, random_state=seed).fit(features).labels_ for seed in range(3))
    ]
    accuracy = protocols.kmeans_accuracy(features, labels, clusters=4, restarts=3)
    assert accuracy == pytest.approx(np.mean(hits))
    assert len(set(hits)) > 1


def test_linear_accuracy_counts_held_out_clips():
    train = np.array([[-2.0], [-1.9], [-1.8], [1.8], [1.9], [2.0]])
    held_out = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    labels = np.array([0, 0, 1, 0])  # The last one lies among class 1.
    assert protocols.linear_accuracy(train, np.array([0, 0, 0, 1, 1, 1]), held_out, labels) == 0.75


def test_features_are_measured_in_units_of_the_training_part():
    train, held_out = protocols.standardise(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 5.0]]))
    np.testing.assert_allclose(train, [[-1, 0], [1, 0]], atol=1e-5)
    np.testing.assert_allclose(held_out, [[3, 0]], atol=1e-5)


def test_a_world_is_named_by_list_and_seed():
    config = worlds.settings("third:21", world=7)
    assert (config.world_classes, config.world_seed, config.world) == ("third", 21, 7)
    assert (config.world_nuisance, worlds.slug(config)) == (1.0, "third-21")
    easy = worlds.settings("main:3:0.2")
    assert (easy.world_nuisance, worlds.slug(easy)) == (0.2, "main-3-0.2")
    for name in ("third", "third:x", "third:1:y", "third:1:0.2:3", "third:1:7"):
        with pytest.raises(InputError, match=f"'{name}' is not LIST:SEED or LIST:SEED:NUISANCE|world_nuisance=7"):
            worlds.settings(name)


@pytest.mark.slow
def test_the_experiment_runs_at_its_smoke_size():
    assert rows_of(smoke("single_tasks")) == ["untrained", "supervised", "rgb/shuffle", "rgb-flow/embed"]
