"""How files and values are spoilt: bytes as disks and downloads spoil them, JSON as editors and other versions do."""

import copy
import json
import random
from typing import Any, Callable, List, Sequence, Tuple

# What no field expects, or nearly expects.
ODD_VALUES: Tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "0",
    "nan", "../../outside", "/outside", "a\u0000b", "\ud800", "x" * 5000, [], [[]], [None], {}, {"": None}, [1, "a"],
)  # fmt: skip
ODD_WORDS = (
    "", "0", "-1", "1", "2", "1e999", "nan", "inf", "-inf", "99999999999999999999", "0.5", "a", "a,b", ",", "~",
    "../outside", "/", "/dev/null", "/proc/self/mem", "été", "\udcff", "true", "None", "'\"", "x" * 3000, "a\nb",
    "local:0", "local:-1", "ray:x", "s3://no/such", "all", "rgb", "[x]", "%s%n", "*",
)  # fmt: skip


def spoil_bytes(random: random.Random, content: bytes) -> bytes:
    """The content with one to four faults, at any place."""
    for _ in range(random.randint(1, 4)):
        content = random.choice(_FAULTS)(random, content)
    return content


def _flip(random: random.Random, content: bytes) -> bytes:
    spoilt = bytearray(content)
    for _ in range(random.choice((1, 1, 8, 64))):
        if spoilt:
            spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
    return bytes(spoilt)


def _cut(random: random.Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _zero(random: random.Random, content: bytes) -> bytes:
    first, last = _stretch(random, content)
    return content[:first] + bytes(last - first) + content[last:]


def _remove(random: random.Random, content: bytes) -> bytes:
    first, last = _stretch(random, content)
    return content[:first] + content[last:]


def _repeat(random: random.Random, content: bytes) -> bytes:
    first, last = _stretch(random, content)
    return content[:last] + content[first:last] * random.choice((1, 2, 50)) + content[last:]


def _noise(random: random.Random, content: bytes) -> bytes:
    first, last = _stretch(random, content)
    return content[:first] + random.randbytes(min(last - first, 4096)) + content[last:]


def _lengths(random: random.Random, content: bytes) -> bytes:
    """Four bytes become a number that is too large, as a length in a header may."""
    place = random.randrange(max(1, len(content)))
    return content[:place] + random.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4))) + content[place + 4 :]


def _stretch(random: random.Random, content: bytes) -> Tuple[int, int]:
    first = random.randrange(len(content) + 1)
    return first, min(len(content), first + random.choice((1, 16, 512, len(content))))


_FAULTS: Sequence[Callable[[random.Random, bytes], bytes]] = (_flip, _cut, _zero, _remove, _repeat, _noise, _lengths)


def spoil_json(random: random.Random, value: Any) -> str:
    """The text of a JSON value in which one to three things are replaced, removed, renamed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(random.randint(1, 3)):
        _spoil_inside(random, value)
    text = json.dumps(value)
    deep = random.random()
    if deep < 0.02:  # Deeper than parsers that call themselves can go.
        return text.replace("{", '{"deep": ' + "[" * 100_000 + "]" * 100_000 + ", ", 1)
    return text if deep < 0.9 else spoil_bytes(random, text.encode()).decode(errors="surrogateescape")


def _spoil_inside(random: random.Random, value: Any) -> None:
    places = _places(value)
    if not places:
        return
    holder, key = random.choice(places)
    kind = random.randrange(4)
    if kind == 0 and isinstance(holder, (dict, list)):
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(random.choice(ODD_VALUES))


def _places(value: Any) -> List[Tuple[Any, Any]]:
    """(container, key) of everything in a value, itself left out."""
    found: List[Tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        found += _places(value[key])
    return found


def spoil_text(random: random.Random, text: str) -> bytes:
    """A list of lines with lines doubled, torn, emptied or exchanged, or bytes of any kind in it."""
    lines = text.splitlines()
    for _ in range(random.randint(1, 3)):
        place = random.randrange(max(1, len(lines)))
        line = lines[place] if lines else ""
        lines[place : place + 1] = random.choice(
            ([], [line, line], [line[: len(line) // 2]], [line + " 1 2 3"], [random.choice(ODD_WORDS)], [line[::-1]],
             ["#" + line], [line.upper()], [line.replace(" ", "\t").replace(",", ";")], ["../../" + line])
        )  # fmt: skip
    content = random.choice(("\n", "\r\n", "\r")).join(lines).encode(errors="surrogateescape")
    return content if random.random() < 0.7 else spoil_bytes(random, content)
