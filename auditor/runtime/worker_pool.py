"""Work for several processes: answers in order, whatever dies, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Start = Callable[[], object]
AHEAD = 8
"""Items given out per process before their turn: finished answers that wait for an earlier one are few."""


def in_order(
    function: Callable[[Item], Answer], items: Sequence[Item], jobs: int, start: Start | None = None
) -> Iterator[tuple[Item, Answer | None]]:
    """Each item with its answer, in the order of the items; None where a process dies of this item alone.

    Function, items and answers must be picklable. `start` is called once in every process. When a process
    dies, the items that were under way are done again, the first of them in a process of its own.
    """
    left = deque(items)
    while left:
        try:
            yield from _until_one_dies(function, left, jobs, start)
        except BrokenProcessPool:
            item = left.popleft()
            yield item, _alone(function, item, start)


def _until_one_dies(
    function: Callable[[Item], Answer], left: deque[Item], jobs: int, start: Start | None
) -> Iterator[tuple[Item, Answer]]:
    """Takes an item off `left` when its answer is there; raises BrokenProcessPool."""
    ahead = iter(tuple(left))
    waiting: deque[Future[Answer]] = deque()
    with _pool(jobs, start) as pool, _ended_when_given_up(pool):
        while left:
            waiting.extend(pool.submit(function, item) for item in islice(ahead, AHEAD * jobs - len(waiting)))
            answer = waiting.popleft().result()
            yield left.popleft(), answer


@contextmanager
def _ended_when_given_up(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Whoever leaves the block early (Ctrl-C) does not wait for what was given out."""
    before = set(multiprocessing.active_children())
    try:
        yield
    except BrokenProcessPool:
        raise
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise


def _alone(function: Callable[[Item], Answer], item: Item, start: Start | None) -> Answer | None:
    with _pool(1, start) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool:
            return None


def _pool(jobs: int, start: Start | None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, initializer=_begin, initargs=(start,))


def _begin(start: Start | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is answered by the process that gave out the work
    end_with_parent()
    if start is not None:
        start()


def end_with_parent() -> None:
    """End this process when the one that started it does: a killed run would leave its workers waiting."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
