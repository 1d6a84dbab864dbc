"""From the MODEL argument to a model configuration, without importing torch.

Order for an id: local directory or file, Hugging Face cache, the shipped catalogue, the Hub.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from ..errors import BuildError, UsageError
from . import catalogue

_FACTORY = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)?$")
HUB_TIMEOUT = 5.0
"""Seconds to wait for the Hub."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: a configuration, or a function that makes the model."""

    name: str
    origin: str
    """In words: `directory`, `catalogue`, `cache`, `hub`, `function`."""
    config: Mapping[str, Any] | None = None
    factory: Callable[..., Any] | None = None
    directory: Path | None = None
    model: Any = None
    """The model in hand, with its adapters, that the factory copies."""
    inputs: Mapping[str, Any] | None = None
    """Forward arguments that the caller brought along."""
    dtypes: Mapping[str, str] | None = None
    """Parameter -> its dtype, where they are not all float32, of a model that is built again."""
    config_class: str = ""
    model_class: str = ""
    """`module:name` of what `config` is for, where that is not left to transformers."""

    @property
    def in_hand(self) -> bool:
        """Whether it is a model of the caller's, with its adapters."""
        return self.model is not None


def resolve(name: str, *, offline: bool = False) -> ModelSource:
    """Find the model. Raises UsageError that says what was tried and names near matches."""
    if _FACTORY.match(name) and not Path(name).exists():
        return ModelSource(name, "function", factory=_load_factory(name))
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_directory(name, path)
    if path.is_file():
        return ModelSource(name, "file", config=_read_config(path), directory=path.parent)
    if name.startswith((".", "/", "~")) or name.endswith(".json") or not _HUB_ID.match(name):
        raise UsageError(f"there is no model at {name}", do=_suggest(name))
    return _from_id(name, offline or _offline_by_environment())


def _from_id(name: str, offline: bool) -> ModelSource:
    cached = _cached_config(name)
    if cached is not None:
        return ModelSource(name, "cache", config=_read_config(cached), directory=cached.parent)
    entry = catalogue.lookup(name)
    if entry is not None:
        return ModelSource(name, "catalogue", config=entry.config)
    if offline:
        raise UsageError(
            f"unknown model {name!r}",
            why="not a directory, not in the Hugging Face cache, not in the catalogue (offline)",
            do=_suggest(name),
        )
    return _from_hub(name)


def _from_directory(name: str, path: Path) -> ModelSource:
    file = path / "config.json"
    if not file.is_file():
        raise UsageError(
            f"the directory {name} has no config.json",
            do="point at a model directory, for example one written by save_pretrained()",
        )
    return ModelSource(name, "directory", config=_read_config(file), directory=path)


def _read_config(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}", why=str(error)) from error
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{file} is not valid JSON", why=f"line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise UsageError(f"cannot read {file}", why="it is nested too deeply") from error
    if not isinstance(data, dict):
        raise UsageError(f"{file} is not a model configuration", why="expected a JSON object")
    if not isinstance(data.get("model_type"), str):
        raise UsageError(f"{file} has no model_type", do="add the model_type that transformers knows it by")
    return data


def _cached_config(name: str) -> Path | None:
    """The newest `config.json` of this id in the Hugging Face cache (its documented layout)."""
    home = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME") or os.path.join(os.path.expanduser("~"), ".cache", "huggingface"), "hub"
    )
    snapshots = Path(home) / ("models--" + name.replace("/", "--")) / "snapshots"
    if not snapshots.is_dir():
        return None
    found = sorted(snapshots.glob("*/config.json"), key=lambda p: p.stat().st_mtime)
    return found[-1] if found else None


def _from_hub(name: str) -> ModelSource:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise UsageError(
            f"unknown model {name!r}", why="huggingface_hub is not installed", do=_suggest(name)
        ) from error
    try:
        _reach_hub()  # the library would try for half a minute
        file = hf_hub_download(name, "config.json", etag_timeout=HUB_TIMEOUT)
    except Exception as error:
        raise UsageError(
            f"unknown model {name!r}",
            why=f"not a directory, not in the cache or the catalogue, and the Hub says {_brief(error)}",
            do=_suggest(name),
        ) from error
    return ModelSource(name, "hub", config=_read_config(Path(file)), directory=Path(file).parent)


def _reach_hub() -> None:
    """Raise OSError at once when there is no way to the Hub (or to the mirror that `HF_ENDPOINT` names)."""
    endpoint = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
    proxies = getproxies()
    if endpoint.scheme in proxies or "all" in proxies:
        return
    socket.create_connection((endpoint.hostname or "", port), timeout=HUB_TIMEOUT).close()


def _brief(error: BaseException) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{type(error).__name__}: {first}"[:160]


def _load_factory(name: str) -> Callable[..., Any]:
    module_name, _, function = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BuildError(f"cannot import {module_name}", why=_brief(error)) from error
    factory = getattr(module, function, None)
    if not callable(factory):
        raise UsageError(
            f"{module_name} has no function {function!r}", do="write --model package.module:function"
        )
    return factory  # type: ignore[no-any-return]


def _suggest(name: str) -> str:
    near = catalogue.nearest(name)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "give a Hub id, a directory with config.json, or package.module:function"


def _offline_by_environment() -> bool:
    truthy = ("1", "true", "yes", "on")
    return any(os.environ.get(k, "").lower() in truthy for k in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
