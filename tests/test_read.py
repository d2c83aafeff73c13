"""Golden fixtures: every export that we know, its reviews and its refusals as they stand in the file (fixtures/exports.json)."""

import csv
import io
import json
import runpy
import shutil
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from pipeline import tables
from pipeline.read import inspect, read, shapes

PROJECT = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures"
EXPORTS = FIXTURES / "exports"
GOLDEN = json.loads((FIXTURES / "exports.json").read_text(encoding="utf-8"))
SHARED = Path(__file__).parents[2] / "shared" / "real"


def plain(table: pd.DataFrame, file: str) -> list[dict]:
    """The rows of a table as the golden file writes them: without nulls, and without what is the same in every row."""
    rows = []
    for row in table.to_dict("records"):
        kept = {name: value for name, value in row.items() if not pd.isna(value)}
        kept = {
            name: value for name, value in kept.items() if not (name in ("translated", "truncated") and value is False)
        }
        rows.append({name: value for name, value in kept.items() if (name, value) != ("file", file)})
    return rows


def both_of(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    batches = list(read([path]))
    return pd.concat([batch.reviews for batch in batches], ignore_index=True), pd.concat(
        [batch.rejected for batch in batches], ignore_index=True
    )


def reviews_of(path: Path) -> pd.DataFrame:
    return both_of(path)[0]


def rejected_of(path: Path) -> pd.DataFrame:
    return both_of(path)[1][tables.REJECTED.names]


def notes_of(path: Path) -> str:
    return "\n".join(note for batch in read([path]) for note in batch.notes)


def test_every_fixture_has_its_expectation():
    """One entry of exports.json per fixture, none left over."""
    assert sorted(path.name for path in EXPORTS.iterdir()) == sorted(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    """Each text, star, date, source and place arrives as in the file, each refusal with its row and reason; all rows are accounted for."""
    batches = list(read([EXPORTS / name]))
    assert plain(pd.concat([batch.reviews for batch in batches]), name) == GOLDEN[name]["reviews"]
    assert (
        plain(pd.concat([batch.rejected[tables.REJECTED.names] for batch in batches]), name) == GOLDEN[name]["rejected"]
    )
    for batch in batches:
        assert batch.read == len(batch.reviews) + len(batch.rejected)
        assert list(batch.reviews.columns) == tables.TYPED.names
        assert list(batch.rejected.columns) == tables.REFUSED.names


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "takeout"])
def test_the_file_name_says_nothing(name, tmp_path):
    """A file is known by its columns, whatever it is called."""
    path = tmp_path / "download (3).dat"
    shutil.copy(EXPORTS / name, path)
    assert plain(reviews_of(path), path.name) == GOLDEN[name]["reviews"]


@pytest.mark.parametrize("size", [1, 2])
def test_batches_change_nothing(size):
    """The same rows arrive in the same order, however many at a time; a review of two rows stays whole."""
    for name in ("native.jsonl", "qualtrics.csv", "by_hand.csv", "outscraper.csv", "google_api.json"):
        batches = list(read([EXPORTS / name], rows_per_batch=size))
        assert len(batches) > 1
        assert plain(pd.concat([batch.reviews for batch in batches]), name) == GOLDEN[name]["reviews"]
        assert (
            plain(pd.concat([batch.rejected[tables.REJECTED.names] for batch in batches]), name)
            == GOLDEN[name]["rejected"]
        )


def test_a_folder_and_a_zip_of_everything(tmp_path):
    """All exports at once, as a folder and as an archive, give what each gives alone, with labels that lead to the file."""
    expected = sum(len(golden["reviews"]) for golden in GOLDEN.values())
    refused = sum(len(golden["rejected"]) for golden in GOLDEN.values())
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in sorted(path for path in EXPORTS.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(EXPORTS))
        archive.writestr("__MACOSX/._native.csv", b"\x00\x05")
    for path, start in ((EXPORTS, ""), (tmp_path / "all.zip", "all.zip/")):
        reviews, rejected = both_of(path)
        assert (len(reviews), len(rejected)) == (expected, refused)
        assert f"{start}native.jsonl" in set(reviews["file"])
        assert not {"google"} - set(reviews["source"])
    names = set(reviews.loc[reviews["file"].str.contains("takeout/", regex=False), "location"])
    assert names == {"Juniper Example Clinic - Las Vegas"}


def test_the_owners_own_reviews_are_refused():
    """`Maps (your places)` holds what the account's owner wrote about others: refused by name, not read as reviews of the clinic."""
    reviews, rejected = both_of(EXPORTS / "takeout" / "Takeout")
    row = rejected.iloc[0]
    assert row.row == 0
    assert "Maps (your places)" in row.file
    assert "owner wrote about other places" in row.reason
    assert not reviews["text"].str.contains("noodles").any()


def test_stars_are_never_made_up():
    """A recommendation is yes or no, whatever number the platform turned it into; the place's average is not a review's rating."""
    for name in ("podium.json", "birdeye.json", "facebook.json"):
        reviews = reviews_of(EXPORTS / name)
        assert reviews.loc[reviews["recommended"].notna(), "rating"].isna().all()
        assert reviews["recommended"].notna().any()
    assert 4.8 not in set(reviews_of(EXPORTS / "outscraper.csv")["rating"])


def test_previews_and_unfinished_answers_are_counted():
    """What the survey tool's people did themselves is left out, and a note says how often."""
    assert "left out: 1 × a preview of the survey, 1 × an unfinished answer" in notes_of(EXPORTS / "qualtrics.csv")


def test_what_was_guessed_is_said():
    """A table kept by hand comes with a note: each column and what it was taken for, what was not used, and where to correct it."""
    notes = notes_of(EXPORTS / "unknown.csv")
    for words in (
        'date = "Completed"',
        'text = "What went well?"',
        "0 to 10",
        'not used: "Staff initials"',
        "sources.toml",
    ):
        assert words in notes


def test_a_respondents_stars_are_counted_once():
    """A survey without an open answer is one star-only row; an answer of "N/A" beside a real one is refused and not counted again."""
    reviews, rejected = both_of(EXPORTS / "qualtrics.csv")
    assert reviews["review_id"].tolist() == ["R_one:Q2_TEXT", "R_one:Q4", "R_two:Q4", "R_five"]
    assert rejected.loc[rejected["row"] == 5, "reason"].tolist() == ["no comment given"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters(encoding, delimiter, tmp_path):
    """The same table in any encoding and with any delimiter gives the same texts, line ends and accents within."""
    rows = [
        ["Date", "Stars", "Comment"],
        ["2026-05-01", "5", "Señora Example’s café – très bien"],
        ["2026-05-02", "2", 'a "b"\nc; d, e\tf|g'],
    ]
    typed = io.StringIO(newline="")
    csv.writer(typed, delimiter=delimiter).writerows(rows)
    path = tmp_path / "x"
    path.write_bytes(typed.getvalue().encode(encoding))
    reviews = reviews_of(path)
    assert reviews["text"].tolist() == [row[2] for row in rows[1:]]
    assert reviews["rating"].tolist() == [5.0, 2.0]


def test_one_wrong_byte_does_not_spoil_a_file(tmp_path):
    """A Windows byte in a UTF-8 file is read as Windows meant it; the rest stays UTF-8."""
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"text": "très '.encode() + b'na\xefve \x93so\x94"}\n' + '{"text": "naïve"}\n'.encode())
    assert reviews_of(path)["text"].tolist() == ["très naïve “so”", "naïve"]


def test_qualtrics_as_utf16_with_tabs(tmp_path):
    """Qualtrics' TSV is UTF-16; it gives what the CSV gives."""
    rows = list(csv.reader((EXPORTS / "qualtrics.csv").open(encoding="utf-8", newline="")))
    typed = io.StringIO(newline="")
    csv.writer(typed, delimiter="\t").writerows(rows)
    path = tmp_path / "survey.tsv"
    path.write_bytes(typed.getvalue().encode("utf-16"))
    assert plain(reviews_of(path), path.name) == GOLDEN["qualtrics.csv"]["reviews"]


def workbook(path: Path, **sheets: list[list]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize(
    "name",
    ["outscraper.csv", "qualtrics.csv", "surveymonkey.csv", "fft.csv", "native.csv", "trustpilot.csv", "by_hand.csv"],
)
def test_the_same_export_as_a_workbook(name, tmp_path):
    """XLSX gives what CSV gives, row numbers too."""
    text = (EXPORTS / name).read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if name == "by_hand.csv" else ","))
    path = workbook(tmp_path / "x.xlsx", Sheet1=rows)
    assert plain(reviews_of(path), path.name) == GOLDEN[name]["reviews"]
    assert plain(rejected_of(path), path.name) == GOLDEN[name]["rejected"]


def test_a_workbook_kept_by_hand(tmp_path):
    """Real dates and numbers, a title above, totals below, an empty row between, a second sheet and one without comments."""
    from datetime import datetime

    log = [
        ["Comment log"],
        [],
        ["Received", "Stars (1-5)", "What was said", "Clinic"],
        [datetime(2026, 5, 1), 5, "Warm_x000D_\nblankets", "Las Vegas "],
        [],
        [46187, 4.0, "The second time was easier", "Las Vegas"],
        ["Average", 4.5],
    ]
    path = workbook(
        tmp_path / "desk.xlsx",
        Log=log,
        Spare=[["Date", "Comment"], ["2026-05-02", "Quiet"]],
        Staff=[["Ext", "Room"], [1, 2]],
        Empty=[],
    )
    reviews, rejected = both_of(path)
    assert reviews["text"].tolist() == ["Warm\r\nblankets", "The second time was easier", "Quiet"]
    assert reviews["date"].tolist() == ["2026-05-01", "2026-06-14", "2026-05-02"]
    assert reviews["row"].tolist() == [4, 6, 2]
    assert reviews["location"].tolist()[:2] == ["Las Vegas", "Las Vegas"]
    assert reviews["file"].tolist() == ["desk.xlsx/Log", "desk.xlsx/Log", "desk.xlsx/Spare"]
    assert rejected["row"].tolist() == [7, 0]
    assert "Ext, Room" in rejected["reason"].iloc[1]


def test_a_sheet_for_each_clinic(tmp_path):
    """Where sources.toml lists the places, a sheet called by one of them gives its reviews their place."""
    (tmp_path / "sources.toml").write_text('places = ["Reno", "Elko"]', encoding="utf-8")
    head = ["Date", "Comment"]
    workbook(tmp_path / "x.xlsx", Reno=[head, ["2026-05-01", "Quiet"]], Elko=[head, ["2026-05-02", "Loud"]])
    assert reviews_of(tmp_path)["location"].tolist() == ["Reno", "Elko"]


def test_reviews_nested_in_places(tmp_path):
    """Outscraper's JSON holds lists of places that hold lists of reviews: each review has the name of its place."""
    review = {
        "review_id": "c1",
        "author_title": "A",
        "review_text": "Calm",
        "review_rating": 3,
        "review_timestamp": 1770681600,
    }
    places = [
        [{"name": "First", "rating": 4.8, "reviews_data": [review]}],
        [{"name": "Second", "reviews_data": [{**review, "review_text": None}]}],
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"id": "q", "status": "Success", "data": places}), encoding="utf-8")
    reviews = reviews_of(path)
    assert reviews["location"].tolist() == ["First", "Second"]
    assert reviews["text"].tolist() == ["Calm", ""]
    assert reviews["rating"].tolist() == [3.0, 3.0]


def test_a_page_gives_its_reviews_and_nothing_of_the_clinic(tmp_path):
    """One paragraph, one review, between the heading and the first line that asks for something; a menu's "Reviews" is not that heading."""
    for name in ("page.txt", "page.html"):
        assert (
            not reviews_of(EXPORTS / name)["text"]
            .str.contains("clinic says|call to action|nine out of ten|answer of the clinic")
            .any()
        )
    one = tmp_path / "one.txt"
    one.write_text(
        "What people are saying about us\n\nI slept.\n\n(555) 010-0100\n\nI am no review.\n", encoding="utf-8"
    )
    assert reviews_of(one)["text"].tolist() == ["I slept."]


def test_read_more_marks_a_cut_text(tmp_path):
    """A text that the page shortens may not be quoted."""
    path = tmp_path / "p.txt"
    path.write_text(
        "Testimonials\n\nThey kept at it until\n\nRead more\n\nAll of this one is here.\n", encoding="utf-8"
    )
    assert reviews_of(path)["truncated"].tolist() == [True, False]


def test_inspect_says_what_was_understood():
    """Shape, encoding, delimiter, columns, order of dates, scale, first rows and what would be refused."""
    found = inspect(EXPORTS / "by_hand.csv")
    assert (found.encoding, found.delimiter) == ("UTF-8", "semicolon")
    assert ("What they said", "text") in found.columns
    assert found.dates.startswith("day first")
    assert found.ratings == "1 to 5"
    assert found.first["text"].iloc[0] == "Kind people; short wait"
    assert found.refused["row"].tolist() == [9, 10, 11, 13, 14]
    assert found.counts == {
        "read": 11,
        "reviews": 5,
        "a row of totals": 2,
        **dict.fromkeys(set(rejected_of(EXPORTS / "by_hand.csv")["reason"]) - {"a row of totals"}, 1),
    }


def test_inspect_of_a_folder_and_of_a_bad_file(tmp_path):
    """Every table of a folder is inspected; a file that cannot be read is there with its reason."""
    found = inspect(EXPORTS)
    assert 1 + len(found.others) == sum(path.is_file() for path in EXPORTS.rglob("*"))
    (tmp_path / "x.bin").write_bytes(bytes(range(256)))
    assert "not text" in inspect(tmp_path / "x.bin").refused["reason"].iloc[0]


def test_every_shape_explains_itself():
    """The documentation is made from the shapes: each has a name and quirks, and a known export its columns; the page is up to date."""
    for known in shapes():
        assert known.name
        assert known.quirks
        assert (known.known_by and known.columns) or known.name in (
            "kept by hand (columns guessed)",
            "a web page or pasted text",
        )
    assert (PROJECT / "docs" / "exports.md").read_text(encoding="utf-8") == runpy.run_path(
        str(PROJECT / "tools" / "exports_table.py")
    )["table"]()


def test_every_shape_has_a_fixture():
    """The folder of fixtures holds a file of every shape that the documentation names."""
    found = inspect(EXPORTS)
    assert {known.name for known in shapes()} <= {one.shape for one in (found, *found.others)}


def test_a_real_page():
    """The shared page of a clinic gives exactly its four reviews."""
    path = SHARED / "clinic-page.txt"
    if not path.exists():
        pytest.skip("the shared page is not here")
    (batch,) = read([path])
    assert (batch.read, len(batch.reviews), len(batch.rejected)) == (4, 4, 0)
    assert batch.reviews["text"].str.contains("TMS").tolist() == [True, False, True, True]


def test_real_nhs_comments():
    """The shared comments are read to the last row: those who did not answer are refused, every answer stays."""
    path = SHARED / "nhs-comments.csv"
    if not path.exists():
        pytest.skip("the shared comments are not here")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    reviews, rejected = both_of(path)
    assert len(reviews) + len(rejected) == len(rows)
    assert set(rejected["reason"]) == {"did not answer the question"}
    answered = [row for row in rows if row["FFT answer"] != "Did not answer"]
    nothing = {"n/a", "na", "no comment", "no comments", "not applicable", ""}
    assert reviews["text"].tolist() == [
        "" if row["FFT answer"].strip(" .").lower() in nothing else row["FFT answer"] for row in answered
    ]
    codes = [int(row["FFT categorical answer"]) for row in answered]
    assert reviews["rating"].fillna(0).tolist() == [6 - code if code <= 5 else 0 for code in codes]
    assert reviews["date"].notna().all()
