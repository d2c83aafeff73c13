"""The processes that work beside the first one, killed and failing as processes do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import workers
from pipeline.faults import Fault

PROJECT = Path(__file__).resolve().parent.parent

KILLED = """
import multiprocessing, os, signal, sys, threading, time
from pipeline import workers

def killed_while_nobody_listens(run):
    time.sleep(0.3)  # by then the pipe is full
    os.kill(run, signal.SIGCONT)
    os.kill(os.getpid(), signal.SIGKILL)

def work(part):
    if part == 2 and sys.argv[1] == "at work":
        os.kill(os.getpid(), signal.SIGKILL)
    if part == 2:
        run = multiprocessing.parent_process().pid
        os.kill(run, signal.SIGSTOP)
        threading.Thread(target=killed_while_nobody_listens, args=(run,)).start()
        return bytes(50_000_000)
    return part

if __name__ == "__main__":
    try:
        with workers.beside(2, "pipeline.workers") as helping:
            print(list(workers.in_turn(work, range(8), helping)))
    except workers.WorkerError as error:
        print(error)
"""


@pytest.mark.parametrize("when", ["at work", "in the midst of its answer"])
def test_a_killed_worker_is_told_of_and_never_waited_for(tmp_path, when):
    """Whenever a worker dies, the run says so and ends: a cron job that waits for ever tells nobody anything."""
    (tmp_path / "killed.py").write_text(KILLED)
    told = subprocess.run(
        [sys.executable, tmp_path / "killed.py", when],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert told.stdout.startswith("a worker process was killed")
    assert told.stderr == ""


def test_answers_come_in_the_order_of_the_parts():
    """Whoever is done first, and however many parts there are."""
    with workers.beside(2, "pipeline.workers") as helping:
        assert list(workers.in_turn(abs, range(-50, 0), helping)) == list(range(50, 0, -1))
        assert workers.aside(os.getpid, helping)() != os.getpid()


def test_what_fails_in_a_worker_fails_here():
    """With the error that it was, be it told to a person or not; the worker goes on."""
    with workers.beside(2, "pipeline.workers") as helping:
        with pytest.raises(ValueError, match="invalid literal"):
            list(workers.in_turn(int, ["1", "two", "3"], helping))
        with pytest.raises(Fault, match="told to a person"):
            helping.give(exec, "from pipeline.faults import Fault; raise Fault('told to a person')").result()
        with pytest.raises(EOFError, match="no end of a pipe"):
            helping.give(exec, "raise EOFError('no end of a pipe')").result()
        assert list(workers.in_turn(int, ["1", "2"], helping)) == [1, 2]


def test_interrupted_at_the_keyboard():
    """Ctrl-C reaches all processes of a terminal; workers leave it to the first."""
    with workers.beside(2, "pipeline.workers") as helping:
        own = helping.give(os.getpid).result()
        os.kill(own, signal.SIGINT)
        assert {helping.give(os.getpid).result() for _ in range(4)} >= {own}
