"""A process that has everything loaded and, for each line it is given, starts a command in a child of its own and kills it.

A line is JSON: {"run": arguments of `reviews`, "after": seconds} or {…, "step": n}: SIGKILL after so many seconds, or when
the command is about to do its n-th change to the file system; with neither, it ends by itself. The answer is a line too:
{"killed": whether it was, "status": exit status otherwise, "seconds": how long, "steps": how many changes}.

The import of pandas takes longer than everything the command does to the disk, so a process for each kill would spend a
hundred times as long on moments at which there is nothing to lose; tests/test_atomic.py kills some of those as well.
"""

import gc
import json
import os
import select
import signal
import sys
import time

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {
    "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.truncate", "os.link", "os.symlink",
    "shutil.copyfile", "shutil.rmtree", "ctypes.dlsym",
}  # fmt: skip


def command(arguments):
    from pipeline.cli import main

    main(arguments, standalone_mode=True)


def child(asked, answer):
    """Runs the command; counts its changes to the file system, and ends where it is told to."""
    done = [0]

    def watch(event, given):
        if event in CHANGES or (event == "open" and isinstance(given[2], int) and given[2] & WRITES):
            done[0] += 1
            if done[0] == asked.get("step"):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    try:
        command(asked["run"])
    except SystemExit as ended:
        os.write(answer, str(done[0]).encode())
        os._exit(ended.code or 0)
    except BaseException:
        os._exit(99)


def serve():
    command_line = json.loads(sys.stdin.readline())["warm"]
    try:
        command(command_line)
    except SystemExit as ended:
        if ended.code:
            raise
    gc.collect()
    gc.freeze()  # so that a child collecting garbage does not copy what it shares
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        reader, writer = os.pipe()
        begun = time.monotonic()
        if not (pid := os.fork()):
            os.close(reader)
            child(asked, writer)
        os.close(writer)
        # the child holds the other end: the pipe is readable when it has ended
        if not select.select([reader], [], [], asked.get("after"))[0]:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        steps = os.read(reader, 20)
        os.close(reader)
        answer = {
            "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
            "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "seconds": time.monotonic() - begun,
            "steps": int(steps or 0),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
