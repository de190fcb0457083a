"""Records what results depend on, and checks it when a run resumes."""

import os
import platform
from importlib import metadata
from typing import Any, Collection, Dict, Mapping, Union

from elo_tf.config import InputError

_PACKAGES = ("tensorflow", "keras", "tensorflow-io", "tensorflow-addons", "cma", "numpy")
_ABSENT = object()
# Of a value in a message.
_MOST_LETTERS = 60


def packages() -> Dict[str, str]:
    """Versions of what results depend on."""
    return {**{name: metadata.version(name) for name in _PACKAGES}, "python": platform.python_version()}


def _flat(header: Mapping[str, Any]) -> Dict[str, Any]:
    """The facts of a header by name: a setting by its own, an entry of another dictionary, whose keys others may share,
    with that of the dictionary before it."""
    flat = {}
    for name, value in header.items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        flat.update({key if name == "settings" else f"{name}/{key}".rstrip("/"): entry for key, entry in entries})
    return flat


def check_same(
    what: Union[str, os.PathLike],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    remedy: str,
    may_differ: Collection[str] = (),
) -> None:
    """Refuses to go on with what was made with other settings.

    Args:
      what: The file or folder that was made.
      before: The settings that it was made with, of JSON types; a dictionary in it is compared entry by entry.
      now: The settings now.
      remedy: What to do about it.
      may_differ: Names of settings that may have changed.

    Raises:
      InputError: others have changed; it names them.
    """
    old, new = _flat(before), _flat(now)
    differences = [
        f"{name}: was {_shown(old, name)}, now {_shown(new, name)}"
        for name in {**old, **new}
        if name not in may_differ and old.get(name, _ABSENT) != new.get(name, _ABSENT)
    ]
    if differences:
        raise InputError(f"{what} was made with other settings ({'; '.join(differences)}); {remedy}")


def _shown(settings: Mapping[str, Any], name: str) -> str:
    """A value in a few words; a string, which may be a path, as it is."""
    value = settings.get(name, "absent")
    text = " ".join(str(value).split())
    return text if isinstance(value, str) or len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."
