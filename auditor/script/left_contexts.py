"""Which set-up an error leaves behind: that of the innermost `with AdapterSetup(...)` around the call.

When the error arrives at the top, such blocks have been left. So the context's own class is asked to note
its set-up at the error that leaves it: nothing is wrapped around calls, and no frame is added to a traceback.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..knowledge.library_names import ADAPTERS

_NOTE = "_adapter_audit_set_up"


def note_set_ups() -> None:
    """From now on errors know the set-up that they leave."""
    after_import(ADAPTERS.set_up_contexts, _watch)


def set_up_left_by(error: BaseException) -> Any:
    """The set-up, as the library's object; None when no block of that kind was left."""
    return getattr(error, _NOTE, None)


def _watch(module: ModuleType) -> None:
    context = getattr(module, ADAPTERS.set_up_context)
    leave = context.__exit__

    def noting(self: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
        if error is not None and set_up_left_by(error) is None:
            setattr(error, _NOTE, getattr(self, ADAPTERS.set_up_of_context))
        return leave(self, kind, error, trace)

    context.__exit__ = noting


def after_import(name: str, act: Callable[[ModuleType], None]) -> None:
    """Call `act` with a module once it is imported, now if it is."""
    if name in sys.modules:
        act(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Waiting(name, act))


class _Waiting(MetaPathFinder):
    """Finds one module as it would be found without it, and acts when it has been executed."""

    def __init__(self, name: str, act: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.act = act

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, whose loader tells."""
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            self.act(module)

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec
