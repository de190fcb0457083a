"""The pictures of the rendered world: textured backgrounds, a drifting camera, two-tone actors and distractors.

Everything that a still frame shows (texture, colours, shapes, sizes, places, how many objects there are) is drawn from
the same distributions whatever the class is; only the tracks of the actors come from the motion.
"""

import dataclasses
from typing import List, Tuple

import cv2
import numpy as np

from elo_tf.prepare.world import motions

FPS = 12.5
PERIODS = (6.0, 9.0)  # frames a cycle
SPEEDS = (4.5, 8.0)  # mean speed of an actor on its path, pixels a frame at 64 pixels
SIZES = (0.85, 1.3)  # radius of an object, in units of `motions.RADIUS`
COLOR_DISTANCE = 70  # least mean difference of an object's colours to each other and to the ground, of 255
OBJECTS = (2, 3)  # in every video, actors and distractors together
CONTRAST = (0.65, 1.0)  # of a video, drawn uniformly on a logarithmic scale
FLICKER = 0.045  # greatest s.d. of the exposure from frame to frame
DRIFT = 1.2  # greatest speed of the camera over the ground, pixels a frame
SWAY = 2.5  # greatest amplitude of the camera's sway over the ground, pixels
TREMOR = 0.7  # greatest s.d. of the hand that holds the camera, pixels
TILT = 1.2  # greatest tilt of the horizon, radians
STROLL = 3.5  # greatest mean speed of a distractor, pixels a frame
_SUBPIXEL = 4  # binary digits of cv2's fixed-point coordinates


@dataclasses.dataclass(frozen=True)
class Scene:
    """A rendered video before it is encoded.

    Attributes:
      frames: [F,H,W,3] uint8, RGB.
      moments: Seconds at which something happens.
      speed: [F] in [0,1], how fast the actors move, relative to their fastest.
      lift: [F] in [-1,1], size and place of the first actor, which bend the pitch of a hum.
    """

    frames: np.ndarray
    moments: np.ndarray
    speed: np.ndarray
    lift: np.ndarray


def _outline(rng: np.random.Generator) -> np.ndarray:
    """[P,2], a closed outline of mean radius about 1, symmetric to its x axis: ellipse, polygon or star."""
    kind = rng.integers(4)
    corners = (24, 4, 3, 10)[kind]
    angle = 2 * np.pi * np.arange(corners) / corners
    radius = np.where(np.arange(corners) % 2, 0.6, 1.25) if kind == 3 else np.full(corners, (1.0, 1.25, 1.35)[kind % 3])
    aspect = rng.uniform(1.0, 1.6)
    return np.stack([np.cos(angle) * radius * np.sqrt(aspect), np.sin(angle) * radius / np.sqrt(aspect)], 1)


def _color(rng: np.random.Generator, away_from: np.ndarray) -> np.ndarray:
    """RGB [3] in [0,255], `COLOR_DISTANCE` from another colour."""
    while True:
        color = rng.uniform(10, 245, 3)
        if np.abs(color - away_from).mean() > COLOR_DISTANCE:
            return color


def _texture(rng: np.random.Generator, side: int, nuisance: float) -> np.ndarray:
    """[side,side,3] uint8: two octaves of smooth noise between two colours."""
    mask = np.zeros((side, side))
    for cells, weight in ((rng.integers(3, 6), 1.0), (rng.integers(8, 16), 0.5)):
        mask += weight * cv2.resize(rng.standard_normal((cells, cells)), (side, side), interpolation=cv2.INTER_CUBIC)
    mask = 1 / (1 + np.exp(-1.5 * mask))[..., None]
    base = rng.uniform(30, 225, 3)
    other = np.clip(base + nuisance * rng.uniform(-60, 60, 3), 0, 255)
    return (base * mask + other * (1 - mask)).astype(np.uint8)


def _camera(rng: np.random.Generator, frames: int, nuisance: float) -> Tuple[np.ndarray, np.ndarray]:
    """Places of the camera [F,2] in pixels, relative to the ground and to the actors.

    It follows the actors, while the ground drifts and sways by at about the pace of the motions; both feel the tremor
    of the hand that holds it.
    """

    def way(distance: np.ndarray) -> np.ndarray:
        heading = rng.uniform(0, 2 * np.pi)
        return distance[:, None] * [np.cos(heading), np.sin(heading)]

    time = np.arange(frames) - frames / 2
    drift = way(nuisance * rng.uniform(0, DRIFT) * time)
    sway = way(nuisance * rng.uniform(0, SWAY) * np.sin(2 * np.pi * (time / rng.uniform(5, 14) + rng.uniform())))
    tremor = nuisance * rng.uniform(0, TREMOR) * rng.standard_normal((frames, 2))
    return drift + sway + tremor, tremor


def _film(ground: np.ndarray, camera: np.ndarray, size: int) -> np.ndarray:
    """[F,size,size,3] uint8: the ground as the camera sees it; it starts from the ground's middle."""
    corners = camera * size / motions.FRAME + (ground.shape[0] - size) / 2
    shifts = [np.array([[1, 0, -x], [0, 1, -y]], np.float64) for x, y in corners]
    return np.stack([cv2.warpAffine(ground, shift, (size, size), borderMode=cv2.BORDER_REFLECT) for shift in shifts])


def _wrap(place: np.ndarray, width: float) -> np.ndarray:
    """Leaves the frame on one side, comes back on the other; zero is its middle, `width` its extent on this way."""
    whole = width + 2 * motions.RADIUS
    return (place + whole / 2) % whole - whole / 2


def _distractor(rng: np.random.Generator, camera: np.ndarray, nuisance: float) -> motions.Track:
    """Stands on the ground, crosses the frame, or strolls about without a rhythm."""
    frames = len(camera)
    steps = np.repeat(rng.standard_normal((1, 2)), frames, 0)
    if rng.integers(2):
        steps = cv2.GaussianBlur(rng.standard_normal((frames, 2)), (1, 0), 0.1, sigmaY=rng.uniform(1, 3))
    speed = np.hypot(*steps.T).mean()
    course = np.cumsum(steps / speed, 0) * nuisance * rng.uniform(0, STROLL) * rng.integers(2) - camera
    course = motions.FRAME / 2 + _wrap(rng.uniform(0, motions.FRAME, 2) + course, motions.FRAME)
    one = np.ones(frames)
    return motions.Track(course[:, 0], course[:, 1], rng.uniform(0, 2 * np.pi) * one, one, one, one)


def _stage(
    rng: np.random.Generator, motion: motions.Motion, tracks: List[motions.Track], camera: np.ndarray
) -> List[motions.Track]:
    """Turns the tracks into a heading, and puts them into the frame; what travels starts anywhere on its way."""
    heading = rng.uniform(-TILT, TILT) if motion.upright else rng.uniform(0, 2 * np.pi)
    cos, sin, mirror = np.cos(heading), np.sin(heading), rng.choice([-1, 1])
    way = motions.FRAME / max(abs(cos), abs(sin))  # length of a line through the middle at this heading
    start = rng.uniform(0, way)
    middle = np.mean([[track.x, track.y] for track in tracks], (0, 2))
    centre = rng.uniform(0.34, 0.66, 2) * motions.FRAME
    staged = []
    for track in tracks:
        along = _wrap(track.x + start, way) if motion.travels else track.x - middle[0]
        across = track.y - middle[1]
        x = mirror * (along * cos - across * sin) + centre[0] - camera[:, 0]
        y = along * sin + across * cos + centre[1] - camera[:, 1]
        staged.append(dataclasses.replace(track, x=x, y=y, angle=mirror * track.angle))
    return staged


def _draw(frames: np.ndarray, rng: np.random.Generator, track: motions.Track, ground: np.ndarray) -> None:
    """Draws one object of random looks into all frames."""
    outline = _outline(rng) * motions.RADIUS * rng.uniform(*SIZES)
    halves = (outline, np.minimum(outline, [0, np.inf]))
    first = _color(rng, ground)
    colors = (first, _color(rng, first))
    angle = track.angle + rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    unit = frames.shape[1] / motions.FRAME
    for points, color in zip(halves, colors):
        along, across = points[:, 0] * track.width[:, None], points[:, 1] * track.height[:, None]
        places = np.stack(
            [track.x[:, None] + cos * along - sin * across, track.y[:, None] + sin * along + cos * across], -1
        )
        # A pixel's centre, not its corner, has whole coordinates in cv2.
        places = np.round((places * unit - 0.5) * 2**_SUBPIXEL).astype(np.int32)
        for frame, polygon, visible in zip(frames, places, track.visible):
            if visible:
                cv2.fillPoly(frame, [polygon], color.tolist(), cv2.LINE_AA, _SUBPIXEL)


def _expose(rng: np.random.Generator, frames: np.ndarray, nuisance: float) -> np.ndarray:
    """Contrast, exposure and its flicker, and the sensor's grain: [F,H,W,3] uint8 -> the same."""
    contrast = np.exp(nuisance * rng.uniform(*np.log(CONTRAST)))
    black = rng.uniform(0, 255 * (1 - contrast))
    gain = 1 + nuisance * rng.uniform(0, FLICKER) * rng.standard_normal(len(frames))
    # One table a frame takes the place of arithmetic on every pixel.
    tables = np.clip(gain[:, None] * (black + contrast * np.arange(256)), 3, 252).astype(np.uint8)
    exposed = np.stack([cv2.LUT(frame, table) for frame, table in zip(frames, tables)])
    return exposed + rng.integers(0, 4, frames.shape, np.uint8) - np.uint8(2)


def _activity(tracks: List[motions.Track]) -> np.ndarray:
    """[F] in [0,1]: speed of the actors (of places, angles and sizes), relative to their fastest."""
    speed = sum(
        np.abs(np.gradient(track.x))
        + np.abs(np.gradient(track.y))
        + motions.RADIUS * (np.abs(np.gradient(track.angle)) + np.abs(np.gradient(track.width)))
        for track in tracks
    )
    return speed / max(speed.max(), 1e-6)


def render(rng: np.random.Generator, name: str, frames: int, size: int, nuisance: float = 1.0) -> Scene:
    """Renders one video of a class.

    Args:
      rng: All that is random comes from it.
      name: Key of `motions.MOTIONS`.
      frames: F, at `FPS`.
      size: H = W, pixels.
      nuisance: In [0,1], strength of all that hides the motion: texture, shakes, flicker, low contrast, strollers. It
        scales what is drawn, so that at every strength the same random numbers tell of the same video.
    """
    motion = motions.MOTIONS[name]
    period, phase = rng.uniform(*PERIODS), rng.uniform()
    beat = motions.Beat(
        np.arange(frames) / period + phase,
        rng.uniform(*SPEEDS) * period,
        int(rng.choice([-1, 1])),
        rng.uniform(),
        int(rng.integers(2**31)),
    )
    tracks = motion.move(beat)
    over_ground, tremor = _camera(rng, frames, nuisance)
    ground = _texture(rng, 2 * size, nuisance)
    pictures = _film(ground, over_ground, size)
    mean = ground.reshape(-1, 3).mean(0)
    for _ in range(int(rng.integers(OBJECTS[0], OBJECTS[1] + 1)) - len(tracks)):
        _draw(pictures, rng, _distractor(rng, over_ground, nuisance), mean)
    for track in _stage(rng, motion, tracks, tremor):
        _draw(pictures, rng, track, mean)
    counts = np.arange(-1, np.ceil(beat.cycle[-1]) + 1)
    moments = np.sort(np.add.outer(counts, np.array(motion.moments)).ravel() - phase) * period / FPS
    lift = np.clip(np.log(np.abs(tracks[0].width * tracks[0].height)) + tracks[0].y / (motions.FRAME / 4), -1, 1)
    return Scene(_expose(rng, pictures, nuisance), moments, _activity(tracks), lift)
