"""Settings as frozen dataclasses, a file for each thing that is set; absl flags are made from their `fields`."""

from elo_tf.config.embedding import EmbedConfig
from elo_tf.config.evaluation import EvaluationConfig, ProtocolConfig
from elo_tf.config.fields import Checked, InputError, define_flags, define_path, from_flags, setting, to_lines
from elo_tf.config.records import IngestConfig, WorldConfig
from elo_tf.config.resources import BudgetConfig, WorkersConfig
from elo_tf.config.search import EvolutionConfig, FitnessConfig
from elo_tf.config.training import (
    DataConfig,
    FinalRunConfig,
    FinalTrainConfig,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TrainConfig,
)

__all__ = [
    "BudgetConfig",
    "Checked",
    "DataConfig",
    "EmbedConfig",
    "EvaluationConfig",
    "EvolutionConfig",
    "FinalRunConfig",
    "FinalTrainConfig",
    "FitnessConfig",
    "IngestConfig",
    "InputError",
    "ModelConfig",
    "ProtocolConfig",
    "RunConfig",
    "TaskConfig",
    "TrainConfig",
    "WorkersConfig",
    "WorldConfig",
    "define_flags",
    "define_path",
    "from_flags",
    "setting",
    "to_lines",
]
