"""What patients wrote is in no message, whatever goes wrong, and in no file that others may read."""

import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import run, store, summary, testimonials
from pipeline.cli import main
from pipeline.read import rows as reading
from pipeline.report import board

PROJECT = Path(__file__).resolve().parent.parent
WORD = "xylocarp"  # stands in the review, so must stand in no message
REVIEW = {
    "id": "a",
    "source": "google",
    "location": "Reno",
    "date": "2026-09-02",
    "rating": 5,
    "text": f"The {WORD} techs were kind. TMS worked.",
}
STAGES = {
    "read": (reading, "_original"),
    "prepare": (run, "prepare"),
    "fold": (run, "fold_twins"),
    "annotate": (run, "annotate_batch"),
    "correct": (run.corrections, "apply"),
    "store": (store, "write_parts"),
    "summarise": (summary, "summarise"),
    "report": (run.report, "write_report"),
    "clear": (testimonials, "candidates"),
    "board": (board, "write_board"),
}


def reviews(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


BRIEFLY = ("read", "annotate", "report")  # the others in make soak


@pytest.mark.parametrize(
    "stage", [pytest.param(one, marks=[] if one in BRIEFLY else pytest.mark.slow) for one in STAGES]
)
def test_an_error_in_any_stage_quotes_nobody(stage, tmp_path, written, monkeypatch):
    """A library's error with the review in its message: one line with the kind and the place, exit 1, nothing of the review, no output."""
    path = written(REVIEW)

    def fails(*given, **_):
        raise ValueError(f"could not convert: The {WORD} techs")

    monkeypatch.setattr(*STAGES[stage], fails)
    result = reviews("run", path, "--out", tmp_path / "out", "--model", "fast", "--workers", "1")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert WORD not in result.output
    assert "ValueError at test_private" in result.output or "ValueError at " in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_annotate_and_explain_quote_nobody_in_an_error(written, monkeypatch):
    """The two that print words as typed print them on standard output only when all went well."""

    def fails(*given, **_):
        raise KeyError(f"The {WORD} techs")

    path = written(REVIEW)
    monkeypatch.setattr(run, "annotate_batch", fails)
    result = reviews("annotate", path, "--model", "fast")
    assert result.exit_code == 1
    assert WORD not in result.output


def test_the_whole_error_is_there_for_whoever_asks(written, tmp_path, monkeypatch):
    """REVIEWS_TRACEBACK=1 lets the error through, for the person who mends the program."""

    def fails(*given, **_):
        raise ValueError(WORD)

    monkeypatch.setattr(run, "prepare", fails)
    monkeypatch.setenv("REVIEWS_TRACEBACK", "1")
    result = reviews("run", written(REVIEW), "--out", tmp_path / "out", "--model", "fast")
    assert isinstance(result.exception, ValueError)


def test_every_file_on_the_way_is_its_owners_alone(written, tmp_path, monkeypatch):
    """Looked at when the run is about to take its place, and wherever else it makes a file: 0600 in folders of 0700, whatever the umask."""
    modes, private = {}, store._private

    def looked(folder):
        modes.update({path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]})
        private(folder)

    monkeypatch.setattr(store, "_private", looked)
    before = os.umask(0)
    try:
        assert reviews("run", written(REVIEW), "--out", tmp_path / "out", "--model", "fast").exit_code == 0
        assert (
            reviews("annotate", tmp_path / "reviews.jsonl", "-o", tmp_path / "told.jsonl", "--model", "fast").exit_code
            == 0
        )
    finally:
        assert os.umask(before) == 0, "the caller's umask is as it was"
    assert {mode for path, mode in modes.items() if path.is_file()} <= {0o600}
    assert set(modes.values()) <= {0o600, 0o700}
    assert (tmp_path / "told.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_is_typed_outlives_no_kill(tmp_path):
    """`annotate -`, killed when it has told the first review: the folder for temporary files holds nothing, and did not in between."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "pipeline", "annotate", "-", "--model", "fast"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=PROJECT, text=True
    ) as process:
        process.stdin.write((json.dumps(REVIEW) + "\n") * 3000)
        process.stdin.close()
        assert WORD in process.stdout.readline()
        during = list(tmp_path.rglob("*"))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not during
    assert not list(tmp_path.rglob("*"))


def test_typed_text_needs_no_folder_for_it(tmp_path):
    """Where no temporary file can be made, and with a zip in the pipe, `annotate -` works all the same."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.jsonl", json.dumps(REVIEW) + "\n" + json.dumps({"id": "b"}) + "\n")
    for typed, where in ((json.dumps(REVIEW).encode(), ""), (held.getvalue(), "standard-input.jsonl/a.jsonl, row 2")):
        told = subprocess.run(
            [sys.executable, "-m", "pipeline", "annotate", "-", "--model", "fast"], input=typed, capture_output=True,
            env=os.environ | {"TMPDIR": str(tmp_path / "none"), "PYTHONPATH": str(PROJECT)}, cwd=PROJECT,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert WORD.encode() in told.stdout
        assert where.encode() in told.stderr


def test_no_standard_input_at_all():
    """Started without one: a line with the mend."""
    told = subprocess.run(
        ["sh", "-c", f"exec '{sys.executable}' -m pipeline annotate - --model fast <&-"], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, cwd=PROJECT,
    )  # fmt: skip
    assert told.returncode == 1
    assert "no standard input; give a file" in told.stderr
