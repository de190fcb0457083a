"""The first line of a search's journal: everything that the search depends on."""

import dataclasses
from typing import Any, Dict, Optional, Sequence, Tuple

from elo_tf.data.records import Manifest, short_hash
from elo_tf.model.objective import schema_hash
from elo_tf.runtime.provenance import packages

# Flags that may change when a search is continued: where things lie (the header has hashes of their contents), how
# long it goes on, what is recorded of it.
MAY_DIFFER = (
    "records", "run_dir", "labelled", "lambda_files", "initial_loss", "generations", "rescore", "rescore_seeds",
    "log_every", "share_every", "gpus_per_candidate", "trial_minutes", "max_failures",
)  # fmt: skip


def make_header(
    seed: int,
    configs: Sequence[Any],
    names: Sequence[str],
    manifest: Manifest,
    vectors: Optional[Tuple[Tuple[float, ...], ...]],
    initial: Optional[Tuple[float, ...]] = None,
) -> Dict[str, Any]:
    """The header of a journal.

    Args:
      seed: Of the search.
      configs: Its settings, dataclasses.
      names: Of the lambdas, [G].
      manifest: Of the records.
      vectors: [n][G] that the strategy `fixed` evaluates; None for every other.
      initial: [G] that the strategy starts from; None for a start without a loss.

    Raises:
      InputError: the labelled records that the settings name cannot be read.
    """
    settings = {}
    for values in configs:
        settings.update(dataclasses.asdict(values))
    settings.pop("seed")
    labelled = settings.get("labelled")
    header = {
        "seed": seed,
        "names": list(names),
        "schema": schema_hash(names),
        "records_hash": manifest.fingerprint,
        "labelled_hash": Manifest.load(labelled).fingerprint if labelled else None,
        "settings": settings,
        "packages": packages(),
        "lambda_files_hash": short_hash(vectors),
    }
    # Only where there is one: journals of versions without it go on.
    return header if initial is None else {**header, "initial_loss_hash": short_hash(initial)}
