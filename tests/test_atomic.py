"""All of a run or none of it: killed at any moment, on a full disk, in a folder that may not be written, with another beside it."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import store
from pipeline.cli import main

PROJECT = Path(__file__).resolve().parent.parent
HARNESS = Path(__file__).with_name("kill_a_run.py")
REVIEWS = [
    {"id": "a", "source": "google", "location": "Reno", "rating": 5, "text": "TMS worked. The techs were so kind."},
    {"id": "b", "source": "yelp", "location": "Elko", "rating": 2, "text": "Nobody calls back. Parking is awful."},
    {"id": "c", "source": "google", "location": "Reno", "rating": 1, "text": "I don't want to be here anymore."},
]
DATED = [row | {"date": date} for row, date in zip(REVIEWS, ("2026-09-02", "2026-10-03", "2026-10-05"), strict=True)]


def lines_of(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def digest(folder: Path) -> dict[str, str]:
    """Every file under a folder with its hash: equal ones hold the same bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Killer:
    """A process of tests/kill_a_run.py, loaded with all that `warm` (a run) needs."""

    def __init__(self, *warm):
        environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        self.process = subprocess.Popen(
            [sys.executable, HARNESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.tell({"warm": [str(part) for part in warm]})
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def __call__(self, *arguments, **when):
        self.tell({"run": [str(argument) for argument in arguments], **when})
        return json.loads(self.process.stdout.readline())

    def well(self, *arguments):
        """The command to its end, which must be a good one."""
        told = self(*arguments)
        assert told["status"] == 0, told
        return told

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Scene:
    """An output folder, two inputs that differ, and what each of them gives."""

    def __init__(self, folder, rows):
        self.out = folder / "out"
        self.inputs = [folder / name for name in ("one.jsonl", "two.jsonl")]
        self.inputs[0].write_text(lines_of(rows))
        self.inputs[1].write_text(lines_of(row | {"text": f"{row['text']} Truly."} for row in rows))
        self.killer = Killer(*self.run(0))
        self.whole = [digest(self.out)]
        told = self.killer.well(*self.run(1))
        self.whole.append(digest(self.out))
        self.steps, self.seconds = told["steps"], told["seconds"]
        assert self.whole[0].keys() == self.whole[1].keys()

    def run(self, which):
        return ("run", self.inputs[which], "--out", self.out, "--model", "fast", "--workers", "1", "--quiet")

    def killed_at(self, moments, *, recover=True):
        """A run of the other input killed at each moment: whole before, whole after.

        {"share": of the time that the last whole run took, so that a machine that turns slow is no matter} or {"step": n}.
        """
        now, cut = 1, 0
        for moment in moments:
            if "share" in moment:
                moment = {"after": moment["share"] * self.seconds}
            told = self.killer(*self.run(1 - now), **moment)
            cut += told["killed"]
            found = digest(self.out)
            assert found in self.whole, f"after {moment} the output is neither the old nor the new one"
            now = self.whole.index(found)
            if recover:
                now = 1 - now
                self.seconds = self.killer.well(*self.run(now))["seconds"]
                assert digest(self.out) == self.whole[now], f"the run after {moment} gives something else"
        return now, cut


@pytest.fixture
def scene(tmp_path):
    """scene(rows) → a Scene, whose process ends with the test."""
    made = []

    def make(rows):
        made.append(Scene(tmp_path, rows))
        return made[-1]

    yield make
    for one in made:
        one.killer.close()


def test_a_run_killed_at_a_few_moments_leaves_one_whole_output(scene, tried):
    """After kill -9, at a random moment and while the new output takes the old one's place, one of the two is there, byte by byte."""
    it = scene(REVIEWS)
    moments = [{"share": random.Random(1).uniform(0, 1)}]
    swap = it.steps - 30  # the old output is cleared away in the last steps
    moments += [{"step": step} for step in (swap // 2, *swap_steps(it))]
    now, cut = it.killed_at(moments, recover=False)
    assert cut >= len(moments) - 1
    it.killer.well(*it.run(1 - now))
    assert digest(it.out) == it.whole[1 - now]
    assert not [path.name for path in it.out.parent.iterdir() if path.name.startswith(".out.n")]
    tried(len(moments), "kills of a run, briefly")


def swap_steps(it) -> tuple[int, ...]:
    """The change at which the two outputs are exchanged, and the one after it."""
    entries = len([path for path in it.out.rglob("*") if path.is_file()])
    return (it.steps - entries - 4, it.steps - entries)


@pytest.mark.slow
def test_a_run_killed_at_two_hundred_random_moments(scene, tried):
    """After kill -9 at any moment the output is the whole old one or the whole new one, and the next run works."""
    it = scene(DATED)
    draw = random.Random(20_261)
    _, cut = it.killed_at([{"share": draw.uniform(0, 1.05)} for _ in range(200)])
    assert cut > 120
    tried(200, f"random moments of a run, {cut} of them before its end")


@pytest.mark.slow
def test_a_run_killed_at_every_change_to_the_disk(scene, tried):
    """Killed before its first file, its second, …, its last: each rename and each file opened, made or removed."""
    it = scene(REVIEWS)
    _, cut = it.killed_at([{"step": step} for step in range(1, it.steps + 1)], recover=False)
    assert cut > it.steps * 0.9
    now, _ = it.killed_at([{}])
    assert digest(it.out) == it.whole[now]
    tried(it.steps, "changes to the file system in a run, a kill before each")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of three reviews, September and October: (folder, its output's bytes)."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "raw.jsonl").write_text(lines_of(DATED))
    result = reviews(folder, "run", folder / "raw.jsonl", "--model", "fast", "--workers", "1")
    assert result.exit_code == 0, result.output
    return folder, digest(folder / "out")


def reviews(folder, *arguments):
    return CliRunner().invoke(main, [*map(str, arguments), "--out", str(folder / "out")])


def full_disk(size: int):
    """What makes every file that grows beyond `size` bytes fail with "File too large", as a full disk does with its own words."""

    class Limit:
        def __enter__(self):
            self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
            self.signal = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, self.before[1]))

        def __exit__(self, *_):
            resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
            signal.signal(signal.SIGXFSZ, self.signal)

    return Limit()


@pytest.mark.parametrize("size", [6_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (0, 1_000, 20_000))])
def test_a_disk_that_takes_no_more_leaves_the_old_output(done, size, tried):
    """Wherever it stops, in a Parquet file, in the page, in the workbook: exit 1, a line with the reason, the old bytes."""
    folder, before = done
    for arguments in (
        ("run", folder / "raw.jsonl", "--model", "fast", "--workers", "1"),
        ("report", "--month", "2026-09"),
    ):
        with full_disk(size):
            result = reviews(folder, *arguments)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        assert "too large" in result.output
        assert digest(folder / "out") == before
    assert sorted(path.name for path in folder.iterdir()) == [".out.lock", "out", "raw.jsonl"]
    tried(2, f"commands on a disk that takes files of {size:,} bytes")


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path, tried):
    """On a file system with room for less than a second output a run stops: the first one stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root may mount a small disk here")
    try:
        (tmp_path / "raw.jsonl").write_text(lines_of(DATED))
        run = ("run", tmp_path / "raw.jsonl", "--model", "fast", "--workers", "1")
        assert reviews(disk, *run).exit_code == 0
        before = digest(disk / "out")
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "others").write_bytes(bytes(free - 100_000))
        result = reviews(disk, *run)
        assert result.exit_code == 1
        assert "No space left" in result.output
        assert digest(disk / "out") == before
        tried(1, "run on a full disk")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_folder_that_may_not_be_written(done, tmp_path):
    """Exit 1, the folder and the mend named, and nothing changed."""
    folder, before = done
    place = tmp_path / "locked"
    place.mkdir()
    os.rename(folder / "out", place / "out")
    place.chmod(0o500)
    try:
        if os.access(place, os.W_OK):  # root may write anywhere but where the file system forbids it
            if subprocess.run(["mount", "--bind", "-o", "ro", place, place], capture_output=True).returncode:
                pytest.skip("whoever runs this may write everywhere, and may not mount a folder for reading only")
            subprocess.run(["mount", "-o", "remount,ro,bind", place], capture_output=True, check=True)
        for arguments in (("run", folder / "raw.jsonl", "--model", "fast"), ("report",)):
            result = reviews(place, *arguments)
            assert result.exit_code == 1
            assert "--out" in result.output
            assert str(place / "out") in result.output
        assert digest(place / "out") == before
    finally:
        subprocess.run(["umount", place], capture_output=True)
        place.chmod(0o700)
        os.rename(place / "out", folder / "out")


def test_while_a_run_writes_every_other_command_names_it(done, tmp_path):
    """run, report and testimonials end at once with the number of the process that holds the folder."""
    folder, before = done
    with pytest.raises(RuntimeError), store.replacing(folder / "out"):
        for arguments in (("run", folder / "raw.jsonl", "--model", "fast"), ("report",), ("testimonials",)):
            result = reviews(folder, *arguments)
            assert result.exit_code == 1
            assert f"another run (process {os.getpid()})" in result.output
        raise RuntimeError
    assert digest(folder / "out") == before


PAUSED = """
import os, sys

def watch(event, given):
    global left
    if event == "open" and str(given[0]).endswith(sys.argv[1]) and left:
        left = False
        os.write(1, b"there\\n")
        os.read(0, 1)

left = True
sys.addaudithook(watch)
"""


class Paused:
    """A process that stops when it is about to open a file whose name ends so, and goes on when it is told to."""

    def __init__(self, folder, name, program, *arguments):
        (folder / "paused.py").write_text(PAUSED + program)
        self.process = subprocess.Popen(
            [sys.executable, folder / "paused.py", name, *map(str, arguments)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        assert self.process.stdout.readline() == "there\n", self.process.communicate()[1]

    def goes_on(self) -> str:
        """What it prints to its end, which must be a good one."""
        printed, wrong = self.process.communicate("\n")
        assert self.process.returncode == 0, wrong
        return printed


@pytest.fixture
def copied(done, tmp_path):
    """An output of three reviews that this test alone changes: its folder."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    (tmp_path / "raw.jsonl").write_text(lines_of(DATED))
    return tmp_path


def fix(folder, review_id, theme) -> Path:
    path = folder / f"{review_id}-{theme}.csv"
    path.write_text(f"review_id,what,which,now\n{review_id},theme,{theme},positive\n")
    return path


CORRECT = """
from pipeline.cli import main
main(["correct", *sys.argv[2:], "--quiet"])
"""


@pytest.mark.parametrize("outs", ["out", "other"])
def test_of_two_corrections_at_once_none_is_lost(copied, outs):
    """While one has read the corrections kept and not written them, another with the same output, or the same file, is told to wait."""
    shutil.copytree(copied / "out", copied / "other")
    kept = ("--corrections", copied / "kept.csv")
    first = Paused(copied, "kept.csv.new", CORRECT, fix(copied, "a", "parking"), *kept, "--out", copied / "out")
    second = ("correct", fix(copied, "b", "cost"), *kept, "--out", copied / outs)
    told = CliRunner().invoke(main, [*map(str, second)])
    assert told.exit_code == 1
    assert f"process {first.process.pid})" in told.output
    assert "wait for it to end" in told.output
    first.goes_on()
    assert CliRunner().invoke(main, [*map(str, second)]).exit_code == 0
    rows = (copied / "kept.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["a", "b"]


def test_many_corrections_at_once(copied):
    """Four processes, each tried again until it is its turn: every correction is kept, and in force in the output."""
    loop = """
from click.testing import CliRunner
from pipeline.cli import main
while (told := CliRunner().invoke(main, ["correct", *sys.argv[2:]])).exit_code:
    assert "another run" in told.output, told.output
"""
    wanted = [(review_id, theme) for review_id in "ab" for theme in ("parking", "cost")]
    places = ("--corrections", copied / "kept.csv", "--out", copied / "out")
    one_each = [Paused(copied, "out/manifest.json", loop, fix(copied, *one), *places) for one in wanted]

    for one in one_each:
        one.process.stdin.write("\n")
        one.process.stdin.flush()
    for one in one_each:
        _, wrong = one.process.communicate(timeout=120)
        assert one.process.returncode == 0, wrong
    kept = {tuple(row.split(",")[at] for at in (0, 3)) for row in (copied / "kept.csv").read_text().splitlines()[1:]}
    assert kept == set(wanted)
    stored = store.read_annotations(copied / "out").some("ab").opinions
    assert set(wanted) <= set(zip(stored["review_id"], stored["theme"], strict=True))


def test_what_is_read_while_a_run_ends_is_of_one_run(copied):
    """check and train, stopped between two files of the output while another takes its place: what they tell is the new one's."""
    program = """
from pathlib import Path
from pipeline.run import Settings, check, to_learn_from
print(check(Path(sys.argv[2]), None, None).month)
"""
    reader = Paused(copied, "out/manifest.json", program, copied / "out")
    assert reviews(copied, "report", "--month", "2026-09").exit_code == 0
    assert reader.goes_on() == "September 2026\n"
    program = """
from pathlib import Path
from pipeline.run import Settings, to_learn_from
reviews, _, _ = to_learn_from(Settings((), Path(sys.argv[2]), Path(), corrections=Path(sys.argv[3])))
print(len(reviews))
"""
    (copied / "kept.csv").write_text("review_id,what,which,now\n")
    reader = Paused(copied, "out/manifest.json", program, copied / "out", copied / "kept.csv")
    (copied / "raw.jsonl").write_text(lines_of(DATED[:2]))
    assert reviews(copied, "run", copied / "raw.jsonl", "--model", "fast", "--workers", "1").exit_code == 0
    assert reader.goes_on() == "2\n"


def test_a_dry_run_and_a_check_need_no_lock(copied):
    """What only reads goes on beside a run that writes, and leaves no lock behind."""
    with pytest.raises(RuntimeError), store.replacing(copied / "out"):
        dry = CliRunner().invoke(
            main, ["correct", str(fix(copied, "a", "parking")), "--dry-run", "--out", str(copied / "out"),
                   "--corrections", str(copied / "kept.csv")],
        )  # fmt: skip
        assert dry.exit_code == 0, dry.output
        assert "nothing was written" in dry.output
        assert "another run" not in reviews(copied, "check").output
        raise RuntimeError
    assert not list(copied.glob(".kept*"))


def test_a_link_in_the_place_of_the_lock_is_not_written_through(done, tmp_path):
    """In a folder that others may write to, a link by the name of the lock spoils no file of mine."""
    folder, _ = done
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".out.lock").symlink_to(tmp_path / "precious")
    result = reviews(tmp_path, "run", folder / "raw.jsonl", "--model", "fast")
    assert result.exit_code == 1
    assert "--out" in result.output
    assert (tmp_path / "precious").read_text() == "precious"


def test_an_output_that_is_a_link_or_a_disk(done, tmp_path):
    """A link stays one, and what it leads to is replaced; where a disk begins, a folder in it is asked for before any work is done."""
    folder, before = done
    (tmp_path / "far").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "far")
    run = ("run", folder / "raw.jsonl", "--model", "fast", "--workers", "1")
    for _ in range(2):
        assert reviews(tmp_path, *run).exit_code == 0
        assert (tmp_path / "out").is_symlink()
        assert digest(tmp_path / "far").keys() == before.keys()
    disk = tmp_path / "disk" / "out"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root may mount a disk here")
    try:
        result = reviews(tmp_path / "disk", *run)
        assert result.exit_code == 1
        assert f"--out {disk / 'processed'}" in result.output
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_everything_is_on_the_disk_before_it_takes_its_place(done, monkeypatch):
    """Every file and folder of the new output is synced before the swap, and the folder around it after: a power cut leaves one of the two."""
    folder, _ = done
    order = []
    sync, swap = os.fsync, store._swap

    def synced(handle):
        order.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def swapped(fresh, out, old):
        parts = {fresh, *fresh.rglob("*")}
        assert parts <= set(order), f"not synced: {parts - set(order)}"
        order.append("swap")
        swap(fresh, out, old)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(store, "_swap", swapped)
    assert reviews(folder, "report").exit_code == 0
    assert order[order.index("swap") + 1 :] == [folder]


@pytest.mark.slow
def test_report_and_correct_killed_at_every_change(tmp_path, tried):
    """Killed before each change to the disk: file of corrections and report are old or new, each whole, and the command once more ends well."""
    (tmp_path / "raw.jsonl").write_text(lines_of(DATED))
    killer = Killer(
        "run", tmp_path / "raw.jsonl", "--out", tmp_path / "out", "--model", "fast", "--workers", "1", "--quiet"
    )
    try:
        (tmp_path / "fix.csv").write_text("review_id,what,which,now\nb,theme,parking,positive\n")
        kept, out = tmp_path / "kept.csv", ("--out", tmp_path / "out", "--quiet")
        kills = 0
        for command, undo in (
            (("report", "--month", "2026-09", *out), ("report", "--month", "2026-10", *out)),
            (("correct", tmp_path / "fix.csv", "--corrections", kept, *out), None),
        ):
            start = tmp_path / "start"
            subprocess.run(["cp", "-a", tmp_path / "out", start], check=True)
            old = digest(tmp_path / "out")
            steps = killer.well(*command)["steps"]
            new, corrected = digest(tmp_path / "out"), kept.exists() and kept.read_bytes()
            for step in range(1, steps + 1):
                subprocess.run(["rm", "-rf", tmp_path / "out"], check=True)
                subprocess.run(["cp", "-a", start, tmp_path / "out"], check=True)
                kept.unlink(missing_ok=True)
                kills += killer(*command, step=step)["killed"]
                assert digest(tmp_path / "out") in (old, new)
                assert not kept.exists() or kept.read_bytes() == corrected
                if step % 5 == 0 or step > steps - 15:
                    killer.well(*command)
                    assert digest(tmp_path / "out") == new
            subprocess.run(["rm", "-rf", start], check=True)
            if undo:
                killer.well(*undo)
    finally:
        killer.close()
    tried(kills, "kills of report and correct, one before each change to the file system")


def test_corrections_that_a_kill_left_without_their_report_are_taken_in_by_the_next_command(tmp_path, done):
    """The file of corrections was written and the report was not: `correct` says nothing is to change, and brings the report up to date."""
    folder, _ = done
    subprocess.run(["cp", "-a", folder / "out", tmp_path / "out"], check=True)
    (tmp_path / "fix.csv").write_text("review_id,what,which,now\nb,overall,,positive\n")
    arguments = ("correct", tmp_path / "fix.csv", "--corrections", tmp_path / "kept.csv")
    before = tmp_path / "before"
    subprocess.run(["cp", "-a", tmp_path / "out", before], check=True)
    assert reviews(tmp_path, *arguments).exit_code == 0
    wanted = digest(tmp_path / "out")
    subprocess.run(["rm", "-rf", tmp_path / "out"], check=True)
    os.rename(before, tmp_path / "out")
    assert reviews(tmp_path, *arguments).exit_code == 0
    assert digest(tmp_path / "out") == wanted


KILLED_ONE = """
import os, signal, sys
from pathlib import Path
from pipeline.run import Settings, run
from pipeline.workers import WorkerError

def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

def step(what, done, of):
    if what == "annotate" and not killed:  # once: what other workers did before is told afterwards all the same
        killed.append(True)
        workers = [pid for child in children(os.getpid()) for pid in children(child)]
        print(*workers, flush=True)
        os.kill(int(workers[0]) if sys.argv[3] == "worker" else os.getpid(), signal.SIGKILL)

killed = []
if __name__ == "__main__":
    try:
        run(Settings((Path(sys.argv[1]),), Path(sys.argv[2]), Path(sys.argv[4]), workers=2), step)
    except WorkerError as error:
        print(error)
"""


def alive(pid: str) -> bool:
    """Whether a process is there and no mere entry that nobody has read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("who", ["worker", "parent"])
def test_a_worker_or_the_run_itself_killed(done, tmp_path, who):
    """A killed worker is told in a line, the output stays; a killed run leaves no worker behind that waits for ever."""
    folder, before = done
    rows = [{"text": f"TMS helped me, number {at}. Parking is awful."} for at in range(5000)]
    (tmp_path / "many.jsonl").write_text(lines_of(rows))
    (tmp_path / "killed.py").write_text(KILLED_ONE)
    told = subprocess.run(
        [sys.executable, tmp_path / "killed.py", tmp_path / "many.jsonl", folder / "out", who, PROJECT / "models" / "fast"],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
    )  # fmt: skip
    workers = told.stdout.split("\n")[0].split()
    assert len(workers) == 2, told.stderr
    assert "Traceback" not in told.stderr
    assert who == "parent" or "--workers 1" in told.stdout
    assert digest(folder / "out") == before
    for _ in range(300):
        if not any(map(alive, workers)):
            break
        time.sleep(0.1)
    assert not any(map(alive, workers))
