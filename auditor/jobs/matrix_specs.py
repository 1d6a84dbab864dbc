"""Every combination of models, methods and compositions, as specs for `batch`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from ..errors import UsageError
from ..request.job import requested_job
from ..schema.spec import AuditSpec
from .batch_lines import Line

_OPEN, _CLOSE = "([{", ")]}"


def split_list(text: str) -> list[str]:
    """Parts between commas; commas inside brackets or double quotes do not split.

    `parallel:2,stack(a,b)` has two parts, `lora[r=8,alpha=16],seq_bn` too. Raises UsageError for brackets
    that do not match.
    """
    parts, depth, quoted, start = [], 0, False, 0
    for at, char in enumerate(text):
        if char == '"' and text[at - 1 : at] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
        if depth < 0:
            raise UsageError(f"{char!r} without an opening bracket at character {at + 1} of {text!r}")
    if depth or quoted:
        raise UsageError(f"a {'quotation mark' if quoted else 'bracket'} is not closed in {text!r}")
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def split_lists(texts: Iterable[str]) -> list[str]:
    """`split_list` on each, together, each part once."""
    return list(dict.fromkeys(part for text in texts for part in split_list(text)))


def combinations(
    models: Sequence[str], methods: Sequence[str], composes: Sequence[str], **fields: object
) -> list[AuditSpec]:
    """One spec for each combination, models outermost; `fields` hold for all.

    Raises UsageError for a composition that cannot be read, and for an empty list.
    """
    for name, values in (("--models", models), ("--methods", methods), ("--compose", composes)):
        if not values:
            raise UsageError(f"{name} names nothing", do="give a list with commas")
    specs = [
        AuditSpec.read(
            {
                **fields,
                "id": f"{model} {compose} {method}",
                "model": model,
                "compose": compose,
                "adapter": method,
            }
        )
        for model, compose, method in product(models, composes, methods)
    ]
    for spec in specs[: len(composes) * len(methods)]:
        requested_job(spec)
    return specs


def as_lines(specs: Iterable[AuditSpec]) -> list[Line]:
    """The specs as lines of a `batch` file."""
    return [Line(str(spec.id), spec.model_dump_json(exclude_none=True)) for spec in specs]
