"""A rendered world by its short name, `LIST:SEED`, such as `main:0`."""

from elo_tf.config import InputError, WorldConfig


def settings(name: str, **counts: int) -> WorldConfig:
    """The world that a name means.

    Args:
      name: `LIST:SEED`.
      **counts: How many videos of which kind, as in `WorldConfig`.

    Raises:
      InputError: the name has another form.
    """
    classes, _, seed = name.partition(":")
    if not seed.isdecimal():
        raise InputError(f"--worlds: {name!r} is not LIST:SEED, such as main:0")
    return WorldConfig(world_classes=classes, world_seed=int(seed), **counts)


def slug(config: WorldConfig) -> str:
    """Its name as a part of a path: `main-0`."""
    return f"{config.world_classes}-{config.world_seed}"
