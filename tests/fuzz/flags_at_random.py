"""Commands with some of their flags, with values that fit and values that nobody would give."""

import pathlib
import random
from typing import Any, Dict, List, Tuple

from tests.fuzz.mutations import ODD_WORDS

# What `_value` names as paths; a command may write there where it is told to.
NAMED = ("in/empty", "in/missing", "else/home/x", "else/cwd/a", "else/cwd/b", "else/cwd/a,b")

_SENSIBLE: Dict[Any, Tuple[str, ...]] = {bool: ("true", "false"), int: ("1", "3", "7"), float: ("0.1", "1", "30")}
# These would look for other machines, or trace a large model, which takes their own time.
_LEFT_OUT = (
    "tpu", "ray_address", "server", "cluster_minutes", "start_minutes", "grpc", "workers", "distribute", "dry_run",
)  # fmt: skip


def commands() -> Dict[str, tuple]:
    """Module -> dataclasses of its flags."""
    from elo_tf import config
    from export.client import ClientConfig
    from export.saved_model import ExportConfig

    return {
        "elo_tf.prepare": (config.PrepareSettings,),
        "elo_tf.search": (config.SearchSettings, config.BudgetConfig),
        "elo_tf.train": (config.TrainSettings,),
        "elo_tf.evaluate": (config.EvaluateSettings,),
        "elo_tf.embed": (config.EmbedSettings,),
        "export.client": (ClientConfig,),
        "export.saved_model": (ExportConfig,),
    }


def draw(random: random.Random, folder: pathlib.Path) -> Tuple[str, List[str]]:
    """(module, arguments): paths are missing or empty folders of the case, so that nothing long is begun."""
    module, kinds = random.choice(sorted(commands().items()))
    fields = [field for kind in kinds for field in kind.__dataclass_fields__.values() if field.name not in _LEFT_OUT]
    (folder / "in" / "empty").mkdir()
    arguments = []
    for field in random.sample(fields, min(len(fields), random.randint(1, 8))):
        arguments.append(f"--{field.name}={_value(random, field, folder)}")
    if random.random() < 0.1:
        arguments.append(random.choice(("--no_such_flag", "stray", "--flagfile=/no/such", "--", "--help", "-x=1")))
    # What a command asks for first, so that the other flags are looked at.
    for name in ("records", "run_dir", "videos", "model", "output", "checkpoint"):
        if any(field.name == name for field in fields) and random.random() < 0.7:
            given = name in ("videos", "model", "checkpoint") or (name == "records" and module != "elo_tf.prepare")
            place = folder / ("in/empty" if given else f"out/{name}")
            arguments.append(f"--{name}={place}")
    return module, arguments


def _value(random: random.Random, field: Any, folder: pathlib.Path) -> str:
    if field.metadata.get("path"):
        return random.choice((str(folder / "in" / "empty"), str(folder / "in" / "missing"), "", "~/x/y", "a,b"))
    if random.random() < 0.5:
        return random.choice(ODD_WORDS)
    choices = field.metadata.get("choices")
    kind = type(field.default)
    return random.choice(choices or _SENSIBLE.get(kind, ("a", "a,b", "1")))
