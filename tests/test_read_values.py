"""Dates, ratings, headings, translations and sources.toml: what a cell or a column means."""

import tomllib
from pathlib import Path

import pytest

from pipeline.read import InputError, dates, inspect, load_mapping, ratings, read
from pipeline.read.google import original_of
from pipeline.read.mapping import Entry, Mapping, place_of
from pipeline.read.roster import read_roster
from pipeline.read.rows import source_of

CASES = Path(__file__).parent / "cases"


def cases(name: str) -> dict:
    return tomllib.loads((CASES / f"read_{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", cases("dates")["cases"], ids=lambda case: f"{case['typed']!r} {case.get('order', '')}")
def test_dates(case):
    """A date is read as the day written, or refused with the reason; a relative one never becomes a day."""
    found = dates.read_date(case["typed"], case.get("order"))
    assert found.date == case.get("date")
    assert (case["problem"] in found.problem) if "problem" in case else found.problem is None
    assert found.precision == case.get("precision", "day" if "date" in case else "unknown")


@pytest.mark.parametrize(
    ("values", "usual", "order", "problem"),
    [
        (["03/04/2026", "25/04/2026"], None, "day first", False),
        (["03/04/2026", "04/25/2026"], None, "month first", False),
        (["03/04/2026", "04/03/2026"], None, None, True),
        (["03/04/2026", "25/04/2026", "04/25/2026"], None, None, True),
        (["25/04/2026", "04/25/2026", "03/03/2026"], None, None, False),
        (["2026-04-03", "1781481600", "3 May 2026"], None, None, False),
        (["03/04/2026"], "month first", "month first", False),
        (["03/04/2026", "25/04/2026"], "month first", "day first", False),
        (["03/04/2026", "25/04/2026", "04/25/2026"], "day first", "day first", False),
    ],
)
def test_order_of_day_and_month(values, usual, order, problem):
    """One date with a single reading settles the column; the platform's habit settles it where no date does; otherwise it stays open and
    that is a problem only where a date depends on it."""
    found = dates.decide(dates.weigh(values), usual=usual)
    assert found.order == order
    assert bool(found.problem) == problem


def test_what_a_person_says_of_the_order_wins():
    """sources.toml overrides the column."""
    assert dates.decide(dates.weigh(["25/04/2026"]), given="month first").order == "month first"


@pytest.mark.parametrize(
    "case", cases("ratings")["cells"], ids=lambda case: f"{case['typed']!r} {case.get('scale', '')}"
)
def test_ratings(case):
    """A rating is read onto 1 to 5, is none, or is refused with the reason; never silently dropped."""
    rating, problem = ratings.read_rating(case["typed"], ratings.GIVEN[case.get("scale", "1-5")])
    assert rating == case.get("rating")
    assert (case["problem"] in problem) if "problem" in case else problem is None


@pytest.mark.parametrize("case", cases("ratings")["columns"], ids=lambda case: case["why"])
def test_scales(case):
    """The scale of bare numbers and of words is decided from the whole column and its heading."""
    scale = ratings.decide(case["values"], case.get("heading", ""))
    found = [ratings.read_rating(value, scale) for value in case["values"]]
    assert ["refused" if problem else "none" if rating is None else rating for rating, problem in found] == case["read"]


@pytest.mark.parametrize("case", cases("columns")["tables"], ids=lambda case: case["why"])
def test_headings_of_tables_kept_by_hand(case, tmp_path):
    """Columns are understood by their headings where what is below them agrees, else by what is below them; the rest is not used."""
    path = tmp_path / "x.csv"
    lines = ["\t".join(row) for row in [case["columns"], *case["rows"]]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    meaning = {column: field.split(",")[0] for column, field in inspect(path).columns if field}
    assert {column: field for column, field in meaning.items() if field != "id"} == case["meaning"]


@pytest.mark.parametrize(
    ("typed", "kept", "translated", "cut"),
    [
        ("A lone (Original) word.", "A lone (Original) word.", False, False),
        ("I saw (translated) notes", "I saw (translated) notes", False, False),
        ("(Translated by Google) Kind.\n\n(Original)\nAmable.\nY limpio.", "Amable.\nY limpio.", True, False),
        ("Amable.\n\n(Translated by Google)\nKind.", "Amable.", True, False),
        ("(Translated by Google) An (Original) idea.\n\n(Original)\nUna idea.", "Una idea.", True, False),
        ("(Translated by Google) Kind.  (Original) Amable.", "Amable.", True, False),
        ("(Traducido por Google) Amable.\n\n(Original)\nKind.", "Kind.", True, False),
        ("(Translated by Google) Kind and then nothing", "Kind and then nothing", True, True),
    ],
)
def test_translations(typed, kept, translated, cut):
    """Of a comment with its machine translation the original is kept, in both orders; without an original the text is marked as cut."""
    assert original_of(typed) == (kept, translated, cut)


@pytest.mark.parametrize(
    ("typed", "source"),
    [
        ("Google Maps", "google"),
        ("GOOGLE", "google"),
        ("Our Yelp page", "yelp"),
        ("fb", "facebook"),
        ("Direct Feedback", "survey"),
        ("Front desk", "front desk"),
        ("Carrier pigeon", "carrier pigeon"),
    ],
)
def test_sources(typed, source):
    """Where a review was written is one of the known names, else what was written, in lower case."""
    assert source_of(typed) == source


@pytest.mark.parametrize(
    ("listing", "place"),
    [
        ("Juniper Example Clinic - Las Vegas", "Las Vegas"),
        ("LAS VEGAS", "Las Vegas"),
        ("North Las Vegas office", "North Las Vegas"),
        ("Reno", "Reno"),
        ("Lasso Vegasville", "Lasso Vegasville"),
    ],
)
def test_places(listing, place):
    """A listing's name becomes the known place it holds, the longest where there are two; an unknown one stays."""
    assert place_of(listing, ("Las Vegas", "North Las Vegas")) == place


def test_a_mapping_beside_the_data_is_used(tmp_path):
    """sources.toml names columns, the order of dates, a scale, a source and the places; an entry counts for the files that it matches."""
    (tmp_path / "sources.toml").write_text(
        'dates = "day first"\nplaces = ["Reno"]\n[columns]\ntext = "Blurb"\n'
        '[[file]]\nmatch = "desk*.csv"\nsource = "comment card"\nlocation = "Elko"\nscale = "0-10"\ncolumns = { rating = "Mark" }\n',
        encoding="utf-8",
    )
    (tmp_path / "desk1.csv").write_text("Blurb,Mark,Date\nwarm,5,03/04/2026\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("Blurb,Mark,Place\nx,5,Juniper Reno\n", encoding="utf-8")
    desk, other = (batch.reviews.iloc[0] for batch in read([tmp_path]))
    assert (desk.text, desk.rating, desk.date, desk.source, desk.location) == (
        "warm",
        2.5,
        "2026-04-03",
        "comment card",
        "Elko",
    )
    assert (other.text, other.source, other.location) == ("x", "unknown", "Reno")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('colums = { text = "A" }', "colums: not known"),
        ('[columns]\nwords = "A"', "columns.words: not known"),
        ('dates = "european"', '"day first" or "month first"'),
        ('scale = "1-7"', "one of 1-5"),
        ("text = Their Column", "not valid TOML"),
        ("[columns]\ntext = 3", "quotation marks"),
        ("[file]\nmatch = 3", "quotation marks"),
    ],
)
def test_a_mapping_that_is_not_understood(typed, said, tmp_path):
    """A sources.toml at fault stops the run, and the message names the file, the key and what to write."""
    path = tmp_path / "sources.toml"
    path.write_text(typed, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_mapping(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_mapping_that_does_not_fit_its_file(tmp_path):
    """An entry for this very file that names a column which is not there is refused, and the columns are listed."""
    (tmp_path / "sources.toml").write_text(
        '[[file]]\nmatch = "a.csv"\ncolumns = { text = "Remark" }\n', encoding="utf-8"
    )
    (tmp_path / "a.csv").write_text("Comment,Stars\nfine,5\n", encoding="utf-8")
    (batch,) = read([tmp_path])
    reason = batch.rejected.iloc[0].reason
    assert '"Remark"' in reason
    assert "Comment, Stars" in reason


def test_a_sheet_can_be_told_apart_from_its_workbook():
    """sources.toml speaks of one sheet as "workbook/sheet", and what it says of the workbook still holds."""
    workbook, sheet = Entry(match="*log*", source="front desk"), Entry(match="*log*/LA", location="Los Angeles")
    mapping = Mapping((workbook, sheet))
    said = mapping.about("log.xlsx").updated(mapping.about("log.xlsx/LA"))
    assert (said.source, said.location) == ("front desk", "Los Angeles")


@pytest.mark.parametrize("text", ["name,role\nDr. Ada Moss,psychiatrist\n\nLou,front desk\n", "Dr. Ada Moss\nLou\n"])
def test_a_roster_is_a_list_or_a_table_of_names(tmp_path, text):
    """One name a line, or the column `name`; blank lines are nothing."""
    path = tmp_path / "staff.csv"
    path.write_text(text, encoding="utf-8")
    assert read_roster(path) == ("Dr. Ada Moss", "Lou")


def test_a_roster_without_names_is_told(tmp_path):
    """An empty roster gives the mend."""
    (tmp_path / "staff.csv").write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="one a line"):
        read_roster(tmp_path / "staff.csv")
