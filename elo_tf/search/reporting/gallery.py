"""The clusters of the winner: their sizes, and the clips nearest their centres."""

import dataclasses
import pathlib
from typing import Optional, Sequence, Tuple

from elo_tf.config import InputError
from elo_tf.plots.files import save
from elo_tf.search.journal.journal import Journal
from elo_tf.search.reporting import diagnosis
from elo_tf.search.reporting.findings import Standing
from elo_tf.search.reporting.picture import Picture
from elo_tf.search.trials import cluster_samples
from elo_tf.search.trials.cluster_samples import ClusterSamples


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One of the biggest clusters.

    Attributes:
      share: Of the clips, in [0,1].
      clips: (video, frames) of the clips nearest its centre, the nearest first.
    """

    share: float
    clips: Sequence[Tuple[str, Picture]]


@dataclasses.dataclass(frozen=True)
class Gallery:
    """What a report shows of the clusters.

    Attributes:
      missing: Why nothing can be shown; empty where all else is there.
      picture: Sizes of the clusters; None where they are missing.
      sizes: Shares of the clips, descending.
      law: Those by Zipf's law.
      clusters: The biggest.
    """

    missing: str
    picture: Optional[Picture] = None
    sizes: Sequence[float] = ()
    law: Sequence[float] = ()
    clusters: Sequence[Cluster] = ()


def clusters(won: Optional[Standing], journal: Journal, directory: pathlib.Path) -> Gallery:
    """Draws figures/clusters.png, and picks the clips.

    Args:
      won: The winner so far; None where no candidate is feasible.
      journal: Of the search.
      directory: The run directory.
    """
    shown, missing = _load_samples(won, directory)
    if shown is None:
        return Gallery(missing)
    exponent = journal.header.get("settings", {}).get("zipf_exponent", 1.0)
    figure = diagnosis.sizes_of_clusters(shown.sizes, shown.sizes_deviation, exponent)
    return Gallery(
        "",
        Picture.of_figure(save(figure, directory / "figures" / "clusters.png")),
        shown.sizes.tolist(),
        diagnosis.zipf_shares(len(shown.sizes), exponent).tolist(),
        [_cluster(shown, place) for place in range(len(shown.shares))],
    )


def _load_samples(won: Optional[Standing], directory: pathlib.Path) -> Tuple[Optional[ClusterSamples], str]:
    """The cluster samples of the winner, or why there is none."""
    if not won:
        return None, "no candidate is feasible so far."
    path = directory / cluster_samples.FILE
    if not path.exists():
        return None, f"{cluster_samples.FILE}, which the search writes at its end."
    try:
        shown = ClusterSamples.load(path)
    except InputError as error:
        return None, f"{error}."
    if not shown.is_of(won.lambdas):
        return None, f"{cluster_samples.FILE} is of an earlier best candidate; the search writes it anew at its end."
    return shown, ""


def _cluster(shown: ClusterSamples, place: int) -> Cluster:
    clips = zip(shown.names[place], shown.strips[place])
    return Cluster(float(shown.shares[place]), [(str(name), Picture.of_frames(strip)) for name, strip in clips if name])
