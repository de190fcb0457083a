"""Records what results depend on, and checks that a resumed run depends on the same."""

import platform
from importlib import metadata
from typing import Any, Dict, Mapping, Set

from elo_tf.config import InputError

_PACKAGES = ("tensorflow", "keras", "tensorflow-io", "tensorflow-addons", "cma", "numpy")
_ABSENT = object()


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


def check_same(path: str, before: Mapping[str, Any], now: Mapping[str, Any], may_differ: Set[str]) -> None:
    """Raises `InputError` where a run would go on with other settings; see `Journal.open`."""
    before, now = _flat(before), _flat(now)
    differences = [
        f"{name}: was {before.get(name, 'absent')}, now {now.get(name, 'absent')}"
        for name in {**before, **now}
        if name not in may_differ and before.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]
    if differences:
        raise InputError(
            f"{path} was begun otherwise ({'; '.join(differences)}); restore the settings or use another run directory"
        )
