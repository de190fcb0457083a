"""All settings of a training except its terms."""

import dataclasses

from elo_tf.config import DataConfig, FinalRunConfig, FinalTrainConfig, ModelConfig, WeightingConfig


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a training depends on besides its terms."""

    run: FinalRunConfig
    data: DataConfig
    model: ModelConfig
    train: FinalTrainConfig
    weighting: WeightingConfig = WeightingConfig()
