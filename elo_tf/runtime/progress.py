"""The progress of a long command, and its remaining time."""

import sys
from typing import TextIO

from tqdm import tqdm

# What ends within this time shows nothing, seconds.
QUIET_SECONDS = 3.0


def progress_bar(total: float, unit: str, done: float = 0, what: str = "") -> tqdm:
    """A progress bar on stderr with the time left; in a log file, where lines stay, it shows itself twice a minute.

    In a notebook it is text too, so that it needs no widgets and stays readable where the notebook is stored.

    Args:
      total: Units of the whole.
      unit: Their name.
      done: Those done before.
      what: What is going on, before the bar.
    """
    interval = 0.2 if _overwrites(sys.stderr) else 30.0
    return tqdm(
        desc=what or None,
        total=total,
        initial=done,
        unit=unit,
        delay=QUIET_SECONDS,
        mininterval=interval,
        maxinterval=interval,
        smoothing=0.02,
        leave=False,
        dynamic_ncols=True,
    )


def _overwrites(stream: TextIO) -> bool:
    """Whether a bar replaces the one before it on this stream."""
    # A notebook's stream is no terminal by its own account, but handles a carriage return as one does.
    return stream.isatty() or type(stream).__module__.split(".")[0] == "ipykernel"
