"""Memory of processes, as Linux counts it."""

import contextlib
import pathlib
from typing import List, Union


def mebibytes(field: str, process: Union[int, str] = "self") -> float:
    """A field of /proc/PROCESS/status in MiB: `VmRSS`, what lies in RAM now; `VmHWM`, the most that ever did."""
    with open(f"/proc/{process}/status") as file:
        line = next(line for line in file if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def proportional_mebibytes(process: Union[int, str] = "self") -> float:
    """What a process takes of the machine, MiB: a page that n processes have counts 1/n in each."""
    with open(f"/proc/{process}/smaps_rollup") as file:
        line = next(line for line in file if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def family(process: int) -> List[int]:
    """A process and all that live below it."""
    children = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):  # It has ended meanwhile.
            parent = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [process]
    for each in found:
        found += children.get(each, [])
    return found
