"""The same input gives the same bytes elsewhere too: another zone, language, day, order, number of workers; and no network is asked for."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_atomic import digest

import pipeline
from pipeline.run import Settings, run

PROJECT = Path(__file__).resolve().parent.parent
WORDS = ("kind", "rude", "slow", "warm", "curt", "clean")
ROWS = [
    {
        "id": str(at), "source": ("google", "yelp", "survey")[at % 3], "location": ("Reno", "Elko", "Ávila")[at % 3], "rating": 1 + at % 5,
        "date": f"2026-{9 + at % 2:02d}-{1 + at % 28:02d}", "text": f"The staff were {WORDS[at % 6]} on visit {at}. TMS helped, parking is İ awful.",
    }
    for at in range(600)
]  # fmt: skip

# What the other machine does before it starts: it is another year, and whoever asks for the network is told no.
ELSEWHERE = """
import datetime, sys, time
asked = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto", "socket.bind", "urllib.Request")
def watch(event, given):
    if event in asked:
        raise SystemExit(f"the network was asked for: {event} {given}")
sys.addaudithook(watch)
later, clock, local = 400 * 86400, time.time, time.localtime
time.time = lambda: clock() + later
time.localtime = lambda at=None: local(time.time() if at is None else at)
class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
    today = now
    utcnow = now
class Day(datetime.date):
    @classmethod
    def today(cls):
        return cls.fromtimestamp(time.time())
real = datetime.datetime, datetime.date
if __name__ == "__main__":
    import pandas, pyarrow, openpyxl, jinja2  # these make classes of their own from the real ones
    datetime.datetime, datetime.date = Later, Day
    import pipeline.months, pipeline.read
    from pipeline.cli import main
    datetime.datetime, datetime.date = real
    main()
"""


def laid_out(folder, order, each=100) -> Path:
    """Reviews in six files of so many each, created in this order."""
    folder.mkdir()
    for at in order:
        lines = [json.dumps(row, ensure_ascii=False) for row in ROWS[at * each : at * each + each]]
        (folder / f"{at}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """here(each) → a run of six files of so many reviews by one worker, here and today: (folder, its bytes)."""
    made = {}

    def make(each):
        if each not in made:
            folder = tmp_path_factory.mktemp("here")
            run(Settings((laid_out(folder / "raw", range(6), each),), folder / "out", PROJECT / "models" / "fast"))
            made[each] = folder, digest(folder / "out")
        return made[each]

    return make


# What this processor is taken for stays: a product's last digit is rounded by the processor's own instructions.
PROCESSOR = {
    name: value for name, value in os.environ.items() if name in ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
}


def elsewhere(folder, raw, *, workers=2, network=True, **environment) -> dict:
    """The same by the command in a process of its own: (the bytes, whether it had no network)."""
    (folder / "elsewhere.py").write_text(ELSEWHERE)
    alone = [] if network else ["unshare", "-n"]
    command = [
        sys.executable,
        str(folder / "elsewhere.py"),
        "run",
        "raw",
        "--out",
        "out",
        "--model",
        "fast",
        "--workers",
        str(workers),
        "--quiet",
    ]
    model = folder / "models"
    if not model.exists():
        model.symlink_to(PROJECT / "models")
    told = subprocess.run(
        [*alone, *command], cwd=raw.parent, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(PROJECT), **PROCESSOR, **environment},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return digest(raw.parent / "out")


def may_unshare() -> bool:
    return (
        bool(shutil.which("unshare")) and not subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode
    )


def same(found: dict, wanted: dict, folder: Path) -> None:
    """The bytes agree; the manifest too but for where the model and the tables lie, which it names as they were given."""
    assert {name for name in wanted if found.get(name) != wanted[name]} <= {"manifest.json"}
    assert found.keys() == wanted.keys()


def told_of(folder: Path) -> dict:
    return json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("each", "workers"), [(10, 1), pytest.param(100, 2, marks=pytest.mark.slow)])
def test_elsewhere_in_all_at_once(here, tmp_path, tried, each, workers):
    """Other workers, far east, no language, other hashes, a year later, files laid down in another order, no network: every byte is the same."""
    first, wanted = here(each)
    raw = laid_out(tmp_path / "raw", (3, 5, 1, 0, 4, 2), each)
    other = {
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONHASHSEED": "4711",
    }
    found = elsewhere(tmp_path, raw, workers=workers, network=not may_unshare(), **other)
    same(found, wanted, tmp_path)
    assert told_of(tmp_path)["counts"] == told_of(first)["counts"]
    assert told_of(tmp_path)["inputs"] == told_of(first)["inputs"]
    tried(
        1,
        "run elsewhere: workers, zone, language, hashes, year, order of files, "
        + ("no network" if may_unshare() else "network refused"),
    )


def test_one_thread_whoever_imported_numpy_first():
    """A program with numpy already loaded, told to use four threads: reading uses one."""
    program = "import numpy, pipeline.model, threadpoolctl; print({one['num_threads'] for one in threadpoolctl.threadpool_info() if one['user_api'] == 'blas'})"
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OPENBLAS_NUM_THREADS": "4"}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "{1}\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1", "2", "3", "4", "5"])
def test_elsewhere_one_by_one(here, tmp_path, seed, tried):
    """Six other hash seeds, each with another zone, one and two workers."""
    _, wanted = here(100)
    zone = ("UTC", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Dublin")[
        int(seed)
    ]
    found = elsewhere(
        tmp_path, laid_out(tmp_path / "raw", range(6)), workers=1 + int(seed) % 2, PYTHONHASHSEED=seed, TZ=zone
    )
    same(found, wanted, tmp_path)
    tried(1, "run with another hash seed and zone")


# Stands before the C library: whoever asks for the time of day, in whatever language, is told another day each time.
JUMPS = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long asked;
int clock_gettime(clockid_t which, struct timespec *told) {
    int failed = syscall(SYS_clock_gettime, which, told);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        told->tv_sec += 86400L * (__atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED) * 389 % 2000 - 1000);
    return failed;
}
time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return told ? (*told = now.tv_sec) : now.tv_sec;
}
int gettimeofday(struct timeval *told, void *zone) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return failed;
}
"""


@pytest.mark.skipif(not (shutil.which("cc") and sys.platform == "linux"), reason="a clock that jumps is written in C")
@pytest.mark.parametrize(("each", "workers"), [(10, 1), pytest.param(100, 2, marks=pytest.mark.slow)])
def test_a_clock_that_jumps(here, tmp_path, each, workers):
    """Another day each time that anybody asks for it, years ahead and years back, for libraries in C too: every byte is the same."""
    _, wanted = here(each)
    (tmp_path / "jumps.c").write_text(JUMPS)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "jumps.so", tmp_path / "jumps.c"], check=True)
    jumping = os.environ | {"LD_PRELOAD": str(tmp_path / "jumps.so"), "PYTHONPATH": str(PROJECT)}
    asked = "import time; print(len({int(time.time() // 86400) for _ in range(9)}))"
    told = subprocess.run([sys.executable, "-c", asked], env=jumping, capture_output=True, text=True, check=True)
    assert told.stdout == "9\n", "the clock does not jump"
    laid_out(tmp_path / "raw", range(6), each)
    command = ["run", "raw", "--out", "out", "--quiet", "--model"] + [
        str(PROJECT / "models" / "fast"),
        "--workers",
        str(workers),
    ]
    subprocess.run([sys.executable, "-m", "pipeline", *command], cwd=tmp_path, check=True, env=jumping)
    same(digest(tmp_path / "out"), wanted, tmp_path)


CLOCKS = {
    "now",
    "today",
    "utcnow",
    "localtime",
    "gmtime",
    "strftime",
    "time_ns",
    "getlocale",
    "setlocale",
    "uuid1",
    "uuid4",
    "urandom",
    "getrandom",
}
NETWORK = {"socket", "ssl", "http", "urllib.request", "requests", "httpx", "urllib3", "ftplib", "smtplib", "asyncio"}


def test_no_clock_no_locale_and_no_network_in_the_program():
    """Outside of training no module of ours calls for the time, the language of the machine, chance without a seed, or the network."""
    wrong = []
    for path in Path(pipeline.__file__).parent.rglob("*.py"):
        if "train" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                seedless = called in ("default_rng", "Random", "PCG64") and not node.args
                of_time = called == "time" and getattr(getattr(node.func, "value", None), "id", "") == "time"
                if called in CLOCKS or seedless or of_time:
                    wrong.append(f"{path.name}:{node.lineno} {called}")
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            wrong += [f"{path.name} {name}" for name in names if name in NETWORK]
    assert wrong == ["spark.py socket"], "which asks whether the master named with --master answers"
