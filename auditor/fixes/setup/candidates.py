"""Which other set-ups come near to the wanted result, the nearest first, with the Python to paste.

First those that keep the adapters and their results, then those that keep the adapters but not quite the
result, then those with other adapters, to be trained anew. A title says what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ...library.adapters.pasted_code import python
from ...request.job import Job
from . import restored_modules as restored
from .other_adapters import all_layers, merged, other_methods, unnested
from .same_adapters import all_settings, batch_split, one_by_one, one_row, other_words, settings
from .setup_change import ACTIVATE, INIT, SetUp, active_code

WITHIN: tuple[Callable[[Job], Iterable[SetUp]], ...] = (other_words, one_by_one, one_row, all_settings)
"""What may be needed on top of other adapters."""


def options(job: Job, base: SetUp | None = None) -> Iterator[SetUp]:
    """All set-ups that come into question, each once; all of them on top of `base`, if it is given."""
    seen: set[tuple[str, ...]] = {_identity(SetUp("", (job,), ()))}
    for option in _options(job) if base is None else _on(base, job):
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


def bases(job: Job, act: str) -> Iterator[SetUp]:
    """What can be done where `adapters.init` alone changes the model (`act`: its activation function)."""
    yield SetUp(
        "parameters that adapters.init adds to the model's own modules set to zero",
        (job,),
        ((INIT, _ZERO_ADDED),),
        ("zero-added",),
    )
    yield SetUp(
        "the model's small modules, which adapters.init takes out, put back as an adapter below all others",
        (job,),
        ((INIT, restored.code(act)),),
        ("restored",),
    )


def _identity(option: SetUp) -> tuple[str, ...]:
    return (*option.variants, *(j.spec.model_dump_json() for j in option.jobs))


def _options(job: Job) -> Iterator[SetUp]:
    single, every = settings(job), all_settings(job)
    yield from batch_split(job)
    yield from (*single, *every)
    yield from other_words(job)
    yield from one_by_one(job)
    yield from one_row(job)
    for setting in every or single:
        for inner in (one_by_one, one_row, other_words):
            yield from _after(setting, inner(setting.jobs[0]))
    yield from merged(job)
    others = [*all_layers(job), *other_methods(job)]
    yield from others
    for within in WITHIN:
        for other in others:
            yield from _after(other, within(other.jobs[0]))
    yield from unnested(job)


def _on(base: SetUp, job: Job) -> Iterator[SetUp]:
    """The composition as it is, then all options, on top of a base."""
    active = (ACTIVATE, f"{active_code(job, python(job.tree))}\n")
    for same in _after(base, [SetUp("", (job,), (active,))]):
        yield replace(same, title=base.title)
    yield from _after(base, _options(job))


def _after(first: SetUp, then: Iterable[SetUp]) -> Iterator[SetUp]:
    """Both changes, one on top of the other."""
    for second in then:
        title = f"{second.title}, with {first.title}"
        variants = tuple(dict.fromkeys((*first.variants, *second.variants)))
        then_do = second.steps
        if "restored" in first.variants:
            then_do = tuple((when, restored.put_below(text)) for when, text in then_do)
        yield SetUp(title, second.jobs, first.steps + then_do, variants, second.merges)
