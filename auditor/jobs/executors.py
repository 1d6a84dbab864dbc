"""Audits on other machines: joblib with its dask and ray backends, imported when they are asked for.

A task audits the lines of one group in a process of its own on that machine (`line_server`). So an audit
that kills its process costs one line there as it does here; a machine that is lost costs its tasks a second
run elsewhere, which the backends see to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from ..errors import BuildError, UsageError
from .result_lines import Line

Group = tuple[Line, ...]
NEEDS = {"dask": ("joblib", "distributed"), "ray": ("joblib", "ray")}
"""Executor -> what has to be installed for it, here and there."""
ATTEMPTS = 3
"""Times that work is given out again when a backend gives up."""


def check(url: str) -> None:
    """Raise UsageError for a text that names no executor, or one that is not installed."""
    parts = urlsplit(url)
    if parts.scheme not in NEEDS or not parts.netloc:
        raise UsageError(f"--executor {url!r} is none", do="write dask://HOST:PORT or ray://HOST:PORT")
    missing = [name for name in NEEDS[parts.scheme] if find_spec(name) is None]
    if missing:
        do = f"pip install 'adapter-audit[{parts.scheme}]'"
        raise UsageError(f"{' and '.join(missing)} is not installed", why=f"{url} needs it", do=do)


def elsewhere(
    url: str, groups: Sequence[Group], options: Mapping[str, Any]
) -> Iterator[tuple[Group, list[str] | None]]:
    """Each group with its result lines, in order; None for one whose machines were lost again and again.

    Raises BuildError when the executor is not reached.
    """
    from joblib import Parallel, delayed

    from .line_server import audited_here

    work = delayed(partial(audited_here, options=dict(options)))
    left, attempts = list(groups), 0
    with _connected(url):
        while left:
            try:
                for texts in Parallel(return_as="generator", pre_dispatch="all")(map(work, left)):
                    yield left.pop(0), texts
                    attempts = 0
            except Exception as error:
                # the work itself never raises: a backend gave up, with an exception of its own
                attempts += 1
                if attempts >= ATTEMPTS:
                    yield left.pop(0), None
                    attempts = 0
                elif not _is_loss(error):
                    raise


def _is_loss(error: Exception) -> bool:
    """Whether an exception says that a machine was lost, in the words of the backends."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return not names.isdisjoint({"KilledWorker", "RayActorError", "RayError", "CommClosedError"})


def _connected(url: str) -> AbstractContextManager[Any]:
    """joblib's backend for an executor, connected, for the block."""
    parts = urlsplit(url)
    block = ExitStack()
    try:
        if parts.scheme == "dask":
            _use_dask(block, parts.netloc)
        else:
            _use_ray(block, url)
    except Exception as error:
        block.close()
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise BuildError(f"{url} is not reached", why=why) from error
    return block


def _use_dask(block: ExitStack, address: str) -> None:
    from distributed import Client
    from joblib import parallel_config

    client = block.enter_context(Client(f"tcp://{address}", timeout=CONNECTING))
    block.enter_context(parallel_config(backend="dask", client=client))


def _use_ray(block: ExitStack, url: str) -> None:
    import ray
    from joblib import parallel_config
    from ray.util.joblib import register_ray

    ray.init(address=url if urlsplit(url).port == CLIENT_PORT else urlsplit(url).netloc)
    block.callback(ray.shutdown)
    register_ray()
    block.enter_context(parallel_config(backend="ray", n_jobs=-1))


CONNECTING = 20
"""Seconds until a scheduler has to answer."""
CLIENT_PORT = 10001
"""Port of ray's client server; another one is that of a cluster which this machine belongs to."""
