"""The RGB tower with TensorFlow's reusable SavedModel interface: a callable with its variables and parts.

    obj(video, training=False)                 [B,T,H,W,3] -> [B,D]
    obj.per_frame(video, training=False)       [B,T,H,W,3] -> [B,T',D], T' = ceil(T/8)
    obj.stages.stem ... obj.stages.stage4      [B,T,H,W,3] -> [B,T',H',W',C']
    obj.inference(video), obj.training(video)  obj at training=False and at True, as endpoints of a TFSMLayer

The first three have `variables`, `trainable_variables` and `regularization_losses` of their own, those of the layers
that they run. `video` is RGB of any B, T, H, W: float32, float16, bfloat16 or float64 in [0,1], or uint8 in 0..255,
which is divided by 255. Keras casts the input of a layer to the type of its policy, so each type has a graph of its
own, which makes it float32; what comes out is float32. `training=None` means False. There is no dropout, no head, no
lookup table and no custom gradient in it.
"""

from typing import Callable, Dict, List, Sequence

import tensorflow as tf

from elo_tf.networks.backbone import ENDPOINTS, Backbone
from export.images import decode_frames

# float32 first: what has no type, such as a list of numbers, is taken by the first that can.
DTYPES = (tf.float32, tf.bfloat16, tf.float16, tf.float64, tf.uint8)
VIDEO = tf.TensorSpec([None, None, None, None, 3], DTYPES[0], "video")
FRAMES = tf.TensorSpec([None, None], tf.string, "frames")

SERVING_DEFAULT = "serving_default"
ENCODED_FRAMES = "encoded_frames"

# The stretches of the network, each from the endpoint before it.
MAPS = ENDPOINTS[:-1]


class Stretch:
    """The layers between two endpoints: the stem or a stage.

    All pieces call the same graphs of the stretches, so that the file, and the time to load it, do not grow with the
    number of pieces.

    Attributes:
      run: (map [B,T,H,W,C], training) -> map of the next endpoint, in the compute type of the network.
      variables: Of its layers.
      penalty: Zero-argument function, the L2 penalty on its convolution kernels.
    """

    def __init__(self, network: Backbone, name: str, weight_decay: float):
        place = MAPS.index(name)
        layers: List[tf.keras.layers.Layer] = network.stages[place - 1] if place else [network.stem, network.stem_norm]
        kernels = [
            module.kernel
            for layer in layers
            for module in layer.submodules
            if isinstance(module, tf.keras.layers.Conv2D)
        ]
        self.variables = [variable for layer in layers for variable in layer.variables]
        self.run = tf.function(lambda video, training: network.advance(name, video, training), autograph=False)
        self.penalty = tf.function(
            lambda: weight_decay * tf.add_n([tf.reduce_sum(kernel**2) for kernel in kernels]), input_signature=[]
        )


class Piece(tf.Module):
    """A callable with the variables that it uses, as hub.KerasLayer expects it.

    Args:
      stretches: What it runs, in order.
      finish: Last map -> result, float32.
      penalised: Whether there are `regularization_losses`.

    Attributes:
      variables, trainable_variables: Lists of variables, which a loaded SavedModel has too. The Keras layers behind
        them are not kept, and with them all that Keras would store.
      regularization_losses: Zero-argument functions, to be summed.
    """

    # Those of tf.Module are properties, which a SavedModel does not keep.
    variables = None
    trainable_variables = None

    def __init__(self, stretches: Sequence[Stretch], finish: Callable, penalised: bool):
        super().__init__()
        self._runs = tuple(stretch.run for stretch in stretches)
        self._finish = finish
        self.variables = [variable for stretch in stretches for variable in stretch.variables]
        self.trainable_variables = [variable for variable in self.variables if variable.trainable]
        self.regularization_losses = [stretch.penalty for stretch in stretches] if penalised else []

    @tf.function(autograph=False)
    def __call__(self, video, training=False):
        video = in_unit_range(video)
        for run in self._runs:
            video = run(video, bool(training))
        return self._finish(video)

    def trace(self, dtypes: Sequence[tf.DType] = DTYPES[:1]) -> None:
        """Makes the graphs that a SavedModel keeps, one for each type of the input and value of `training`."""
        for spec in specs(dtypes):
            for training in (False, True, None):
                self.__call__.get_concrete_function(spec, training=training)


class RgbModule(Piece):
    """The tower.

    Args:
      network: Built; its variables are shared, not copied.
      size: Side of the clips that it has been trained on, to which encoded frames are brought, pixels.
      stored: Side of the frames of which those were crops, pixels.
      weight_decay: Factor of the L2 penalty on convolution kernels in `regularization_losses`; 0 leaves them out.

    Attributes:
      per_frame: Features over time, [B,T',D].
      stages: Has `stem`, `stage1` ... `stage4`, maps.
      inference, training: Functions of the video alone, [B,D].
    """

    def __init__(self, network: Backbone, size: int, stored: int, weight_decay: float = 0.0):
        stretches = [Stretch(network, name, weight_decay) for name in MAPS]
        penalised = weight_decay > 0
        super().__init__(stretches, lambda video: network.advance(ENDPOINTS[-1], video), penalised)
        self.per_frame = Piece(stretches, lambda video: tf.reduce_mean(_float32(video), axis=[2, 3]), penalised)
        self.stages = tf.Module()
        for count, name in enumerate(MAPS, 1):
            setattr(self.stages, name, Piece(stretches[:count], _float32, penalised))
        self.inference = tf.function(lambda video: self(video, training=False), autograph=False)
        self.training = tf.function(lambda video: self(video, training=True), autograph=False)
        self._sides = size, stored

    def pieces(self) -> List[Piece]:
        """All but the tower itself."""
        return [self.per_frame, *(getattr(self.stages, name) for name in MAPS)]

    def trace(self, dtypes: Sequence[tf.DType] = DTYPES) -> None:
        super().trace(dtypes)
        for piece in self.pieces():
            piece.trace()
        for spec in specs(dtypes):
            self.inference.get_concrete_function(spec)
            self.training.get_concrete_function(spec)

    def signatures(self) -> Dict[str, Callable]:
        """What a server offers: from float video, and from encoded frames; both give `embedding` [B,D]."""

        @tf.function(input_signature=[VIDEO], autograph=False)
        def from_video(video):
            return {"embedding": self(video, training=False)}

        @tf.function(input_signature=[FRAMES], autograph=False)
        def from_frames(frames):
            return {"embedding": self(decode_frames(frames, *self._sides), training=False)}

        return {SERVING_DEFAULT: from_video, ENCODED_FRAMES: from_frames}


def specs(dtypes: Sequence[tf.DType]) -> List[tf.TensorSpec]:
    """The video in each of these types."""
    return [tf.TensorSpec(VIDEO.shape, dtype, VIDEO.name) for dtype in dtypes]


def in_unit_range(video: tf.Tensor) -> tf.Tensor:
    """A video of any of the types as float32 in [0,1]."""
    values = _float32(video)
    return values / 255.0 if video.dtype == tf.uint8 else values


def _float32(video: tf.Tensor) -> tf.Tensor:
    return tf.cast(video, tf.float32)
