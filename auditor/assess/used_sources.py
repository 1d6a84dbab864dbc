"""Which source files an audit depends on, known after it ran: what the cache asks for.

Names are relative to `site-packages` (or `sys.path`) where a file lies there, so that another environment
compares its own files.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from ..facts.facts import Facts
from ..source.source_files import absolute_file, relative_file
from ..trace.records import Failure, Site


def used_source_files(model: Any, facts: Facts, package: str) -> frozenset[str]:
    """Files whose lines ran in the trace, that define the model's classes, or belong to the adapter library.

    `package` is the library's import name. Of the library every loaded file counts: much of it decides
    without an op that a trace could show.
    """
    names = {site.file for site in _sites(facts)}
    names.update(_files_of_classes(model))
    names.update(_files_of_package(package))
    return frozenset(name for name in names if name and absolute_file(name))


def _sites(facts: Facts) -> Iterator[Site]:
    failures: list[Failure | None] = [facts.setup_failure]
    if facts.static is not None:
        yield from (record.site for record in facts.static.trace.records)
        failures += [*facts.static.trace.failures, *facts.static.reference_failures.values()]
    if facts.probe is not None:
        failures += [facts.probe.failure, *facts.probe.reference_failures.values()]
        if facts.probe.death is not None and facts.probe.death.site is not None:
            yield facts.probe.death.site
    for failure in failures:
        if failure is not None:
            yield from failure.frames
            if failure.site is not None:
                yield failure.site


def _files_of_classes(model: Any) -> Iterator[str]:
    classes = {base for module in model.modules() for base in type(module).__mro__}
    classes.add(type(getattr(model, "config", None)))
    for name in {cls.__module__ for cls in classes}:
        yield from _file_of_module(name)


def _files_of_package(package: str) -> Iterator[str]:
    for name in list(sys.modules):
        if name == package or name.startswith(package + "."):
            yield from _file_of_module(name)


def _file_of_module(name: str) -> Iterator[str]:
    module = sys.modules.get(name)
    if inspect.ismodule(module) and isinstance(getattr(module, "__file__", None), str):
        relative = relative_file(str(module.__file__))
        if relative is not None and relative.endswith(".py"):
            yield relative
