"""The model card: facts for users of the tower, as Markdown, from the records of its run."""

from typing import Any, Dict, Iterable, Iterator, Tuple


def write(facts: Dict[str, Any], name: str, evaluation: str) -> str:
    """The card.

    Args:
      facts: Content of tower.json (`export.saved_model.describe`).
      name: Of the model, "/" and version, as the programs of the card load it.
      evaluation: What has been measured (`export.accuracies`), Markdown.
    """
    export = facts["export"]
    sections = [
        f"# {name}\n\nAn RGB video network, a (2+1)D ResNet ({facts['backbone']}), trained without labels by elo_tf, "
        "an implementation of *Evolving Losses for Unsupervised Video Representation Learning* (CVPR 2020). It turns "
        f"a clip into a vector of {export['output']['width']} numbers.",
        f"## Input and output\n\n{_contract(facts)}",
        f"## How to use it\n\n{_programs(name, facts)}",
        f"## Training data\n\n{_table(_flatten(facts['data']))}",
        f"## Loss\n\n{_loss(facts['loss'])}",
        f"## Training\n\nCheckpoint after {export['step']} steps.\n\n{_table(_flatten(facts['training']))}",
        f"## Evaluation\n\n{evaluation}",
        f"## Intended use and limits\n\n{_limits(facts)}",
    ]
    return "\n\n".join(sections) + "\n"


def _contract(facts: Dict[str, Any]) -> str:
    return "\n".join(
        (
            "- Input: float32 `[B,T,H,W,3]`, RGB, **in [0,1]**, any B, T, H and W. Nothing else is to be done to it: "
            "the network centres the values itself.",
            "- The callable also takes float16, bfloat16 and float64 in [0,1], and uint8 in 0..255, which it divides "
            "by 255; other integers are refused. `training` is True, False or None, which means False. Signatures, "
            "`per_frame` and `stages` take float32 alone.",
            "- Under `mixed_float16` or `mixed_bfloat16` Keras rounds the input of a layer to that type before the "
            'module sees it; `hub.KerasLayer(..., dtype="float32")` keeps it exact. The arithmetic inside is that of '
            "the export in any case.",
            f"- It has been trained on {facts['frames']} frames of {facts['size']} x {facts['size']} pixels, "
            f"{facts['fps']:g} frames a second, cut out of frames of {facts['stored_size']} x {facts['stored_size']} "
            "pixels (the scaled centre square of a video). Other sizes work; near these it works best.",
            f"- Output: float32 `[B,{facts['export']['output']['width']}]`.",
            f"- Signature `encoded_frames`: strings `[B,T]`, a JPEG or PNG image each. The centre square of each is "
            f"scaled to {facts['stored_size']} x {facts['stored_size']} pixels (bilinear, antialiased), of which the "
            f"centre is taken; an image of {facts['size']} x {facts['size']} pixels is taken as it is. EXIF "
            "orientation is ignored.",
            f"- Arithmetic: {facts['export']['precision']}.",
        )
    )


def _programs(name: str, facts: Dict[str, Any]) -> str:
    shape = [8, facts["frames"], facts["size"], facts["size"], 3]
    maps = ", ".join(str(width) for width in facts["export"]["stages"].values())
    return f"""With TensorFlow 2.15 and tensorflow-hub, as a layer of a Keras model:

```python
import tensorflow as tf
import tensorflow_hub as hub

clips = tf.random.uniform({shape})  # Yours: [B,T,H,W,3], RGB in [0,1].
labels = tf.constant([0, 1] * 4)

# With trainable=False features stay as they are, and only the new layer learns.
model = tf.keras.Sequential([hub.KerasLayer("{name}", trainable=True), tf.keras.layers.Dense(2)])
model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
model.fit(clips, labels, batch_size=4)
```

With any newer TensorFlow (Keras 3), as a layer:

```python
import keras
import tensorflow as tf

clips = tf.random.uniform({shape})
labels = tf.constant([0, 1] * 4)
layer = keras.layers.TFSMLayer("{name}", call_endpoint="inference", call_training_endpoint="training")
features = layer(clips)  # [B,D]

# With trainable=False features stay as they are; leave call_training_endpoint out then.
model = keras.Sequential([keras.Input(clips.shape[1:]), layer, keras.layers.Dense(2)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
# Else fit stops at "kernel:0_momentum is not a valid scope name": in its graph Keras cannot name what it makes.
model.optimizer.build(model.trainable_variables)
model.fit(clips, labels, batch_size=4)
```

and in a loop of your own (`hub.load` gives the same object):

```python
import keras
import tensorflow as tf

clips = tf.random.uniform({shape})
labels = tf.constant([0, 1] * 4)
tower, head = tf.saved_model.load("{name}"), keras.layers.Dense(2)
features = tower(clips)
head.build(features.shape)
variables = list(tower.trainable_variables) + head.trainable_variables
optimizer = keras.optimizers.SGD(0.01, momentum=0.9)

with tf.GradientTape() as tape:
    logits = head(tower(clips, training=True))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    loss += tf.add_n([penalty() for penalty in tower.regularization_losses])
optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
```

`tower.per_frame(clips)` gives features over time; `tower.stages.stem`, `.stage1` ... `.stage4` give maps of
{maps} channels. Each has `variables`, `trainable_variables` and `regularization_losses` of its own. TF Serving takes
the directory above this one as it is."""


def _loss(loss: Dict[str, Any]) -> str:
    lambdas = loss.get("lambdas") if isinstance(loss, dict) else None
    if not lambdas:
        return "None: the network has not been trained by a weighted sum of losses."
    used = sorted(((value, name) for name, value in lambdas.items() if value > 0), key=lambda row: (-row[0], row[1]))
    rows = [(name, f"{value:.4g}") for value, name in used]
    unused = f"\n\n{len(lambdas) - len(used)} further terms have weight 0." if len(used) < len(lambdas) else ""
    return f"The sum of these terms, each times its weight λ:\n\n{_table(rows)}{unused}"


def _limits(facts: Dict[str, Any]) -> str:
    known = facts["data"].get("videos") if isinstance(facts["data"], dict) else None
    seen = f"the {known} videos" if known else "the videos"
    return f"""For features of short clips: retrieval, clustering, a classifier on top, or as the start of fine-tuning.

- It knows the world only from {seen} that it was trained on, and it carries whatever biases they have.
- It has not been tested for decisions about people, nor for safety-critical use.
- Values outside of [0,1] (for example 0 to 255), BGR colour or another frame rate give no error, but bad features."""


def _flatten(content: Any, path: str = "") -> Iterator[Tuple[str, str]]:
    """(dotted name, value) of everything in nested dictionaries that is a number, a short text or a short list."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _flatten(value, f"{path}.{name}" if path else str(name))
    elif isinstance(content, float):
        yield path, f"{content:.6g}"
    elif isinstance(content, (int, str)) and len(str(content)) <= 80:
        yield path, str(content)
    elif isinstance(content, list) and len(content) <= 8 and all(isinstance(one, (str, int)) for one in content):
        yield path, ", ".join(map(str, content))


def _table(rows: Iterable[Tuple[str, str]]) -> str:
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    if not escaped:
        return "Nothing was recorded."
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in escaped)])
