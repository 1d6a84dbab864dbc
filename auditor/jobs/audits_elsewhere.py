"""Audits with other releases: spec lines go to a process of an overlay, result lines come back one by one.

Run as a module, this file is that process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..environments.overlays import Overlay
from ..environments.process_in_overlay import Died, lines_of
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult
from .batch_lines import run
from .result_lines import Line, failed

MODULE = f"{__package__}.audits_elsewhere"


def audits_in(
    overlay: Overlay,
    lines: Sequence[Line],
    request: AuditOptions,
    *,
    cache: Path | None = None,
    jobs: int = 1,
    more_path: Sequence[str] = (),
    progress: Callable[[], None] | None = None,
) -> list[AuditResult]:
    """One result for each line, in order, made in the overlay; a line that kills the process has one, too.

    `cache` is the directory of the cache; without it nothing is looked up or kept.
    """
    options = {name: sorted(v) if isinstance(v, frozenset) else v for name, v in asdict(request).items()}
    results: list[AuditResult] = []
    while len(results) < len(lines):
        given = {
            "lines": [[line.id, line.text] for line in lines[len(results) :]],
            "options": options,
            "cache": str(cache) if cache is not None else None,
            "jobs": jobs,
        }
        try:
            for text in lines_of(overlay, MODULE, json.dumps(given), more_path=more_path):
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
    options = {name: frozenset(v) if isinstance(v, list) else v for name, v in given["options"].items()}
    options["store"] = open_store(Path(given["cache"])) if given["cache"] else None
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
