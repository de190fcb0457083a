"""How often a progress bar shows itself: it moves on terminals and in notebooks, and hardly adds to log files."""

import io
import sys

import pytest
from ipykernel.iostream import OutStream

from elo_tf.runtime.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


# A stream of the class that a kernel has; one of the class itself needs a kernel.
NotebookStream = type("OutStream", (io.StringIO,), {"__module__": OutStream.__module__})


@pytest.mark.parametrize("stream, seconds", [(Terminal, 0.2), (NotebookStream, 0.2), (io.StringIO, 30.0)])
def test_it_moves_where_a_line_can_be_overwritten(monkeypatch, stream, seconds):
    monkeypatch.setattr(sys, "stderr", stream())
    with progress_bar(10, "video") as bar:
        assert bar.mininterval == bar.maxinterval == seconds
