"""All settings of a verb in one dataclass: its fields are the flags of the command and the keywords of a program.

    settings = SearchSettings(records="records", run_dir="search", generations=10)
    elo_tf.search.run(settings)             does what  python -m elo_tf.search --records=records --run_dir=search ...

`part(settings, DataConfig)` is the part that one of the joined dataclasses declares. Bases stand in reverse: the fields
of the last come first.
"""

import dataclasses

from elo_tf.config.embedding import EmbedConfig, LookupConfig
from elo_tf.config.evaluation import EvaluationConfig, ProtocolConfig
from elo_tf.config.records import FoldersConfig, IngestConfig, WorldConfig
from elo_tf.config.resources import WorkersConfig
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
from elo_tf.config.weighting import DescentConfig, WeightingConfig


@dataclasses.dataclass(frozen=True)
class PrepareSettings(WorkersConfig, WorldConfig, IngestConfig, FoldersConfig):
    """Videos -> records (`elo_tf.prepare`). `records` has no default, `videos` none without a `world`."""


@dataclasses.dataclass(frozen=True)
class SearchSettings(
    WorkersConfig, DescentConfig, EvolutionConfig, FitnessConfig, TrainConfig, TaskConfig, ModelConfig, DataConfig,
    RunConfig,
):  # fmt: skip
    """The evolution of a loss (`elo_tf.search`). `records` and `run_dir` have no default."""


@dataclasses.dataclass(frozen=True)
class TrainSettings(WeightingConfig, FinalTrainConfig, TaskConfig, ModelConfig, DataConfig, FinalRunConfig):
    """A training in full (`elo_tf.train`). `loss`, `records` and `run_dir` have no default."""


@dataclasses.dataclass(frozen=True)
class EvaluateSettings(ProtocolConfig, EvaluationConfig):
    """An evaluation by labels (`elo_tf.evaluate`). `checkpoint` and `records` have no default."""


@dataclasses.dataclass(frozen=True)
class EmbedSettings(EmbedConfig, LookupConfig):
    """Videos -> embeddings (`elo_tf.embed`). `model`, `output` and one of `videos` and `query` have no default."""
