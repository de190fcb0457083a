"""Optical flow between consecutive frames.

DIS with its MEDIUM preset, chosen on 12 pairs of 64 x 64 frames in which a textured disc moves up to 8.5 pixels over a
texture that drifts (mean end-point error in pixels; milliseconds a pair on one core):

    DIS ultrafast  .54  0.65      DIS medium, finest scale 0  .42  1.8
    DIS fast       .55  1.6       TV-L1                       .51  100
    DIS medium     .53  0.45

The two faster presets are slower here: their finest scale leaves too little of so small a picture, so that OpenCV
computes at full resolution instead. TV-L1 is what two-stream work stored, two hundred times dearer.
"""

import cv2
import numpy as np

from elo_tf.config import IngestConfig
from elo_tf.data.stored_flow import ZERO, quantise


class FlowEstimator:
    """Flow fields of a video: u to the right, v downwards, pixels of the stored frame a frame (Sec. 3.3)."""

    def __init__(self, config: IngestConfig):
        self._bound = config.flow_bound
        if config.flow == "dis":
            self._method: cv2.DenseOpticalFlow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        else:
            self._method = cv2.optflow.DualTVL1OpticalFlow.create()

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Quantised flow from each frame to the next.

        Args:
          frames: uint8 [F,H,W,3], RGB.

        Returns:
          uint8 [F,H,W,2], as `quantise` makes it. The last field repeats the one before it, so that there are as many
          fields as frames; a single frame has no motion.
        """
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        # Both methods may start from the field that they are given: None makes pairs independent of each other.
        # OpenCV's own annotations leave the None out.
        flows = [self._method.calc(a, b, None) for a, b in zip(grey, grey[1:])]  # type: ignore[call-overload]
        fields = [quantise(flow, self._bound) for flow in flows]
        fields.append(fields[-1] if fields else np.full((*grey[0].shape, 2), ZERO, np.uint8))
        return np.stack(fields)
