"""From files to report, whole: what adds up, what is nowhere, and the same bytes again."""

import csv
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import run as map_of_the_work
from pipeline import tables
from pipeline.read import InputError
from pipeline.run import Settings, rewrite, run
from pipeline.store import FILES, StoreError

PROJECT = Path(__file__).resolve().parent.parent
MODEL = PROJECT / "models" / "default"
SECRETS = ("Orsolya", "Quintero-Baptiste", "702-555-0148", "orsolya.q@example.org")
ROWS = [
    {
        "id": "a",
        "source": "google",
        "location": "Reno",
        "date": "2026-09-02",
        "rating": 5,
        "text": "TMS gave me my life back. The techs were so kind.",
    },
    {
        "id": "b",
        "source": "yelp",
        "location": "Reno",
        "date": "2026-09-12",
        "rating": 2,
        "text": "Waited an hour and nobody returned my calls. Parking is awful.",
    },
    {
        "id": "c",
        "source": "google",
        "location": "Elko",
        "date": "2026-10-03",
        "rating": 4,
        "text": "My name is Orsolya Quintero-Baptiste, call 702-555-0148 or orsolya.q@example.org. Ketamine helped, but it is expensive.",
    },
    {"id": "d", "source": "google", "location": "Elko", "date": "2026-10-05", "rating": 5, "text": ""},
    {
        "id": "e",
        "source": "birdeye",
        "location": "Reno",
        "date": "2026-09-03",
        "rating": 5,
        "text": "TMS gave me my life back! The techs were so kind",
    },
    {
        "id": "f",
        "source": "google",
        "location": "Reno",
        "date": "2026-10-20",
        "rating": 1,
        "text": "I don't want to be here anymore and I have a plan.",
    },
    {
        "id": "g",
        "source": "google",
        "location": "Reno",
        "date": "2026-10-21",
        "rating": 11,
        "author": "Orsolya Quintero-Baptiste",
        "text": "Orsolya Quintero-Baptiste here, I loved it",
    },
]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run of seven rows and a broken line: (outcome, folder, the settings)."""
    folder = tmp_path_factory.mktemp("clinic")
    raw = folder / "raw"
    raw.mkdir()
    lines = [json.dumps(row) for row in ROWS] + ['{"id": "h", "text": "My name is Orsolya Quintero-Baptiste']
    (raw / "reviews.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = Settings((raw,), folder / "out", MODEL)
    return run(settings), folder / "out", settings


def table(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


def test_every_row_read_is_accounted_for(done):
    """accepted + duplicates + rejected = read, and the tables hold just that."""
    outcome, folder, _ = done
    assert (outcome.read, outcome.accepted, outcome.duplicates, outcome.rejected) == (8, 5, 1, 2)
    reviews = table(folder, "reviews")
    assert len(reviews) == 6
    assert reviews["duplicate_of"].notna().sum() == 1
    with open(folder / "rejected.csv", encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2


def test_every_file_of_the_contract_is_there_for_the_owner_alone(done):
    """Parquet, rejected.csv, manifest.json and the report's five files; 0600 in 0700."""
    _, folder, _ = done
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    report = {"report.html", "report.xlsx", "report.json", "testimonials.html", "testimonials.csv"}
    assert names == {f"{name}.parquet" for name in FILES} | {"rejected.csv", "manifest.json"} | {
        f"report/{name}" for name in report
    }
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*")} == {0o600, 0o700}


@pytest.mark.parametrize("name", FILES)
def test_tables_have_the_columns_and_types_promised(done, name):
    """Each Parquet file is its schema, in order."""
    _, folder, _ = done
    assert pq.read_schema(folder / f"{name}.parquet").equals(FILES[name])


def test_no_identifier_of_a_patient_is_anywhere_under_the_output(done):
    """Name, phone and e-mail as typed are in no file, refused rows included; the workbook is looked into."""
    from zipfile import ZipFile, is_zipfile

    _, folder, _ = done
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        contents = (
            [ZipFile(path).read(name) for name in ZipFile(path).namelist()] if is_zipfile(path) else [path.read_bytes()]
        )
        if path.suffix == ".parquet":
            contents = [repr(pq.read_table(path).to_pylist()).encode()]
        for secret in SECRETS:
            assert not any(secret.encode() in content for content in contents), f"{secret} in {path.name}"


def test_the_survivor_lists_its_twin(done):
    """The Birdeye copy points at the Google review, and the Google review names it."""
    _, folder, _ = done
    reviews = table(folder, "reviews").set_index("review_id")
    assert reviews.loc["e", "duplicate_of"] == "a"
    assert list(reviews.loc["a", "twins"]) == ["e"]


def test_a_present_danger_is_escalated(done):
    """The crisis stands in the table and at the top of the Summary."""
    outcome, folder, _ = done
    assert "crisis" in set(table(folder, "escalations")["reason"])
    assert outcome.to_act_on == json.loads((folder / "report/report.json").read_text(encoding="utf-8"))["escalations"]["status"]["this month"] == "1 open"  # fmt: skip
    assert outcome.month == "2026-10"


def test_every_evidence_stands_at_its_offsets(done):
    """In every table, text[start:end] of the stored text is the evidence."""
    _, folder, _ = done
    text = table(folder, "reviews").set_index("review_id")["text"]
    for name in ("opinions", "mentions", "escalations"):
        for row in table(folder, name).itertuples():
            assert text[row.review_id][row.start : row.end] == row.evidence


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_input_gives_the_same_bytes(done, tmp_path, monkeypatch):
    """Again, and with two workers, small parts and few rows at once: every file is equal."""
    _, folder, settings = done
    monkeypatch.setattr(map_of_the_work, "ROWS_PER_BATCH", 2)
    monkeypatch.setattr(map_of_the_work, "ROWS_READ", 3)
    run(settings._replace(out=tmp_path / "again", workers=2))
    assert digest(tmp_path / "again") == digest(folder)


def test_another_month_is_written_from_what_the_run_left(done, tmp_path):
    """`rewrite` changes the report and its month, and nothing else."""
    _, _, settings = done
    mine = settings._replace(out=tmp_path / "out")
    run(mine)
    before = digest(tmp_path / "out")
    assert rewrite(mine._replace(month="2026-09")).month == "2026-09"
    after = digest(tmp_path / "out")
    assert {name for name in before if before[name] != after[name]} >= {"manifest.json", "report/report.html"}
    assert all(before[f"{name}.parquet"] == after[f"{name}.parquet"] for name in FILES)
    assert json.loads((tmp_path / "out" / "report" / "report.json").read_text())["month"] == "2026-09"


def test_a_report_of_a_month_leaves_the_board_whole(done, tmp_path):
    """The quotes of every month stay on the board when the report is of one; asked for by itself, a month narrows it."""
    _, _, settings = done
    mine = settings._replace(out=tmp_path / "out", month="2026-09")
    run(mine)
    board = tmp_path / "out" / "report" / "testimonials.csv"
    whole = board.read_text(encoding="utf-8")
    rewrite(mine)
    assert board.read_text(encoding="utf-8") == whole
    rewrite(mine, "2026-10")
    assert board.read_text(encoding="utf-8") != whole


def test_a_failed_run_leaves_the_earlier_output(done):
    """An input that is not there changes nothing in the output."""
    _, folder, settings = done
    before = digest(folder)
    with pytest.raises(InputError):
        run(settings._replace(inputs=(settings.inputs[0] / "nowhere",)))
    assert digest(folder) == before


def test_a_report_without_a_run_is_told(tmp_path):
    """Asking for a report of an empty folder says what to type."""
    with pytest.raises(StoreError, match="reviews run"):
        rewrite(Settings((), tmp_path, MODEL))


def test_the_other_model_runs_from_files_to_report(tmp_path, written):
    """`fast` reads the same files into the same outputs, and finds what is plainly said."""
    out = tmp_path / "fast"
    run(Settings((written(*ROWS),), out, MODEL.parent / "fast"))
    opinions = table(out, "opinions")
    assert ("b", "parking", "negative") in set(
        opinions[["review_id", "theme", "sentiment"]].itertuples(index=False, name=None)
    )
    assert (out / "report" / "report.html").exists()


def test_nothing_dated_still_gives_its_tables(tmp_path, written):
    """Reviews without dates are read and kept; there is no month to report, and it is said."""
    outcome = run(Settings((written({"text": "Lovely nurses"}),), tmp_path / "out", MODEL))
    assert outcome.month is None
    assert (tmp_path / "out" / "reviews.parquet").exists()
    assert not (tmp_path / "out" / "report" / "report.html").exists()


def test_schemas_are_what_the_contract_names():
    """The contract's columns stand in the tables."""
    promised = "review_id source location date rating language text overall score confidence treatments themes escalate duplicate_of"
    assert set(promised.split()) <= set(tables.REVIEWS.names)
    assert set(
        ["review_id", "theme", "treatment", "sentiment", "score", "confidence", "evidence", "start", "end"]
    ) <= set(tables.OPINIONS.names)
    assert set(["review_id", "quote", "theme", "treatment", "sentiment", "status", "reasons"]) <= set(
        tables.TESTIMONIALS.names
    )
