"""Settings as frozen dataclasses, a file for each thing that is set; absl flags are made from their `fields`."""

from elo_tf.config.embedding import EmbedConfig, LookupConfig
from elo_tf.config.evaluation import EvaluationConfig, ProtocolConfig
from elo_tf.config.fields import (
    Checked,
    InputError,
    define_flags,
    from_arguments,
    from_flags,
    given,
    part,
    require,
    setting,
    to_lines,
)
from elo_tf.config.records import FoldersConfig, IngestConfig, WorldConfig
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
from elo_tf.config.verbs import (
    EmbedSettings,
    EvaluateSettings,
    PrepareSettings,
    SearchSettings,
    TrainSettings,
)

__all__ = [
    "BudgetConfig",
    "Checked",
    "DataConfig",
    "EmbedConfig",
    "EmbedSettings",
    "EvaluateSettings",
    "EvaluationConfig",
    "EvolutionConfig",
    "FinalRunConfig",
    "FinalTrainConfig",
    "FitnessConfig",
    "FoldersConfig",
    "IngestConfig",
    "InputError",
    "LookupConfig",
    "ModelConfig",
    "PrepareSettings",
    "ProtocolConfig",
    "RunConfig",
    "SearchSettings",
    "TaskConfig",
    "TrainConfig",
    "TrainSettings",
    "WorkersConfig",
    "WorldConfig",
    "define_flags",
    "from_arguments",
    "from_flags",
    "given",
    "part",
    "require",
    "setting",
    "to_lines",
]
