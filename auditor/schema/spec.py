"""What is audited: one validated request, from the command line, a `batch` line or Python."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UsageError

Mode = Literal["forward", "train", "generate", "beam"]
Mask = Literal["none", "full", "right", "left"]
Attention = Literal["sdpa", "eager"]
Dtype = Literal["float32", "bfloat16", "float16"]
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


class AuditSpec(BaseModel):
    """One audit request: the fields of a `batch` line. Plain data: `request.job.Job` is what is done with it.

    Sizes: `batch` is B, the caller's rows (default: the smallest B >= 3 that is no multiple of N, or the
    sum of the batch sizes); `seq_len` is S, tokens per row (default 7, or the sum of the splits).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = None
    model: str
    compose: str
    library: str | None = None
    """The adapter library; None for the one that is audited when nobody says."""
    history: tuple[str, ...] = ()
    """What happens to the adapters after they were made active, see `schema.history`."""
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
    heads: dict[str, str] = Field(default_factory=dict)
    """Adapter -> a prediction head of the library's own, which has the adapter's name."""
    active_head: tuple[str, ...] | None = None
    """Names of the heads to be active, in place of those that follow from the adapters."""
    dtype: Dtype | None = None
    """What the model is loaded in, as `from_pretrained(torch_dtype=...)` does; None is float32. Adapters are
    added to it as the library does it."""

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

    def plain(self) -> dict[str, Any]:
        """The spec as plain data, without the fields that were left out."""
        left_out = set() if self.history else {"history"}
        return self.model_dump(mode="json", exclude_none=True, exclude=left_out)


def _first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = get_close_matches(where, model.model_fields, 1)
        return f"unknown field {where!r}" + (f", did you mean {near[0]!r}?" if near else "")
    if first["type"] == "missing":
        return f"the field {where!r} is missing"
    return f"{where}: {first['msg']}"
