"""The clusters of the winner, as a section of the report: their sizes, and the clips nearest their centres."""

import pathlib
from typing import Optional, Tuple

from elo_tf.config import InputError
from elo_tf.plots.files import save
from elo_tf.search.journal.journal import Journal
from elo_tf.search.reporting import diagnosis, page
from elo_tf.search.reporting.findings import Standing
from elo_tf.search.trials import cluster_samples
from elo_tf.search.trials.cluster_samples import ClusterSamples


def clusters(won: Optional[Standing], journal: Journal, directory: pathlib.Path) -> str:
    """The section, of HTML; draws figures/clusters.png.

    Args:
      won: The winner so far; None where no candidate is feasible.
      journal: Of the search.
      directory: The run directory.
    """
    title = "Clusters of the winner"
    shown, missing = _load_samples(won, directory)
    if shown is None:
        return page.section(title, page.paragraph(f"Missing: {missing}"))
    exponent = journal.header.get("settings", {}).get("zipf_exponent", 1.0)
    figure = diagnosis.sizes_of_clusters(shown.sizes, shown.sizes_deviation, exponent)
    curve = save(figure, directory / "figures" / "clusters.png").read_bytes()
    return page.section(
        title,
        page.picture(
            curve,
            "Share of the clips in each cluster by rank, with Zipf's law for comparison, both axes logarithmic.",
            "How many clips each cluster has, the biggest first, mean and standard deviation over the restarts of "
            "k-means. The Zipf scores want them close to the dashed line. Bad: level, as of features that tell nothing "
            "apart, or a steep fall, where one cluster has nearly all. The score counts a clip partly for several "
            "clusters, so that it need not be exactly what is seen here.",
        ),
        page.paragraph(
            "Below, the clips nearest the centres of the biggest clusters, four frames each. Good: the clips of a "
            "cluster have an action in common. Bad: only a colour or a background in common, or all are of one video."
        ),
        *(_strips_of(shown, cluster) for cluster in range(len(shown.shares))),
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


def _strips_of(shown: ClusterSamples, cluster: int) -> str:
    entries = [
        (strip, f"Frames of {name}", name) for strip, name in zip(shown.strips[cluster], shown.names[cluster]) if name
    ]
    title = f"Cluster {cluster + 1}: {100 * shown.shares[cluster]:.1f} % of the clips"
    return page.heading(title) + page.strips(entries)
