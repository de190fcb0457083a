"""The converted videos of a manifest, a column a fact: 50 bytes a video beside its id, where a `VideoEntry` has 300.

table[3], for video in table        entries, made when they are asked for
table.frames.max()                  a column, for what is asked of all of them
table.take(table.frames >= 16)      a part, as a table of its own
"""

import itertools
from collections.abc import Sequence
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union, overload

import numpy as np

from elo_tf.data.video_entry import VideoEntry

_ROW = np.dtype(
    [("split", "i4"), ("label", "i4"), ("frames", "i4"), ("sound", "?"), ("shard", "i4")]
    + [("bytes", "i8"), ("time", "i8"), ("mark", "i8")]  # What is known of the file.
)
_AT_A_TIME = 4096  # Entries that are in memory while a table is made or walked through.


class VideoTable(Sequence):
    """Converted videos in their order; no entry of it changes.

    Attributes:
      ids: Of the videos, [n].
    """

    def __init__(self, ids: List[str], rows: np.ndarray, words: Tuple[str, ...], whole: Mapping[int, VideoEntry]):
        """`of` makes tables.

        Args:
          ids: Of the videos.
          rows: [n] of `_ROW`; split, label and shard are places among the words.
          words: Names of splits, labels and shards, each once.
          whole: Entries that say more than a row holds, such as those of parts, by their places.
        """
        self.ids = ids
        self._rows, self._words, self._whole = rows, words, whole

    @classmethod
    def of(cls, entries: Iterable[VideoEntry]) -> "VideoTable":
        """The table of some entries."""
        if isinstance(entries, VideoTable):
            return entries
        ids: List[str] = []
        words = _Places()
        whole: Dict[int, VideoEntry] = {}
        blocks = [np.empty(0, _ROW)]
        entries = iter(entries)
        while block := list(itertools.islice(entries, _AT_A_TIME)):
            rows, states = np.empty(len(block), _ROW), list(map(_state, block))
            # By columns, since this is what the start of a command on millions of videos consists of.
            names, splits, labels, rows["frames"], rows["sound"], shards, *_ = zip(*block)
            for field, column in (("split", splits), ("label", labels), ("shard", shards)):
                rows[field] = [words[word] for word in column]
            if None in states:
                whole.update((len(ids) + place, block[place]) for place, state in enumerate(states) if state is None)
                states = [state or (0, 0, 0) for state in states]
            rows["bytes"], rows["time"], rows["mark"] = zip(*states)
            ids += names
            blocks.append(rows)
        return cls(ids, np.concatenate(blocks), tuple(words), whole)

    @property
    def frames(self) -> np.ndarray:
        """Frames of each video, int32 [n]."""
        return self._rows["frames"]

    @property
    def sound(self) -> np.ndarray:
        """Whether each has sound, bool [n]."""
        return self._rows["sound"]

    def of_split(self, split: str) -> "VideoTable":
        """The videos of a split."""
        return self.take(self.values("split", {split: 1}, 0) == 1)

    def values(self, field: str, values: Mapping[str, int], other: int) -> np.ndarray:
        """Numbers that stand for the split, label or shard of each video, int32 [n].

        Args:
          field: `split`, `label` or `shard`.
          values: Number of each word.
          other: That of words that are not among them.
        """
        return np.array([values.get(word, other) for word in self._words], np.int32)[self._rows[field]]

    def counts(self, field: str) -> Dict[str, int]:
        """How many videos there are of each split, label or shard, by their sorted names."""
        counts = np.bincount(self._rows[field], minlength=len(self._words)).tolist()
        return {word: count for word, count in sorted(zip(self._words, counts)) if count}

    def facts(self) -> Iterator[List[Tuple[str, str, str, int, Optional[int]]]]:
        """Id, label, split, frames and mark of each video, without an entry for each, a block of videos at a time."""
        for part in self._parts():
            rows = self._rows[part]
            marks: List[Optional[int]] = rows["mark"].tolist()
            if self._whole:
                marks = [entry.mark for entry in self._entries(part)]
            labels, splits = self._named("label", rows), self._named("split", rows)
            yield list(zip(self.ids[part], labels, splits, rows["frames"].tolist(), marks))

    def take(self, chosen: np.ndarray) -> "VideoTable":
        """Some of the videos.

        Args:
          chosen: Their places, [m], in the order that they shall have; or bool [n], whether each is one of them.
        """
        if chosen.dtype == bool and chosen.all():
            return self
        places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        whole = {}
        if self._whole:
            whole = {new: self._whole[old] for new, old in enumerate(places.tolist()) if old in self._whole}
        return VideoTable([self.ids[place] for place in places.tolist()], self._rows[places], self._words, whole)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> VideoEntry: ...

    @overload
    def __getitem__(self, place: slice) -> List[VideoEntry]: ...

    def __getitem__(self, place: Union[int, slice]) -> Union[VideoEntry, List[VideoEntry]]:
        if isinstance(place, slice):
            return self._entries(place)
        place = range(len(self))[place]  # An IndexError where there is none.
        return self._entries(slice(place, place + 1))[0]

    def __iter__(self) -> Iterator[VideoEntry]:
        for part in self._parts():
            yield from self._entries(part)

    def _parts(self) -> Iterator[slice]:
        return (slice(first, first + _AT_A_TIME) for first in range(0, len(self), _AT_A_TIME))

    def _named(self, field: str, rows: np.ndarray) -> List[str]:
        return [self._words[word] for word in rows[field].tolist()]

    def _entries(self, part: slice) -> List[VideoEntry]:
        rows = self._rows[part]
        splits, labels, shards = (self._named(field, rows) for field in ("split", "label", "shard"))
        files = zip(rows["bytes"].tolist(), rows["time"].tolist())
        frames, sound, marks = (rows[field].tolist() for field in ("frames", "sound", "mark"))
        found = list(map(VideoEntry, self.ids[part], splits, labels, frames, sound, shards, files, marks))
        if self._whole:
            places = range(len(self))[part]
            found = [self._whole.get(place, entry) for place, entry in zip(places, found)]
        return found


class _Places(Dict[str, int]):
    """Numbers words in the order in which they are asked for."""

    def __missing__(self, word: str) -> int:
        self[word] = len(self)
        return self[word]


def _state(entry: VideoEntry) -> Optional[Tuple[int, int, int]]:
    """Size, time and mark of the file of a video; None where there is more to say of it, or less."""
    file, mark = entry.file, entry.mark
    if file is None or mark is None or len(file) != 2 or entry.source or entry.start or entry.warning:
        return None
    size, time = file
    if type(size) is not int or type(time) is not int or max(size, time, mark) >= 2**63 or min(size, time, mark) < 0:
        return None
    return size, time, mark
