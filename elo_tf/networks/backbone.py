"""The (2+1)D ResNet that embeds one modality (Sec. 3.1; Tran et al. [41]).

    clip [B,T,H,W,C] -> stem -> stage1 -> stage2 -> stage3 -> stage4 -> mean over T,H,W -> embedding [B,D]
    size               T,H/2    T,H/2     T/2,H/4   T/4,H/8   T/8,H/16

    `tiny`             T/2,H/2  T/2,H/2   T/4,H/4   T/8,H/8   T/8,H/16

Any T, H and W will do. Audio is a video of spectrogram slices [T,S,M,1] and takes the same path, so that layers of
different modalities match in time.
"""

import dataclasses
from typing import Dict, Tuple, Type, Union

import tensorflow as tf

from elo_tf.networks.layers import BasicBlock, BottleneckBlock, Conv2Plus1D, Norm, TemporalConv, UnitBlock

STAGES: Tuple[str, ...] = ("stage1", "stage2", "stage3", "stage4")
ENDPOINTS: Tuple[str, ...] = ("stem",) + STAGES + ("embedding",)

# Factor by which `stage4` is smaller than the clip, in time and in space.
TEMPORAL_REDUCTION = 8
SPATIAL_REDUCTION = 16


@dataclasses.dataclass(frozen=True)
class Variant:
    """Sizes of a backbone.

    Attributes:
      block: Residual block of the stages.
      stem_kernel: Side of the spatial kernel of the stem.
      stem_middle: Channels between the halves of the stem; 45 in the networks released with [41].
      stem_width: Channels of the stem.
      widths: Channels inside the blocks of each stage; a bottleneck puts out four times as many.
      depths: Blocks a stage.
      temporal_strides: Of the stem and of the stages; their product is `TEMPORAL_REDUCTION`.
      differences: Whether half of the channels of each convolution over time begin blind to what stands still
        (`HalfDifferences`).
    """

    block: Type[Union[UnitBlock, BasicBlock, BottleneckBlock]]
    stem_kernel: int
    stem_middle: int
    stem_width: int
    widths: Tuple[int, ...]
    depths: Tuple[int, ...]
    temporal_strides: Tuple[int, ...] = (1, 1, 2, 2, 2)
    differences: bool = False

    def channels(self) -> Dict[str, int]:
        """C of each endpoint; that of `embedding` is D."""
        stages = [width * self.block.expansion for width in self.widths]
        return dict(zip(ENDPOINTS, [self.stem_width, *stages, stages[-1]]))


# Weights of the RGB tower, and 10^6 floating-point operations of its convolutions for a clip of 24 x 24 pixels:
#   tiny_0   81 128    16.3 (8 frames)
#   tiny    177 776     9.2 (8 frames), 18.5 (16 frames)
VARIANTS: Dict[str, Variant] = {
    # Widths of 16 and its multiples fill the vector units of CPUs: 8 and 24 cost them as much as 16 and 32. Time is
    # halved in the stem, where frames are most, so that clips may be twice as long.
    "tiny": Variant(UnitBlock, 3, 16, 16, (16, 32, 64, 128), (1, 1, 1, 1), (2, 1, 2, 2, 1), differences=True),
    # `tiny` of versions before 0.2, to read what was trained with it.
    "tiny_0": Variant(UnitBlock, 3, 8, 8, (24, 32, 48, 64), (1, 1, 1, 1)),
    "r18": Variant(BasicBlock, 7, 45, 64, (64, 128, 256, 512), (2, 2, 2, 2)),
    "r50": Variant(BottleneckBlock, 7, 45, 64, (64, 128, 256, 512), (3, 4, 6, 3)),
}


class Backbone(tf.keras.Model):
    """The embedding network E_m of one modality.

    Args:
      variant: A name in `VARIANTS`.
      modality: Name of the modality; those in [0,1] are centred first, flow already is.
      weight_decay: L2 penalty on the convolution kernels, in `losses`.

    Raises:
      ValueError: the variant is unknown.
    """

    def __init__(self, variant: str, modality: str = "rgb", weight_decay: float = 0.0):
        if variant not in VARIANTS:
            raise ValueError(f"backbone {variant!r} is unknown; choose from {', '.join(VARIANTS)}")
        super().__init__(name=f"{modality}_{variant}")
        sizes = VARIANTS[variant]
        self.channels = sizes.channels()
        self.centred = modality == "flow"
        self.stem = Conv2Plus1D(
            sizes.stem_width,
            sizes.stem_middle,
            spatial_kernel=sizes.stem_kernel,
            spatial_stride=2,
            temporal_stride=sizes.temporal_strides[0],
            weight_decay=weight_decay,
        )
        self.stem_norm = Norm()
        self.stages = []
        inputs = sizes.stem_width
        for stage, (width, depth) in enumerate(zip(sizes.widths, sizes.depths)):
            blocks = []
            for index in range(depth):
                strides = (sizes.temporal_strides[1 + stage], 2 if stage > 0 else 1) if index == 0 else (1, 1)
                blocks.append(sizes.block(inputs, width, strides, weight_decay))
                inputs = width * sizes.block.expansion
            self.stages.append(blocks)
        if sizes.differences:
            for layer in self.submodules:
                if isinstance(layer, TemporalConv):
                    layer.start_with_differences()

    def call(self, video: tf.Tensor, training: bool = False) -> Dict[str, tf.Tensor]:
        """Embeds clips.

        Args:
          video: [B,T,H,W,C] float32 in the range of its modality (`elo_tf.data.clips`).
          training: Whether batch normalisation uses the statistics of this batch.

        Returns:
          The endpoints by name: maps [B,T',H',W',C'] in the compute type, and `embedding` [B,D], always float32.
        """
        endpoints = {}
        for name in ENDPOINTS:
            video = endpoints[name] = self.advance(name, video, training)
        return endpoints

    def advance(self, name: str, video: tf.Tensor, training: bool = False) -> tf.Tensor:
        """One endpoint from that before it: the stem from the clip, the embedding from the map of the last stage."""
        if name == "embedding":
            return tf.reduce_mean(tf.cast(video, tf.float32), axis=[1, 2, 3])  # [B, D]
        if name == "stem":
            video = tf.cast(video, self.compute_dtype)
            video = video if self.centred else 2.0 * video - 1.0
            return self.stem_norm(self.stem(video, training=training), training=training)  # [B, T, H/2, W/2, stem]
        for block in self.stages[STAGES.index(name)]:
            video = block(video, training=training)
        return video
