"""A limit on what a child process may compute, in seconds of its processor time."""

from __future__ import annotations

import math
import signal

try:
    import resource
except ImportError:  # not on this system: only the clock of the parent ends a child there
    resource = None  # type: ignore[assignment]


def limit_computing(seconds: float) -> None:
    """Let the system end this process after so many seconds of processor time (rounded up)."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        wanted = math.ceil(seconds)
        soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, most))


def ended_by_limit(exit_code: int) -> bool:
    """Whether a process that ended so (negative: by a signal) had reached its limit."""
    return resource is not None and exit_code == -signal.SIGXCPU
