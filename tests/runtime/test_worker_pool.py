"""Processes that are left behind."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import multiprocessing, time
from adapter_audit.auditor.runtime.worker_pool import end_with_parent

def hang():
    end_with_parent()
    print("there", flush=True)
    time.sleep(600)

process = multiprocessing.get_context("fork").Process(target=hang, daemon=True)
process.start()
time.sleep(600)
"""


def test_a_hanging_child_ends_with_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "there\n"
        parent.kill()
        # the child has inherited the pipe: it ends when nobody can write to it any more
        assert parent.communicate(timeout=60)[0] == ""
