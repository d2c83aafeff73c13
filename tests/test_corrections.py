"""Corrections win at once, survive, can be taken back, and say how often the program was right; wrong ones get a line."""

import json
import re
import shutil
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invented import annotated, counted, refused, review

from pipeline import corrections, tables
from pipeline.cli import main
from pipeline.corrections import apply, merge, objections, put_back, readings, standing, text_hash
from pipeline.encoders import OUTCOME_THEMES
from pipeline.read import InputError
from pipeline.read.corrections import read_corrections
from pipeline.report import write_report
from pipeline.run import Settings, run
from pipeline.store import write_corrections
from pipeline.summary import summarise
from pipeline.testimonials import candidates

PROJECT = Path(__file__).resolve().parent.parent
NAMES = {theme: theme.replace("_", " ") for theme in tables.THEMES} | {"parking": "Parking & getting there"}
KIND = "The staff were kind. TMS helped me a lot. Parking was fine."
REVIEWS = [
    review("a", text=KIND, received=["tms"], treatments=["tms"],
           said=[("staff", "positive", "staff were kind"), ("efficacy", "positive", "TMS helped"), ("efficacy", "positive", "TMS helped", "tms")]),
    review("b", text="They made me faint in the chair.", overall="negative", act=[("adverse_event", "made me faint")]),
    review("b2", text="They made me faint, in the chair!", overall="negative", duplicate_of="b", source="yelp", act=[("adverse_event", "made me faint")]),
    review("c", text="Wszystko dobrze", overall=None, language="pl", flags=["language not read"]),
    review("d", text="", overall=None),
    review("=e", text="Waited an hour.", overall="negative", said=[("scheduling", "negative", "Waited an hour")], flags=["unsure"]),
]  # fmt: skip
TEXT = {one["review_id"]: one["text"] for one in REVIEWS}


def as_read():
    return annotated(REVIEWS)


def table(*rows, model="m1"):
    """Corrections as (review_id, what, which, now) or with `was` at the end, with the row a person would see."""
    made = [
        {"review_id": one[0], "what": one[1], "which": one[2], "now": one[3], "was": one[4] if len(one) > 4 else "none"}
        | {"text_hash": text_hash(TEXT.get(one[0], "")), "model": model, "row": row}
        for row, one in enumerate(rows, 2)
    ]
    return pd.DataFrame(made, columns=[*tables.CORRECTIONS.names, "row"]).astype(object)


def rows(frame, review_id):
    return [
        row
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records")
        if row["review_id"] == review_id
    ]


def same(one, other):
    return all(a.equals(b) for a, b in zip(one, other, strict=True))


# ── In force ──


def test_a_theme_its_sentiment_a_treatment_the_overall_and_an_escalation_are_put_right():
    """Each table and the review's own row say what the person says, found by correction; what was not corrected stays."""
    after = apply(
        as_read(),
        table(("a", "theme", "staff", "negative"), ("a", "theme", "parking", "positive"), ("a", "treatment", "ketamine", "named"),
              ("a", "overall", "", "mixed"), ("a", "escalation", "crisis", "yes"), ("=e", "theme", "scheduling", "none")),
    )  # fmt: skip
    mine = {(row["theme"], row["treatment"]): row for row in rows(after.opinions, "a")}
    assert (mine["staff", None]["sentiment"], mine["staff", None]["found_by"]) == ("negative", "correction")
    assert mine["staff", None]["evidence"] == "staff were kind"
    assert (mine["parking", None]["evidence"], mine["parking", None]["score"]) == ("", 1.0)
    assert mine["efficacy", None]["found_by"] == "test"
    row = rows(after.reviews, "a")[0]
    assert (row["overall"], row["score"], list(row["escalate"])) == ("mixed", 0.0, ["crisis"])
    assert (list(row["treatments"]), list(row["received"])) == (["tms", "ketamine"], ["tms"])
    assert list(row["themes"]) == ["staff", "efficacy", "parking"]
    assert rows(after.escalations, "a")[0]["evidence"] == KIND
    assert not rows(after.opinions, "=e")
    assert "corrected" in rows(after.reviews, "=e")[0]["flags"]
    assert after.reviews["review_id"].tolist() == as_read().reviews["review_id"].tolist()


def test_a_verdict_follows_the_treatment_and_the_only_treatment_follows_the_theme():
    """TMS not had: no verdict on it. Efficacy corrected: the verdict on the only treatment had says the same."""
    gone = apply(as_read(), table(("a", "treatment", "tms", "named")))
    assert [row["treatment"] for row in rows(gone.opinions, "a")] == [None, None]
    turned = apply(as_read(), table(("a", "theme", "efficacy", "negative")))
    assert {row["sentiment"] for row in rows(turned.opinions, "a") if row["theme"] == "efficacy"} == {"negative"}
    parted = apply(
        as_read(), table(("a", "theme", "efficacy", "negative"), ("a", "verdict", "tms efficacy", "positive"))
    )
    assert {row["treatment"]: row["sentiment"] for row in rows(parted.opinions, "a") if row["theme"] == "efficacy"} == {
        None: "negative",
        "tms": "positive",
    }


def test_a_reason_taken_back_goes_from_the_copies_too():
    """The same words in a folded copy would otherwise raise it again; a copy corrected by itself keeps its own."""
    after = apply(as_read(), table(("b", "escalation", "adverse_event", "none")))
    assert not len(after.escalations)
    assert len(rows(after.reviews, "b2")[0]["escalate"]) == 0
    kept = apply(
        as_read(), table(("b", "escalation", "adverse_event", "none"), ("b2", "escalation", "adverse_event", "yes"))
    )
    assert [row["review_id"] for row in rows(kept.escalations, "b2")] == ["b2"]


def test_a_review_read_through_says_nothing_else():
    """What a later model finds in a review that a person has read through, and did not, is not there."""
    read = table(
        ("a", "read", "", "yes"),
        ("a", "overall", "", "positive", "positive"),
        ("a", "theme", "staff", "positive", "positive"),
    )
    after = apply(as_read(), read)
    assert [(row["theme"], row["found_by"]) for row in rows(after.opinions, "a")] == [("staff", "test")]
    assert list(rows(after.reviews, "a")[0]["received"]) == []


def test_what_a_person_reads_counts_as_read():
    """A review in a language no model reads gets its sentiment, and loses the mark that it was not read."""
    after = apply(as_read(), table(("c", "overall", "", "positive")))
    row = rows(after.reviews, "c")[0]
    assert (row["overall"], row["confidence"], list(row["flags"])) == ("positive", 1.0, ["corrected"])


ANY = st.lists(
    st.one_of([
        st.tuples(st.sampled_from(["a", "b", "b2", "=e", "gone"]), st.just(what), st.just(which), st.sampled_from(values))
        for (what, which), values in corrections.subjects().items()
    ]),
    max_size=9, unique_by=lambda one: one[:3],
)  # fmt: skip


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(ANY)
def test_twice_is_once_and_nothing_is_lost(made):
    """Any corrections: applied twice is applied once; the tables agree; put back gives every byte that was read."""
    before, fixes = as_read(), table(*made)
    once = apply(before, fixes)
    assert same(apply(once, fixes), once)
    kept = corrections.part(before, corrections.concerned(before.reviews, fixes))
    assert same(put_back(once, kept), before)
    assert [list(frame.columns) for frame in once] == [list(frame.columns) for frame in before]
    assert [list(frame.dtypes) for frame in once] == [list(frame.dtypes) for frame in before]
    for row in rows(once.reviews, "a"):
        assert list(row["received"]) == [one["treatment"] for one in rows(once.mentions, "a") if one["received"]]
        assert {one["treatment"] for one in rows(once.opinions, "a")} - {None} <= set(row["received"])


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(ANY)
def test_what_is_kept_gives_what_was_asked(made):
    """merge: applied, each correction reads as given (a verdict only on what was had); merged again, nothing changes."""
    before = as_read()
    good, _ = standing(table(*made), before.reviews)
    kept, _ = merge(table(), good, before, "m1")
    after = readings(apply(before, kept), {"a", "b", "b2", "=e"})
    for one in good.to_dict("records"):
        if one["what"] not in ("verdict", "read"):
            assert after[one["review_id"]].get((one["what"], one["which"]), "none") == one["now"]
    again, changes = merge(kept, good, before, "m1")
    assert again.equals(kept)
    assert [change for change in changes if change.subject[0] != "verdict"] == []


def test_no_corrections_change_nothing():
    """An empty table gives back the very annotations."""
    before = as_read()
    assert apply(before, table()) is before


def test_verdicts_are_of_the_themes_the_model_asks():
    """The pure module and the model know the same outcomes."""
    assert corrections.VERDICT_THEMES == OUTCOME_THEMES


# ── Kept ──


def test_a_correction_taken_back_leaves_the_file():
    """Corrected, then corrected to what the program had read: no row is left; what the program read stands again."""
    first, changes = merge(table(), table(("a", "theme", "staff", "negative")), as_read(), "m1")
    assert [(one.was, one.now) for one in changes] == [("positive", "negative")]
    assert first[["was", "now", "model"]].values.tolist() == [["positive", "negative", "m1"]]
    second, changes = merge(first, table(("a", "theme", "staff", "positive")), as_read(), "m1")
    assert [(one.was, one.now) for one in changes] == [("negative", "positive")]
    assert not len(second)


def test_read_through_keeps_every_label_and_a_later_model_none_of_the_credit():
    """Marked as read, right and wrong labels are kept as then read; what another model adds later counts as not read then."""
    first, _ = merge(table(), table(("a", "read", "", "yes"), ("a", "theme", "parking", "positive")), as_read(), "m1")
    told = {(one["what"], one["which"]): (one["was"], one["now"]) for one in first.to_dict("records")}
    assert told["theme", "staff"] == ("positive", "positive")
    assert told["theme", "parking"] == ("none", "positive")
    assert told["verdict", "tms efficacy"] == ("positive", "positive")
    better = annotated(
        [
            REVIEWS[0]
            | {"said": [*REVIEWS[0]["said"], ("facility", "positive", "Parking"), ("parking", "positive", "Parking")]}
        ]
    )
    assert ("theme", "facility") not in readings(apply(better, first), {"a"})["a"]
    second, _ = merge(first, table(("a", "theme", "cost", "negative")), better, "m2")
    told = {(one["what"], one["which"]): (one["was"], one["now"], one["model"]) for one in second.to_dict("records")}
    assert told["theme", "parking"] == ("none", "positive", "m1")
    assert told["theme", "cost"] == ("none", "negative", "m2")
    third, _ = merge(second, table(("a", "read", "", "none")), better, "m2")
    assert {one["which"] for one in third.to_dict("records")} == {"parking", "cost"}


def test_stale_corrections_are_told_by_review():
    """A text that changed and a review that is gone: a line each, with the rows; the others stand."""
    fixes = table(("a", "theme", "staff", "negative"), ("gone", "overall", "", "mixed"), ("b", "overall", "", "mixed"))
    fixes.loc[0, "text_hash"] = text_hash("Another text.")
    good, stale = standing(fixes, as_read().reviews)
    assert good["review_id"].tolist() == ["b"]
    assert [rows for rows, _ in stale] == [[2], [3]]
    assert "text of review a has changed" in stale[0][1]
    assert "no longer among those read" in stale[1][1]


def test_a_review_looked_at_again_forgets_what_was_said_of_its_earlier_text():
    """A new correction on the new text takes the place of every stale row of that review."""
    old = table(("a", "theme", "staff", "negative"), ("a", "theme", "cost", "negative"))
    old["text_hash"] = text_hash("Another text.")
    kept, _ = merge(old, table(("a", "overall", "", "mixed")), as_read(), "m1")
    assert kept["what"].tolist() == ["overall"]


# ── Read from files ──

WRONG = [
    ("a,theme,food,negative", "no theme 'food'"),
    ("a,theme,parking,bad", "theme parking cannot be 'bad'; write positive, negative, mixed, neutral or none"),
    ("a,theme,parking,", "cannot be ''"),
    ("a,overall,,none", "overall cannot be 'none'"),
    ("a,overall,staff,mixed", "leave it empty"),
    ("a,mood,,good", "what is 'mood'"),
    (",overall,,mixed", "review_id is empty"),
    ("a,treatment,botox,received", "no treatment 'botox'"),
    ("a,theme,cost,mixed\na,theme,cost,neutral", "mixed in row 2"),
]


@pytest.mark.parametrize(("line", "told"), WRONG)
def test_a_wrong_row_gets_a_line_with_file_row_fault_and_mend(tmp_path, line, told):
    """Every fault of a table is told with its file and row."""
    path = tmp_path / "mine.csv"
    path.write_text(f"review_id,what,which,now\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.csv, row \d: ") as error:
        read_corrections(path, NAMES)
    assert told in str(error.value)


def test_all_wrong_rows_are_told_at_once(tmp_path):
    """One line each, in the order of the rows."""
    path = tmp_path / "mine.csv"
    lines = [line for line, _ in WRONG if "\n" not in line]
    path.write_text("\n".join(["review_id,what,which,now", *lines]), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_corrections(path, NAMES)
    assert [line.split(": ")[0][-5:] for line in str(error.value).splitlines()] == [f"row {at}" for at in range(2, 10)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "\ufeffReview_ID;What;Which;Now\na;Theme;parking & getting there;Negative\na;escalation;crisis;no\n"),
        ("a.tsv", "review_id\twhat\twhich\tnow\na\ttheme\tparking\tnegative\n\na\tescalation\tcrisis\tnone\n"),
        ("a.jsonl", '{"review_id": "a", "what": "theme", "which": "parking", "now": "negative"}\n'
                    '{"review_id": "a", "what": "escalation", "which": "crisis", "now": "no"}\n'),
    ],
)  # fmt: skip
def test_a_table_is_read_whatever_the_spreadsheet_made_of_it(tmp_path, name, content):
    """Semicolons, tabs, a mark of UTF-8, capital letters, a theme by its name, no for none."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    read = read_corrections(path, NAMES)
    assert read[["what", "which", "now"]].values.tolist() == [
        ["theme", "parking", "negative"],
        ["escalation", "crisis", "none"],
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_is_kept_is_read_again_and_is_the_owners_alone(tmp_path, ending):
    """Written and read, a table is the same, an id that looks like a formula too; mode 0600, no word of a review."""
    path = tmp_path / f"corrections.{ending}"
    kept, _ = merge(table(), table(("=e", "theme", "scheduling", "none"), ("a", "read", "", "yes")), as_read(), "m1")
    write_corrections(path, kept)
    assert read_corrections(path, NAMES)[tables.CORRECTIONS.names].values.tolist() == kept.fillna("").values.tolist()
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text(encoding="utf-8-sig")
    assert not any(word in text for word in ("kind", "Waited", "faint"))
    assert ending == "jsonl" or not any(line.startswith("=") for line in text.splitlines())


def test_what_a_review_cannot_have_is_told():
    """An id typed wrong, a review without words, a theme of a review nobody read."""
    made = table(("zz", "overall", "", "mixed"), ("d", "overall", "", "mixed"), ("c", "theme", "staff", "positive"))
    made.loc[0, "text_hash"] = ""
    told = dict(objections(made, as_read().reviews))
    assert "no review 'zz'" in told[2]
    assert "no words" in told[3]
    assert "overall sentiment too" in told[4]
    assert (
        objections(table(("c", "theme", "staff", "positive"), ("c", "overall", "", "positive")), as_read().reviews)
        == []
    )


# ── The report ──


def summed(annotations, fixes=None):
    return summarise(annotations, refused(), counted(annotations), "2026-10", corrections=fixes, names=NAMES)


def test_the_report_says_how_often_the_program_was_right_and_of_how_many():
    """Only reviews read through are counted; under five a count; more with a Wilson interval; the rest is a caveat."""
    fixes = table(
        *[(f"r{at}", "read", "", "yes") for at in range(6)],
        *[(f"r{at}", "overall", "", "positive", "positive" if at else "negative") for at in range(6)],
        *[(f"r{at}", "theme", "staff", "positive" if at < 5 else "none", "positive") for at in range(6)],
        ("r0", "theme", "parking", "negative", "none"),
        ("s", "theme", "cost", "none", "negative"),
    )
    told = summed(as_read(), fixes)["corrections"]
    assert (told["n"], told["reviews"], told["read"], told["by"]) == (4, 3, 6, {"overall sentiment": 1, "themes": 3})
    each = {row["name"]: row for row in told["rows"]}
    overall = each["overall sentiment"]["judged"]
    assert (overall["k"], overall["n"]) == (5, 6)
    assert overall["low"] == pytest.approx(0.4365, abs=1e-3)
    assert (each["staff"]["found"]["k"], each["staff"]["found"]["n"]) == (5, 6)
    assert (each["all themes"]["there"]["k"], each["all themes"]["there"]["n"]) == (5, 6)
    assert each[NAMES["parking"]]["there"]["share"] is None
    assert "cost" not in each
    assert "5 of 6 (44–97 %)" in told["sentence"]
    assert "no random sample" in told["caveat"]
    assert "1 correction in 1 review not marked as read through is in no figure" in told["caveat"]
    assert told["by_model"] == []


def test_two_models_are_told_apart():
    """Reviews read through under two models: each model's own figures, so that a gain can be seen."""
    one = table(("r1", "read", "", "yes"), ("r1", "overall", "", "positive", "negative"), model="m1")
    two = table(("r2", "read", "", "yes"), ("r2", "overall", "", "positive", "positive"), model="m2")
    told = summed(as_read(), pd.concat([one, two], ignore_index=True))["corrections"]
    right = {row["model"]: row["judged"]["k"] for row in told["by_model"] if row["name"] == "overall sentiment"}
    assert right == {"m1": 0, "m2": 1}


def test_page_workbook_and_json_say_the_same(tmp_path):
    """The sentence, the caveat and the figures stand in all three; a corrected review is marked on the page."""
    fixes = table(
        ("a", "read", "", "yes"),
        ("a", "overall", "", "positive", "negative"),
        ("a", "theme", "staff", "positive", "positive"),
    )
    annotations = apply(as_read(), fixes)
    told = summed(annotations, fixes)
    write_report(told, annotations, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")["Data quality"]
    cells = [str(cell) for row in book.iter_rows(values_only=True) for cell in row if cell]
    for text in (told["corrections"]["sentence"], told["corrections"]["caveat"]):
        assert text in page
        assert text in cells
    assert told["quality"]["flags"]["read by a person"]["k"] == 1
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["corrections"] == told["corrections"]


def test_nobody_corrected_nothing_is_said(tmp_path):
    """Without corrections the report holds no such line."""
    told = summed(as_read(), table())
    assert told["corrections"] is None
    write_report(told, as_read(), tmp_path)
    assert "people found the reading right" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_blame_that_a_person_found_keeps_a_quote_from_the_board():
    """Praise of a theme is a candidate; once a person says that the review also blames it, it is none, or not cleared."""
    kind = [
        review(
            "q",
            text="The staff were wonderful and kind to me every day.",
            said=[("staff", "positive", "The staff were wonderful and kind")],
        )
    ]
    before = annotated(kind)
    assert candidates(before)["review_id"].tolist() == ["q"]
    fix = table(("q", "theme", "staff", "mixed"))
    fix["text_hash"] = text_hash(kind[0]["text"])
    assert not len(candidates(apply(before, fix)))
    added = fix.assign(which="parking", now="negative")
    assert not len(candidates(apply(before, added)))


# ── The whole way ──

LINES = [
    {"id": "001", "source": "google", "location": "Reno", "date": "2026-10-02", "rating": 5, "text": "TMS gave me my life back. The techs were so kind."},
    {"id": "=2", "source": "yelp", "location": "Reno", "date": "2026-10-12", "rating": 2, "text": "Waited an hour and nobody returned my calls. Parking is awful."},
    {"id": "f", "source": "google", "location": "Reno", "date": "2026-10-20", "rating": 1, "text": "I don't want to be here anymore and I have a plan."},
    {"id": "g", "source": "google", "location": "Reno", "date": "2026-08-20", "rating": 3, "text": "It was fine, the lobby is small."},
]  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Where no sample's register of changes lies."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of four reviews: the folder it lies in."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "raw").mkdir()
    (folder / "raw" / "reviews.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    run(Settings((folder / "raw",), folder / "out", PROJECT / "models" / "default"))
    return folder


@pytest.fixture
def clinic(made, tmp_path):
    """A copy of the run, to do with what one likes."""
    return Path(shutil.copytree(made, tmp_path / "clinic"))


CHANGES = [("=2", "theme:parking", None), ("f", "escalation:crisis", "none"), ("001", "overall:", "mixed"), ("001", "read:", "yes"),
           ("001", "treatment:ketamine", "named")]  # fmt: skip


@pytest.fixture(scope="module")
def taken_in(made, tmp_path_factory):
    """The run with the report's own workbook corrected and taken in: its folder, and what both commands printed."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("corrected") / "clinic"))
    book = folder / "out" / "report" / "report.xlsx"
    shutil.copyfile(edited(folder, *CHANGES), book)
    before = files(folder)
    dry = reviews(folder, "correct", book, "--dry-run")
    assert files(folder) == before, "a dry run writes nothing"
    return folder, dry, reviews(folder, "correct", book)


@pytest.fixture
def mended(taken_in, tmp_path):
    """A copy of the corrected clinic, to do with what one likes; its manifest names the copy's file of corrections."""
    folder = Path(shutil.copytree(taken_in[0], tmp_path / "mended"))
    manifest = folder / "out" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(str(taken_in[0]), str(folder)), encoding="utf-8")
    return folder


def reviews(clinic, command, *arguments):
    """The command on a clinic's folder, its corrections beside it."""
    paths = ["--out", clinic / "out", "--corrections", clinic / "corrections.csv"]
    return CliRunner().invoke(main, [str(one) for one in (command, *arguments, *paths)])


def edited(clinic, *changes):
    """The report's workbook with cells of the sheet changed: (review, key, value)."""
    book = openpyxl.load_workbook(clinic / "out" / "report" / "report.xlsx")
    sheet = book["Corrections"]
    at = {cell.value: cell.column for cell in sheet[2] if cell.value}
    row_of = {sheet.cell(row, 1).value: row for row in range(4, sheet.max_row + 1)}
    for review_id, key, value in changes:
        sheet.cell(row_of[review_id], at[key]).value = value
    book.save(clinic / "edited.xlsx")
    return clinic / "edited.xlsx"


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_sheet_is_ready_to_be_corrected_in(made):
    """One line of instruction, a list in every cell, changed cells lit, the printed readings and keys out of sight; the month only."""
    sheet = openpyxl.load_workbook(made / "out" / "report" / "report.xlsx")["Corrections"]
    assert "make correct FILE=" in sheet["A1"].value
    assert sheet.row_dimensions[2].hidden
    assert {sheet.cell(row, 1).value for row in range(4, sheet.max_row + 1)} == {"001", "=2", "f"}
    assert sheet.cell(4, 1).value == "f"  # what needs action stands first
    assert sheet.auto_filter.ref
    assert sheet.freeze_panes == "E4"
    keys = [cell.value for cell in sheet[2]]
    lists = {next(iter(one.sqref.ranges)).min_col: one for one in sheet.data_validations.dataValidation}
    for at, key in enumerate(keys, 1):
        hidden = any(
            one.hidden and one.min <= at <= one.max for one in sheet.column_dimensions.values() if one.min and one.max
        )
        shown = bool(key) and ":" in key and not key.startswith("was ")
        assert (at in lists) == shown, key
        assert hidden == (bool(key) and (key == "text_hash" or key.startswith("was "))), key
    assert lists[keys.index("theme:parking") + 1].formula1 == '"positive,negative,mixed,neutral,none"'
    assert len(sheet.conditional_formatting) == 1


def test_a_workbook_comes_back(taken_in):
    """Edited cells and nothing else are taken, shown was → will be, and win at once in every table and in the report."""
    clinic, dry, done = taken_in
    assert (dry.exit_code, done.exit_code) == (0, 0), done.output
    for line in ("theme Parking & getting there: negative → none", "escalation crisis: yes → none", "overall: positive → mixed",
                 "read: none → yes", "treatment ketamine: none → named"):  # fmt: skip
        assert line in dry.output
        assert line in done.output
    assert len([line for line in done.output.splitlines() if "→" in line]) == len(CHANGES)
    assert (clinic / "corrections.csv").stat().st_mode & 0o777 == 0o600
    out = clinic / "out"
    assert pq.read_table(out / "escalations.parquet").num_rows == 0
    opinions = pq.read_table(out / "opinions.parquet").to_pylist()
    assert not any(row["theme"] == "parking" for row in opinions)
    mentions = pq.read_table(out / "mentions.parquet").to_pylist()
    assert [row["found_by"] for row in mentions if row["treatment"] == "ketamine"] == ["correction"]
    told = json.loads((out / "report" / "report.json").read_text(encoding="utf-8"))
    assert told["escalations"]["found"] == 0
    assert (told["corrections"]["read"], told["corrections"]["n"]) == (1, 4)
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*")} == {0o600, 0o700}
    assert not list(out.glob("*edited*"))


def test_taken_in_twice_nothing_changes(mended):
    """The same workbook again, the file kept itself, and the report written anew: not a byte differs."""
    before = files(mended)
    for file in ("edited.xlsx", "corrections.csv"):
        assert "Nothing to change" in reviews(mended, "correct", mended / file).output
    assert reviews(mended, "report").exit_code == 0
    assert files(mended) == before


def test_a_fresh_run_gives_what_correct_gave(mended):
    """Corrections survive: run anew from the raw files, every byte is as `correct` left it."""
    before = files(mended / "out")
    done = reviews(mended, "run", mended / "raw")
    assert done.exit_code == 0, done.output
    after = files(mended / "out")
    assert {name for name in before if before[name] != after.get(name)} == set()
    assert before.keys() == after.keys()


def test_what_is_corrected_back_is_as_it_was_read(made, mended):
    """Every correction undone in the corrected workbook: the tables are those of the first run, and nothing is kept."""
    back = [("=2", "theme:parking", "negative"), ("001", "overall:", "positive"), ("001", "read:", None),
            ("001", "treatment:ketamine", None)]  # fmt: skip
    book = edited(mended, *back)
    path = mended / "mine.csv"  # what is no longer to be acted on is corrected here like the rest, or by hand
    path.write_text("review_id,what,which,now\nf,escalation,crisis,yes\n", encoding="utf-8")
    for file in (book, path):
        done = reviews(mended, "correct", file)
        assert done.exit_code == 0, done.output
    before, after = files(made / "out"), files(mended / "out")
    assert {name for name in before if before[name] != after[name]} == {"manifest.json"}  # which names the file
    assert after.keys() == before.keys()
    assert len((mended / "corrections.csv").read_text(encoding="utf-8").splitlines()) == 1


def test_a_workbook_made_before_others_were_taken_in_is_understood_by_what_it_showed(clinic, mended):
    """Corrected elsewhere in between, an older workbook's untouched cells are no corrections."""
    older = edited(clinic, ("=2", "overall:", "mixed"))
    done = reviews(mended, "correct", older, "--dry-run")
    assert [line for line in done.output.splitlines() if "→" in line] == ["row 5     =2   overall: negative → mixed"]


def test_a_wrong_row_changes_nothing_and_a_stale_one_is_told(clinic):
    """Wrong: exit 1, file, row and mend, no file written. Stale: a line, and the others are taken."""
    wrong = reviews(clinic, "correct", edited(clinic, ("f", "overall:", "sad"), ("=2", "overall:", "mixed")))
    assert wrong.exit_code == 1
    assert "edited.xlsx, row 4: overall cannot be 'sad'; write positive" in wrong.output
    assert not (clinic / "corrections.csv").exists()
    book = edited(
        clinic, ("f", "text_hash", "0123456789abcdef"), ("f", "overall:", "mixed"), ("=2", "overall:", "mixed")
    )
    stale = reviews(clinic, "correct", book, "--dry-run")
    assert stale.exit_code == 0
    assert "edited.xlsx, row 4: the text of review f has changed" in stale.output
    assert "1 to change in 1 review" in stale.output


def test_a_kept_correction_whose_review_is_gone_is_told_by_the_run(mended):
    """The raw file without the review: the run says file, row and mend, and applies the others."""
    (mended / "raw" / "reviews.jsonl").write_text("\n".join(map(json.dumps, LINES[:2])), encoding="utf-8")
    done = reviews(mended, "run", mended / "raw")
    assert done.exit_code == 0, done.output
    assert re.search(r"corrections\.csv, row \d+: review f is no longer among those read", done.output)
    assert rows(pq.read_table(mended / "out" / "reviews.parquet").to_pandas(), "001")[0]["overall"] == "mixed"


def test_rows_typed_by_hand_into_the_kept_file(mended):
    """The report refuses them with the mend; given to `correct`, they are taken in and bear a hash."""
    path = mended / "corrections.csv"
    path.write_text(path.read_text(encoding="utf-8") + "'=2,,theme,cost,,negative,\n", encoding="utf-8")
    number = len(path.read_text(encoding="utf-8").splitlines())
    refused = reviews(mended, "report")
    assert refused.exit_code == 1
    assert f"row {number}: it has no text_hash" in refused.output
    done = reviews(mended, "correct", path)
    assert done.exit_code == 0, done.output
    assert f"row {number:<5} =2   theme Cost & insurance: none → negative" in done.output
    assert set(read_corrections(path, NAMES)["text_hash"].map(len)) == {16}


def test_changes_that_nobody_took_in_outlive_a_run(clinic):
    """The report's own workbook changed, then a run: the changed one is kept beside and named, until it is taken in."""
    shutil.copy(edited(clinic, ("f", "escalation:crisis", None)), clinic / "out" / "report" / "report.xlsx")
    (clinic / "corrections.csv").write_text("review_id,what,which,now\n", encoding="utf-8")
    done = reviews(clinic, "report")
    kept = clinic / "out" / "report.edited.xlsx"
    assert f"reviews correct {kept}" in done.output
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "escalation crisis: yes → none" in reviews(clinic, "correct", kept).output
    assert not kept.exists()


def test_where_a_table_of_the_run_is_not_found_nothing_is_corrected(clinic, monkeypatch):
    """A run told of a register by a short name, corrected from another folder: a line with the mend, and no file of corrections."""
    monkeypatch.chdir(clinic)
    (clinic / "changes.csv").write_text("what,place,from,theme\nNew clerk,all,2026-01-05,staff\n", encoding="utf-8")
    told = CliRunner().invoke(main, ["report", "--out", str(clinic / "out"), "--changes", "changes.csv"])
    assert told.exit_code == 0, told.output
    before = files(clinic / "out")
    monkeypatch.chdir(clinic.parent)
    book = edited(clinic, ("f", "overall:", "mixed"))
    done = reviews(clinic, "correct", book)
    assert done.exit_code == 1
    assert "changes.csv: the last run was given this table" in done.output
    assert files(clinic / "out") == before
    assert not (clinic / "corrections.csv").exists()


def test_correct_without_a_run_and_other_files_are_told(clinic, tmp_path):
    """No run yet, no such columns, reviews instead of corrections: a line, exit 1, no traceback."""
    table = tmp_path / "mine.csv"
    table.write_text("review_id,theme\na,staff\n", encoding="utf-8")
    for file, told in ((table, "no column what, which, now"), (clinic / "raw" / "reviews.jsonl", "review_id is empty")):
        done = reviews(clinic, "correct", file)
        assert done.exit_code == 1
        assert told in done.output
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(main, ["correct", str(table), "--out", str(tmp_path / "empty")])
    assert done.exit_code == 1
    assert "reviews run" in done.output
