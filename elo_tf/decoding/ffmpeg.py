"""Runs ffmpeg under limits of time, memory and output, and condenses its error messages."""

import math
import os
import re
import selectors
import signal
import subprocess
import time
from typing import IO, Callable, Dict, List, NamedTuple, Sequence, Tuple, cast

import imageio_ffmpeg

from elo_tf.config import InputError

_QUIETLY = ("-nostdin", "-hide_banner", "-loglevel", "error")
ERROR_BYTES = 16384
_READ_BYTES = 1 << 20
GRACE_SECONDS = 5  # between the end of all output and the end of the process

# What ffmpeg says, and how it is told to the user; the first match counts.
_REASONS = (
    (r"Stream map '.*' matches no streams|does not contain any stream", "no video stream"),
    (r"Format not on whitelist", "not a video container"),
    (r"Permission denied", "cannot be read: permission denied"),
)
_OUT_OF_MEMORY = re.compile(
    r"Cannot allocate|alloc\w* failed|out of memory|get_buffer\(\) failed|pthread_create|thread\w* init failed|"
    r"Resource temporarily unavailable",
    re.IGNORECASE,
)
# How a decoder ends that has a defect: each signal by its number.
_CRASHES = {getattr(signal, name).value: name for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")}
# Consequences of a complaint, and complaints that `_REASONS` words better.
_NOISE = re.compile(
    r"Error (opening|parsing|sending|initializing)|Conversion failed|Task finished|Terminating|Failed to set value|"
    r"Stream map|To ignore this|Output file does not|Format not on whitelist|Permission denied"
)


class Finished(NamedTuple):
    """What a process gave.

    Attributes:
      first, second: Bytes on standard output and on the second pipe.
      errors: What it wrote to standard error.
      status: Exit status; minus the signal, if one ended it.
      limit: Which limit it passed, in a user's words; "" if none.
    """

    first: bytearray
    second: bytearray
    errors: str
    status: int
    limit: str

    @property
    def crashed(self) -> bool:
        """Whether a defect of the decoder ended it."""
        return -self.status in _CRASHES

    def reason(self) -> str:
        """The first complaint that tells something, without component names, addresses and paths."""
        lines = [re.sub(r"^(\[[^\]]*\] ?)+", "", line).strip() for line in self.errors.splitlines()]
        telling = [re.sub(r"file:/.*?: ", "", line)[:160] for line in lines if line and not _NOISE.match(line)]
        if self.crashed:
            return (
                f"the decoder crashed ({_CRASHES[-self.status]}, status {self.status}); a newer ffmpeg may decode it: "
                "pip install -U imageio-ffmpeg"
            )
        for pattern, words in _REASONS:
            if re.search(pattern, self.errors):
                return f"{words} ({telling[0]})" if telling else words
        if telling:
            return telling[0]
        if "Invalid data found" in self.errors:
            return "not a video, or damaged at its start"
        return f"the decoder ended with status {self.status}" if self.status else "no frame could be decoded"


def executable() -> str:
    """The ffmpeg program.

    Raises:
      InputError: there is none.
    """
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise InputError(
            "imageio-ffmpeg has no ffmpeg for this machine; install ffmpeg, and set IMAGEIO_FFMPEG_EXE to its path if "
            "it is not in the PATH"
        ) from error


def run(
    arguments: Callable[[int], List[str]],
    byte_limits: Tuple[int, int],
    seconds: float,
    memory_mb: int,
    error_bytes: int = ERROR_BYTES,
    started: Callable[[subprocess.Popen], None] = lambda process: None,
) -> Finished:
    """Runs ffmpeg to its end, or to the first limit that it passes.

    Args:
      arguments: Makes the arguments, given the descriptor of the second pipe. No shell interprets them.
      byte_limits: Most bytes on standard output and on the second pipe.
      seconds: Limit of the time on the clock, and of processor time.
      memory_mb: Limit of the address space, MiB.
      error_bytes: Most bytes of standard error that are kept.
      started: Called with the process.
    """
    reader, writer = os.pipe()
    try:
        process = start(arguments(writer), seconds, memory_mb, (writer,))
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    out_of_time = f"decoding takes longer than {seconds:g} s (--decode_seconds)"
    with process, os.fdopen(reader, "rb", buffering=0) as pipe:
        try:
            started(process)
            (first, errors), second = outputs(process), pipe.fileno()
            limits = {first: byte_limits[0], second: byte_limits[1], errors: error_bytes}
            output, limit = _read(limits, errors, seconds, out_of_time)
        except BaseException:
            end(process, grace=0)
            raise
        end(process, grace=0 if limit else GRACE_SECONDS)
    text = output[errors].decode("utf-8", "replace")
    limit = limit_passed(process.returncode, text, limit, out_of_time, memory_mb)
    return Finished(output[first], output[second], text, process.returncode, limit)


def outputs(process: subprocess.Popen) -> Tuple[int, int]:
    """Descriptors of the standard output and the standard error of a process that `start` gave."""
    # Neither is None: `start` asks for pipes.
    output, errors = cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr)
    return output.fileno(), errors.fileno()


def start(arguments: Sequence[str], seconds: float, memory_mb: int, pipes: Tuple[int, ...] = ()) -> subprocess.Popen:
    """Starts ffmpeg; its standard output and error are pipes.

    Args:
      arguments: No shell interprets them.
      seconds: Limit of processor time.
      memory_mb: Limit of the address space, MiB.
      pipes: Further descriptors that it may write to.
    """
    return subprocess.Popen(
        [*_limits(seconds, memory_mb), executable(), *_QUIETLY, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=pipes,
        # One heap for all threads: each would reserve address space of its own, which the limit counts.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        start_new_session=True,  # Ctrl-C is the program's to handle, and the group can be ended as a whole
    )


def limit_passed(status: int, errors: str, limit: str, out_of_time: str, memory_mb: int) -> str:
    """Which limit a process passed that has ended, in a user's words; "" if none.

    Args:
      status: Its exit status; minus the signal, if one ended it.
      errors: What it wrote to standard error.
      limit: The limit for which it was ended from here; "" if it was not.
      out_of_time: How the limit of time is worded.
      memory_mb: The limit of its memory.
    """
    if status == -signal.SIGXCPU:
        return out_of_time
    if not limit and status == -signal.SIGKILL:
        return "the system killed the decoder, as it does when memory runs out; decode fewer videos at a time"
    if not limit and _OUT_OF_MEMORY.search(errors):
        return f"decoding takes more than {memory_mb} MiB of memory (--decode_memory_mb)"
    return limit


def _limits(seconds: float, memory_mb: int) -> List[str]:
    """A command that bounds memory and processor time, forbids files and core dumps, and becomes the command after it.

    Limits set from outside, on a process that runs already, would miss what it did and started before.
    """
    processor = math.ceil(seconds)
    limits = (f"-v {memory_mb << 10}", f"-H -t {processor + 1}", f"-S -t {processor}", "-f 0", "-c 0")
    # Some systems lack a limit (macOS that of memory), which is no reason not to decode.
    script = "".join(f"ulimit {limit} 2>/dev/null; " for limit in limits) + 'exec "$@"'
    return ["/bin/sh", "-c", script, "sh"]


def _read(limits: Dict[int, int], errors: int, seconds: float, out_of_time: str) -> Tuple[Dict[int, bytearray], str]:
    """Reads all descriptors to their ends, at most `limits` bytes of each.

    Returns:
      The bytes of each, and which limit was passed, "" if none. Surplus messages are dropped, surplus media end it.
    """
    output = {descriptor: bytearray() for descriptor in limits}
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for descriptor in limits:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                return output, out_of_time
            for key, _ in ready:
                chunk = os.read(key.fd, _READ_BYTES)
                if not chunk:
                    selector.unregister(key.fd)
                room = limits[key.fd] - len(output[key.fd])
                output[key.fd] += chunk[:room]
                if len(chunk) > room and key.fd != errors:
                    return output, "the decoder gives more than --max_seconds allows"
    return output, ""


def end(process: subprocess.Popen, grace: float) -> None:
    """Waits for the end of a process; after `grace` seconds, ends it and what it started."""
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
