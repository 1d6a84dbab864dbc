"""Reads results that were written before: one JSON object, an array, or one object a line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import UsageError
from ..schema.result import SCHEMA_VERSION, AuditResult


def read_results(path: Path) -> list[AuditResult]:
    """All results of a file (`-` is stdin); raises UsageError that names the file and the place in it."""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", why=str(error)) from error
    found = read_results_text(text, str(path))
    if not found:
        raise UsageError(
            f"{path} holds no results", do="give a file written by --report json=FILE or batch -o"
        )
    return found


def read_results_text(text: str, source: str) -> list[AuditResult]:
    """`read_results` on text."""
    whole = _loaded(text)
    if isinstance(whole, list):
        return [_result(item, f"{source}, result {n}") for n, item in enumerate(whole, 1)]
    if whole is not None:
        return [_result(whole, source)]
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                data = json.loads(line)
            except (ValueError, RecursionError) as error:
                why = getattr(error, "msg", "") or str(error)
                raise UsageError(f"{source}, line {number} is not valid JSON", why=why) from error
            found.append(_result(data, f"{source}, line {number}"))
    return found


def _loaded(text: str) -> Any:
    """The text as one JSON value; None when it is none (then it may be one value a line)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _result(data: Any, where: str) -> AuditResult:
    if isinstance(data, dict) and isinstance(data.get("schema_version"), int):
        version = data["schema_version"]
        if version > SCHEMA_VERSION:
            raise UsageError(
                f"{where} has schema version {version}, this release reads up to {SCHEMA_VERSION}",
                do="upgrade adapter-audit",
            )
    try:
        return AuditResult.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        why = f"{place}: {first['msg']}" if place else "expected a JSON object"
        raise UsageError(f"{where} is not a result of adapter-audit", why=why) from error
