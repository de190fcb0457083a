"""The RGB tower as TensorFlow's reusable SavedModel interface has it: a callable with its variables, and its pieces.

    obj(video, training=False)                 [B,T,H,W,3] -> [B,D]
    obj.per_frame(video, training=False)       [B,T,H,W,3] -> [B,T',D], T' = ceil(T/8)
    obj.stages.stem ... obj.stages.stage4      [B,T,H,W,3] -> [B,T',H',W',C']

Each of these has `variables`, `trainable_variables` and `regularization_losses` of its own, those of the layers that it
runs. `video` is float32 RGB in [0,1], of any B, T, H, W; what comes out is float32. There is no dropout, no head, no
lookup table and no custom gradient in it.
"""

from typing import Callable, Dict, List, Sequence

import tensorflow as tf

from elo_tf.backbone import ENDPOINTS, STAGES, Backbone
from export.images import decode_frames

VIDEO = tf.TensorSpec([None, None, None, None, 3], tf.float32, "video")
FRAMES = tf.TensorSpec([None, None], tf.string, "frames")

SERVING_DEFAULT = "serving_default"
ENCODED_FRAMES = "encoded_frames"


class Part:
    """A stretch of the network: the stem or a stage.

    Attributes:
      variables: Of its layers.
      penalty: Zero-argument function, the L2 penalty on its convolution kernels.
    """

    def __init__(self, layers: Sequence[tf.keras.layers.Layer], weight_decay: float):
        kernels = [
            module.kernel
            for layer in layers
            for module in (layer, *layer.submodules)
            if isinstance(module, tf.keras.layers.Conv2D)
        ]
        self.variables = [variable for layer in layers for variable in layer.variables]
        self.penalty = tf.function(
            lambda: weight_decay * tf.add_n([tf.reduce_sum(kernel**2) for kernel in kernels]), input_signature=[]
        )


class Piece(tf.Module):
    """A callable with the variables that it uses, as hub.KerasLayer expects it.

    Args:
      compute: (video, training) -> tensor. A plain function, so that the Keras layers behind it, with all that Keras
        would store of them, stay out of the SavedModel: only their variables go into it.
      parts: What `compute` runs.
      penalised: Whether there are `regularization_losses`.

    Attributes:
      variables, trainable_variables: Lists of variables, which a loaded SavedModel has too.
      regularization_losses: Zero-argument functions, to be summed.
    """

    # Those of tf.Module are properties, which a SavedModel does not keep.
    variables = None
    trainable_variables = None

    def __init__(self, compute: Callable, parts: Sequence[Part], penalised: bool):
        super().__init__()
        self._compute = compute
        self.variables = [variable for part in parts for variable in part.variables]
        self.trainable_variables = [variable for variable in self.variables if variable.trainable]
        self.regularization_losses = [part.penalty for part in parts] if penalised else []

    @tf.function(autograph=False)
    def __call__(self, video, training=False):
        return self._compute(video, training)

    def trace(self) -> None:
        """Makes the graphs that a SavedModel keeps, one for each value of `training`."""
        for training in (False, True):
            self.__call__.get_concrete_function(VIDEO, training=training)


class RgbModule(Piece):
    """The tower.

    Args:
      network: Built; its variables are shared, not copied.
      size: Side to which encoded frames are brought, pixels.
      weight_decay: Factor of the L2 penalty on convolution kernels in `regularization_losses`; 0 leaves them out.

    Attributes:
      per_frame: Features over time, [B,T',D].
      stages: Has `stem`, `stage1` ... `stage4`, maps.
    """

    def __init__(self, network: Backbone, size: int, weight_decay: float = 0.0):
        stretches = [[network.stem, network.stem_norm], *network.stages]
        parts = [Part(layers, weight_decay) for layers in stretches]
        penalised = weight_decay > 0

        def until(name: str) -> Callable:
            return lambda video, training: tf.cast(network(video, training=training, last=name)[name], tf.float32)

        def per_frame(video, training):
            return tf.reduce_mean(until(STAGES[-1])(video, training), axis=[2, 3])  # [B, T/8, D]

        super().__init__(until("embedding"), parts, penalised)
        self.per_frame = Piece(per_frame, parts, penalised)
        self.stages = tf.Module()
        for count, name in enumerate(ENDPOINTS[:-1], 1):
            setattr(self.stages, name, Piece(until(name), parts[:count], penalised))
        self._size = size

    def trace(self) -> None:
        super().trace()
        for piece in [self.per_frame, *self.pieces()]:
            piece.trace()

    def pieces(self) -> List[Piece]:
        """The maps of stem and stages, in order."""
        return [getattr(self.stages, name) for name in ENDPOINTS[:-1]]

    def signatures(self) -> Dict[str, Callable]:
        """What a server offers: from float video, and from encoded frames; both give `embedding` [B,D]."""

        @tf.function(input_signature=[VIDEO], autograph=False)
        def from_video(video):
            return {"embedding": self._compute(video, False)}

        @tf.function(input_signature=[FRAMES], autograph=False)
        def from_frames(frames):
            return {"embedding": self._compute(decode_frames(frames, self._size), False)}

        return {SERVING_DEFAULT: from_video, ENCODED_FRAMES: from_frames}
