"""Which audits can share a model: other compositions of the same adapters, on the same model, run alike."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Iterator
from itertools import groupby

from ..errors import AuditError
from ..request.job import Job, requested_job
from ..schema.audit_options import AuditOptions
from ..schema.spec import AuditSpec
from .result_lines import Line

LARGEST = 32
"""Audits in one group: what is shared between them is thrown away sooner or later."""
_OF_THE_COMPOSITION = {"id", "compose", "adapter", "adapters", "batch", "seq_len"}
"""Fields of a spec that differ between compositions, or of which something else is part of the key."""


def groups(lines: Iterable[Line], options: AuditOptions) -> Iterator[tuple[Line, ...]]:
    """The lines in order, neighbours together that can share a model."""
    keyed = ((_key_of(number, line, options), line) for number, line in enumerate(lines))
    for _, found in groupby(keyed, lambda pair: pair[0]):
        together = tuple(line for _, line in found)
        yield from (together[at : at + LARGEST] for at in range(0, len(together), LARGEST))


def _key_of(number: int, line: Line, options: AuditOptions) -> Hashable:
    """A line that cannot be read, or shares nothing, stands alone."""
    try:
        job = requested_job(AuditSpec.read_line(line.text), options)
    except AuditError:
        return number
    key = share_key(job)
    return number if key is None else key


def share_key(job: Job) -> Hashable | None:
    """Jobs with the same key differ in their composition only; None for one that shares nothing.

    A user's function may give another model each time. Heads follow the composition, and so does the head
    that the model without adapters runs with. Without `fork` nothing is handed on to another process.
    """
    spec, options = job.spec, job.options
    alone = ":" in spec.model or spec.heads or spec.active_head or job.source.in_hand
    more = options.fixes or options.releases or options.graph or options.static_only
    if alone or more or not job.library.adds_in_parts or not sys.platform.startswith("linux"):
        return None
    fields = spec.model_dump_json(exclude=_OF_THE_COMPOSITION)
    return fields, tuple(job.methods.items()), job.rows, job.tokens
