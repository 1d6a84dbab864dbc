"""The dynamic half: the composition is executed on a small model of the same architecture.

It runs in a child process with a bound on time, because some released code corrupts memory: the death
of the child is a finding, not the end of the audit.
"""

from .child_process import Probe, ProbeLost

__all__ = ["Probe", "ProbeLost"]
