"""The loop over steps in this process: calls of several steps, streamed records, XLA, float16, pictures, divergence."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.config import InputError, TaskConfig
from elo_tf.train import pictures
from elo_tf.train.trainer import DivergedError
from tests import trainings, videos

STREAMED = {"resident_gb": 0.0, "max_sources_ahead": 4}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return videos.noise_records(tmp_path_factory.mktemp("trainer"))


@pytest.fixture(scope="module")
def one(records, tmp_path_factory):
    """A trainer that has made two steps, and their losses."""
    trainer = trainings.make(records, tmp_path_factory.mktemp("one"))
    return trainer, [trainer.advance(1).losses for _ in range(2)]


@pytest.mark.slow
def test_compiled_by_xla_it_takes_the_same_steps(one, records, tmp_path):
    compiled = trainings.make(records, tmp_path, jit_compile=True)
    for losses in one[1]:
        assert compiled.advance(1).losses == pytest.approx(losses, abs=1e-4)
    for variable, before in zip(compiled.model.variables, trainings.weights(one[0])):
        np.testing.assert_allclose(variable.numpy(), before, atol=1e-4, err_msg=variable.name)


def test_streamed_reading_goes_on_where_it_ended(records, tmp_path):
    """Seven steps of four clips are three epochs; the break is in the middle of one, and of a stretch of the buffer."""
    unbroken = trainings.make(records, tmp_path / "unbroken", data=STREAMED)
    unbroken.advance(7)
    broken = trainings.make(records, tmp_path / "broken", data=STREAMED)
    broken.advance(3)
    broken.save()
    resumed = trainings.make(records, tmp_path / "broken", data=STREAMED)
    assert resumed.restore().endswith("ckpt-3")
    progress = resumed.advance(4)
    assert progress.step == 7 and progress.clips == 16 and 0 <= progress.waiting <= 1
    # On several threads sums may come in another order, which does not show in the clips that were seen.
    for before, after in zip(trainings.weights(unbroken), trainings.weights(resumed)):
        np.testing.assert_allclose(after, before, atol=1e-5)
    seen = [np.array(batch["video"]) for batch, _ in zip(unbroken.reader.training(0, first=3), range(4))]
    whole = [np.array(batch["video"]) for batch, _ in zip(unbroken.reader.training(0), range(7))]
    np.testing.assert_array_equal(seen, whole[3:])


def test_stretches_end_at_every_event(one):
    trainer = one[0]
    settings = dataclasses.replace(trainer.settings.train, save_every=4, log_every=3, steps_a_call=100, steps=11)
    trainer.settings = dataclasses.replace(trainer.settings, train=settings)
    trainer.steps, step, stops = 11, 0, []
    while step < 11:
        step += trainer._until_next_event(step)
        stops.append(step)
    assert stops == [3, 4, 6, 8, 9, 11]


def test_float16_scales_the_loss(one, records, tmp_path):
    try:
        trainer = trainings.make(records, tmp_path, precision="mixed_float16")
        before = [variable.numpy() for variable in trainer.model.trainable_variables]
        losses = [trainer.advance(1).losses]
        while trainer.done < 12 and not trainer.model.optimizer.inner_optimizer.iterations:
            losses.append(trainer.advance(1).losses)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert losses[0] == pytest.approx(one[1][0], abs=0.02)
    assert all(np.isfinite(weight).all() for weight in trainings.weights(trainer))
    scale, start = float(trainer.model.optimizer.loss_scale), 2.0**15
    # Halved once for each step that was left out, until one was made.
    assert trainer.model.optimizer.inner_optimizer.iterations == 1
    assert scale == start / 2 ** (trainer.done - 1)
    moved = [abs(new.numpy() - old).max() for new, old in zip(trainer.model.trainable_variables, before)]
    assert max(moved) > 1e-4


def test_pictures_of_every_term_that_decodes(records, tmp_path):
    """Named, and on what each ought to show: the target above, what is decoded below."""
    tasks = ("rgb/reconstruct", "rgb/predict", "grey/colorize", "rgb-flow/transfer", "rgb-audio/transfer")
    trainer = trainings.make(records, tmp_path, tasks=(*tasks, "rgb/shuffle"))
    clips = trainer.sample(pictures.CLIPS)
    drawn = pictures.draw(trainer.model, clips)
    assert set(drawn) == set(tasks)
    for name, (decoded, target) in trainer.model.examples(clips).items():
        assert drawn[name].dtype == np.uint8 and drawn[name].shape[0] == 4 and drawn[name].shape[3] == 3
        assert decoded.shape == target.shape
    # The first frame of the first clip, averaged to half its size, is in the upper left corner, at twice the height.
    frame = clips["now"]["rgb"][0, 0].numpy().reshape(8, 2, 8, 2, 3).mean((1, 3))
    for name in ("rgb/reconstruct", "grey/colorize"):
        np.testing.assert_allclose(drawn[name][0, :16:2, :8] / 255, frame, atol=1 / 255)
    assert drawn["grey/colorize"].shape == (4, 2 * 16, 4 * 8, 3)


def test_a_weight_that_is_infinite_is_named(records, tmp_path):
    trainer = trainings.make(records, tmp_path)
    good = trainer.save()
    shuffle = next(task for task in trainer.model.tasks if task.name == "rgb/shuffle")
    shuffle.head.kernel.assign(tf.fill(shuffle.head.kernel.shape, np.inf))
    with pytest.raises(DivergedError, match="weights are not finite: rgb/shuffle.*kernel.*, at step 0"):
        trainer.save()
    with pytest.raises(DivergedError, match="not finite: rgb/shuffle at step 0"):
        trainer.advance(1)
    assert trainer.checkpoints.last == good and pathlib.Path(f"{good}.index").exists()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_term_with_a_value_but_no_gradient_is_named(records, tmp_path, accumulate):
    """At the step at which it arose, and the weights are as they were before."""
    trainer = trainings.make(records, tmp_path, accumulate=accumulate, clip_norm=1.0)
    shuffle = next(task for task in trainer.model.tasks if task.name == "rgb/shuffle")
    loss = shuffle.loss
    nothing = tf.Variable(0.0)  # A constant would be optimised away, and the fault with it.

    def poisoned(features, clips, training):
        seen = tf.add_n([tf.reduce_sum(each["embedding"]) for each in features.values()])
        return loss(features, clips, training) + tf.sqrt(seen * nothing)  # 0, whose derivative is infinite times 0.

    shuffle.loss = poisoned
    with pytest.raises(DivergedError, match="^not finite: the gradient of rgb/shuffle at step 0$"):
        trainer.advance(3)
    for weight in trainings.weights(trainer):
        assert np.isfinite(weight).all()


def test_epochs_in_place_of_steps(one, records, tmp_path):
    count = one[0].reader.videos.count
    trainer = trainings.make(records, tmp_path, epochs=4.0)
    assert trainer.steps == round(4 * count / 4)


def test_parts_must_divide_the_batch(records, tmp_path):
    with pytest.raises(InputError, match="--accumulate=3 does not split the 4 clips of a device"):
        trainings.make(records, tmp_path, accumulate=3)


def test_the_pointer_decodes_no_frames(records, tmp_path):
    trainer = trainings.make(
        records, tmp_path, tasks=("grey/colorize", "rgb/shuffle"), task=TaskConfig(colorize_head="pointer")
    )
    assert not trainer.model.examples(trainer.sample(2))
