"""Audits with other releases: spec lines go to a process of an overlay, result lines come back one by one.

Run as a module, this file is that process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..environments.overlays import Overlay
from ..environments.process_in_overlay import Died, lines_of
from ..schema.result import AuditResult
from .batch_lines import Line, failed, run

MODULE = f"{__package__}.audits_elsewhere"


def audits_in(
    overlay: Overlay,
    lines: Sequence[Line],
    options: dict[str, Any],
    *,
    jobs: int = 1,
    more_path: Sequence[str] = (),
    progress: Callable[[], None] | None = None,
) -> list[AuditResult]:
    """One result for each line, in order, made in the overlay; a line that kills the process has one, too.

    `options` are those of `batch_lines.audit_line`, and `cache`: the directory of the cache in place of `store`.
    """
    results: list[AuditResult] = []
    while len(results) < len(lines):
        request = {
            "lines": [[line.id, line.text] for line in lines[len(results) :]],
            "options": options,
            "jobs": jobs,
        }
        try:
            for text in lines_of(overlay, MODULE, json.dumps(request), more_path=more_path):
                results.append(AuditResult.model_validate_json(text))
                if progress is not None:
                    progress()
        except Died as error:
            results.append(failed(lines[len(results)], str(error)))
    return results


def main() -> int:
    """Answer the request on stdin."""
    from ..cache.store import open_store

    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not the answer
    given = json.load(sys.stdin)
    options = dict(given["options"])
    cache = options.pop("cache", None)
    options["store"] = open_store(Path(cache)) if cache else None
    lines = [Line(name, text) for name, text in given["lines"]]
    try:
        run(lines, answer, options, jobs=given["jobs"])
        answer.close()
    except BrokenPipeError:  # whoever asked is gone
        os._exit(1)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
