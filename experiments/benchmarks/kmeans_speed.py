"""Time of k-means in the graph against scikit-learn, on the same data, cores and numbers of restarts and iterations.

    python -m experiments.benchmarks.kmeans_speed
    python -m experiments.benchmarks.kmeans_speed --videos=1000 --clusters=50 --width=64

The data have no clusters (a standard normal distribution), which is the slowest case: no run converges early. The table
gives the least of `--repeats` times, tracing excluded, and the least inertia of the restarts. Targets at the
default size: at most 0.25 of scikit-learn's default, which starts by k-means++, and at most 1.2 of its Lloyd from
random starts. Hardware: any; meant for 2 CPU cores. About one and a half minutes.
"""

import time
import warnings
from typing import Callable, NamedTuple

from elo_tf import command_line  # isort: skip; before TensorFlow, to silence its start-up notices

import numpy as np
import tensorflow as tf
from absl import flags
from sklearn.cluster import KMeans

from elo_tf.kmeans import kmeans

_VIDEOS = flags.DEFINE_integer("videos", 5000, "N", lower_bound=2)
_WIDTH = flags.DEFINE_integer("width", 512, "D", lower_bound=1)
_CLUSTERS = flags.DEFINE_integer("clusters", 100, "K", lower_bound=2)
_RESTARTS = flags.DEFINE_integer("restarts", 20, "R", lower_bound=1)
_ITERATIONS = flags.DEFINE_integer("iterations", 25, "greatest number of Lloyd iterations", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 3, "timed runs of each", lower_bound=1)


class _Row(NamedTuple):
    name: str
    seconds: float
    least_inertia: float


def main() -> None:
    features = np.random.default_rng(0).normal(size=(_VIDEOS.value, _WIDTH.value)).astype(np.float32)
    rows = [
        _measure("elo_tf, k-means++ starts", _in_graph(features)),
        _measure("scikit-learn, random starts", _scikit_learn(features, "random")),
        _measure("scikit-learn, k-means++ starts (default)", _scikit_learn(features, "k-means++")),
    ]
    print(
        f"N={_VIDEOS.value} D={_WIDTH.value} K={_CLUSTERS.value} R={_RESTARTS.value} iterations={_ITERATIONS.value},"
        f" best of {_REPEATS.value}\n"
    )
    print("| k-means | seconds | elo_tf / this | least inertia |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.name} | {row.seconds:.2f} | {rows[0].seconds / row.seconds:.2f} | {row.least_inertia:.6g} |")


def _in_graph(features: np.ndarray) -> Callable[[], float]:
    @tf.function(autograph=False)
    def run(features, seed):
        return kmeans(features, _CLUSTERS.value, _RESTARTS.value, _ITERATIONS.value, seed).inertia

    tensor, seed = tf.constant(features), tf.constant([0, 0])
    run(tensor, seed)
    return lambda: run(tensor, seed).numpy().min()


def _scikit_learn(features: np.ndarray, init: str) -> Callable[[], float]:
    return lambda: (
        KMeans(_CLUSTERS.value, init=init, n_init=_RESTARTS.value, max_iter=_ITERATIONS.value, random_state=0)
        .fit(features)
        .inertia_
    )


def _measure(name: str, run: Callable[[], float]) -> _Row:
    seconds = []
    with warnings.catch_warnings():
        # Runs that have not converged are what is compared here.
        warnings.simplefilter("ignore")
        for _ in range(_REPEATS.value):
            start = time.perf_counter()
            inertia = run()
            seconds.append(time.perf_counter() - start)
    return _Row(name, min(seconds), float(inertia))


if __name__ == "__main__":
    command_line.run(main, __doc__, [])
