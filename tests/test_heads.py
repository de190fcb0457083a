"""Each kind of term against NumPy, on features given by hand; and the printed forms that cannot work, failing."""

import numpy as np
import pytest
import tensorflow as tf

from elo_tf import tasks
from elo_tf.config import TaskConfig
from elo_tf.data.clips import MODALITIES
from elo_tf.model.elo_model import EloModel, with_grey
from tests.batches import SIZES, random_clips

CHANNELS = {"stage2": 32, "stage3": 48, "stage4": 64, "embedding": 64}


def make(name, **config):
    """A built task and random features for it, unit normal."""
    tf.keras.utils.set_random_seed(0)
    beside = [] if name.startswith("rgb") or "distill" in name else ["rgb/shuffle"]
    terms = tasks.select(tuple(MODALITIES), [name, *beside], TaskConfig(**config))
    (task,) = [term for term in terms if term.name == name]
    task.build(SIZES, {modality: CHANNELS for modality in MODALITIES})
    return task


def embeddings(task, batch=6, width=64, seed=0):
    random = np.random.default_rng(seed)
    features = {}
    for modality, view in task.views:
        rows = batch if view == "plain" else batch // 2
        features[modality, view] = {"embedding": tf.constant(random.normal(size=[rows, width]), tf.float32)}
    return features


def entropy(logits, truth):
    probability = 1 / (1 + np.exp(-np.asarray(logits, np.float64).ravel()))
    return -np.log(probability if truth else 1 - probability)


def test_missing_videos_do_not_count_in_either_class():
    task, clips = make("audio/shuffle"), random_clips(batch=6)
    features = embeddings(task)
    clips["present"]["audio"] = tf.constant([1.0, 0, 0, 1, 1, 1])
    value = task.loss(features, clips, True)
    head = lambda view: (features["audio", view]["embedding"] @ task.head.kernel + task.head.bias).numpy()  # noqa: E731
    ordered, shuffled = entropy(head("plain"), True), entropy(head("shuffled"), False)
    # Shuffled are clips 0, 2 and 4, of which 2 is silent.
    expected = 0.5 * (ordered[[0, 3, 4, 5]].mean() + shuffled[[0, 2]].mean())
    assert value.numpy() == pytest.approx(expected, rel=1e-5)


def test_align_compares_a_clip_with_its_own_other_moment():
    task, clips = make("rgb-audio/align"), random_clips(batch=6)
    features = embeddings(task)
    value = task.loss(features, clips, True).numpy()
    project = [layer.kernel.numpy() for layer in task.projections]
    rgb = features["rgb", "plain"]["embedding"].numpy() @ project[0]
    now, other = (features["audio", view]["embedding"].numpy() @ project[1] for view in ("plain", "other"))
    logit = lambda a, b: np.concatenate([a, b, a * b], 1) @ task.head.kernel.numpy()  # noqa: E731
    expected = 0.5 * (entropy(logit(rgb, now), True).mean() + entropy(logit(rgb[::2], other), False).mean())
    assert value == pytest.approx(expected, rel=1e-4)


def test_distillation_stops_at_the_teacher_unless_both_are_to_follow():
    for both in (False, True):
        task, clips = make("flow/distill/stage3", distill_both_ways=both), random_clips(batch=2)
        maps = {
            name: tf.random.stateless_normal([2, 2, 4, 4, 48], [seed, 0]) for seed, name in enumerate(("rgb", "flow"))
        }
        with tf.GradientTape() as tape:
            tape.watch(maps)
            value = task.loss({(name, "plain"): {"stage3": each} for name, each in maps.items()}, clips, True)
        gradients = tape.gradient(value, maps)
        assert gradients["rgb"] is not None and (gradients["flow"] is not None) == both
        difference = (maps["rgb"] - maps["flow"]).numpy().reshape(2, -1)
        assert value.numpy() == pytest.approx(np.sqrt((difference**2).mean(1)).mean(), rel=1e-4)


def test_distillation_into_a_tower_of_other_width_goes_through_a_layer():
    (task,) = [t for t in tasks.select(tuple(MODALITIES), ["flow/distill/stage3"]) if t.kind == "distill"]
    task.build(SIZES, {name: {**CHANNELS, "stage3": 32 if name == "flow" else 48} for name in MODALITIES})
    maps = {
        name: tf.random.stateless_normal([2, 2, 4, 4, width], [width, 0]) for name, width in (("rgb", 48), ("flow", 32))
    }
    with tf.GradientTape() as tape:
        tape.watch(maps)
        value = task.loss({(name, "plain"): {"stage3": each} for name, each in maps.items()}, random_clips(2), True)
    gradients = tape.gradient(value, {**maps, "layer": task.trainable_variables})
    difference = (maps["rgb"].numpy() @ task.adapter.kernel.numpy() - maps["flow"].numpy()).reshape(2, -1)
    assert value.numpy() == pytest.approx(np.sqrt((difference**2).mean(1)).mean(), rel=1e-4)
    assert gradients["flow"] is None and gradients["rgb"] is not None and gradients["layer"][0] is not None


def test_distillation_from_sound_compares_means_over_places():
    task, clips = make("audio/distill/stage3"), random_clips(batch=2)
    rgb = tf.random.stateless_normal([2, 2, 4, 4, 48], [0, 0])
    audio = tf.random.stateless_normal([2, 2, 1, 2, 48], [1, 0])
    value = task.loss({("rgb", "plain"): {"stage3": rgb}, ("audio", "plain"): {"stage3": audio}}, clips, True)
    difference = (rgb.numpy().mean((2, 3)) - audio.numpy().mean((2, 3))).reshape(2, -1)
    assert value.numpy() == pytest.approx(np.sqrt((difference**2).mean(1)).mean(), rel=1e-4)


def test_no_distillation_leaves_the_genome():
    names = [term.name for term in tasks.select(tuple(MODALITIES), ["paper"], TaskConfig(distillation=False))]
    assert len(names) == 33 and not any("distill" in name for name in names)


def test_the_pointer_copies_colours_by_attention():
    task, clips = make("grey/colorize", colorize_head="pointer"), with_grey(random_clips(batch=2))
    maps = tf.random.stateless_normal([2, 4, 4, 4, 32], [0, 0])
    value = task.loss({("grey", "plain"): {"stage2": maps}}, clips, True).numpy()
    rgb, grey = clips["now"]["rgb"].numpy(), clips["now"]["grey"].numpy()
    # [T, H, W] = 8, 16, 16 in blocks of 2 x 4 x 4.
    colours = (rgb - grey).reshape(2, 4, 2, 4, 4, 4, 4, 3).mean((2, 4, 6)).reshape(2, 64, 3)
    keys = maps.numpy().reshape(2, 64, 32) @ task.projection.kernel.numpy() + task.projection.bias.numpy()
    scores = keys[:, 16:] @ keys[:, :16].transpose(0, 2, 1) / 8
    attention = np.exp(scores) / np.exp(scores).sum(2, keepdims=True)
    difference = (attention @ colours[:, :16] - colours[:, 16:]).reshape(2, -1)
    assert value == pytest.approx(np.sqrt((difference**2).mean(1) + 1e-6).mean(), rel=1e-4)


def test_videos_of_big_clusters_count_less():
    task, clips = make("rgb/deep_cluster", pseudo_labels=2, memory_videos=64), random_clips(batch=6)
    features = embeddings(task)
    # Of the videos that are remembered, 0 to 4 lie in cluster 0 and video 5 in cluster 1.
    task.memory.owners.assign([*range(6), *[-1] * 58])
    task.memory.labels.assign(tf.cast(tf.range(64) == 5, tf.int32)[:, tf.newaxis])
    value = task.loss(features, clips, True).numpy()
    x = features["rgb", "plain"]["embedding"].numpy()
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    logits = x @ task.head.kernel.numpy() + task.head.bias.numpy()
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    entropies = -logs[range(6), [0, 0, 0, 0, 0, 1]]
    assert value == pytest.approx(0.5 * (entropies[:5].mean() + entropies[5]), rel=1e-4)


def test_local_aggregation_equals_numpy():
    task, clips = (
        make("rgb/local_aggregation", pseudo_labels=8, memory_videos=64, recluster_every=1),
        random_clips(batch=6),
    )
    task.background = 10
    random = np.random.default_rng(1)
    task.memory.write(
        tf.range(3, 40, dtype=tf.int64),
        tf.math.l2_normalize(random.normal(size=[37, 64]).astype(np.float32), 1),
        tf.ones(37),
    )
    memory = {name: getattr(task.memory, name).numpy() for name in ("owners", "vectors", "labels")}
    features = embeddings(task)
    value = task.loss(features, clips, False).numpy()
    v = features["rgb", "plain"]["embedding"].numpy() @ task.projection.kernel.numpy()
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    expected = []
    for video, vector in enumerate(v):  # Videos 0 to 5, of which 3, 4 and 5 are remembered.
        counted = [slot for slot in range(64) if memory["owners"][slot] >= 0 or slot < 6]
        scores = memory["vectors"] @ vector / 0.07
        near = set(sorted(counted, key=lambda slot: -scores[slot])[:10]) | {video}
        close = {video}
        if video >= 3:
            same = (memory["labels"] == memory["labels"][video]).any(1) & (memory["owners"] >= 0)
            close |= {slot for slot in near if same[slot]}
        expected.append(-0.14 * np.log(np.exp(scores[list(close)]).sum() / np.exp(scores[list(near)]).sum()))
    assert value == pytest.approx(np.mean(expected), rel=1e-3)


def trained(task, batches, steps, rate):
    """Mean loss over the last quarter of the steps, on batches that are never seen twice."""
    optimizer, values = tf.keras.optimizers.legacy.Adam(rate), []

    @tf.function(autograph=False)
    def step(features, clips):
        with tf.GradientTape() as tape:
            value = task.loss(features, clips, True)
        optimizer.apply_gradients(zip(tape.gradient(value, task.trainable_variables), task.trainable_variables))
        return value

    task.loss(*batches(0), True)
    for seed in range(steps):
        values.append(float(step(*batches(seed))))
    return np.mean(values[-steps // 4 :])


def moments(seed):
    """Features in which two modalities show the same moment of a video by the same sign pattern, hidden in noise."""
    random, clips = np.random.default_rng(seed), random_clips(batch=64, size=2, frames=2, future=1, steps=1, bins=1)
    now, other = random.normal(size=[64, 8]), random.normal(size=[64, 8])
    mixing = np.random.default_rng(99).normal(size=[2, 8, 64])
    return {
        ("rgb", "plain"): {"embedding": tf.constant(now @ mixing[0], tf.float32)},
        ("audio", "plain"): {"embedding": tf.constant(now @ mixing[1], tf.float32)},
        ("audio", "other"): {"embedding": tf.constant(other[::2] @ mixing[1], tf.float32)},
    }, clips


@pytest.mark.parametrize("head", ["literal", "product"])
def test_one_layer_on_the_concatenation_cannot_align(head):
    last = trained(make("rgb-audio/align", align_head=head), moments, steps=400, rate=0.005)
    assert last > 0.69 if head == "literal" else last < 0.4


def scenes(seed, batch=16):
    """Clips whose brightness (RGB) and loudness (sound) over time are in part a random curve of the video."""
    random, clips = np.random.default_rng(seed), random_clips(batch, seed=seed)
    curve = random.random([batch, 8, 1, 1, 1]).astype(np.float32)
    for modality in ("rgb", "audio"):
        clips["now"][modality] = 0.7 * clips["now"][modality] + 0.3 * curve
    return clips


@pytest.mark.slow
@pytest.mark.parametrize("head", ["literal", "normalized"])
def test_the_printed_contrastive_loss_collapses(head):
    tf.keras.utils.set_random_seed(0)
    config = TaskConfig(embed_head=head, embed_margin=1.0 if head == "literal" else 1.4)
    model = EloModel(tasks.select(("rgb", "audio"), ["rgb-audio/embed"], config), SIZES)
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(3e-3))

    def apart():
        x = model(scenes(1000)["now"]["rgb"], training=True).numpy()
        return np.linalg.norm(x - np.roll(x, 1, axis=0), axis=1).mean()

    model.compute_losses(scenes(0))
    before = apart()
    step = tf.function(model.train_step, autograph=False)
    values = [float(step(scenes(seed))["rgb-audio/embed"]) for seed in range(150)]
    last = np.mean(values[-20:])
    if head == "literal":
        # All videos at nearly one point: the pull is gone, and the push costs the margin.
        assert 0.95 < last < 1.05 and apart() < 0.15 * before
    else:
        assert last < values[0] - 0.15 and apart() > before
