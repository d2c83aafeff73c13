"""What sources really write: traps that the golden fixtures do not hold, and a whole run over a file of every shape."""

import csv
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.clean import repair
from pipeline.cli import main
from pipeline.read import read
from pipeline.run import Settings, run

PROJECT = Path(__file__).resolve().parent.parent
EXPORTS = Path(__file__).parent / "fixtures" / "exports"
GOLDEN = json.loads((Path(__file__).parent / "fixtures" / "exports.json").read_text(encoding="utf-8"))
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)


def table(*rows, delimiter=",") -> bytes:
    typed = io.StringIO(newline="")
    csv.writer(typed, delimiter=delimiter).writerows(rows)
    return typed.getvalue().encode()


def read_of(folder: Path, data: bytes, name: str = "export") -> tuple[pd.DataFrame, pd.DataFrame]:
    """(reviews, refusals) of a file that holds `data`."""
    path = folder / name
    path.write_bytes(data)
    batches = list(read([path]))
    assert all(batch.read == len(batch.reviews) + len(batch.rejected) for batch in batches)
    return tuple(
        pd.concat([getattr(batch, part) for batch in batches], ignore_index=True) for part in ("reviews", "rejected")
    )


# ------------------------------------------------------------------------------------------------------------- whole


def test_a_run_over_every_shape_adds_up(tmp_path):
    """accepted + duplicates + rejected = rows in the folder, and every review that stands has its source, stars and date of the file."""
    outcome = run(Settings(inputs=(EXPORTS,), out=tmp_path / "out", model=PROJECT / "models" / "fast", workers=1))
    rows = [row for golden in GOLDEN.values() for row in golden["reviews"]]
    refused = sum(len(golden["rejected"]) for golden in GOLDEN.values())
    assert (outcome.read, outcome.rejected) == (len(rows) + refused, refused)
    assert outcome.accepted + outcome.duplicates + outcome.rejected == outcome.read
    found = pd.read_parquet(tmp_path / "out" / "reviews.parquet")
    assert len(found) == len(rows)
    assert outcome.duplicates == found["duplicate_of"].notna().sum()
    read_as = sorted(
        (file.rpartition("/")[2] if "takeout" not in file else "takeout", row, source, date or "", rating or 0.0)
        for file, row, source, date, rating in found[["file", "row", "source", "date", "rating"]]
        .astype(object)
        .where(found.notna(), None)
        .itertuples(index=False)
    )
    typed = sorted(
        (name, row["row"], row["source"], row.get("date", ""), row.get("rating", 0.0))
        for name, golden in GOLDEN.items()
        for row in golden["reviews"]
    )
    assert read_as == typed


# ------------------------------------------------------------------------------------------------------------- traps


@pytest.mark.parametrize(
    ("header", "row"),
    [
        # no column of the review's own stars: the place's average is not taken for it
        (["query", "name", "rating", "reviews", "review_text"], ["q", "Example", "4.8", "120", "A quiet room"]),
        (["title", "totalScore", "name", "text", "publishedAtDate"], ["x", "4.8", "J", "A quiet room", "2026-01-02"]),
    ],
)
def test_the_rating_of_a_place_is_never_the_reviews(header, row, tmp_path):
    """Where a scrape holds the place's average alone, the review has no stars."""
    reviews, _ = read_of(tmp_path, table(header, row))
    assert reviews["rating"].isna().tolist() == [True]


def test_a_translation_without_its_original_is_not_quoted(tmp_path):
    """Google's older Places API marks what it has translated: the text counts as cut, so that nobody quotes a machine."""
    place = {
        "result": {
            "name": "Example",
            "rating": 4.6,
            "reviews": [
                {"author_name": "L", "rating": 2, "text": "Cold room", "time": 1740938651, "translated": True},
                {"author_name": "M", "rating": 5, "text": "Warm room", "time": 1740938651, "translated": False},
            ],
        }
    }
    reviews, _ = read_of(tmp_path, json.dumps(place).encode())
    assert reviews["translated"].tolist() == reviews["truncated"].tolist() == [True, False]


def test_a_better_date_beside_it_settles_an_open_one(tmp_path):
    """The order of 4/5/2026 does not matter where another column of the row gives the day; it does where none does."""
    header = ["text", "rating", "reviewEncid", "reviewDate", "reviewDateUtc"]
    row = ["Quiet rooms", "4", "e1", "4/5/2026", "2026-04-05T08:00:00Z"]
    reviews, _ = read_of(tmp_path, table(header, row))
    assert reviews["date"].tolist() == ["2026-04-05"]
    _, refused = read_of(tmp_path, table(header, row, ["No UTC here", "4", "e2", "4/5/2026", ""]))
    assert "the day or the month first" in refused["reason"].iloc[0]


def test_short_answers_to_an_open_question_stay(tmp_path):
    """ "Nothing" answers what to change; the service one came for is a choice and no comment."""
    rows = [
        ["Respondent ID", "Collector ID", "End Date", "What should we change?", "Which service did you have?"],
        ["", "", "", "Response", "Response"],
        ["1", "2", "03/14/2026 10:00:00 AM", "Nothing", "TMS"],
        ["2", "2", "03/15/2026 10:00:00 AM", "No idea", "Ketamine"],
    ]
    reviews, _ = read_of(tmp_path, table(*rows))
    assert reviews["text"].tolist() == ["Nothing", "No idea"]
    assert reviews["question"].unique().tolist() == ["What should we change?"]


@pytest.mark.parametrize("accented", [True, False])
def test_spanish_headings(accented, tmp_path):
    """A log kept in Spanish is read, its headings with accents or without."""
    header = ["Nº", "Fecha de la opinión", "Clínica", "Valoración", "¿Qué le pareció?", "Paciente"]
    if not accented:
        header = ["No", "Fecha de la opinion", "Clinica", "Valoracion", "¿Que le parecio?", "Paciente"]
    rows = [["1", "15/01/2026", "Reno", "4", "Todo bien, gracias a todos", "Luz"]]
    reviews, _ = read_of(tmp_path, table(header, *rows, delimiter=";"))
    (review,) = reviews.to_dict("records")
    assert {name: review[name] for name in ("date", "location", "rating", "text", "author")} == {
        "date": "2026-01-15",
        "location": "Reno",
        "rating": 4.0,
        "text": "Todo bien, gracias a todos",
        "author": "Luz",
    }


def test_a_row_that_a_cut_file_ends_in_is_refused(tmp_path):
    """Half a row is no review: its last cells and perhaps half its text are missing. One that only lacks the line end is whole."""
    data = table(["Date", "Comment", "Rating"], ["2026-01-05", "The first one", "5"], ["2026-01-06", "The second", "4"])
    reviews, refused = read_of(tmp_path, data.removesuffix(b"nd,4\r\n"))
    assert reviews["text"].tolist() == ["The first one"]
    assert refused["row"].tolist() == [3]
    assert "cut off" in refused["reason"].iloc[0]
    reviews, refused = read_of(tmp_path, data.removesuffix(b"\r\n"))
    assert len(reviews) == 2


def test_a_second_table_on_a_sheet_is_refused_by_name(tmp_path):
    """Rows of another table below the reviews are no reviews; the header again is passed over and the reading goes on."""
    book = openpyxl.Workbook()
    for row in (
        ["Date", "Comment", "Rating"],
        ["2026-01-05", "Above the gap", 5],
        [],
        ["Date", "Comment", "Rating"],
        ["2026-01-06", "Below the same header", 4],
        [],
        ["Location", "Source", "Budget"],
        ["Reno", "radio", 3],
    ):
        book.active.append(row)
    held = io.BytesIO()
    book.save(held)
    reviews, refused = read_of(tmp_path, held.getvalue())
    assert reviews["text"].tolist() == ["Above the gap", "Below the same header"]
    assert refused["row"].tolist() == [4, 7, 8]
    assert all("second table begins in row 7" in reason for reason in refused["reason"][1:])


def test_stars_pasted_above_a_review(tmp_path):
    """A line of stars in the paragraph of a review is its rating and no part of its text."""
    reviews, _ = read_of(
        tmp_path, "Reviews\n\n★★★★☆\nThe chair hurts but it works.\n\nNo stars here, only words.\n".encode()
    )
    assert reviews["text"].tolist() == ["The chair hurts but it works.", "No stars here, only words."]
    assert reviews["rating"].fillna(0).tolist() == [4.0, 0]


def test_a_word_document_is_a_page(tmp_path):
    """The paragraphs below "Reviews" in a .docx are its reviews, in an archive too."""
    paragraphs = ("Our clinic", "Reviews", "I slept through it.", "Kind &amp; calm.", "Call us today")
    text = "".join(f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>" for words in paragraphs)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f"<w:document><w:body>{text}</w:body></w:document>")
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("page.docx", held.getvalue())
    for data in (held.getvalue(), outer.getvalue()):
        assert read_of(tmp_path, data)[0]["text"].tolist() == ["I slept through it.", "Kind & calm."]


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        ("I <3 this place & you", "I <3 this place & you"),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("they said <no>", "they said <no>"),
        ("Fast &amp; kind<br>Would return", "Fast & kind\nWould return"),
        ("<p>One.</p><p>Two.</p>", "One.\nTwo."),
        ("She <b>never</b> rushed", "She never rushed"),
        ("Escaped &lt;br /&gt;twice", "Escaped\ntwice"),
    ],
)
def test_tags_of_a_page_are_no_text(typed, clean):
    """What a web page leaves in a text goes, its line ends stay; a heart and a comparison are what somebody typed."""
    assert repair(typed) == clean


def test_inspect_is_for_somebody_who_keeps_the_exports(tmp_path):
    """What it is, what becomes of its rows, what each column is read as, what is not read: in words, and adding up."""
    path = tmp_path / "comments.csv"
    path.write_bytes((EXPORTS / "fft.csv").read_bytes())
    shown = " ".join(CliRunner().invoke(main, ["inspect", str(path)]).output.split())
    golden = GOLDEN["fft.csv"]
    kept, refused = len(golden["reviews"]), len(golden["rejected"])
    for words in (
        "what it is: NHS Friends and Family comments",
        "1 is read as 5 stars and 5 as 1 star",
        f"{kept + refused} rows in it: {kept} to be read as reviews and {refused} refused.",
        "FFT answer what the patient wrote",
        "Columns that are not read",
        "sources.toml",
    ):
        assert words in shown


# -------------------------------------------------------------------------------------------------- generated exports

WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\"',;|\t(★"), min_size=1, max_size=50
).map(lambda text: f"so {text} it was")
STARS = {"ONE": 1.0, "TWO": 2.0, "THREE": 3.0, "FOUR": 4.0, "FIVE": 5.0, "STAR_RATING_UNSPECIFIED": None}
DAYS = st.dates(min_value=pd.Timestamp("2015-01-01").date(), max_value=pd.Timestamp("2026-12-31").date())


@few
@given(
    reviews=st.lists(
        st.tuples(WORDS, st.sampled_from(sorted(STARS)), DAYS, st.sampled_from(["", "before", "after"])),
        min_size=1,
        max_size=12,
    )
)
def test_any_google_export(reviews, tmp_path):
    """Each review arrives once, as typed, with its stars and its day, whichever way a translation stands around it."""
    around = {
        "": "{0}",
        "before": "(Translated by Google) a machine's words\n\n(Original)\n{0}",
        "after": "{0}\n\n(Translated by Google)\na machine's words",
    }
    records = [
        {
            "name": f"accounts/1/locations/2/reviews/r{number}",
            "starRating": stars,
            "comment": around[where].format(text.replace("{", "").replace("}", "")),
            "createTime": f"{day}T10:00:00.123Z",
        }
        for number, (text, stars, day, where) in enumerate(reviews)
    ]
    found, refused = read_of(tmp_path, json.dumps({"reviews": records}).encode())
    assert refused.empty
    assert found["text"].tolist() == [text.replace("{", "").replace("}", "") for text, *_ in reviews]
    assert found["rating"].astype(object).where(found["rating"].notna(), None).tolist() == [
        STARS[stars] for _, stars, *_ in reviews
    ]
    assert found["date"].tolist() == [str(day) for _, _, day, _ in reviews]
    assert found["translated"].tolist() == [bool(where) for *_, where in reviews]


WRITTEN = {"5 stars": 5.0, "4/5": 4.0, "★★★☆☆": 3.0, "2": 2.0, "1 star": 1.0, "4.5": 4.5, "": None}


@few
@given(
    reviews=st.lists(st.tuples(WORDS, st.sampled_from(sorted(WRITTEN)), DAYS), min_size=4, max_size=15),
    order=st.permutations(["Received on", "What was said", "Stars", "Clinic"]),
    above=st.integers(0, 2),
    day_first=st.booleans(),
    delimiter=st.sampled_from(",;\t|"),
)
def test_any_log_kept_by_hand(reviews, order, above, day_first, delimiter, tmp_path):
    """Columns in any order below any titles, any delimiter: each comment once, with its stars and its day; the sum below is no review."""
    reviews = [
        *reviews,
        ("so the last it was", "5 stars", pd.Timestamp("2026-12-31").date()),
    ]  # settles the order of dates
    pattern = "%d/%m/%Y" if day_first else "%m/%d/%Y"
    rows = [
        {"Received on": day.strftime(pattern), "What was said": text, "Stars": stars, "Clinic": "Reno"}
        for text, stars, day in reviews
    ]
    rows.append({"Received on": "Total", "What was said": "", "Stars": "4.2", "Clinic": ""})
    lines = [["What we hear"], []][:above] + [order] + [[row[name] for name in order] for row in rows]
    found, refused = read_of(tmp_path, table(*lines, delimiter=delimiter))
    assert refused["reason"].tolist() == ["a row of totals"]
    assert found["text"].tolist() == [text for text, *_ in reviews]
    assert found["rating"].astype(object).where(found["rating"].notna(), None).tolist() == [
        WRITTEN[stars] for _, stars, _ in reviews
    ]
    assert found["date"].tolist() == [str(day) for *_, day in reviews]
