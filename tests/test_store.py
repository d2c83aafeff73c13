"""All of a run or none of it, and nobody else may read it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.store import MANIFEST, StoreError, replacing


def run_once(out, text="one"):
    with replacing(out) as folder:
        (folder / "report").mkdir()
        (folder / "report" / "page.html").write_text(text)
        (folder / MANIFEST).write_text(text)


def test_a_good_run_is_there_with_modes_for_its_owner_alone(tmp_path):
    """Files 0600, folders 0700, nothing left beside them."""
    out = tmp_path / "out"
    run_once(out)
    assert (out / "report" / "page.html").read_text() == "one"
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [out, out / "report"]} == {0o700}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out"]


def test_a_run_that_fails_leaves_the_old_output_whole(tmp_path):
    """An error within the block changes nothing."""
    out = tmp_path / "out"
    run_once(out)
    with pytest.raises(RuntimeError), replacing(out) as folder:
        (folder / "report").mkdir()
        raise RuntimeError("stop")
    assert (out / "report" / "page.html").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out"]


def test_a_second_run_replaces_all_of_the_first(tmp_path):
    """Nothing of the old output is left in the new."""
    out = tmp_path / "out"
    run_once(out)
    (out / "stale.csv").write_text("old")
    run_once(out, "two")
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "report"]
    assert (out / MANIFEST).read_text() == "two"


def test_a_folder_with_other_things_in_it_is_not_touched(tmp_path):
    """A folder that no run wrote is refused with the mend."""
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(StoreError, match="--out"), replacing(tmp_path):
        pass
    assert (tmp_path / "thesis.docx").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told_in_a_line(tmp_path):
    """A file where a folder is needed gives a message with the mend, no traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="give a folder"), replacing(tmp_path / "file" / "out"):
        pass


def test_two_runs_at_once_do_not_mix(tmp_path):
    """The second is told which process holds the folder."""
    out = tmp_path / "out"
    with replacing(out) as folder:
        (folder / MANIFEST).write_text("first")
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), replacing(out):
            pass
        with pytest.raises(StoreError, match="another run"), replacing(out):
            pass
    assert (out / MANIFEST).read_text() == "first"


def test_a_file_where_the_output_should_go_is_refused(tmp_path):
    """A message with the mend, and the file stays."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match="is a file"), replacing(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_a_link_to_the_output_stays_a_link(tmp_path):
    """What the link points at is replaced, twice."""
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    run_once(tmp_path / "out")
    run_once(tmp_path / "out", "two")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real" / MANIFEST).read_text() == "two"


KILLED = """
import sys, time
from pathlib import Path
from pipeline.store import MANIFEST, replacing
for turn in range(10000):
    with replacing(Path(sys.argv[1])) as folder:
        for at in range(20):
            (folder / f"{at}.txt").write_text(str(turn) * 1000)
        (folder / MANIFEST).write_text(str(turn))
    print(turn, flush=True)
"""


@pytest.mark.parametrize("pause", [0.01, 0.03, 0.07, 0.11])
def test_a_kill_at_any_moment_leaves_one_whole_output(tmp_path, pause):
    """After kill -9 the folder holds one run's files, all of the same turn, and the next run goes well."""
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", KILLED, out], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(pause)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    turn = (out / MANIFEST).read_text()
    assert {(out / f"{at}.txt").read_text() for at in range(20)} == {turn * 1000}
    run_once(out, "after")
    assert (out / MANIFEST).read_text() == "after"
