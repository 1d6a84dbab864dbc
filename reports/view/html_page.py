"""Fills a template into one HTML file that needs nothing else: styles and scripts are inlined.

The page forbids itself every network access and every script that is not one of ours (a content security
policy with the scripts' hashes), so a text that slipped through the escaping could still not run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from . import words
from .prepare import shorten

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parents[1] / "html"
VENDORED = ("vendor/cytoscape.min.js", "vendor/cytoscape-dagre.min.js")


def page(template: str, scripts: tuple[str, ...], **context: Any) -> str:
    """The filled template; `scripts` are files under `html/`, run in that order."""
    sources = [_script(name) for name in scripts]
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_asset("style.css")),
            scripts=[Markup(source) for source in sources],
            policy=_policy(sources),
            words=words,
            **context,
        )
    )


def embedded_json(data: Any) -> Markup:
    """JSON for a script element: no character in it can end the element or start a comment."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only a page needs them

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shorten"] = shorten
    return environment


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _script(name: str) -> str:
    source = _asset(name)
    if "</script" in source.lower():
        raise ValueError(f"{name} would end its script element")
    lines = source.splitlines()
    # The map is not there; a browser's developer tools would look for it.
    return "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL=")) + "\n"


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {hashes}"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
