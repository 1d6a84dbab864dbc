"""One audit as it is done: the request and what follows from it, worked out once and passed down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..library.find_library import library_named, library_names
from ..library.library import HasHistories, Library
from ..schema.audit_options import AuditOptions
from ..schema.composition import Block, adapter_names, lane_count, walk
from ..schema.composition_parser import parse
from ..schema.history import Step, parse_history
from ..schema.saved_setup import read_setup
from ..schema.spec import AuditSpec
from .model_source import ModelSource, resolve
from .sizes import check_sizes_fit, filled, rows_of, tokens_of


@dataclass(frozen=True)
class Job:
    """What is audited, of which model, by which library, and how."""

    spec: AuditSpec
    tree: Block
    """The composition, its open sizes filled in from B and S."""
    rows: int
    """B, the caller's batch size."""
    tokens: int
    """S, tokens per row."""
    source: ModelSource
    library: Library
    options: AuditOptions = field(default_factory=AuditOptions)

    @classmethod
    def of(
        cls,
        spec: AuditSpec,
        source: ModelSource,
        options: AuditOptions | None = None,
        library: Library | None = None,
    ) -> Job:
        """The job of a spec. Raises ComposeError, or UsageError for a set-up or library that is not there."""
        library = library or library_named(spec.library)
        tree = _in_its_blocks(written(spec.compose), library)
        return cls(
            spec,
            filled(tree, spec.batch, spec.seq_len),
            rows_of(spec, tree),
            tokens_of(spec, tree),
            source,
            library,
            options or AuditOptions(),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All adapters, each once, in the order of the text; behind them those of the history only."""
        others = self.spec.adapters if self.history else ()
        return tuple(dict.fromkeys((*adapter_names(self.tree), *others)))

    @cached_property
    def history(self) -> tuple[Step, ...]:
        """What happens after the composition was made active. Raises UsageError for what is no step."""
        return parse_history(self.spec.history)

    @cached_property
    def lanes(self) -> int:
        """N, how many lanes the composition makes of one batch."""
        return lane_count(self.tree)

    @cached_property
    def methods(self) -> dict[str, str]:
        """Adapter -> its configuration; in a model in hand, of those whose configuration has a text."""
        if self.source.in_hand:
            return {name: self.spec.adapters[name] for name in self.names if name in self.spec.adapters}
        default = self.spec.adapter or self.library.default_config
        return {name: self.spec.adapters.get(name, default) for name in self.names}

    def changed(self, **fields: Any) -> Job:
        """The same job with other fields of the spec, everything else worked out anew."""
        spec = self.spec.model_copy(update=fields)
        return Job.of(spec, self.source, self.options, self.library)

    def at(self, source: ModelSource) -> Job:
        """The same job on another model."""
        return replace(self, source=source)


def requested_job(
    spec: AuditSpec, options: AuditOptions | None = None, *, sizes_must_fit: bool = False
) -> Job:
    """The job of a request that can be meant, before its model is looked for. Raises UsageError.

    What the *library* refuses is not decided here: that is a verdict of the audit.
    """
    job = Job.of(spec, ModelSource(spec.model, "not looked for yet"), options)
    _check(job)
    if sizes_must_fit:
        check_sizes_fit(job.tree, job.rows, job.tokens)
    return job


def resolved_job(
    spec: AuditSpec, options: AuditOptions | None = None, *, sizes_must_fit: bool = False
) -> Job:
    """`requested_job` with its model found. Raises UsageError."""
    job = requested_job(spec, options, sizes_must_fit=sizes_must_fit)
    return job.at(resolve(spec.model, offline=job.options.offline))


def written(compose: str) -> Block:
    """The composition as it was written, or as it was saved."""
    return read_setup(Path(compose)) if _is_path(compose) else parse(compose)


def _in_its_blocks(written: Block, library: Library) -> Block:
    """The composition, if all its blocks are the library's; one adapter alone as the library has it."""
    if written.kind not in library.blocks and len(written.children) == 1 and written.kind == "stack":
        return replace(written, kind=library.alone)
    for block in walk(written):
        if block.kind not in library.blocks:
            others = [n for n in library_names() if block.kind in library_named(n).blocks]
            raise UsageError(
                f"{block.kind} is no block of {library.package}",
                why=f"it is one of {', '.join(others)}" if others else "",
                do=f"use --library {others[0]}" if others else f"known: {', '.join(library.blocks)}",
            )
    return written


def _is_path(compose: str) -> bool:
    try:
        return compose.endswith(".json") or Path(compose).is_dir()
    except OSError:  # longer than a file name can be
        return False


def _check(job: Job) -> None:
    spec = job.spec
    for what, size in (("rows", job.rows), ("tokens", job.tokens)):
        if size < 1:
            raise UsageError(f"{spec.compose} leaves no {what}", why="all its sizes are 0")
    if spec.skip_layers and not job.library.skips_layers:
        raise UsageError(
            f"{job.library.package} has no layers to skip",
            why="a composition is active in all layers that its adapters are in",
            do="leave layers out of the adapters' configurations",
        )
    if job.history and not isinstance(job.library, HasHistories):
        raise UsageError(f"histories of {job.library.package} are not audited", do="use --library peft")
    if not job.names:
        raise UsageError(f"{spec.compose} names no adapter", do="write for example mixed(a,__base__)")
    for option, given in (("--adapter", spec.adapters), ("--head", spec.heads)):
        for name in given:
            if name not in job.names:
                raise UsageError(
                    f"{option} {name}=... names an adapter that is not in the composition",
                    why=f"{spec.compose} has {', '.join(job.names)}",
                )
    if spec.heads and spec.head:
        raise UsageError(
            f"the head {spec.head} and heads of adapters exclude each other",
            why="a model has the head of its class, or heads under names",
        )
    if spec.heads and job.library.heads is None:
        raise UsageError(f"{job.library.package} has no heads of its own", do="give a task head")
