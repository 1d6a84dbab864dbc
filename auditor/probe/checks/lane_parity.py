"""Rows of every lane and every batch part are what their reference gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import adapter_names
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class LaneGap(OutputGap):
    """A lane's rows are not what its adapters give alone."""

    lane: int
    adapters: tuple[str, ...]
    head: str
    """The head that serves it; empty for a model without heads to choose from."""
    rows: int
    """Rows that the output has; zero where there is no such output."""
    expected_rows: int


class LaneParity(ValueCheck):
    """See the module's docstring."""

    name, order = "lanes", 10
    yields = (LaneGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[LaneGap]:
        """One gap for each reference that differs."""
        ran = bench.composed()
        if bench.ignored:
            raise NotApplicable  # nothing is composed: `call_arguments` says so
        if len(bench.references) == 1 and bench.is_composition(bench.references[0]):
            raise NotApplicable
        for reference in bench.references:
            expected = bench.reference(reference)
            if expected.failure is not None:
                bench.leave_open(bench.stopped(reference.tree, expected))
                continue
            output, amount = bench.row_gap(ran, expected, reference)
            if amount > bench.tolerance:
                rows, expected_rows = bench.set_rows(ran, reference, output)
                departure = bench.first_departure(reference)
                mixing = bench.mixes_at()
                if mixing is not None and (departure is None or departure.site == mixing):
                    bench.leave_open(
                        f"a row depends on the other rows of its batch without adapters, too "
                        f"({mixing.file}:{mixing.line}), so no lane can be held to its adapter alone"
                    )
                    continue
                yield LaneGap(
                    lane=reference.lane,
                    adapters=adapter_names(reference.tree),
                    output=output,
                    deviation=amount,
                    head=reference.head or "",
                    rows=rows,
                    expected_rows=expected_rows,
                    departure=departure,
                )
