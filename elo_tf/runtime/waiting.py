"""Waits with a limit, and says what it waits for."""

import math
import sys
import time
from typing import Callable, Union

# What is waited for is said after so long, and again each time, seconds.
FIRST_SECONDS = 5.0
EVERY_SECONDS = 60.0


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class Wait:
    """Something that is waited for, from now on.

    Args:
      minutes: The longest that one waits; 0 is for ever.
      first: Seconds after which the user is told.
      every: Seconds between that and the next time.
      say: Takes what the user is told.
    """

    def __init__(
        self,
        minutes: float,
        first: float = FIRST_SECONDS,
        every: float = EVERY_SECONDS,
        say: Callable[[str], None] = _to_stderr,
    ):
        self._begun = time.monotonic()
        self._end = self._begun + 60 * minutes if minutes else math.inf
        self._next = self._begun + first
        self._every, self._say = every, say

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._begun

    @property
    def is_over(self) -> bool:
        """Whether the limit has passed."""
        return time.monotonic() >= self._end

    @property
    def left(self) -> float:
        """Seconds until the limit passes; infinite where there is none."""
        return max(0.0, self._end - time.monotonic())

    @property
    def pause(self) -> float:
        """Seconds until there is something to say, or the limit passes."""
        return max(0.0, min(self._next, self._end) - time.monotonic())

    def tell(self, what: Union[str, Callable[[], str]]) -> None:
        """Says what is waited for, if it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            self._say(what if isinstance(what, str) else what())
