"""A child process whose output nobody should see."""

from __future__ import annotations

import os


def silence() -> None:
    """Send what this process prints nowhere, the C library's words about a crash, too; leave no core file.

    With ADAPTER_AUDIT_DEBUG set, everything is shown.
    """
    if os.environ.get("ADAPTER_AUDIT_DEBUG"):
        return
    import faulthandler

    faulthandler.disable()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError):  # not on this system: core files are its own setting there
        pass
