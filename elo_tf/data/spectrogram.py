"""Sound as clips: log-mel spectrogram slices, S steps of M bins to each video frame (tensorflow-io).

    samples [B,n] -> short-time spectrum -> mel bins -> decibels -> [B,T,S,M,1] in [0,1]

Sound thus is a video of short slices, for which the towers need no second kind of layer.
"""

import tensorflow as tf
import tensorflow_io as tfio

# 0 is this far below a full-scale tone, 1 is full scale.
RANGE_DB = 80.0
LOWEST_HZ = 60.0
# Below this the power of a bin counts as nothing; far under RANGE_DB, so that it never shows.
_FLOOR_DB = 200.0


def log_mel(samples: tf.Tensor, sample_rate: int, frames: int, steps: int, bins: int) -> tf.Tensor:
    """The log-mel spectrogram of clips, cut at the video's frames.

    The hop is a step, so that S steps tile one frame exactly; the window is two hops. Windows that reach beyond the
    clip see silence there: what follows the clip never enters.

    Args:
      samples: [B,n] float32 in [-1,1], n = frames x samples a frame, a multiple of frames x steps.
      sample_rate: Hz.
      frames: T.
      steps: S.
      bins: M.

    Returns:
      [B,T,S,M,1] float32 in [0,1]: decibels relative to a full-scale tone, from -80 (0) to 0 (1).

    Raises:
      ValueError: a frame is no whole number of steps.
    """
    hop, rest = divmod(samples.shape[1], frames * steps)
    if rest:
        raise ValueError(f"{samples.shape[1] // frames} samples a frame cannot be cut into {steps} equal steps")
    window = 2 * hop
    transform = max(256, 1 << (window - 1).bit_length())
    spectrum = tfio.audio.spectrogram(samples, nfft=transform, window=window, stride=hop)  # [B, T*S, transform/2 + 1]
    # The main lobe of a full-scale tone under a Hann window sums to half of the window's length.
    spectrum = spectrum / (window / 2)
    mel = tfio.audio.melscale(spectrum, rate=sample_rate, mels=bins, fmin=LOWEST_HZ, fmax=sample_rate / 2)
    decibels = tfio.audio.dbscale(mel, top_db=_FLOOR_DB)
    scaled = tf.clip_by_value(decibels / RANGE_DB + 1.0, 0.0, 1.0)
    return tf.reshape(scaled, [-1, frames, steps, bins, 1])
