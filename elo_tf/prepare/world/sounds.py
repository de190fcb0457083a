"""The sounds of the rendered world: four families, each shared by several motions.

    tick     a struck body: decaying partials at the moments of the motion
    puff     a burst of air: band-passed noise at the moments
    hum      a tone whose loudness follows the speed of the actors, its pitch their size and place
    silence  nothing but the room

Over each lies the room: coloured noise, a random gain, and, in part of the videos, something off screen, from any
family and in its own time; some moments make no sound, and a hum wavers by itself. A family therefore says only in
part, and its rhythm only with the picture, what happens.
"""

from typing import Callable, Dict, Sequence, Tuple, Union

import numpy as np

SAMPLE_RATE = 16000  # Hz
OFF_SCREEN = 0.45  # part of the videos with a sound whose source is not seen
MISSED = 0.15  # part of the moments that make no sound
_PEAK = 0.8
# Pitches: log2 of Hz, of what strikes or blows, and of what hums.
_STRUCK, _HUMMED = (8.7, 11.7), (7.2, 9.7)
# The part of the pitches that a sound may have; of what is off screen, and in most lists of classes, all of them.
Register = Tuple[float, float]
ANY: Register = (0.0, 1.0)


def _place(sound: np.ndarray, burst: np.ndarray, second: float, gain: float) -> None:
    """Adds the burst at the given moment, cut at the ends of the sound."""
    start = int(round(second * SAMPLE_RATE))
    first, last = max(start, 0), min(start + burst.size, sound.size)
    if first < last:
        sound[first:last] += gain * burst[first - start : last - start]


def tick(
    rng: np.random.Generator, moments: Sequence[float], speed: np.ndarray, lift: np.ndarray, register: Register = ANY
) -> np.ndarray:
    """Decaying partials at each moment; see `SOUNDS`."""
    seconds = np.arange(int(0.15 * SAMPLE_RATE)) / SAMPLE_RATE
    pitch, decay = 2.0 ** _draw(rng, _STRUCK, register), rng.uniform(0.008, 0.035)
    burst = np.zeros(seconds.size)
    for partial in (1.0, rng.uniform(1.4, 2.0)):
        burst += np.sin(2 * np.pi * pitch * partial * seconds) * np.exp(-seconds * partial / decay)
    sound = np.zeros(speed.size)
    for moment in moments:
        _place(sound, burst, moment, rng.uniform(0.5, 1.0))
    return sound


def puff(
    rng: np.random.Generator, moments: Sequence[float], speed: np.ndarray, lift: np.ndarray, register: Register = ANY
) -> np.ndarray:
    """Bursts of band-passed noise, centred on the moments; see `SOUNDS`."""
    length = int(rng.uniform(0.07, 0.18) * SAMPLE_RATE)
    taps = np.hanning(int(rng.integers(6, 25)))
    centre = 2 * np.pi * 2.0 ** _draw(rng, _STRUCK, register) / SAMPLE_RATE
    sound = np.zeros(speed.size)
    for moment in moments:
        breath = np.convolve(rng.standard_normal(length), taps / np.sqrt(np.sum(taps**2)), "same")
        breath *= np.hanning(length) * np.cos(centre * np.arange(length))
        _place(sound, breath, moment - length / 2 / SAMPLE_RATE, rng.uniform(0.4, 0.8))
    return sound


def hum(
    rng: np.random.Generator, moments: Sequence[float], speed: np.ndarray, lift: np.ndarray, register: Register = ANY
) -> np.ndarray:
    """A tone that follows the actors; see `SOUNDS`."""
    lift, speed = (course + _waver(rng, speed.size) for course in (lift, speed))
    pitch = 2.0 ** (_draw(rng, _HUMMED, register) + rng.uniform(0.1, 0.4) * lift)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    tone = sum(
        strength * np.sin(partial * phase)
        for partial, strength in ((1, 1.0), (2, rng.uniform(0, 0.8)), (3, rng.uniform(0, 0.6)))
    )
    return 0.5 * tone * (0.15 + 0.85 * np.clip(speed, 0, 1))


def _draw(rng: np.random.Generator, pitches: Tuple[float, float], register: Register) -> float:
    """A pitch of a register."""
    return rng.uniform(*np.interp(register, ANY, pitches))


def _waver(rng: np.random.Generator, samples: int) -> np.ndarray:
    """[samples], at most .5: what an engine does by itself, at about the pace of the motions."""
    cycles = np.arange(samples) / SAMPLE_RATE * rng.uniform(1.0, 3.0) + rng.uniform()
    return rng.uniform(0, 0.5) * np.sin(2 * np.pi * cycles)


def silence(
    rng: np.random.Generator, moments: Sequence[float], speed: np.ndarray, lift: np.ndarray, register: Register = ANY
) -> np.ndarray:
    """Nothing; see `SOUNDS`."""
    return np.zeros(speed.size)


# (rng, moments in seconds, speed [samples] in [0,1], lift [samples] in [-1,1], register) -> [samples] float64, peaks
# about 1.
SOUNDS: Dict[str, Callable[..., np.ndarray]] = {"tick": tick, "puff": puff, "hum": hum, "silence": silence}


def _off_screen(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A sound of any family, in a rhythm that is not the motion's."""
    seconds = samples / SAMPLE_RATE
    period = rng.uniform(0.25, 1.0)
    moments = np.arange(rng.uniform(0, period), seconds, period)
    waver = np.sin(2 * np.pi * (np.arange(samples) / SAMPLE_RATE / period + rng.uniform()))
    family = list(SOUNDS.values())[rng.integers(3)]
    return rng.uniform(0.3, 0.9) * family(rng, moments, (waver + 1) / 2, waver)


def record(
    rng: np.random.Generator,
    family: str,
    moments: Union[Sequence[float], np.ndarray],
    speed: np.ndarray,
    lift: np.ndarray,
    register: Register = ANY,
) -> np.ndarray:
    """The whole sound of a video.

    Args:
      family: Key of `SOUNDS`.
      moments: Seconds at which something happens.
      speed: [samples] in [0,1], how fast the actors move, relative to their fastest.
      lift: [samples] in [-1,1], their size and place.
      register: Part of the pitches that it may have.

    Returns:
      [samples] int16 at `SAMPLE_RATE`, mono.
    """
    heard = [moment for moment in moments if rng.uniform() > MISSED]
    sound = SOUNDS[family](rng, heard, speed, lift, register)
    if rng.uniform() < OFF_SCREEN:
        sound = sound + _off_screen(rng, speed.size)
    room = np.convolve(rng.standard_normal(speed.size), np.hanning(int(rng.integers(4, 20))), "same")
    sound = sound + room / room.std() * 10 ** rng.uniform(-2.6, -1.2)
    # Recorders level their gain: a silent video is not told by its loudness.
    gain = _PEAK * 10 ** rng.uniform(-1.0, 0) / np.abs(sound).max()
    return np.round(sound * gain * 32767).astype(np.int16)
