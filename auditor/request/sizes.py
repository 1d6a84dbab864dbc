"""B and S of an audit, and the sizes that a composition leaves open."""

from __future__ import annotations

from dataclasses import replace

from ..errors import UsageError
from ..schema.composition import BY_ROWS, DIVIDED, Block, Node, lane_count, walk
from ..schema.spec import AuditSpec

DEFAULT_TOKENS = 7
SMALLEST_ROWS = 3
"""B = 1 broadcasts, B = 2 is a multiple of two lanes: either hides defects."""


def rows_of(spec: AuditSpec, written: Block) -> int:
    """B, the caller's batch size: as asked, the sum of the batch sizes, or one that is no multiple of N."""
    if spec.batch is not None:
        return spec.batch
    if written.kind in BY_ROWS and written.numbers:
        return int(sum(written.numbers))
    parts = [len(b.children) for b in walk(written) if b.kind in DIVIDED]
    minimum, lanes = max([SMALLEST_ROWS, *parts]), lane_count(written)
    return next(b for b in range(minimum, minimum + 3) if lanes == 1 or b % lanes)


def tokens_of(spec: AuditSpec, written: Block) -> int:
    """S, tokens per row: as asked, or the sum of the splits."""
    if spec.seq_len is not None:
        return spec.seq_len
    if written.kind == "split" and written.numbers:
        return int(sum(written.numbers))
    return DEFAULT_TOKENS


def filled(tree: Block, rows: int | None, tokens: int | None) -> Block:
    """The tree with rows or tokens shared out as evenly as possible where a block was written without sizes.

    `rows` and `tokens` are those that were asked for; None leaves each block its own default.
    """
    total = rows if tree.kind in BY_ROWS else tokens if tree.kind == "split" else None
    if tree.kind in {*BY_ROWS, "split"} and tree.numbers is None:
        fallback = max(SMALLEST_ROWS, len(tree.children)) if tree.kind in BY_ROWS else DEFAULT_TOKENS
        tree = replace(tree, numbers=_shares(total or fallback, len(tree.children)))
    return replace(tree, children=_filled_children(tree, rows, tokens))


def check_sizes_fit(tree: Block, rows: int, tokens: int) -> None:
    """Refuse batch sizes and splits that cannot fit B and S; raises UsageError.

    Only for a person at the command line: in `batch` the same misfit is a `refused` verdict.
    """
    if tree.kind in BY_ROWS and tree.numbers and sum(tree.numbers) != rows:
        raise UsageError(
            f"batch sizes {_sum(tree.numbers)} do not fit the batch of {rows}",
            do=f"use --batch {int(sum(tree.numbers))} or sizes that sum to {rows}",
        )
    if tree.kind == "split" and tree.numbers and sum(tree.numbers) != tokens:
        raise UsageError(
            f"splits {_sum(tree.numbers)} do not fit the sequence length {tokens}",
            do=f"use --seq-len {int(sum(tree.numbers))} or splits that sum to {tokens}",
        )


def _sum(numbers: tuple[float, ...]) -> str:
    return f"{'+'.join(f'{n:g}' for n in numbers)}={sum(numbers):g}"


def _filled_children(tree: Block, rows: int | None, tokens: int | None) -> tuple[Node, ...]:
    def sizes(index: int) -> tuple[int | None, int | None]:
        own = int(tree.numbers[index]) if tree.numbers else None
        return (own if tree.kind in BY_ROWS else rows), (own if tree.kind == "split" else tokens)

    return tuple(c if isinstance(c, str) else filled(c, *sizes(i)) for i, c in enumerate(tree.children))


def _shares(total: int, parts: int) -> tuple[float, ...]:
    return tuple(float(total // parts + (1 if i < total % parts else 0)) for i in range(parts))
