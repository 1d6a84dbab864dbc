"""Where a model without adapters lets the rows of a batch depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...trace.records import Site
from ...trace.runs import Inputs
from ..precision import deviation

if TYPE_CHECKING:
    from ..bench import Bench


def first_mixing(bench: Bench, more: Inputs) -> Site | None:
    """The line of the model without adapters that gives the batch's rows another value among `more` rows.

    `more` begins with the batch. Looked for along the first axis of ops; None where no op shows it.
    """
    alone, among = bench.witnessed(None), bench.witnessed(None, inputs=more)
    twins = {record.key: record for record in alone.trace.records}
    for record in among.trace.records:
        twin = twins.get(record.key)
        for mine, theirs in zip(among.values_of(record), alone.values_of(twin) if twin else (), strict=False):
            known = mine.dim() and mine.dim() == theirs.dim() and len(mine) > len(theirs)
            if known and deviation(mine[: len(theirs)], theirs) > bench.tolerance:
                return record.site
    return None
