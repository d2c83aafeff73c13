"""The processes that work beside the first one: the same function on many parts, results in the order of the parts."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import forkserver
from multiprocessing.connection import Connection

from pipeline.faults import Fault

AHEAD = 2  # parts per worker that are handed over, or wait as results, at once


class WorkerError(Fault):
    """A worker was ended from outside; the message says what mends it."""


class Workers:
    """Processes that take work, each with a thread here that speaks with it by a pipe of their own.

    By one that all shared, as in concurrent.futures, the death of a worker in the midst of its answer would be waited for
    without end: the others hold that pipe open.
    """

    def __init__(self, many: int):
        self.many = many
        self._threads = ThreadPoolExecutor(many)
        self._of_thread = threading.local()
        self._begun: list[tuple[multiprocessing.Process, Connection]] = []

    def give(self, work: Callable, *to: object) -> Future:
        """Has work(*to) done. Its result raises WorkerError where the process that does it is killed."""
        return self._threads.submit(self._asked, work, to)

    def end(self) -> None:
        """Waits for what is being done, forgets what is not, and ends the processes."""
        self._threads.shutdown(cancel_futures=True)
        for process, pipe in self._begun:
            pipe.close()
            process.join()

    def _asked(self, work: Callable, to: tuple):
        pipe = getattr(self._of_thread, "pipe", None) or self._one_more()
        try:
            pipe.send((work, to))
            failed, answer = pipe.recv()
        except (EOFError, OSError):  # the pipe: what the work raises comes as its answer
            raise WorkerError(
                "a worker process was killed, as it happens where memory runs out; nothing was changed. "
                "Run it again, with --workers 1 if it comes again"
            ) from None
        if failed:
            raise answer
        return answer

    def _one_more(self) -> Connection:
        context = multiprocessing.get_context("forkserver")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), daemon=True)
        process.start()
        there.close()
        self._begun.append((process, here))
        self._of_thread.pipe = here
        return here


def _serve(pipe: Connection) -> None:
    """What a worker does: what it is asked to, until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which then ends this one
    parent = multiprocessing.parent_process()  # a run that was killed wants nothing of what its workers still do
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    while True:
        try:
            work, to = pipe.recv()
        except EOFError:
            return
        try:
            answer = False, work(*to)
        except Exception as error:
            answer = True, error
        pipe.send(answer)


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
    helping = Workers(many)
    try:
        yield helping
    finally:
        helping.end()


def in_turn(work: Callable, parts: Iterable, helping: Workers | None) -> Iterator:
    """work(part) of each part in order, few held at once. One part alone is not worth a worker's start: it is done here."""
    parts = iter(parts)
    first = list(islice(parts, 2))
    if helping is None or len(first) < 2:
        yield from map(work, chain(first, parts))
        return
    ahead = deque()
    for part in chain(first, parts):
        ahead.append(helping.give(work, part))
        if len(ahead) > AHEAD * helping.many:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def aside(work: Callable, helping: Workers | None) -> Callable:
    """Begins work() in another process, where there is one, while this one goes on; what is returned gives its result."""
    return work if helping is None else helping.give(work).result
