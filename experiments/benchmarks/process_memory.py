"""Memory of this process, as Linux counts it."""


def mebibytes(field: str) -> float:
    """A field of /proc/self/status in MiB: `VmRSS`, what lies in RAM now; `VmHWM`, the most that ever did."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
