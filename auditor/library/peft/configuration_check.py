"""Wrong adapter configurations, answered without importing the library, which has the last word."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path

from ...errors import LibraryRefusal
from .configuration_text import read
from .tuner_fields import arguments, tuners

SAVED = "adapter_config.json"
TYPE = "peft_type"


def saved_file(config: str) -> Path | None:
    """The file of a saved adapter that a configuration names: its directory, or the file itself."""
    try:
        path = Path(config)
        if path.is_dir():
            return path / SAVED
        return path if path.suffix == ".json" and path.is_file() else None
    except (OSError, ValueError):  # longer than a file name can be, or with a null in it
        return None


def check_config(config: str) -> None:
    """Raise LibraryRefusal for a configuration that is certainly wrong; silent where that is not certain."""
    saved = saved_file(config)
    if saved is not None:
        _check_saved(config, saved)
    elif tuners():
        _check_text(config)


def _check_text(config: str) -> None:
    try:
        written = read(config)
    except ValueError as error:
        raise _wrong(
            config, str(error), "write for example lora[r=8,target_modules=[q_proj,v_proj]]"
        ) from error
    _check_tuner(config, written.tuner)
    known = arguments(tuners()[written.tuner])
    for name in written.arguments if known else ():
        if name not in known:
            near = get_close_matches(name, known, 2, 0.6)
            do = f"did you mean {' or '.join(near)}?" if near else f"arguments: {', '.join(sorted(known))}"
            raise _wrong(config, f"{written.tuner} has no argument {name!r}", do)


def _check_tuner(config: str, tuner: str) -> None:
    if tuner in tuners():
        return
    near = get_close_matches(tuner, tuners(), 3, 0.5)
    saved = ", and there is no such directory" if "/" in tuner else ""
    do = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(tuners()))}"
    raise _wrong(config, f"the installed peft release has no tuner {tuner!r}{saved}", do)


def _check_saved(config: str, file: Path) -> None:
    if not file.is_file():
        raise _wrong(config, f"the directory has no {SAVED}", "give one written by save_pretrained()")
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _wrong(config, f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(saved, dict) or not isinstance(saved.get(TYPE), str):
        raise _wrong(config, f"{file} has no {TYPE}", "give one written by save_pretrained()")
    if tuners():
        _check_tuner(config, saved[TYPE].lower())


def _wrong(config: str, why: str, do: str = "") -> LibraryRefusal:
    return LibraryRefusal(f"{config!r} is not an adapter configuration", why=why, do=do)
