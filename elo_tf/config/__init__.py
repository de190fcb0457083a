"""Settings as frozen dataclasses; each field is also an absl flag (`fields`)."""

from elo_tf.config.embedding import EmbedConfig, LookupConfig
from elo_tf.config.evaluation import EvaluationConfig, ProtocolConfig
from elo_tf.config.fields import (
    Checked,
    InputError,
    define_flags,
    define_path,
    from_arguments,
    from_flags,
    given,
    part,
    require,
    require_paths,
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
from elo_tf.config.weighting import DescentConfig, LambdaConfig, WeightingConfig

__all__ = [
    "BudgetConfig",
    "Checked",
    "DataConfig",
    "DescentConfig",
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
    "LambdaConfig",
    "LookupConfig",
    "ModelConfig",
    "PrepareSettings",
    "ProtocolConfig",
    "RunConfig",
    "SearchSettings",
    "TaskConfig",
    "TrainConfig",
    "TrainSettings",
    "WeightingConfig",
    "WorkersConfig",
    "WorldConfig",
    "define_flags",
    "define_path",
    "from_arguments",
    "from_flags",
    "given",
    "part",
    "require",
    "require_paths",
    "setting",
    "to_lines",
]
