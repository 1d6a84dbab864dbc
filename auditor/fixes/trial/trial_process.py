"""Tries a patch: a child process imports the patched library, audits again and says what it saw.

The child is forked, so that torch need not be imported again; the libraries are. What it tells comes back
as plain data, since its classes are other ones than the parent's by then.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ...request.job import Job
from ...runtime.silent_process import silence
from ...schema.result import AuditResult, Invariant
from ...source.parsed_module import Edit
from ..patch.family import SourceEdit

TIME_LIMIT = 300.0
"""Seconds after which a trial is given up."""


@dataclass(frozen=True)
class Request:
    """What a child should do, as plain data."""

    spec: dict[str, Any]
    model: dict[str, Any]
    package: str = ""
    """The library's."""
    patched: Mapping[str, str] = field(default_factory=dict)
    also: tuple[dict[str, Any], ...] = ()
    """Specs that are probed, too, when the audit is clean."""
    audit: bool = True
    alone: bool = True
    """Run every adapter alone and report the outputs."""
    propose: bool = True
    """Say what families propose for what is still found."""
    strict: bool = True
    """Whether a warning stands in the way of what is asked beside the audit."""
    variants: tuple[str, ...] = ()
    """Names of `setup.library_variants`: how the library is called."""
    merges: Mapping[str, Any] = field(default_factory=dict)
    """A spec whose Average blocks are merged (see `setup.merged_adapters`); empty for none."""

    @classmethod
    def of(cls, job: Job, **fields: Any) -> Request:
        """A request for a job. Raises ValueError for a model that only exists in this process."""
        if job.source.in_hand:
            from ...build.rebuilt import CannotRebuild, rebuilt

            try:
                job = rebuilt(job)
            except CannotRebuild as reason:
                raise ValueError(f"the model in hand cannot be built again: {reason}") from reason
        source = job.source
        model = {
            "name": source.name,
            "origin": source.origin,
            "config": source.config and dict(source.config),
            "dtypes": source.dtypes and dict(source.dtypes),
            "config_class": source.config_class,
            "model_class": source.model_class,
            "inputs": source.inputs and dict(source.inputs),
        }
        return cls(job.spec.plain(), model, package=job.library.package, **fields)


@dataclass(frozen=True)
class Outcome:
    """What a child said; `trouble` is set when it could not say anything."""

    result: AuditResult | None = None
    proposals: Mapping[int, tuple[SourceEdit, ...]] = field(default_factory=dict)
    """Number of the finding in the result -> proposals for it, on the patched text."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Other specs -> what went wrong there; empty when they went well."""
    broken: frozenset[Invariant] = frozenset()
    """What does not hold in the other specs."""
    alone: Mapping[str, Any] = field(default_factory=dict)
    """Adapter (`""`: none) -> outputs by name as arrays, or the failure's kind as text."""
    merging: str = ""
    """What is wrong with the merged adapters; empty when nothing is."""
    trouble: str = ""


def run(request: Request) -> Outcome:
    """Run a request in a child process."""
    with tempfile.TemporaryDirectory(prefix="adapter-audit-") as folder:
        context: Any = multiprocessing.get_context("fork" if sys.platform.startswith("linux") else "spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(sender, request, folder))
        process.start()
        sender.close()
        try:
            data = receiver.recv_bytes() if receiver.poll(TIME_LIMIT) else None
        except EOFError:
            data = None
        finally:
            receiver.close()
            if process.is_alive():
                process.join(2)
            if process.is_alive():
                process.kill()
            process.join()
    if data is None:
        return Outcome(trouble=f"the patched run did not end well (exit code {process.exitcode})")
    return _outcome(pickle.loads(data))


def _outcome(reply: dict[str, Any]) -> Outcome:
    if "trouble" in reply:
        return Outcome(trouble=reply["trouble"])
    result = AuditResult.model_validate_json(reply["result"]) if reply["result"] else None
    proposals = {n: tuple(_edit(e) for e in edits) for n, edits in reply["proposals"].items()}
    broken = frozenset(map(Invariant, reply["broken"]))
    return Outcome(result, proposals, reply["others"], broken, reply["alone"], reply["merging"])


def _edit(data: dict[str, Any]) -> SourceEdit:
    edits, also = (Edit(**e) for e in data["edits"]), map(_edit, data["also"])
    return SourceEdit(**{**data, "edits": tuple(edits), "also": tuple(also)})


def _child(sender: Connection, request: Request, folder: str) -> None:
    import torch

    torch.set_num_threads(1)  # a forked process must not wait for the parent's threads
    silence()
    from .substitute import forget, substitute

    ours = __name__.split(".", maxsplit=1)[0]
    own = request.model["name"].split(":")[0].split(".")[0] if ":" in request.model["name"] else ours
    packages = {ours, own, *(file.split("/")[0] for file in request.patched)}
    if request.patched:
        forget(packages | {request.package})
        substitute(request.patched, Path(folder))
    try:
        reaudit = importlib.import_module(f"{__package__}.reaudit")  # the fresh one
        reply = reaudit.answer(request)
    except Exception as error:
        reply = {"trouble": f"{type(error).__name__}: {error}"}
    sender.send_bytes(pickle.dumps(reply))
    sender.close()
    os._exit(0)


__all__ = ["Outcome", "Request", "run"]
