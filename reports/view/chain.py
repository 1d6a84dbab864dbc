"""The chain from origin to meeting as rows of a small picture: two tracks that run together.

The picture is drawn beside the text of each step, like the graph of a version history: one track for the
tensor that was expanded, one for the tensor that was not, joined where they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adapter_audit.auditor.schema.result import Evidence, Finding, Location, Related

from . import words

Track = Literal["expanded", "shared", "meeting"]


@dataclass(frozen=True)
class Step:
    """One step and what the picture shows beside it."""

    text: str
    location: Location | None
    track: Track
    is_cause: bool
    """The finding's own place; a later step on the same track is where it shows."""
    above: frozenset[Track]
    """Tracks that come from above into this row."""
    below: frozenset[Track]
    """Tracks that go on below this row."""


def chain(finding: Finding) -> list[Step]:
    """The evidence of a finding in order, ending where the tensors meet; empty when there is none."""
    steps = list(finding.evidence) or [_as_evidence(place) for place in _in_order(finding.related)]
    if not steps:
        return []
    if steps[-1].location is None or not _same_place(steps[-1].location, finding.primary):
        ends = any(step.location and _same_place(step.location, finding.primary) for step in steps)
        if not ends:
            steps.append(Evidence(text=finding.name, location=finding.primary))
    return _drawn(steps, finding)


def _as_evidence(place: Related) -> Evidence:
    return Evidence(text=words.ROLE[place.role], location=place)


def _in_order(related: Sequence[Related]) -> list[Related]:
    order = ("operand-origin", "expanded-at", "reference", "also-at", "symptom", "raised-at")
    return sorted(related, key=lambda place: order.index(place.role))


def _drawn(steps: Sequence[Evidence], finding: Finding) -> list[Step]:
    tracks: list[Track] = []
    for step in steps:
        # A step without a place goes on with what the step before spoke of.
        tracks.append(_track(step.location, finding) if step.location else (tracks or ["expanded"])[-1])
    drawn = []
    open_tracks: set[Track] = set()
    for number, (step, track) in enumerate(zip(steps, tracks, strict=True)):
        above = frozenset(open_tracks)
        joins = track == "meeting"
        open_tracks = {"meeting"} if joins else open_tracks | {track}
        below = frozenset(open_tracks if number + 1 < len(steps) else ())
        is_cause = step.location is not None and _same_place(step.location, finding.primary)
        drawn.append(Step(step.text, step.location, track, is_cause, above, below))
    return drawn


def _track(place: Location, finding: Finding) -> Track:
    if _same_place(place, finding.primary):
        return "meeting"
    for other in finding.related:
        if _same_place(place, other):
            return _TRACK_OF_ROLE.get(other.role, "meeting")
    return "expanded" if "N" in place.axes else "shared"


_TRACK_OF_ROLE: dict[str, Track] = {
    "expanded-at": "expanded",
    "operand-origin": "shared",
    "reference": "shared",
}


def _same_place(one: Location, other: Location) -> bool:
    return (one.file, one.line, one.module) == (other.file, other.line, other.module)
