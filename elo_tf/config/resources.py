"""Settings of where work runs, and of what a run is priced by."""

import dataclasses

from elo_tf.config.fields import Checked, setting


@dataclasses.dataclass(frozen=True)
class WorkersConfig(Checked):
    """Where work is done side by side (`elo_tf.runtime.workers.base`)."""

    workers: str = setting(
        "local",
        "local (a process a core; in a search a GPU, where there are any), local:2, ray (as many as the cluster takes) "
        "or ray:16",
    )
    ray_address: str = setting("auto", "address of the Ray cluster; auto: the one that this machine belongs to")
    start_minutes: float = setting(
        60.0, "the longest wait for a first worker that is ready, or has a place on the cluster; 0 is for ever", low=0
    )


@dataclasses.dataclass(frozen=True)
class BudgetConfig(Checked):
    """What a run is priced by before it is begun (`elo_tf.costs.budget`)."""

    dry_run: bool = setting(False, "check everything and print what the run costs, without running it; needs no data")
    devices: int = setting(8, "devices to rent, for the days that the work takes on all of them", low=1)
    utilisation: float = setting(
        0.25, "part of a device's peak arithmetic that training reaches; an assumption", low=0.001, high=1
    )
    planned_videos: int = setting(2_000_000, "videos that storage is estimated for (Sec. 4: 2 million)", low=1)
    planned_seconds: float = setting(10.0, "seconds kept of each; not stated in the paper, Kinetics has 10", low=0.1)
    device_teraflops: float = setting(0.0, "peak rate of a device of your own, 10^12 operations/s; 0 is none", low=0)
    device_gb: float = setting(32.0, "memory of the device of --device_teraflops, GB", low=0.1)
    device_gbs: float = setting(100.0, "memory bandwidth of that device, GB/s", low=0.1)
