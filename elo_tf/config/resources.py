"""Settings of workers, and of the cost estimate of a run."""

import dataclasses

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class WorkersConfig(Checked):
    """Worker processes (`elo_tf.runtime.workers.base`)."""

    workers: str = setting(
        "local",
        "local (one a core; in a search one a GPU, if there are GPUs), local:2 (two processes), ray (as many as the "
        "cluster takes) or ray:16",
    )
    ray_address: str = setting("auto", "address of the Ray cluster; auto: the one of this machine")
    start_minutes: float = setting(60.0, "longest wait for a first worker to be ready, minutes; 0: no limit", low=0)


@dataclasses.dataclass(frozen=True)
class BudgetConfig(Checked):
    """Cost estimate of a run before it starts (`elo_tf.costs.budget`)."""

    dry_run: bool = setting(False, "check everything and print what the run takes, without running it; needs no data")
    devices: int = setting(8, "devices that share the work, for the estimate of wall-clock time", low=1)
    utilisation: float = setting(
        0.25, "fraction of a device's peak arithmetic that training reaches; an assumption", low=0.001, high=1
    )
    planned_videos: int = setting(2_000_000, "number of videos for the estimate of storage (Sec. 4: 2 million)", low=1)
    planned_seconds: float = setting(
        10.0, "length kept of each, seconds; not stated in the paper, Kinetics has 10", low=0.1
    )
    device_teraflops: float = setting(0.0, "peak rate of your own device, 10^12 operations a second; 0: none", low=0)
    device_gb: float = setting(32.0, "memory of your own device, GB", low=0.1)
    device_gbs: float = setting(100.0, "memory bandwidth of your own device, GB/s", low=0.1)
