"""What a user does to the adapters of a model after they were set, by the library's calls for it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from ...schema.history import Step
from .switching import Switch

WORKERS: Mapping[str, tuple[str, ...]] = {
    "merge": ("merge",),
    "unmerge": ("unmerge",),
    "set": ("set_adapter",),
    "delete": ("delete_adapter",),
    "disable": ("enable_adapters",),
    "enable": ("enable_adapters",),
    "unload": ("unload_and_optionally_merge_module", "unmerge"),
    "merge_and_unload": ("unload_and_optionally_merge_module", "merge"),
    "weighted": ("add_weighted_adapter",),
    "error": ("_enable_peft_forward_hooks",),
}
"""Step, or block that an adapter is made of -> methods of a module, or of the tuner around it, that do the
work; the first one that is there."""


def do(model: Any, step: Step, fresh: Callable[[], Any]) -> Any:
    """See `library.HasHistories`."""
    names = {"adapter_names": list(step.names)} if step.names else {}
    if step.word == "merge":
        model.merge_adapter(**names)
    elif step.word == "unmerge":
        model.unmerge_adapter()
    elif step.word == "set":
        Switch(model).choose(step.names)
    elif step.word == "delete":
        for name in step.names:
            model.delete_adapter(name)
    elif step.word == "disable":
        Switch(model).disable()
    elif step.word == "enable":
        Switch(model).enable()
    elif step.word == "unload":
        return model.unload()
    elif step.word == "merge_and_unload":
        return model.merge_and_unload(**names)
    elif step.word == "save_load":
        return _reloaded(model, fresh())
    return model


def _reloaded(model: Any, base: Any) -> Any:
    """All adapters saved, and loaded one beside the other; those that were active are set again."""
    from peft import PeftModel

    names, active = list(model.peft_config), model.active_adapters
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, selected_adapters=names)
        loaded = PeftModel.from_pretrained(base, str(Path(folder) / names[0]), adapter_name=names[0])
        for name in names[1:]:
            loaded.load_adapter(str(Path(folder) / name), adapter_name=name)
    chosen = [active] if isinstance(active, str) else list(active)
    Switch(loaded).choose(chosen)
    return loaded.eval()


def code_of(model: Any, step: Step, module: str) -> CodeType | None:
    """See `library.HasHistories`: a method of the module, of one around it, or of the tuner."""
    parts = module.split(".")
    around = [".".join(parts[:count]) for count in range(len(parts), -1, -1)]
    for path in around:
        for name in WORKERS.get(step.word, ()):
            method = getattr(type(_submodule(model, path)), name, None)
            code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
            if isinstance(code, CodeType) and not _is_of_a_base_class(code):
                return code
    return None


def _submodule(model: Any, path: str) -> Any:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None


def _is_of_a_base_class(code: CodeType) -> bool:
    """Whether it stands in the file of all tuners' base classes, which says nothing of one of them."""
    return code.co_filename.endswith("tuners_utils.py") and code.co_name in ("merge", "unmerge")
