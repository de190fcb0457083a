"""Workers on the machines of a Ray cluster (an optional extra: pip install "elo_tf[ray]").

A worker is an actor. Ray places it where there is room for its cores and GPUs; it is not started again by Ray, since
whoever uses the engine knows what was lost with it. Files named by workers must be seen by all machines under the same
path.
"""

import collections
import logging
import os
import re
import socket
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple, Type

from elo_tf.config import InputError
from elo_tf.runtime import interruption
from elo_tf.runtime.workers.base import Engine, Handler, LostError, Worker, answer, built, cannot_import

_REACHABLE_SECONDS = 10.0


class RayEngine(Engine["RayWorker"]):
    """Actors of a cluster.

    Args:
      address: Of the cluster; `auto` is the one that this machine belongs to.
      count: Workers at a time, for which there may be room later; 0 is as many as the cluster has room for now.
      gpus: That each worker takes; may be a fraction.

    Raises:
      InputError: Ray is not installed, there is no cluster at this address, or no room in it for a worker.
    """

    def __init__(self, address: str, count: int, gpus: float):
        try:
            import ray
        except ImportError:
            raise InputError('--workers=ray needs the package ray: pip install "elo_tf[ray]"') from None
        self._ray = ray
        try:
            _check_reachable(address)
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
            interruption.restore()  # Ray has put its own handler in place.
        except (OSError, ValueError, RuntimeError) as error:  # The last of another version of Ray or Python there.
            raise InputError(
                f"--ray_address={address} is not a Ray cluster ({error}); start one with ray start"
            ) from None
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        devices = sum(machine.get("GPU", 0) for machine in machines)
        room = sum(_room(machine, gpus) for machine in machines)
        if not room and not count:
            wanted = f"a core and --gpus_per_candidate={gpus:g}" if gpus else "a core"
            raise InputError(
                f"no machine of the Ray cluster has {wanted} for a worker (it has {devices:g} GPUs); if machines will "
                "join later, give the number of workers with --workers=ray:N"
            )
        self.count = count or room
        try:
            self._actor = ray.remote(_Actor).options(num_cpus=1, num_gpus=gpus, max_restarts=0)
        except ValueError as error:
            raise InputError(f"--gpus_per_candidate={gpus:g} is refused by Ray: {error}") from None
        self._gpus = gpus
        if devices and not gpus:
            print(f"The {devices:g} GPUs of the Ray cluster are not used; see --gpus_per_candidate", flush=True)
        self._workers: List[RayWorker] = []

    def start(self, build: Callable[..., Handler], arguments: Tuple) -> "RayWorker":
        self._workers.append(RayWorker(self._ray, self._actor.remote(build, arguments, self._gpus)))
        return self._workers[-1]

    def wait(self, workers: Sequence["RayWorker"], timeout: Optional[float] = None) -> List["RayWorker"]:
        owner: Dict[Any, RayWorker] = {worker.waiting[0]: worker for worker in workers if worker.waiting}
        ready, _ = self._ray.wait(list(owner), num_returns=1, timeout=timeout)
        return [owner[reference] for reference in ready]

    def lost(self, workers: Sequence["RayWorker"]) -> List["RayWorker"]:
        # All are asked at once: a machine that is silent is waited for once, however many workers it has.
        asked = {worker.ask(): worker for worker in workers}
        if not asked:  # Ray waits for one at least.
            return []
        heard, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=_REACHABLE_SECONDS)
        return [asked[reference] for reference in heard if self._is_loss(reference)]

    def _is_loss(self, reference: Any) -> bool:
        try:
            self._ray.get(reference)
        except _losses(self._ray):
            return True
        return False

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers = []


def _room(machine: Mapping[str, float], gpus: float) -> int:
    """How many workers of one core and so many GPUs a machine takes; a fraction is of one GPU, as Ray gives it."""
    cores, devices = int(machine.get("CPU", 0)), machine.get("GPU", 0)
    if not gpus:
        return cores
    return min(cores, int(devices // gpus) if gpus >= 1 else int(devices) * int(1 / gpus + 1e-6))


def _check_reachable(address: str) -> None:
    """Raises `OSError` where nothing listens at `host:port` or `ray://host:port`: Ray itself would try for minutes."""
    host, colon, port = address.split("://")[-1].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_REACHABLE_SECONDS).close()


def _losses(ray: Any) -> Tuple[Type[Exception], ...]:
    """What Ray raises when a worker, its machine or its answer is gone; the second, when memory runs low there."""
    known = ray.exceptions
    return known.RayActorError, known.OutOfMemoryError, known.ObjectLostError, known.WorkerCrashedError


def _plain_lines(text: str) -> List[str]:
    """The lines of a message of Ray, without colours, at least one."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip()[:300] for line in text.splitlines()]
    return [line for line in lines if line] or ["no reason is given"]


class RayWorker(Worker):
    """An actor.

    Attributes:
      waiting: References of the answers to come, in their order.
    """

    def __init__(self, ray: Any, actor: Any):
        self._ray = ray
        self._actor = actor
        self.waiting: Deque[Any] = collections.deque([actor.built.remote()])

    def send(self, message: Any) -> None:
        self.waiting.append(self._actor.answer.remote(message))

    def receive(self) -> Any:
        try:
            result, error = self._ray.get(self.waiting.popleft())
        except _losses(self._ray) as lost:
            lines = _plain_lines(str(lost))
            if getattr(lost, "_actor_init_failed", False):  # It could not be unpickled: all else `built` answers for.
                raise cannot_import(lines[-1]) from None
            raise LostError(f"{type(lost).__name__}: {lines[0]}") from None
        if error is not None:
            raise error
        return result

    def ask(self) -> Any:
        """The reference of an answer that comes at once where the worker is there and owes none."""
        return self._actor.here.remote()

    def kill(self) -> None:
        self._ray.kill(self._actor)


class _Actor:
    """Answers as a local worker does."""

    def __init__(self, build: Callable[..., Handler], arguments: Tuple, gpus: float):
        if not gpus:  # Ray leaves those of the machine visible, and all its workers would take the first.
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self._handler, self._error = built(lambda: build(*arguments))

    def here(self) -> None:
        """An answer, whatever it is."""

    def built(self) -> Tuple[None, Optional[Exception]]:
        return None, self._error

    def answer(self, message: Any) -> Tuple[Any, Optional[Exception]]:
        return answer(self._handler, message)
