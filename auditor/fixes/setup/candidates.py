"""Which other set-ups come near to the wanted result, the nearest first, with the Python to paste.

First those that keep the adapters and their results, then those that keep the adapters but not quite the
result, then those with other adapters, to be trained anew. A title says what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ...library.composition_code import python
from ...schema.spec import AuditSpec
from . import restored_modules as restored
from .other_adapters import all_layers, merged, other_methods, unnested
from .same_adapters import all_settings, batch_split, one_by_one, one_row, other_words, settings
from .setup_change import ACTIVATE, INIT, SetUp, active_code

WITHIN: tuple[Callable[[AuditSpec], Iterable[SetUp]], ...] = (other_words, one_by_one, one_row, all_settings)
"""What may be needed on top of other adapters."""


def options(spec: AuditSpec, base: SetUp | None = None) -> Iterator[SetUp]:
    """All set-ups that come into question, each once; all of them on top of `base`, if it is given."""
    seen: set[tuple[str, ...]] = {_identity(SetUp("", (spec,), ()))}
    for option in _options(spec) if base is None else _on(base, spec):
        if _identity(option) not in seen:
            seen.add(_identity(option))
            yield option


_ZERO_ADDED = """\
own = {n for n, _ in model.named_parameters()}  # before adapters.init(model)
adapters.init(model)
for name, parameter in model.named_parameters():
    if name not in own:
        parameter.data.zero_()
"""


def bases(spec: AuditSpec, act: str) -> Iterator[SetUp]:
    """What can be done where `adapters.init` alone changes the model (`act`: its activation function)."""
    yield SetUp(
        "parameters that adapters.init adds to the model's own modules set to zero",
        (spec,),
        ((INIT, _ZERO_ADDED),),
        ("zero-added",),
    )
    yield SetUp(
        "the model's small modules, which adapters.init takes out, put back as an adapter below all others",
        (spec,),
        ((INIT, restored.code(act)),),
        ("restored",),
    )


def _identity(option: SetUp) -> tuple[str, ...]:
    return (*option.ways, *(s.model_dump_json() for s in option.specs))


def _options(spec: AuditSpec) -> Iterator[SetUp]:
    single, every = settings(spec), all_settings(spec)
    yield from batch_split(spec)
    yield from (*single, *every)
    yield from other_words(spec)
    yield from one_by_one(spec)
    yield from one_row(spec)
    for setting in every or single:
        for inner in (one_by_one, one_row, other_words):
            yield from _after(setting, inner(setting.specs[0]))
    yield from merged(spec)
    others = [*all_layers(spec), *other_methods(spec)]
    yield from others
    for within in WITHIN:
        for other in others:
            yield from _after(other, within(other.specs[0]))
    yield from unnested(spec)


def _on(base: SetUp, spec: AuditSpec) -> Iterator[SetUp]:
    """The composition as it is, then all options, on top of a base."""
    active = (ACTIVATE, f"{active_code(spec, python(spec.composition()))}\n")
    for same in _after(base, [SetUp("", (spec,), (active,))]):
        yield replace(same, title=base.title)
    yield from _after(base, _options(spec))


def _after(first: SetUp, then: Iterable[SetUp]) -> Iterator[SetUp]:
    """Both changes, one on top of the other."""
    for second in then:
        title = f"{second.title}, with {first.title}"
        ways = tuple(dict.fromkeys((*first.ways, *second.ways)))
        then_do = second.steps
        if "restored" in first.ways:
            then_do = tuple((when, restored.put_below(text)) for when, text in then_do)
        yield SetUp(title, second.specs, first.steps + then_do, ways, second.merges)
