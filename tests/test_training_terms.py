"""Which terms a training has: what is dropped is not built, what is wrong with a loss file is one line."""

import json

import numpy as np
import pytest

from elo_tf.config import InputError, TaskConfig
from elo_tf.data.clips import ClipSizes
from elo_tf.model.elo_model import EloModel
from elo_tf.model.objective import save_loss
from elo_tf.train.terms import choose
from tests.batches import random_clips

NAMES = ("rgb/reconstruct", "rgb/shuffle", "audio/reconstruct", "rgb-flow/embed")
SIZES = ClipSizes(frames=4, future_frames=2, size=16, audio_steps=4, mel_bins=16)


def write(path, lambdas=(0.5, 0.25, 0.005, 0.009), names=NAMES, **about):
    save_loss(path, names, lambdas, about)
    return str(path)


def test_terms_of_small_weight_are_not_in_the_graph(tmp_path):
    terms = choose(write(tmp_path / "loss.json"), TaskConfig(), 0.01)
    assert terms.lambdas == {"rgb/reconstruct": 0.5, "rgb/shuffle": 0.25}
    assert terms.dropped == {"audio/reconstruct": 0.005, "rgb-flow/embed": 0.009} and terms.units is None
    model = EloModel(terms.tasks, SIZES)
    losses = model.compute_losses(random_clips(frames=4, future=2))
    assert set(losses) == set(terms.lambdas) and set(model.towers) == {"rgb"}
    assert not [each.name for each in model.variables if "audio" in each.name or "embed" in each.name]
    assert model.needs == {("now", "rgb")}
    # The views and the tower of a term that stays are there.
    whole = EloModel(choose(write(tmp_path / "loss.json"), TaskConfig(), 0.001).tasks, SIZES)
    assert set(whole.towers) == {"rgb", "flow", "audio"}
    views = EloModel(choose(write(tmp_path / "loss.json"), TaskConfig(), 0.5).tasks, SIZES).views
    assert views == {"rgb": ["plain"]} and model.views == {"rgb": ["plain", "shuffled"]}


def test_a_weight_of_zero_is_dropped_at_any_threshold(tmp_path):
    terms = choose(write(tmp_path / "loss.json", (0.5, 0.0, 0.005, 0.1)), TaskConfig(), 0.0)
    assert terms.dropped == {"rgb/shuffle": 0.0}


def test_units_of_the_file_are_kept(tmp_path):
    units = {name: 2.0 + place for place, name in enumerate(NAMES)}
    save_loss(tmp_path / "loss.json", NAMES, [0.5, 0.25, 0.0, 0.0], {}, units)
    terms = choose(str(tmp_path / "loss.json"), TaskConfig(), 0.01)
    assert terms.units == {"rgb/reconstruct": 2.0, "rgb/shuffle": 3.0}
    model = EloModel(terms.tasks, SIZES)
    model.objective.assign(list(terms.lambdas.values()))
    model.objective.assign_units(terms.units)
    total = model.objective.total({"rgb/reconstruct": np.float32(8.0), "rgb/shuffle": np.float32(6.0)})
    assert float(total) == pytest.approx(0.5 * 8 / 2 + 0.25 * 6 / 3)


def test_random_losses_follow_from_their_seed():
    def draw(seed, **limits):
        return choose(f"random:{seed}", TaskConfig(), 0.0, ("rgb/*", "rgb-audio/embed"), **limits)

    first = draw(3).lambdas
    assert draw(3).lambdas == first and draw(4).lambdas != first
    assert "rgb-audio/embed" in first and all(0 <= value <= 1 for value in first.values())
    assert len({*first.values()}) == len(first) > 5
    with pytest.raises(InputError, match="rgb-audio/embed"):
        draw(3, modalities=("rgb", "flow"))


def test_a_random_loss_can_have_the_terms_and_units_of_another_loss(tmp_path):
    units = {name: 2.0 + place for place, name in enumerate(NAMES)}
    save_loss(tmp_path / "loss.json", NAMES, [0.5, 0.25, 0.0, 1.0], {}, units)
    found = choose("random:3", TaskConfig(), 0.0, ("rgb/shuffle",), like=str(tmp_path / "loss.json"))
    assert found.units == units
    assert list(found.lambdas.values()) == np.random.default_rng(3).random(len(NAMES)).tolist()
    equal = choose("equal", TaskConfig(), 0.0, like=str(tmp_path / "loss.json"))
    assert equal.lambdas == dict.fromkeys(NAMES, 1.0) and equal.units == units


def test_equal_weights_are_one_for_each_term():
    chosen = choose("equal", TaskConfig(), 0.0, ("rgb/*", "rgb-audio/embed"))
    assert set(chosen.lambdas.values()) == {1.0} and len(chosen.lambdas) > 5 and chosen.units is None


def changed(path, **changes):
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: path.write_text("{"), "is not a loss file"),
        (lambda path: path.write_text("[]"), "is not a loss file"),
        (lambda path: changed(path, schema_hash="0" * 16), "has another schema_hash .0000000000000000, here "),
        (
            lambda path: changed(path, lambdas={"rgb/juggle": 0.5}),
            "terms that are unknown here: rgb/juggle; known: rgb/",
        ),
        (lambda path: changed(path, lambdas={"rgb/shuffle": 1.5}), "lambda of rgb/shuffle is 1.5"),
        (lambda path: changed(path, lambdas={"rgb/shuffle": float("nan")}), "lambda of rgb/shuffle is nan"),
        (lambda path: changed(path, lambdas={"rgb/shuffle": "much"}), "is not a loss file"),
        (lambda path: changed(path, units={"rgb/shuffle": 1.0}), "is not a loss file"),
        (lambda path: write(path, [0.001] * 4), "--drop_below=0.01 drops all terms"),
        (lambda path: write(path, [0.5], ["audio/reconstruct"]), "gives the RGB tower no gradient"),
    ],
)
def test_a_loss_that_cannot_be_used_is_one_line(tmp_path, spoil, message):
    path = tmp_path / "loss.json"
    write(path)
    spoil(path)
    with pytest.raises(InputError, match=message) as error:
        choose(str(path), TaskConfig(), 0.01)
    assert "\n" not in str(error.value) and "loss.json" in str(error.value)


@pytest.mark.parametrize("name", ["random:", "random:x", "random:-1"])
def test_a_seed_is_a_whole_number(name):
    with pytest.raises(InputError, match=f"--loss={name}: the seed"):
        choose(name, TaskConfig(), 0.0)
