"""The splits that the flags name, checked against the records."""

from typing import List

from elo_tf.config import EvaluationConfig
from elo_tf.evaluation.material import Material
from elo_tf.evaluation.split import Split, of_folders


def read(config: EvaluationConfig, material: Material) -> List[Split]:
    """The splits of the flags, without videos that are shorter than a clip.

    Raises:
      InputError: lists are missing or malformed, name too many videos that the records lack, or leave a class or a part
        empty.
    """
    frames = material.data.frames
    splits = [of_folders(material.manifest)]
    splits = [split.without_short(material.manifest, frames) for split in splits]
    for split in splits:
        split.check(frames, config.max_missing)
    return splits
