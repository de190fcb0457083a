"""What a stranger's program does with an exported module, each in a process of its own.

    PYTHON tests/consumer.py TASK VERSION [ARGUMENT ...]

Imports TensorFlow, NumPy, hub and Keras, nothing of elo_tf, so that it also runs in another environment. Each task
leaves an .npz file, which the test compares with the tower in memory.
"""

import os
import runpy
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

RATE = 0.1


def outputs(version, given, answer):
    """All callables and signatures on each of `video0`, `video1` ..., and `encoded_frames` on `frames` [B,T]."""
    module = tf.saved_model.load(version)
    inputs = np.load(given)
    found = {"names": [variable.name for variable in module.variables]}
    for name in inputs.files:
        if name == "frames":
            strings = tf.constant(inputs[name].tolist())
            found[name] = module.signatures["encoded_frames"](frames=strings)["embedding"]
            continue
        video = inputs[name]
        found[f"{name}/embedding"] = module(video)
        found[f"{name}/serving_default"] = module.signatures["serving_default"](video=tf.constant(video))["embedding"]
        found[f"{name}/per_frame"] = module.per_frame(video)
        for stage in ("stem", "stage1", "stage2", "stage3", "stage4"):
            found[f"{name}/{stage}"] = getattr(module.stages, stage)(video, training=False)
    try:
        module.signatures["encoded_frames"](frames=tf.constant([["no image"]]))
    except tf.errors.InvalidArgumentError as error:
        found["refusal"] = error.message
    np.savez(answer, **found)


def hub_step(version, given, answer):
    """One step of gradient descent on `video0` with hub.load, loss mean(embedding^2) + penalties; a step of a piece."""
    import tensorflow_hub as hub

    module = hub.load(version)
    video = np.load(given)["video0"]
    found = {"embedding": module(video)}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(module(video, training=True) ** 2)
        loss += tf.add_n([penalty() for penalty in module.regularization_losses])
    gradients = tape.gradient(loss, module.trainable_variables)
    for variable, gradient in zip(module.trainable_variables, gradients):
        variable.assign_sub(RATE * gradient)
    found["loss"] = loss
    found.update({f"variable{index}": variable.numpy() for index, variable in enumerate(module.variables)})

    before = [variable.numpy() for variable in module.variables]
    piece = module.stages.stage1
    piece(video, training=True)
    moved = [bool((old != new.numpy()).any()) for old, new in zip(before, module.variables)]
    found["piece_variables"], found["moved_by_piece"] = len(piece.variables), moved
    np.savez(answer, **found)


def keras_layer(version, given, answer):
    """Fits one step with hub.KerasLayer and a new layer: frozen, trained, and trained on two logical CPUs."""
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    video, found = np.load(given)["video0"], {}
    for way, strategy in (
        ("frozen", tf.distribute.get_strategy()),
        ("trained", tf.distribute.get_strategy()),
        ("replicas", tf.distribute.MirroredStrategy(names)),
    ):
        fitted = _fit_layer(version, video, way != "frozen", strategy)
        found.update({f"{way}/{name}": value for name, value in fitted.items()})
    np.savez(answer, **found)


def _fit_layer(version, video, trainable, strategy):
    import tensorflow_hub as hub

    with strategy.scope():
        layer = hub.KerasLayer(version, trainable=trainable)
        model = tf.keras.Sequential([layer, tf.keras.layers.Dense(2)])
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(tf.keras.optimizers.legacy.SGD(RATE), loss)
    found = {"embedding": layer(video), "penalty": tf.add_n(layer.losses), "trainable": len(layer.trainable_variables)}
    before = [variable.numpy() for variable in layer.variables]
    model.fit(video, np.arange(len(video)) % 2, batch_size=len(video), epochs=1, shuffle=False, verbose=0)
    found["is_weight"] = ["moving_" not in variable.name for variable in layer.variables]
    found["moved"] = [bool((old != new.numpy()).any()) for old, new in zip(before, layer.variables)]
    # Statistics are each replica's own until they are read, which averages them.
    copies = [strategy.experimental_local_results(variable) for variable in layer.trainable_weights]
    found["apart"] = max([float(np.abs(copy - some[0]).max()) for some in copies for copy in some], default=0)
    found["replicas"] = strategy.num_replicas_in_sync
    return found


def keras_policies(version, given, answer):
    """hub.KerasLayer under each policy of Keras, on floats, and on pixels; under float16 it is fitted."""
    import tensorflow_hub as hub

    video, found = np.load(given)["video0"], {}
    pixels = np.round(video * 255).astype(np.uint8)
    for policy in ("float32", "mixed_bfloat16", "mixed_float16", "float64"):
        tf.keras.mixed_precision.set_global_policy(policy)
        layer = hub.KerasLayer(version, trainable=True)
        found[f"{policy}/embedding"], found[f"{policy}/pixels"] = layer(video), layer(pixels)
        found[f"{policy}/exact"] = hub.KerasLayer(version, dtype="float32")(video)
        if policy != "mixed_float16":
            continue
        model = tf.keras.Sequential([layer, tf.keras.layers.Dense(2, dtype="float32")])
        model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        before = [variable.numpy() for variable in layer.variables]
        fitted = model.fit(video, np.arange(len(video)) % 2, batch_size=len(video), verbose=0)
        found["loss"] = fitted.history["loss"]
        found["moved"] = [bool((old != new.numpy()).any()) for old, new in zip(before, layer.variables)]
    np.savez(answer, **found)


def input_types(version, given, answer):
    """The callable on each type of input, as tensors, arrays and a list, and for each value of `training`."""
    module = tf.saved_model.load(version)
    video = np.load(given)["video1"]
    pixels = np.round(video * 255).astype(np.uint8)
    found = {"list": module(video.tolist()), "uint8": module(pixels), "uint8 tensor": module(tf.constant(pixels))}
    found["float64"] = module(video.astype(np.float64))
    for name in ("float16", "bfloat16", "float64"):
        found[f"{name} tensor"] = module(tf.cast(video, name))
    found["None"], found["piece"] = module(video, training=None), module.per_frame(video, training=None)
    found["inference"] = module.inference(tf.constant(pixels))
    try:
        module(pixels.astype(np.int64))
    except ValueError as error:
        found["refusal"] = str(error)
    found["training"] = module.training(video)
    found["True"] = module(tf.constant(video), training=True)
    np.savez(answer, **found)


def keras3(version, given, answer):
    """TFSMLayer, by itself and in a functional model."""
    import keras

    video = np.load(given)["video0"]
    layer = keras.layers.TFSMLayer(version, call_endpoint="serving_default")
    clips = keras.Input([None, None, None, 3])
    model = keras.Model(clips, layer(clips)["embedding"])
    found = {"embedding": layer(video)["embedding"], "model": model.predict(video, verbose=0)}
    np.savez(answer, versions=[tf.__version__, keras.__version__], **found)


def keras3_fit(version, given, answer, *policies):
    """Fits a step with TFSMLayer and Adam under each policy, without and with the optimizer built beforehand."""
    import keras

    video, found = np.load(given)["video0"], {}
    for policy in policies:
        keras.config.set_dtype_policy(policy)
        found.update({f"{policy}/{name}": value for name, value in _fit_keras3(version, video).items()})
    np.savez(answer, **found)


def _fit_keras3(version, video):
    import keras

    labels, found = np.arange(len(video)) % 2, {}
    for way in ("plain", "built"):
        keras.utils.clear_session()  # Names of variables begin anew, as in a program of its own.
        keras.utils.set_random_seed(0)
        layer = keras.layers.TFSMLayer(version, call_endpoint="inference", call_training_endpoint="training")
        found["embedding"] = layer(video)
        model = keras.Sequential([keras.Input(video.shape[1:]), layer, keras.layers.Dense(2, dtype="float32")])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        if way == "built":
            model.optimizer.build(model.trainable_variables)
        before = [variable.numpy() for variable in layer._reloaded_obj.variables]
        try:
            found["loss"] = model.fit(video, labels, batch_size=len(video), verbose=0).history["loss"]
        except ValueError as error:
            found["refusal"] = str(error)
        moved = [bool((old != new.numpy()).any()) for old, new in zip(before, layer._reloaded_obj.variables)]
        found[f"{way}/moved"] = moved
        found["trainable"] = len(layer.trainable_variables)
    return found


def program(answer, *files):
    """Runs programs, one after the other, and keeps their `clips` and `features`, and whether a `model` was fitted."""
    found = {}
    for index, file in enumerate(files):
        names = runpy.run_path(file)
        for name in ("clips", "features"):
            if name in names:
                found[f"{index}/{name}"] = names[name]
        if "model" in names:
            found[f"{index}/loss"] = names["model"].history.history["loss"]
    np.savez(answer, **found)


if __name__ == "__main__":
    tasks = {
        task.__name__: task
        for task in (outputs, hub_step, keras_layer, keras_policies, input_types, keras3, keras3_fit, program)
    }
    tasks[sys.argv[1]](*sys.argv[2:])
