"""The protocols, one file each; importing this package registers every file in it."""

import importlib
import pkgutil
from typing import List, Sequence

from elo_tf.config import InputError, ProtocolConfig
from elo_tf.evaluate.protocols.base import PROTOCOLS, Protocol

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def select(names: Sequence[str], config: ProtocolConfig) -> List[Protocol]:
    """The protocols of these names, each once.

    Raises:
      InputError: a name is unknown, or there is none.
    """
    for name in names:
        if name not in PROTOCOLS:
            raise InputError(f"--protocol: {name!r} is unknown; choose from {', '.join(PROTOCOLS)}")
    if not names:
        raise InputError(f"--protocol is empty; choose from {', '.join(PROTOCOLS)}")
    return [PROTOCOLS[name](config) for name in dict.fromkeys(names)]
