"""The command as people and scripts use it: what it prints, how it fails, and that README and help agree."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
GOOD = {
    "id": "a",
    "source": "google",
    "location": "Reno",
    "date": "2026-09-02",
    "rating": 5,
    "text": "The techs were so kind. TMS worked.",
}


def reviews(*arguments, stdin=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def test_run_prints_sums_and_where_the_report_is(written, tmp_path):
    """Read, accepted, duplicates, rejected, the files, and the page."""
    result = reviews("run", written(GOOD), "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for word in ("read", "accepted", "duplicates", "rejected"):
        assert re.search(rf"^{word} +\d", result.output, re.MULTILINE)
    assert str(tmp_path / "out" / "report" / "report.html") in result.output
    assert re.search(r"^to act on +\d+ open, of 2026-\d\d, at the top", result.output, re.MULTILINE)


def test_quiet_prints_nothing(written, tmp_path):
    """--quiet leaves only errors."""
    result = reviews("run", written(GOOD), "--out", tmp_path / "out", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_annotate_gives_one_object_a_review_in_order_with_words_as_typed(written):
    """Evidence and pii are substrings of what was typed, also where a machine broke it and a name stood before."""
    rows = [
        {"id": "z", "text": "My husband Tobias says the nurses didnâ€™t rush us. Parking was terrible &amp; dear."},
        {"id": "a", "text": "", "rating": 4},
        {"id": "m", "text": "Muy amables"},
    ]
    result = reviews("annotate", written(*rows), "--quiet")
    told = [json.loads(line) for line in result.output.splitlines()]
    assert [row["id"] for row in told] == ["z", "a", "m"]
    for row, typed in zip(told, rows, strict=True):
        for found in [*row["aspects"], *row["outcomes"], *row["treatments"]]:
            assert found["evidence"] in typed["text"]
        assert all(secret in typed["text"] for secret in row["pii"])
    assert told[0]["pii"] == ["Tobias"]
    assert told[1]["overall"] is None
    assert told[2]["language"] == "es"


def test_annotate_reads_standard_input():
    """`-` is native JSONL from standard input."""
    result = reviews("annotate", "-", "--quiet", stdin=json.dumps(GOOD) + "\n")
    assert json.loads(result.output)["id"] == "a"


def test_explain_is_plain_in_a_pipe():
    """No colour codes where nobody looks; every tag with its evidence."""
    result = reviews("explain", "The techs were so kind. TMS worked.")
    assert result.exit_code == 0, result.output
    assert "\x1b[" not in result.output
    assert "staff" in result.output
    assert "tms" in result.output


def lay_out_bad_inputs(folder):
    """An empty folder and three files that hold no reviews."""
    (folder / "empty").mkdir()
    (folder / "empty.csv").write_text("")
    (folder / "picture.csv").write_bytes(bytes(range(256)) * 50)
    (folder / "columns.csv").write_text("Colour,Weight\nred,12\nblue,15\n")


@pytest.mark.parametrize("name", ["empty", "nowhere.csv"])
def test_input_that_is_not_there_is_a_fault_with_a_line(tmp_path, name):
    """Exit 1, one line that names the path, no traceback."""
    lay_out_bad_inputs(tmp_path)
    result = reviews("run", tmp_path / name, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert name in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "words"),
    [("empty.csv", "empty"), ("picture.csv", ""), ("columns.csv", "Colour")],
)
def test_a_file_that_cannot_be_read_is_refused_by_name_and_the_rest_is_read(tmp_path, name, words):
    """The good file beside it is read; the bad one stands in rejected.csv with the reason."""
    lay_out_bad_inputs(tmp_path)
    (tmp_path / "good.jsonl").write_text(json.dumps(GOOD) + "\n")
    result = reviews("run", tmp_path / name, tmp_path / "good.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    rejected = (tmp_path / "out" / "rejected.csv").read_text(encoding="utf-8")
    assert name in rejected
    assert words in rejected


@pytest.mark.parametrize(
    ("name", "word"), [("empty.csv", "empty"), ("picture.csv", "picture.csv"), ("columns.csv", "Colour")]
)
def test_input_of_which_nothing_can_be_read_is_a_fault_with_the_reason(tmp_path, name, word):
    """Alone, a bad file gives exit 1, its name and why; no output is written and there is no traceback."""
    lay_out_bad_inputs(tmp_path)
    result = reviews("run", tmp_path / name, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert name in result.output
    assert word in result.output
    assert not (tmp_path / "out").exists()


def test_a_month_far_from_every_review_is_a_fault(written, tmp_path):
    """A slip in cron does not publish an empty month: the months there are, are named."""
    result = reviews("run", written(GOOD), "--out", tmp_path / "out", "--month", "2020-01")
    assert result.exit_code == 1
    assert "2026-09" in result.output


def test_a_rating_of_eleven_and_a_day_that_never_was_are_refused_by_row(tmp_path, written):
    """Row and reason stand in rejected.csv."""
    path = written(GOOD, GOOD | {"id": "b", "rating": 11}, GOOD | {"id": "c", "date": "2026-02-31"})
    assert reviews("run", path, "--out", tmp_path / "out").exit_code == 0
    rejected = (tmp_path / "out" / "rejected.csv").read_text(encoding="utf-8")
    assert "reviews.jsonl,2," in rejected
    assert "reviews.jsonl,3," in rejected


def test_a_review_of_a_megabyte_is_refused_and_nothing_else(tmp_path, written):
    """A text no person typed does not stop the run."""
    path = written(GOOD, GOOD | {"id": "b", "text": "word " * 210_000})
    result = reviews("run", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "reviews.jsonl,2," in (tmp_path / "out" / "rejected.csv").read_text(encoding="utf-8")


def test_a_missing_model_is_a_fault_with_the_models_there_are(written, tmp_path):
    """Exit 1, and the message names one that exists."""
    result = reviews("run", written(GOOD), "--out", tmp_path / "out", "--model", "nosuch")
    assert result.exit_code == 1
    assert "default" in result.output
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_a_fault_with_the_mend(written, tmp_path):
    """Exit 1 and --out named."""
    (tmp_path / "file").write_text("")
    result = reviews("run", written(GOOD), "--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert "--out" in result.output


def test_wrong_usage_is_two(tmp_path):
    """A month that is none and an unknown option are the caller's slips."""
    assert reviews("run", tmp_path, "--month", "October").exit_code == 2
    assert reviews("run", "--nonsense").exit_code == 2


def test_the_readme_and_the_help_name_the_same_commands():
    """Every command is in the README's table, and every command in the table exists; options shown exist too."""
    told = set(re.findall(r"^\| `reviews (\w+)", README, re.MULTILINE))
    assert told == set(main.commands)
    shown = re.findall(r"reviews (\w+)[^`\n]*?(--[a-z-]+)", README)
    assert shown
    for command, option in shown:
        assert option in {name for parameter in main.commands[command].params for name in parameter.opts}


def test_the_readme_names_only_targets_that_exist():
    """`make …` in the README is a target of the Makefile."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", README)) - {"and"} <= targets


MONTHS = sorted((PROJECT / "docs").glob("*-month.md"))


@pytest.mark.parametrize("path", MONTHS, ids=lambda path: path.stem)
def test_a_written_down_month_has_ten_steps_that_can_be_taken(path):
    """Ten steps; every target of make and every file of the project named there exists, and every control of a page."""
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\d+)\. ", text, re.MULTILINE) == [str(number) for number in range(1, 11)]
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^    |`)make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE) or target == "correct", target
    for file in re.findall(r"`((?:data|pipeline)/[\w./-]+)`", text):
        derived = file.startswith("data/processed/") or file == "data/thresholds.toml"
        assert derived or (PROJECT / file).exists(), file
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (path.parent / target).exists(), target


def test_every_link_in_the_readme_leads_somewhere():
    """Files and pictures that the README points at are in the project."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (PROJECT / target).exists(), target


def test_every_command_has_help_and_quiet():
    """-h, --help and --quiet everywhere."""
    for name in main.commands:
        result = reviews(name, "-h")
        assert result.exit_code == 0
        assert "--quiet" in result.output


def test_help_comes_at_once():
    """Heavy libraries are imported where they are used, not to print help."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, pipeline.cli; print('pandas' in sys.modules)"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    assert told.stdout.strip() == "False"


def alone(command: str, **environment) -> subprocess.CompletedProcess:
    """A command line in a shell of its own, with next to nothing in its surroundings."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **environment}
    program = command.replace("reviews ", f"'{sys.executable}' -m pipeline ", 1)
    return subprocess.run(["sh", "-c", program], capture_output=True, cwd=PROJECT, env=given)


def test_where_there_is_no_language_what_is_told_is_utf_8():
    """Python's own ways out switched off, in the locale POSIX: letters come in and go out as they are everywhere else."""
    poor = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for command in ("explain 'Café: TMS helped → a lot' --model fast", "inspect data/raw/yelp-and-others.jsonl"):
        told = alone(f"reviews {command}", **poor)
        assert told.returncode == 0, told.stderr
        assert told.stdout == alone(f"reviews {command}").stdout
    assert "Café" in alone("reviews explain 'Café: TMS helped → a lot' --model fast", **poor).stdout.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_that_leads_to_a_full_disk(tmp_path):
    """Exit 1 and a line, no traceback; where errors cannot be told either, no success."""
    (tmp_path / "a.jsonl").write_text('{"text": "The techs were kind."}\n')
    for command in (
        f"annotate {tmp_path}/a.jsonl --model fast",
        f"inspect {tmp_path}/a.jsonl",
        "explain Kind --model fast",
    ):
        told = alone(f"reviews {command} > /dev/full")
        assert told.returncode == 1
        assert told.stderr.decode().startswith("reviews: standard output takes no more")
        assert b"Traceback" not in told.stderr
    assert alone("reviews inspect nothing.csv 2> /dev/full").returncode
