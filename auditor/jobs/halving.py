"""Where in a row of states the state changes, with as few questions as possible; some may have no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Row:
    """A row of `length` positions that are asked about one at a time, each once."""

    length: int
    ask: Callable[[int], bool | None]
    """The state at a position; None where it cannot be told."""
    states: dict[int, bool | None] = field(default_factory=dict)

    def change(self) -> tuple[int, int] | None:
        """The last position before a change and the first one after it; None when nothing differs.

        Where there are several changes it is one of them, towards the end of the row. All positions between
        the two have no answer.
        """
        for position in _spreading(self.length):
            self._state(position)
            found = self._last_difference()
            if found is not None:
                return self._narrowed(*found)
        return None

    def _state(self, position: int) -> bool | None:
        if position not in self.states:
            self.states[position] = self.ask(position)
        return self.states[position]

    def _last_difference(self) -> tuple[int, int] | None:
        """The last two neighbours with an answer whose states differ."""
        known = sorted((p for p, state in self.states.items() if state is not None), reverse=True)
        pairs = zip(known[1:], known, strict=False)
        return next(((a, b) for a, b in pairs if self.states[a] != self.states[b]), None)

    def _narrowed(self, low: int, high: int) -> tuple[int, int]:
        """Halve until nothing between the two can be told."""
        while True:
            middle = (low + high) // 2
            between = sorted(range(low + 1, high), key=lambda p: abs(p - middle))
            told = next((p for p in between if self._state(p) is not None), None)
            if told is None:
                return low, high
            if self.states[told] == self.states[low]:
                low = told
            else:
                high = told


def _spreading(length: int) -> Iterator[int]:
    """All positions, those first that leave the smallest gaps: the end, the start, the middle, ..."""
    if length:
        yield length - 1
    if length > 1:
        yield 0
    gaps = [(0, length - 1)]
    while gaps:
        low, high = gaps.pop(0)
        middle = (low + high) // 2
        if middle > low:
            yield middle
            gaps += [(low, middle), (middle, high)]
