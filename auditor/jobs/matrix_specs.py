"""Every combination of models, methods and compositions, as specs for `batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import product

from ..errors import UsageError
from ..knowledge.library_names import TRANSFORMERS
from ..library.library import Library
from ..request import catalogue
from ..request.catalogue import depth
from ..request.job import requested_job
from ..request.model_source import resolve
from ..schema.spec import AuditSpec
from .result_lines import Line

NUMBERS = {"batchsplit": ";2,1", "split": ";4,3"}
"""What a block over two adapters needs beside them: rows of the first and the second, or tokens."""

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


def chosen(texts: Sequence[str], known: Sequence[str], without: Iterable[str] = ()) -> list[str]:
    """What is asked for: all that is known when nothing is said, patterns (`*-base`) from that, other texts.

    Raises UsageError for a pattern that matches nothing.
    """
    found: list[str] = []
    for text in split_lists(texts) if texts else known:
        own = _matching(text, known) if _is_pattern(text) else [text]
        if not own:
            raise UsageError(f"{text!r} matches nothing", do=f"known: {', '.join(known[:12])}")
        found += own
    left_out = {name for text in split_lists(without) for name in _matching(text, found)}
    return [name for name in dict.fromkeys(found) if name not in left_out]


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Only `*` and `?` stand for others: brackets belong to configurations."""
    return [name for name in names if fnmatchcase(name, pattern.replace("[", "[[]"))]


def every_model() -> list[str]:
    """Of each type of model in the catalogue the checkpoint with the fewest layers."""
    least: dict[str, tuple[int, str]] = {}
    for entry in catalogue.entries():
        kind, size = str(entry.config["model_type"]), (depth(entry.config), entry.id)
        least[kind] = min(least.get(kind, size), size)
    return [name for _, (_, name) in sorted(least.items())]


def every_method(library: Library) -> list[str]:
    """All methods that the library says it has, under their current names."""
    return list(library.tables.methods_with(frozenset()))


def every_block(library: Library) -> list[str]:
    """One adapter alone, and each block of the library over two."""
    return ["a", *(f"{kind}(a,b{NUMBERS.get(kind, '')})" for kind in library.blocks)]


def generates(model: str, *, offline: bool = False) -> bool:
    """Whether a model makes text, as its configuration says; a function's model is taken for one that does.

    Raises UsageError for a model that is not found.
    """
    config = resolve(model, offline=offline).config
    if config is None:
        return True
    classes = config.get("architectures") or [""]
    return bool(config.get("is_encoder_decoder")) or str(classes[0]).endswith(TRANSFORMERS.generating_classes)


def combinations(
    models: Sequence[str],
    methods: Sequence[str],
    composes: Sequence[str],
    modes: Sequence[str] = ("forward",),
    asked: Callable[[str, str], bool] = lambda _model, _mode: True,
    **fields: object,
) -> list[AuditSpec]:
    """One spec for each combination that is `asked` for (model and mode); `fields` hold for all.

    Compositions innermost: those of one model with one method share what they are held to. Raises UsageError
    for a composition that cannot be read, and for an empty list.
    """
    for name, values in (("--models", models), ("--methods", methods), ("--compose", composes)):
        if not values:
            raise UsageError(f"{name} names nothing", do="give a list with commas")
    several = len(modes) > 1
    specs = [
        AuditSpec.read(
            {
                **fields,
                "id": f"{model} {compose} {method}" + (f" {mode}" if several else ""),
                "model": model,
                "compose": compose,
                "adapter": method,
                "mode": mode,
            }
        )
        for model, method, mode, compose in product(models, methods, modes, composes)
        if asked(model, mode)
    ]
    for spec in specs[: len(composes)]:
        requested_job(spec)
    return specs


def shard(specs: Sequence[AuditSpec], number: int, count: int) -> list[AuditSpec]:
    """Part `number` (from 1) of `count`: behind each other the whole; what shares a model stays together."""
    starts = [0]
    for at in range(1, len(specs)):
        one, other = specs[at - 1], specs[at]
        if (one.model, one.adapter, one.mode) != (other.model, other.adapter, other.mode):
            starts.append(at)
    first, end = (len(starts) * n // count for n in (number - 1, number))
    borders = [*starts, len(specs)]
    return list(specs[borders[first] : borders[end]])


def as_lines(specs: Iterable[AuditSpec]) -> list[Line]:
    """The specs as lines of a `batch` file."""
    return [Line(str(spec.id), spec.model_dump_json(exclude_none=True)) for spec in specs]
