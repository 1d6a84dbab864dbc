"""An adapter configuration as text: `lora[r=8,use_dora=True,target_modules=[q_proj,v_proj]]`.

Values are Python's plain ones; names need no quotes.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any, NamedTuple

_PLAIN = re.compile(r"[A-Za-z_][\w.\-]*$")
_OPEN, _CLOSE = "[{(", "]})"


class Written(NamedTuple):
    """A tuner's name and the arguments of its configuration."""

    tuner: str
    arguments: dict[str, Any]


def read(text: str) -> Written:
    """Raises ValueError, which says what is wrong, for a text that is no configuration."""
    tuner, bracket, inside = text.strip().partition("[")
    if not tuner:
        raise ValueError("the tuner's name is missing")
    if bracket and not inside.endswith("]"):
        raise ValueError("the bracket is not closed")
    arguments: dict[str, Any] = {}
    for part in _parts(inside[:-1]) if bracket else ():
        name, separator, value = part.partition("=")
        if not separator or not name.strip().isidentifier():
            raise ValueError(f"{part.strip()!r} is not written as name=value")
        if name.strip() in arguments:
            raise ValueError(f"{name.strip()} is given twice")
        arguments[name.strip()] = _value(value.strip())
    return Written(tuner, arguments)


def _parts(text: str) -> list[str]:
    """The text between commas that are in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += 0 if quote else (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    if depth or quote:
        raise ValueError("a bracket or a quote is not closed")
    return [part for part in parts if part.strip()]


def _value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_value(part.strip()) for part in _parts(text[1:-1])]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of patterns with a lone backslash
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if _PLAIN.match(text):
            return text
    raise ValueError(f"{text!r} is no plain value")
