"""Imports names of a package on first use (PEP 562), so that the package itself imports at once."""

import importlib
from typing import Any, Callable, List, Sequence, Tuple


def attach(package: str, module: str, names: Sequence[str]) -> Tuple[Callable[[str], Any], Callable[[], List[str]]]:
    """`__getattr__` and `__dir__` of a package.

    Args:
      package: Its name.
      module: Name of the module in it that has what is asked for.
      names: What may be asked for.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{module}"), name)

    return get, lambda: [*names]
