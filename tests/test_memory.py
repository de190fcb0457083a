"""The memory of videos: who is remembered, what their clusters are, when they are renewed."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf.tasks.memory import VideoMemory


def unit(*shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def make(slots=16, width=4, clusters=3, clusterings=2, every=100):
    tf.keras.utils.set_random_seed(0)
    return VideoMemory(slots, width, clusters, clusterings, every)


def write(memory, videos, vectors, present=None):
    videos = tf.constant(videos, tf.int64)
    memory.write(videos, tf.constant(vectors), tf.ones(len(vectors)) if present is None else tf.constant(present))


def test_remembers_what_was_written():
    memory, vectors = make(), unit(3, 4)
    write(memory, [5, 100, 7], vectors)
    assert memory.known(tf.constant([5, 6, 100, 7], tf.int64)).numpy().tolist() == [True, False, True, True]
    np.testing.assert_array_equal(memory.vectors.numpy()[[5, 100 % 16, 7]], vectors)


def test_absent_videos_are_not_remembered():
    memory = make()
    before = memory.vectors.numpy()
    write(memory, [1, 2], unit(2, 4), present=[1.0, 0.0])
    assert memory.known(tf.constant([1, 2], tf.int64)).numpy().tolist() == [True, False]
    np.testing.assert_array_equal(memory.vectors.numpy()[2], before[2])


def test_the_later_video_of_a_slot_drives_the_other_out():
    memory = make()
    write(memory, [3], unit(1, 4))
    write(memory, [19], unit(1, 4, seed=1))
    assert memory.known(tf.constant([3, 19], tf.int64)).numpy().tolist() == [False, True]


def test_mixes_what_is_known_only():
    memory, old, new = make(), unit(1, 4), unit(2, 4, seed=1)
    write(memory, [3], old)
    mixed = memory.mixed(tf.constant([3, 4], tf.int64), tf.constant(new), 0.25).numpy()
    expected = 0.25 * old[0] + 0.75 * new[0]
    np.testing.assert_allclose(mixed[0], expected / np.linalg.norm(expected), rtol=1e-5)
    np.testing.assert_array_equal(mixed[1], new[1])


def test_unseen_videos_get_the_nearest_centre():
    memory, vectors = make(), unit(5, 4)
    labels = memory.labels_of(tf.range(5, dtype=tf.int64), tf.constant(vectors)).numpy()
    expected = np.einsum("bw,hkw->bhk", vectors, memory.centres.numpy()).argmax(2)
    np.testing.assert_array_equal(labels, expected)


def test_labels_last_until_all_is_clustered_anew():
    memory = make(every=3)
    # Three tight groups around the axes.
    vectors = np.repeat(np.eye(4, dtype=np.float32)[:3], 5, axis=0) + 0.01 * unit(15, 4)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    videos = tf.range(15, dtype=tf.int64)
    write(memory, videos, vectors)
    assert not memory.is_clustered()
    first = memory.labels.numpy()
    write(memory, videos, vectors[::-1])
    np.testing.assert_array_equal(memory.labels.numpy(), first)
    write(memory, videos, vectors)
    assert memory.is_clustered()
    for labels in memory.labels.numpy().T:
        groups = [set(labels[start : start + 5]) for start in (0, 5, 10)]
        assert all(len(group) == 1 for group in groups) and len(set.union(*groups)) == 3
    assert memory.sizes().numpy().tolist() == [[5.0] * 3] * 2


def test_empty_slots_do_not_draw_centres():
    memory = make(slots=64, clusterings=1, every=1)
    vectors = np.eye(4, dtype=np.float32)[:3]
    write(memory, [0, 1, 2], vectors)
    centres = memory.centres.numpy()[0]
    np.testing.assert_allclose(sorted(centres.tolist()), sorted(vectors.tolist()), atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_runs_in_a_graph(jit):
    def run():
        memory = make(every=2)
        step = tf.function(memory.write, jit_compile=jit)
        for seed in range(4):
            step(tf.constant([seed, seed + 1], tf.int64), tf.constant(unit(2, 4, seed=seed)), tf.ones(2))
        return memory

    eager = make(every=2)
    for seed in range(4):
        write(eager, [seed, seed + 1], unit(2, 4, seed=seed))
    for ours, theirs in zip(run().variables, eager.variables):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


def test_a_batch_in_parts_is_one_update():
    """Three updates of two parts each: six are written, and all is clustered after the last."""
    memory, whole = make(every=3), make(every=3)
    memory.parts = 2
    for update in range(3):
        assert not memory.is_clustered() and not whole.is_clustered()
        first, second = unit(2, 4, seed=2 * update), unit(2, 4, seed=2 * update + 1)
        write(memory, [4 * update, 4 * update + 1], first)
        write(memory, [4 * update + 2, 4 * update + 3], second)
        write(whole, range(4 * update, 4 * update + 4), np.concatenate([first, second]))
    assert memory.is_clustered() and whole.is_clustered()
    np.testing.assert_allclose(memory.centres.numpy(), whole.centres.numpy(), atol=1e-6)
