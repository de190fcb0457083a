"""The (2+1)D convolution and the residual blocks made of it (Tran et al. [41]).

Convolutions over space or time alone are written as `Conv2D` over reshaped tensors, since both reshapes are free in
channels-last order and a 2D convolution is about twice as fast as `Conv3D` on a CPU:

    space  [B,T,H,W,C] -> [B*T, H, W, C]    kernel (k, k)
    time   [B,T,H,W,C] -> [B, T, H*W, C]    kernel (k, 1)
"""

from typing import List, Optional, Tuple, Union

import tensorflow as tf

from elo_tf.runtime import private_api

Size = Union[int, tf.Tensor]


def sizes_of(tensor: tf.Tensor) -> List[Size]:
    """The shape of a tensor, static where it is known, so that graphs of known shape stay static (XLA)."""
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(tensor.shape)]


def middle_width(inputs: int, outputs: int, spatial: int = 3, temporal: int = 3) -> int:
    """Channels between the two halves of a (2+1)D unit, so that it has as many weights as the full 3D convolution.

    `M = floor(t d^2 C_in C_out / (d^2 C_in + t C_out))`, Tran et al. [41], Sec. 3.5.
    """
    return (temporal * spatial**2 * inputs * outputs) // (spatial**2 * inputs + temporal * outputs)


def batch_normalization(affine: bool = True) -> tf.keras.layers.Layer:
    """Batch normalisation over all replicas, with a learned scale and shift if `affine`; else of heads, in float32.

    The fused kernel, much faster on a CPU, serves where there is only one replica.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    norm = tf.keras.layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        center=affine,
        scale=affine,
        synchronized=replicas > 1,
        dtype=None if affine else tf.float32,
    )
    private_api.track_biased_variance(norm)
    return norm


def binary_head() -> tf.keras.layers.Layer:
    """The one fully connected layer of Eq. 7, [B,D] -> [B,1]. Logits start near 0, so that the loss starts at ln 2."""
    initializer = tf.keras.initializers.VarianceScaling(0.01, mode="fan_in")
    return tf.keras.layers.Dense(1, kernel_initializer=initializer, dtype=tf.float32)


class HalfDifferences(tf.keras.initializers.Initializer):
    """First weights of a convolution over time, half of whose channels see change alone.

    Drawn as He et al. (2015) draw them; then the mean over time is taken out of the second half of the channels, which
    are scaled back to their variance. What stands still is nothing to those, so that normalisation brings up what
    moves. With He's weights alone features of the start are of what stands still, since frames differ little, and
    terms that ask for motion wait long on a plateau (experiments/README.md).
    """

    def __call__(self, shape, dtype=None, **kwargs):
        del kwargs
        kernel = tf.keras.initializers.HeNormal()(shape, dtype)  # [k, 1, C, filters]
        plain, change = tf.split(kernel, [shape[-1] // 2, shape[-1] - shape[-1] // 2], axis=-1)
        change -= tf.reduce_mean(change, axis=0, keepdims=True)
        return tf.concat([plain, change * (shape[0] / (shape[0] - 1)) ** 0.5], axis=-1)


def _conv(
    filters: int, kernel: Tuple[int, int], strides: Tuple[int, int], weight_decay: float
) -> tf.keras.layers.Conv2D:
    return tf.keras.layers.Conv2D(
        filters,
        kernel,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=tf.keras.regularizers.L2(weight_decay) if weight_decay else None,
    )


class SpatialConv(tf.keras.layers.Layer):
    """A convolution over each frame: [B,T,H,W,C] -> [B,T,H/s,W/s,filters]."""

    def __init__(self, filters: int, kernel: int, stride: int, weight_decay: float):
        super().__init__()
        self.conv = _conv(filters, (kernel, kernel), (stride, stride), weight_decay)

    def call(self, video):
        batch, time, height, width, channels = sizes_of(video)
        frames = self.conv(tf.reshape(video, [batch * time, height, width, channels]))
        _, height, width, channels = sizes_of(frames)
        return tf.reshape(frames, [batch, time, height, width, channels])


class TemporalConv(tf.keras.layers.Layer):
    """A convolution over time at each place: [B,T,H,W,C] -> [B,T/s,H,W,filters].

    Its first weights are He's, or `HalfDifferences` if `start_with_differences` is called before it is built.
    """

    def __init__(self, filters: int, kernel: int, stride: int, weight_decay: float):
        super().__init__()
        self.conv = _conv(filters, (kernel, 1), (stride, 1), weight_decay)

    def start_with_differences(self) -> None:
        """Half of the channels will begin blind to what stands still."""
        self.conv.kernel_initializer = HalfDifferences()

    def call(self, video):
        batch, time, height, width, channels = sizes_of(video)
        places = self.conv(tf.reshape(video, [batch, time, height * width, channels]))
        _, time, _, channels = sizes_of(places)
        return tf.reshape(places, [batch, time, height, width, channels])


class Norm(tf.keras.layers.Layer):
    """Batch normalisation of [B,T,H,W,C], and ReLU where wanted. Four axes, since the fused kernel takes no five."""

    def __init__(self, relu: bool = True):
        super().__init__()
        self.norm = batch_normalization()
        self.relu = relu

    def call(self, video, training=False):
        batch, time, height, width, channels = sizes_of(video)
        places = self.norm(tf.reshape(video, [batch, time, height * width, channels]), training=training)
        places = tf.nn.relu(places) if self.relu else places
        return tf.reshape(places, [batch, time, height, width, channels])


class Conv2Plus1D(tf.keras.layers.Layer):
    """The (2+1)D unit: space, then time, with a non-linearity between.

        [B,T,H,W,C] -> k x k x space, M channels -> BN -> ReLU -> k x time -> [B,T/t,H/s,W/s,filters]

    Args:
      filters: Channels of the result.
      middle: M, see `middle_width`.
      spatial_kernel, temporal_kernel: k of each half.
      spatial_stride, temporal_stride: s and t.
      weight_decay: L2 penalty on both kernels.
    """

    def __init__(
        self,
        filters: int,
        middle: int,
        spatial_kernel: int = 3,
        temporal_kernel: int = 3,
        spatial_stride: int = 1,
        temporal_stride: int = 1,
        weight_decay: float = 0.0,
    ):
        super().__init__()
        self.space = SpatialConv(middle, spatial_kernel, spatial_stride, weight_decay)
        self.norm = Norm()
        self.time = TemporalConv(filters, temporal_kernel, temporal_stride, weight_decay)

    def call(self, video, training=False):
        return self.time(self.norm(self.space(video), training=training))


def every_frame(video: tf.Tensor, stride: int) -> tf.Tensor:
    """Frames 0, t, 2t, ... of [B,T,H,W,C]: [B,ceil(T/t),H,W,C], what `video[:, ::t]` is.

    Where T is known to be a multiple of t, whole frames are split off: on a CPU the strided slice and its gradient
    copy number by number, which took a quarter of the step of a `tiny` tower.
    """
    if stride == 1:
        return video
    batch, time, *frame = sizes_of(video)
    if not isinstance(time, int) or time % stride:
        return video[:, ::stride]
    groups = tf.reshape(video, [batch, time // stride, stride, *frame])
    return tf.squeeze(tf.split(groups, [1, stride - 1], axis=2)[0], axis=2)


class Projection(tf.keras.layers.Layer):
    """The shortcut of a block that changes the shape: 1x1x1 convolution with stride (t,s,s), then BN."""

    def __init__(self, filters: int, spatial_stride: int, temporal_stride: int, weight_decay: float):
        super().__init__()
        self.temporal_stride = temporal_stride
        self.conv = SpatialConv(filters, 1, spatial_stride, weight_decay)
        self.norm = Norm(relu=False)

    def call(self, video, training=False):
        # A kernel of one with stride t takes every t-th frame, ceil(T/t) of them as the units give.
        return self.norm(self.conv(every_frame(video, self.temporal_stride)), training=training)


def _unit(filters: int, middle: int, strides: Tuple[int, int], weight_decay: float) -> Conv2Plus1D:
    """The unit of a block; `strides` are those of time and of space."""
    temporal, spatial = strides
    return Conv2Plus1D(filters, middle, spatial_stride=spatial, temporal_stride=temporal, weight_decay=weight_decay)


def _shortcut(inputs: int, outputs: int, strides: Tuple[int, int], weight_decay: float) -> Optional[Projection]:
    """The projection of a block that changes the shape; None where the block's input is added as it is."""
    temporal, spatial = strides
    if temporal == spatial == 1 and inputs == outputs:
        return None
    return Projection(outputs, spatial, temporal, weight_decay)


class UnitBlock(tf.keras.layers.Layer):
    """One (2+1)D unit and a shortcut: the least that is still residual, for the `tiny` tower.

        x -> unit(stride) -> BN -> (+ shortcut(x)) -> ReLU

    The middle is as wide as the result, half of Tran's width: at these sizes the time goes there.
    """

    expansion = 1

    def __init__(self, inputs: int, width: int, strides: Tuple[int, int], weight_decay: float):
        super().__init__()
        self.unit = _unit(width, width, strides, weight_decay)
        self.norm = Norm(relu=False)
        self.shortcut = _shortcut(inputs, width, strides, weight_decay)

    def call(self, video, training=False):
        shortcut = video if self.shortcut is None else self.shortcut(video, training=training)
        return tf.nn.relu(self.norm(self.unit(video, training=training), training=training) + shortcut)


class BasicBlock(tf.keras.layers.Layer):
    """Two (2+1)D units and a shortcut (ResNet-18).

    x -> unit(stride) -> BN -> ReLU -> unit -> BN -> (+ shortcut(x)) -> ReLU
    """

    expansion = 1

    def __init__(self, inputs: int, width: int, strides: Tuple[int, int], weight_decay: float):
        super().__init__()
        self.first = _unit(width, middle_width(inputs, width), strides, weight_decay)
        self.first_norm = Norm()
        self.second = _unit(width, middle_width(width, width), (1, 1), weight_decay)
        self.second_norm = Norm(relu=False)
        self.shortcut = _shortcut(inputs, width, strides, weight_decay)

    def call(self, video, training=False):
        shortcut = video if self.shortcut is None else self.shortcut(video, training=training)
        video = self.first_norm(self.first(video, training=training), training=training)
        video = self.second_norm(self.second(video, training=training), training=training)
        return tf.nn.relu(video + shortcut)


class BottleneckBlock(tf.keras.layers.Layer):
    """A (2+1)D unit between two 1x1x1 convolutions and a shortcut (ResNet-50).

    x -> 1x1x1 -> BN -> ReLU -> unit(stride) -> BN -> ReLU -> 1x1x1, 4 x width -> BN -> (+ shortcut(x)) -> ReLU
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, strides: Tuple[int, int], weight_decay: float):
        super().__init__()
        outputs = width * self.expansion
        self.reduce = SpatialConv(width, 1, 1, weight_decay)
        self.reduce_norm = Norm()
        self.unit = _unit(width, middle_width(width, width), strides, weight_decay)
        self.unit_norm = Norm()
        self.expand = SpatialConv(outputs, 1, 1, weight_decay)
        self.expand_norm = Norm(relu=False)
        self.shortcut = _shortcut(inputs, outputs, strides, weight_decay)

    def call(self, video, training=False):
        shortcut = video if self.shortcut is None else self.shortcut(video, training=training)
        video = self.reduce_norm(self.reduce(video), training=training)
        video = self.unit_norm(self.unit(video, training=training), training=training)
        video = self.expand_norm(self.expand(video), training=training)
        return tf.nn.relu(video + shortcut)
