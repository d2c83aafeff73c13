"""The processes that work beside the first one: the same function on many parts, results in the order of the parts."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import forkserver
from typing import NamedTuple

from pipeline.faults import Fault

AHEAD = 2  # parts per worker that are handed over, or wait as results, at once


class WorkerError(Fault):
    """A worker was ended from outside; the message says what mends it."""


class Workers(NamedTuple):
    """Processes that take work, and how many they are."""

    pool: Executor
    many: int


def begin(module: str) -> None:
    """Starts the process that workers are forked from, which imports a module: on another core, while this one goes on."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([module])
    forkserver.ensure_running()


@contextmanager
def beside(many: int, module: str) -> Iterator[Workers | None]:
    """So many processes to give work of a module to; None where one process does it all.

    They are forked from one that has imported the module and done nothing else (see begin): it is imported once, and no lock
    or thread of this process is copied.
    """
    if many <= 1:
        yield None
        return
    begin(module)
    pool = ProcessPoolExecutor(many, multiprocessing.get_context("forkserver"), _start)
    try:
        yield Workers(pool, many)
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    parent = multiprocessing.parent_process()  # a worker whose run was killed would wait for work for ever
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def in_turn(work: Callable, parts: Iterable, helping: Workers | None) -> Iterator:
    """work(part) of each part in order, few held at once. One part alone is not worth a worker's start: it is done here."""
    parts = iter(parts)
    first = list(islice(parts, 2))
    if helping is None or len(first) < 2:
        yield from map(work, chain(first, parts))
        return
    ahead = deque()
    with _nobody_killed():
        for part in chain(first, parts):
            ahead.append(helping.pool.submit(work, part))
            if len(ahead) > AHEAD * helping.many:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def aside(work: Callable, helping: Workers | None) -> Callable:
    """Begins work() in another process, where there is one, while this one goes on; what is returned gives its result."""
    if helping is None:
        return work
    begun = helping.pool.submit(work)

    def result():
        with _nobody_killed():
            return begun.result()

    return result


@contextmanager
def _nobody_killed() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise WorkerError(
            "a worker process was killed, as it happens where memory runs out; nothing was changed. "
            "Run it again, with --workers 1 if it comes again"
        ) from None
