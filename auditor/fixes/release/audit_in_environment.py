"""One audit in another environment: a request on stdin, its result on stdout (`python -m`)."""

from __future__ import annotations

import json
import os
import sys

from ...errors import AuditError
from ...runtime.computing_limit import limit_computing
from ..trial.reaudit import facts_and_result, job_of
from ..trial.trial_process import TIME_LIMIT


def main() -> int:
    """Answer the request; an expected failure is one line on stderr."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not the answer
    limit_computing(TIME_LIMIT)
    given = json.load(sys.stdin)
    try:
        _, result = facts_and_result(job_of(given["spec"], given["model"]))
    except AuditError as error:
        print(error.line, file=sys.stderr)
        return int(error.exit_code)
    answer.write(result.model_dump_json(exclude={"graph"}))
    answer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
