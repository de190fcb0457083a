"""The catalogue of motions of the rendered world: what happens in a video, and when.

A motion is a function of time only. It knows no colour, place, shape or background: `scenes.py` draws its actors, and
`sounds.py` gives it the sound of its family at the moments named here. All motions take their length of path per cycle
from the same distribution of speeds, so that a class is the *form* of a motion and not its energy.

    Beat (period, phase, path length)  ->  MOTIONS[name].move  ->  one Track an actor, x along its heading

Units: time in frames, lengths in pixels of a 64-pixel video, angles in radians.
"""

import dataclasses
from typing import Callable, Dict, List, Tuple, Union

import numpy as np

from elo_tf.prepare.world.sounds import ANY, Register

FRAME = 64.0  # side of the frame in the units of this file, pixels
RADIUS = 6.5  # of a typical actor, pixels: turns the path length per cycle into angles and scales


@dataclasses.dataclass(frozen=True)
class Beat:
    """What all motions share: when they recur, and how far they go.

    Attributes:
      cycle: [F] float64, time in cycles: its integer part counts the periods.
      path: Path length of an actor in one cycle, pixels.
      turn: -1 or 1, the sense of rotations.
      amount: In [0,1], a free shape parameter (amplitude of a swing, slant of a zigzag).
      seed: Of what is irregular in a motion (jumps, shaking).
    """

    cycle: np.ndarray
    path: float
    turn: int
    amount: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Track:
    """The course of one actor; arrays [F] float64.

    Attributes:
      x, y: Place relative to the centre of the motion, pixels; x runs along the heading.
      angle: Orientation, radians.
      width, height: Scale of the actor along its own axes, 1 = as drawn.
      visible: 1 where it can be seen, 0 where it cannot.
    """

    x: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    width: np.ndarray
    height: np.ndarray
    visible: np.ndarray


@dataclasses.dataclass(frozen=True)
class Motion:
    """A class of the world.

    Attributes:
      move: `Beat -> [Track]`, one or two actors.
      sound: Family in `sounds.SOUNDS`.
      moments: Fractions of the cycle at which something happens (contacts, turns, starts): ticks and puffs sound there.
      travels: The actors leave the frame on one side and come back on the other.
      upright: The motion obeys gravity, so that its heading is horizontal but for a small tilt.
    """

    move: Callable[[Beat], List[Track]]
    sound: str
    moments: Tuple[float, ...] = ()
    travels: bool = False
    upright: bool = False


def _track(beat: Beat, **course: Union[float, np.ndarray]) -> Track:
    still = dict(x=0.0, y=0.0, angle=0.0, width=1.0, height=1.0, visible=1.0)
    return Track(
        **{
            name: np.broadcast_to(np.asarray(course.get(name, value), np.float64), beat.cycle.shape)
            for name, value in still.items()
        }
    )


def _wave(cycle: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * cycle)


def _triangle(cycle: np.ndarray) -> np.ndarray:
    """1 at whole cycles, -1 at half ones, straight between."""
    return np.abs(4 * (cycle % 1) - 2) - 1


def _hop(cycle: np.ndarray) -> np.ndarray:
    """Parabola: 0 at whole cycles, 1 between them."""
    part = cycle % 1
    return 4 * part * (1 - part)


def _glide_half(cycle: np.ndarray) -> np.ndarray:
    """Goes on by 1 in the first half of each cycle, and rests in the second."""
    return np.floor(cycle) + np.minimum(2 * (cycle % 1), 1)


def _bounce(beat):
    return [_track(beat, y=-beat.path / 2 * _hop(beat.cycle))]


def _pendulum(beat):
    reach = 0.6 + 0.5 * beat.amount
    arm = beat.path / (4 * reach)
    angle = reach * _wave(beat.cycle)
    return [_track(beat, x=arm * np.sin(angle), y=arm * np.cos(angle), angle=-angle)]


def _shuttle(beat):
    return [_track(beat, x=beat.path / 4 * _triangle(beat.cycle))]


def _orbit(beat):
    # A circle seen at a slant: an ellipse at most 9 % longer than the circle of its mean radius.
    round_ = 2 * np.pi * beat.cycle
    arm = beat.path / (2 * np.pi)
    slant = 0.6 * beat.amount
    return [_track(beat, x=(1 + slant) * arm * np.cos(round_), y=beat.turn * (1 - slant) * arm * np.sin(round_))]


def _figure_eight(beat):
    # 6.1 is the length of the curve (sin a, sin(2a) / 2) once around.
    reach = beat.path / 6.1
    return [_track(beat, x=reach * _wave(beat.cycle), y=reach / 2 * _wave(2 * beat.cycle))]


def _rotate(beat):
    return [_track(beat, angle=beat.turn * 2 * np.pi * beat.cycle)]


def _rock(beat):
    return [_track(beat, angle=(0.8 + 0.4 * beat.amount) * _triangle(beat.cycle))]


def _pulsate(beat):
    scale = np.exp((0.35 + 0.2 * beat.amount) * _wave(beat.cycle))
    return [_track(beat, width=scale, height=scale)]


def _stretch(beat):
    scale = np.exp((0.35 + 0.2 * beat.amount) * _wave(beat.cycle))
    return [_track(beat, width=scale, height=1 / scale)]


def _flip(beat):
    # Seen edge-on, a coin still shows its rim.
    turn = np.cos(2 * np.pi * beat.cycle)
    return [_track(beat, width=np.copysign(np.maximum(np.abs(turn), 0.15), turn))]


def _blink(beat):
    return [_track(beat, visible=(beat.cycle % 1 < 0.4 + 0.2 * beat.amount).astype(np.float64))]


def _jump(beat):
    step = np.floor(2 * beat.cycle).astype(int)
    # Turns of 90 to 270 degrees on a circle: each jump is 0.7 to 1 of its diameter.
    turns = np.random.default_rng(beat.seed).uniform(0.5 * np.pi, 1.5 * np.pi, step.max() - step.min() + 1)
    places = beat.path / 4 * 1.1 * np.stack([np.cos(np.cumsum(turns)), np.sin(np.cumsum(turns))], 1)
    return [_track(beat, x=places[step - step.min(), 0], y=places[step - step.min(), 1])]


def _shake(beat):
    # The mean distance of two points drawn from this square is 0.52 of its side.
    rng = np.random.default_rng(beat.seed)
    side = beat.path / 7 / 0.52
    places = rng.uniform(-side / 2, side / 2, (2, beat.cycle.size))
    return [_track(beat, x=places[0], y=places[1])]


def _drift(beat):
    return [_track(beat, x=beat.path * beat.cycle)]


def _zigzag(beat):
    slant = np.pi / 4 + 0.3 * beat.amount
    return [
        _track(beat, x=beat.path * np.cos(slant) * beat.cycle, y=beat.path * np.sin(slant) / 4 * _triangle(beat.cycle))
    ]


def _weave(beat):
    return [_track(beat, x=0.7 * beat.path * beat.cycle, y=beat.path / 6.5 * _wave(beat.cycle))]


def _leap(beat):
    return [_track(beat, x=0.6 * beat.path * beat.cycle, y=-0.36 * beat.path * _hop(beat.cycle))]


def _roll(beat):
    return [_track(beat, x=beat.path * beat.cycle, angle=beat.path * beat.cycle / RADIUS)]


def _stop_and_go(beat):
    return [_track(beat, x=beat.path * _glide_half(beat.cycle))]


def _collide(beat):
    # Like `_cross` but for what happens where they meet, so that speeds do not tell the two apart.
    gap = RADIUS + beat.path / 6 * (1 - _triangle(beat.cycle))
    return [_track(beat, x=-gap), _track(beat, x=gap)]


def _cradle(beat):
    swing = beat.path / 3 * _hop(2 * beat.cycle)
    first = beat.cycle % 1 < 0.5
    return [_track(beat, x=-RADIUS - swing * first), _track(beat, x=RADIUS + swing * ~first)]


def _cross(beat):
    # Two lanes, so that they pass each other and do not touch.
    place = beat.path / 6 * _triangle(beat.cycle)
    lane = RADIUS * 0.8
    return [_track(beat, x=place, y=-lane), _track(beat, x=-place, y=lane)]


def _swap(beat):
    # Half a turn, then a rest: two thirds of the path, as in `_cross`, unless they would touch.
    round_ = np.pi * _glide_half(beat.cycle)
    arm = max(2 / 3 * beat.path / np.pi, RADIUS)
    x, y = arm * np.cos(round_), beat.turn * arm * np.sin(round_)
    return [_track(beat, x=x, y=y), _track(beat, x=-x, y=-y)]


def _chase(beat):
    lag = 2.4 * RADIUS
    return [
        _track(beat, x=0.8 * beat.path * _glide_half(beat.cycle) + lag),
        _track(beat, x=0.8 * beat.path * _glide_half(beat.cycle - 0.5)),
    ]


MOTIONS: Dict[str, Motion] = {
    "bounce": Motion(_bounce, "tick", (0.0,), upright=True),
    "leap": Motion(_leap, "tick", (0.0,), travels=True, upright=True),
    "collide": Motion(_collide, "tick", (0.0,)),
    "cradle": Motion(_cradle, "tick", (0.0, 0.5)),
    "blink": Motion(_blink, "tick", (0.0,)),
    "shake": Motion(_shake, "tick", (0.0, 0.5)),
    "shuttle": Motion(_shuttle, "puff", (0.0, 0.5)),
    "rock": Motion(_rock, "puff", (0.0, 0.5)),
    "zigzag": Motion(_zigzag, "puff", (0.0, 0.5), travels=True),
    "jump": Motion(_jump, "puff", (0.0, 0.5)),
    "stop_and_go": Motion(_stop_and_go, "puff", (0.0, 0.5), travels=True),
    "chase": Motion(_chase, "puff", (0.0, 0.5), travels=True),
    "pendulum": Motion(_pendulum, "hum", upright=True),
    "orbit": Motion(_orbit, "hum"),
    "figure_eight": Motion(_figure_eight, "hum"),
    "rotate": Motion(_rotate, "hum"),
    "pulsate": Motion(_pulsate, "hum"),
    "roll": Motion(_roll, "hum", travels=True),
    "drift": Motion(_drift, "silence", travels=True),
    "weave": Motion(_weave, "silence", travels=True),
    "stretch": Motion(_stretch, "silence"),
    "flip": Motion(_flip, "silence"),
    "cross": Motion(_cross, "silence"),
    "swap": Motion(_swap, "silence"),
}

CLASSES: Dict[str, Tuple[str, ...]] = {
    "main": tuple("bounce collide blink shuttle zigzag jump pendulum rotate orbit drift cross stretch".split()),
    "second": tuple("leap cradle shake rock stop_and_go jump pulsate roll rotate weave swap cross".split()),
    "third": tuple("bounce collide shake rock zigzag chase pendulum figure_eight pulsate flip drift swap".split()),
    # Each class has a register of its own, and motions of a family are much alike: sound tells more than flow.
    "sounding": tuple("collide cradle bounce leap shuttle rock jump chase pendulum orbit figure_eight roll".split()),
}
_REGISTERED = ("sounding",)


def register(world_classes: str, name: str) -> Register:
    """The part of the pitches in which a class of a list sounds: a part for each of its family, or all of them."""
    if world_classes not in _REGISTERED:
        return ANY
    family = [each for each in CLASSES[world_classes] if MOTIONS[each].sound == MOTIONS[name].sound]
    place = family.index(name)
    return place / len(family), (place + 1) / len(family)
