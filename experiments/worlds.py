"""A rendered world by its short name, `LIST:SEED` or `LIST:SEED:NUISANCE`, such as `main:0` or `third:21:0.2`."""

from elo_tf.config import InputError, WorldConfig


def settings(name: str, **counts: int) -> WorldConfig:
    """The world that a name means.

    Args:
      name: `LIST:SEED[:NUISANCE]`; the nuisance is 1 where none is given.
      **counts: How many videos of which kind, as in `WorldConfig`.

    Raises:
      InputError: the name has another form.
    """
    classes, seed, nuisance = (name.split(":") + ["1.0"])[:3] if name.count(":") in (1, 2) else ("", "", "")
    try:
        return WorldConfig(world_classes=classes, world_seed=int(seed), world_nuisance=float(nuisance), **counts)
    except ValueError:
        raise InputError(f"--worlds: {name!r} is not LIST:SEED or LIST:SEED:NUISANCE, such as main:0") from None


def slug(config: WorldConfig) -> str:
    """Its name as a part of a path: `main-0`, `third-21-0.2`."""
    nuisance = "" if config.world_nuisance == 1 else f"-{config.world_nuisance:g}"
    return f"{config.world_classes}-{config.world_seed}{nuisance}"
