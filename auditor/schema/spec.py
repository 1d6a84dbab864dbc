"""What is audited: one validated request, from the command line, a `batch` line or Python."""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UsageError
from .composition import Block, Node, adapter_names, lane_count, load_saved, parse, walk

Mode = Literal["forward", "train", "generate", "beam"]
Mask = Literal["none", "full", "right", "left"]
Attention = Literal["sdpa", "eager"]
ExtraInput = Literal[
    "position_ids",
    "decoder_attention_mask",
    "decoder_input_ids",
    "decoder_inputs_embeds",
    "inputs_embeds",
    "token_type_ids",
    "labels",
    "output_attentions",
]

DEFAULT_METHOD = "lora"
DEFAULT_SEQ_LEN = 7


class AuditSpec(BaseModel):
    """One audit request: the fields of a line of `adapter-audit batch`.

    Sizes: `batch` is B, the caller's rows (default: the smallest B >= 3 that is no multiple of N, or the
    sum of the batch sizes); `seq_len` is S, tokens per row (default 7, or the sum of the splits).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = None
    model: str
    compose: str
    adapter: str | None = None
    adapters: dict[str, str] = Field(default_factory=dict)
    batch: Annotated[int, Field(ge=1, le=4096)] | None = None
    seq_len: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    mask: Mask = "none"
    mode: Mode = "forward"
    attn: Attention | None = None
    inputs: tuple[ExtraInput, ...] = ()
    skip_layers: tuple[int, ...] | None = None
    gradient_checkpointing: bool = False
    head: str | None = None

    @classmethod
    def read(cls, data: Any) -> AuditSpec:
        """Validate plain data; raises UsageError with one line that names the field and the nearest name."""
        if not isinstance(data, dict):
            raise UsageError("a spec must be a JSON object", why=f"got {type(data).__name__}")
        try:
            return cls.model_validate({k: v for k, v in data.items() if v is not None})
        except ValidationError as error:
            raise UsageError("the spec is not valid", why=_first_problem(error, cls)) from error

    @classmethod
    def read_line(cls, line: str) -> AuditSpec:
        """`read` on one line of JSON."""
        try:
            data = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UsageError("the line is not valid JSON", why=str(error)) from error
        return cls.read(data)

    def composition(self) -> Block:
        """The parsed composition, its open sizes filled in from B and S.

        Raises ComposeError, or UsageError for a saved set-up that cannot be read.
        """
        return _fill_numbers(self._written_composition(), self.batch, self.seq_len)

    def _written_composition(self) -> Block:
        if self.compose.endswith(".json") or Path(self.compose).is_dir():
            return _load_setup(Path(self.compose))
        return parse(self.compose)

    def rows(self) -> int:
        """B, the caller's batch size."""
        if self.batch is not None:
            return self.batch
        tree = self._written_composition()
        if tree.kind == "batchsplit" and tree.numbers:
            return int(sum(tree.numbers))
        lanes = lane_count(tree)
        minimum = max(3, *(len(b.children) for b in walk(tree) if b.kind in ("batchsplit", "multitask")), 3)
        return next(b for b in range(minimum, minimum + 3) if lanes == 1 or b % lanes)

    def tokens(self) -> int:
        """S, tokens per row."""
        if self.seq_len is not None:
            return self.seq_len
        tree = self._written_composition()
        if tree.kind == "split" and tree.numbers:
            return int(sum(tree.numbers))
        return DEFAULT_SEQ_LEN

    def method_of(self, name: str) -> str:
        """The adapter configuration string for one adapter."""
        return self.adapters.get(name, self.adapter or DEFAULT_METHOD)

    def check(self) -> None:
        """Refuse what cannot be meant; raises UsageError.

        What the *library* refuses is not decided here: that is a verdict of the audit.
        """
        tree = self.composition()
        for what, size in (("rows", self.rows()), ("tokens", self.tokens())):
            if size < 1:
                raise UsageError(f"{self.compose} leaves no {what}", why="all its sizes are 0")
        names = adapter_names(tree)
        for name in self.adapters:
            if name not in names:
                raise UsageError(
                    f"--adapter {name}=... names an adapter that is not in the composition",
                    why=f"{self.compose} has {', '.join(names)}",
                )


def check_sizes(spec: AuditSpec) -> None:
    """Refuse batch sizes and splits that cannot fit B and S; raises UsageError.

    Only for a person at the command line: in `batch` the same misfit is a `refused` verdict.
    """
    tree, rows, tokens = spec.composition(), spec.rows(), spec.tokens()
    if tree.kind == "batchsplit" and tree.numbers and sum(tree.numbers) != rows:
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


def _load_setup(path: Path) -> Block:
    file = path / "adapter_setup.json" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the saved set-up {file}", why=str(error)) from error
    return load_saved(text, str(file))


def _fill_numbers(tree: Block, rows: int | None, tokens: int | None) -> Block:
    """Share rows or tokens out as evenly as possible where a block was written without sizes."""
    total = rows if tree.kind == "batchsplit" else tokens if tree.kind == "split" else None
    if tree.kind in ("batchsplit", "split") and tree.numbers is None:
        fallback = max(3, len(tree.children)) if tree.kind == "batchsplit" else DEFAULT_SEQ_LEN
        tree = replace(tree, numbers=_shares(total or fallback, len(tree.children)))
    return replace(tree, children=_fill_children(tree, rows, tokens))


def _fill_children(tree: Block, rows: int | None, tokens: int | None) -> tuple[Node, ...]:
    def sizes(index: int) -> tuple[int | None, int | None]:
        own = int(tree.numbers[index]) if tree.numbers else None
        return (own if tree.kind == "batchsplit" else rows), (own if tree.kind == "split" else tokens)

    return tuple(
        c if isinstance(c, str) else _fill_numbers(c, *sizes(i)) for i, c in enumerate(tree.children)
    )


def _shares(total: int, parts: int) -> tuple[float, ...]:
    return tuple(float(total // parts + (1 if i < total % parts else 0)) for i in range(parts))


def _first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = get_close_matches(where, model.model_fields, 1)
        return f"unknown field {where!r}" + (f", did you mean {near[0]!r}?" if near else "")
    if first["type"] == "missing":
        return f"the field {where!r} is missing"
    return f"{where}: {first['msg']}"
