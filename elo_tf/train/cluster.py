"""The processes of TF_CONFIG that train together: names those that are missing, before TensorFlow waits for them.

    every process: listens on its own port ── looks at those of the others, again and again ── all there ─> TensorFlow

TensorFlow itself waits without a word, without an end, and with no ear for signals. A port counts as there whoever
answers on it: a process that waits as this one does, or one whose TensorFlow has begun.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import socket
import time
from typing import Dict, Iterator, Optional, Sequence

from elo_tf.config import InputError
from elo_tf.runtime import json_text
from elo_tf.runtime.waiting import Wait

CHIEFS = ("chief", "worker")  # Types of tasks in TF_CONFIG; the first worker is the chief where none is named.

_REMEDY = (
    'set it on every machine, such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_KNOCK_SECONDS = 2.0
_PAUSE_SECONDS = 0.5
_FIRST_SECONDS = 3.0
_AT_A_TIME = 32


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Addresses host:port of the processes that train together.

    Attributes:
      own: Of this process.
      others: Of all others.
    """

    own: str
    others: Sequence[str]

    @classmethod
    def read(cls) -> "Cluster":
        """That of TF_CONFIG.

        Raises:
          InputError: it does not name this process among others, or has an address that is none.
        """
        text = os.environ.get("TF_CONFIG", "")
        try:
            content = json_text.parse(text)
            cluster, task = content["cluster"], content["task"]
            index = int(task["index"])
            own = cluster[task["type"]][index] if index >= 0 else None
            addresses = [str(each) for kind in CHIEFS for each in cluster.get(kind, ())]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            own = None
        if own is None:
            raise InputError(f"--distribute=multi_worker: TF_CONFIG={text!r} does not describe a cluster; {_REMEDY}")
        for address in (own, *addresses):
            _port(address)
        others = list(addresses)
        if own in others:
            others.remove(own)
        return cls(own, others)

    def gather(self, minutes: float) -> None:
        """Waits until all others are there; says whom it waits for.

        Args:
          minutes: The longest that it waits; 0 is for ever.

        Raises:
          InputError: the port is taken, or some are not there after so long.
        """
        with self._listening():
            wait, missing = Wait(minutes, _FIRST_SECONDS), self._missing(self.others)
            while missing:
                named = ", ".join(f"{address} ({why})" for address, why in missing.items())
                those = f"{len(missing)} of {len(self.others) + 1} processes of the cluster: {named}"
                if wait.is_over:
                    raise InputError(
                        f"--distribute=multi_worker: no answer within {minutes:g} minutes (--cluster_minutes) from "
                        f"{those}; start them, or correct their addresses in TF_CONFIG"
                    )
                wait.tell(f"waiting for {those}")
                time.sleep(min(_PAUSE_SECONDS, wait.pause + 0.01))
                missing = self._missing(list(missing))

    def _missing(self, addresses: Sequence[str]) -> Dict[str, str]:
        """Those that do not answer, and why not."""
        if not addresses:
            return {}
        with concurrent.futures.ThreadPoolExecutor(min(_AT_A_TIME, len(addresses))) as pool:
            found = dict(zip(addresses, pool.map(_refusal, addresses)))
        return {address: why for address, why in found.items() if why is not None}

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Answers on the own port, so that the others see this process; gives the port up at the end."""
        try:
            server = socket.create_server(("", _port(self.own)), backlog=128)
        except OSError as error:
            raise InputError(
                f"--distribute=multi_worker: TF_CONFIG={os.environ['TF_CONFIG']!r} is no cluster that this process "
                f"could join ({self.own}: {error.strerror}); is the port free, and every address a host:port?"
            ) from None
        with server:
            yield


def _port(address: str) -> int:
    """The port of host:port."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(
            f"--distribute=multi_worker: {address!r} in TF_CONFIG={os.environ['TF_CONFIG']!r} is no host:port, so that "
            f"this is no cluster that this process could join; {_REMEDY}"
        )
    return int(port)


def _refusal(address: str) -> Optional[str]:
    """Why nobody answers there; None where someone does."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        socket.create_connection((host, _port(address)), timeout=_KNOCK_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return None
