"""`reviews check`: what of a stored month is beyond its thresholds, and escalations open until somebody closes them."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner
from invented import annotated, counted, refused, review

from pipeline import check, tables
from pipeline.cli import main
from pipeline.report import write_report
from pipeline.summary import summarise

USUAL = check.load_thresholds()
MODEL = {"name": "default", "figures": {name: [0.99, 0.98, 1.0] for name in USUAL["model"]}}


def told(reviews, rejected=0, closed=()):
    annotations = annotated(reviews)
    rows = refused(
        [{"file": "x.csv", "row": at, "reason": "no text; fill it", "excerpt": ""} for at in range(rejected)]
    )
    ledger = tables.frame([{"row": at} | dict(one) for at, one in enumerate(closed, 2)], tables.CLOSED)
    return summarise(annotations, rows, counted(annotations, rejected), "2026-10", closed=ledger)


def lines(summary, model=MODEL, **changed):
    """The findings as printed; changed: month_open_escalations=3 and the like."""
    thresholds = {part: dict(numbers) for part, numbers in USUAL.items()}
    for name, value in changed.items():
        part, _, key = name.partition("_")
        thresholds[part][key] = value
    return [str(one) for one in check.findings(summary, model, thresholds)]


def month(bad, many, **more):
    return [review(f"r{at}", overall="negative" if at < bad else "positive", **more) for at in range(many)]


def test_an_ordinary_month_has_no_finding():
    """Forty reviews, eight of them negative, none to act on."""
    assert lines(told(month(8, 40), rejected=2)) == []


def test_a_share_counts_by_its_interval():
    """3 of 4 is no finding, 15 of 20 is one and says how sure it is; the bare share is the same."""
    assert lines(told(month(3, 4)), month_fewest_reviews=0) == []
    assert lines(told(month(12, 30))) == []  # 40 % is above 35 %, its lower end of 25 % is not
    assert lines(told(month(15, 20))) == [
        "negative: 15 of 20 reviews in October 2026 (53–89 %), at most 35 % allowed, and even the lower end is above"
    ]


def test_few_reviews_unread_texts_and_refused_rows_are_found():
    """Each with its counts, and none where it is switched off."""
    reviews = [*month(0, 5), *(review(f"u{at}", text="Dobrze", overall=None, language="pl") for at in range(4))]
    found = lines(told(reviews, rejected=9))
    assert found == [
        "reviews: 9 in October 2026, at least 10 expected: has an export been forgotten?",
        "unread: 4 of 9 reviews with words in October 2026 (19–73 %), at most 10 % allowed, and even the lower end is above",
        "rejected: 9 of 18 rows of the run (29–71 %), at most 10 % allowed, and even the lower end is above",
    ]
    assert lines(told(reviews, rejected=9), month_fewest_reviews=None, month_share_unread=None, run_share_rejected=None) == []  # fmt: skip


def test_the_models_own_figures_have_floors():
    """One whose whole interval lies below is named; one that reaches the floor is not; unmeasured and misspelt ones are told."""
    figures = MODEL["figures"] | {"theme_f1": [0.8, 0.78, 0.82], "aspect_f1": [0.76, 0.74, 0.78]}
    assert lines(told(month(0, 10)), MODEL | {"figures": figures}) == [
        "model: theme_f1 of model default is 0.8 (0.78 to 0.82), at least 0.88 wanted, and even the upper end is below"
    ]
    assert lines(told(month(0, 10)), {}) == [
        "model: how well it reads was not kept with this output; type: reviews run"
    ]
    with pytest.raises(check.ThresholdError, match="theme_f2 is no figure"):
        lines(told(month(0, 10)), model_theme_f2=0.5)


DANGERS = [
    *month(0, 10),
    review("now", "2026-10-05", text="I want to die.", act=[("crisis", "want to die")]),
    review("also", "2026-10-06", text="I fainted.", act=[("adverse_event", "fainted")]),
    review("before", "2026-08-06", text="I fainted.", act=[("adverse_event", "fainted")]),
    review("form:Q1", "2026-10-07", respondent="form", source="survey", text="Fine."),
    review("form:Q2", "2026-10-07", respondent="form", source="survey", text="He touched me.", act=[("misconduct", "touched me")]),
    review("copy", "2026-10-06", duplicate_of="also", source="yelp", text="I fainted."),
    review("later", "2026-11-06", text="I fainted.", act=[("adverse_event", "fainted")]),
]  # fmt: skip


def test_an_escalation_is_open_until_it_is_closed():
    """All are named, earlier months' too; closed by the id of any answer or copy they are not, and the page's counts follow."""
    assert lines(told(DANGERS)) == ["escalations: 4 open, at most 0 allowed: now, form:Q1, also, before"]
    closed = [{"review_id": one, "date": "2026-10-09", "who": "Dr. A"} for one in ("copy", "form:Q2", "before")]
    summary = told(DANGERS, closed=closed)
    assert lines(summary) == ["escalations: 1 open, at most 0 allowed: now"]
    acts = summary["escalations"]
    assert (acts["found"], acts["open"]["this month"], acts["closed"]["this month"]) == (3, 1, 2)
    assert acts["status"] == {"this month": "1 open, 2 closed", "no date": "0 open", "earlier": "0 open, 1 closed"}
    assert [row["status"] for row in acts["rows"]] == ["open", "closed", "closed", "closed"]
    assert acts["on_page_one"] == 1
    assert lines(summary, month_open_escalations=1) == []


def test_very_many_of_earlier_months_are_counted_and_the_first_thousand_listed(tmp_path):
    """Open ones first; counts and the check are of all; those of the month and without a date are listed to the last."""
    dated = [
        review(f"e{at}", f"2025-{1 + at % 12:02}-11", text="I fainted.", act=[("adverse_event", "fainted")])
        for at in range(1_100)
    ]
    undated = [
        review(f"u{at}", None, date_precision="unknown", text="I fainted.", act=[("adverse_event", "fainted")])
        for at in range(1_050)
    ]
    closed = [{"review_id": f"e{at}", "date": "2026-09-01", "who": None} for at in range(150)]
    summary = told([*DANGERS, *dated, *undated], closed=closed)
    acts = summary["escalations"]
    assert acts["open"] == {"this month": 3, "no date": 1_050, "earlier": 951}
    assert acts["closed"]["earlier"] == 150
    listed = {when: [row["status"] for row in acts["rows"] if row["when"] == when] for when in acts["open"]}
    assert listed["earlier"] == ["open"] * 951 + ["closed"] * 49
    assert len(listed["no date"]) == 1_050
    assert acts["not_listed"] == 101
    (found,) = lines(summary)
    assert found.startswith("escalations: 2004 open, at most 0 allowed: now, ")
    assert found.endswith(f" and {2004 - check.MOST_NAMED} more")
    annotations = annotated([*DANGERS, *dated, *undated])
    write_report(summary, annotations, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "20 of 1101 rows here" in page
    assert "lists 1000, and the report of its own month every one" in page


def test_a_line_that_closes_nothing_is_told():
    """An id that is not there, a review without a danger, and a day before it was written; a later month's waits quietly."""
    closed = [{"review_id": "nobody"}, {"review_id": "r1"}, {"review_id": "now", "date": "2026-09-30"}, {"review_id": "later"}]  # fmt: skip
    acts = told(DANGERS, closed=[{"date": "2026-11-09", "who": None} | one for one in closed])["escalations"]
    assert [one["row"] for one in acts["not_closed"]] == [2, 3, 4]
    for one, words in zip(
        acts["not_closed"], ("no review nobody", "nothing to act on", "before the review"), strict=True
    ):
        assert words in one["why"]
    assert not any(acts["closed"].values())


def test_a_closing_of_what_holds_nothing_is_no_news_every_month():
    """It is told until the month of the closing has been reported; an id that is not there is told for as long as it stands."""
    closed = [{"review_id": "r1", "date": "2026-09-20", "who": None}, {"review_id": "nobody", "date": "2026-09-20", "who": None}]  # fmt: skip
    assert [one["row"] for one in told(DANGERS, closed=closed)["escalations"]["not_closed"]] == [3]
    closed[0]["date"] = "2026-10-01"
    assert [one["row"] for one in told(DANGERS, closed=closed)["escalations"]["not_closed"]] == [2, 3]


def test_the_page_says_how_many_are_open_and_closed(tmp_path):
    """The heading of page one, the table with day and person, and the workbook; the closed crisis leaves page one."""
    import openpyxl

    summary = told(DANGERS, closed=[{"review_id": "now", "date": "2026-10-06", "who": "Dr. <A>"}])
    write_report(summary, annotated(DANGERS), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    first = page[page.index('id="act"') : page.index("<section", page.index('id="act"'))]
    assert "Needs action today: 2 open, 1 closed <span>3 found in October" in first
    assert "want to die" not in first
    assert "6 Oct 2026, Dr. &lt;A&gt;" in page
    sheet = openpyxl.load_workbook(tmp_path / "report.xlsx")["Escalations"]
    rows = {row[1]: row[-3:] for row in sheet.iter_rows(min_row=3, values_only=True)}
    assert rows["now"] == ("closed", "2026-10-06", "Dr. <A>")
    assert rows["before"][0] == "open"


def test_a_threshold_of_ones_own_is_laid_over_the_usual(tmp_path):
    """What the file leaves out stays, "off" switches off, and every slip is told with its mend."""
    own = tmp_path / "thresholds.toml"
    own.write_text('[month]\nshare_negative = "off"\nfewest_reviews = 3\n', encoding="utf-8")
    thresholds = check.load_thresholds(own)
    assert thresholds["month"] == USUAL["month"] | {"share_negative": None, "fewest_reviews": 3}
    assert thresholds["model"] == USUAL["model"]
    own.write_text(
        '[month]\nshare_negative = 35\nopen_escalation = 1\nfewest_reviews = "ten"\n[weeks]\n', encoding="utf-8"
    )
    with pytest.raises(check.ThresholdError) as caught:
        check.load_thresholds(own)
    for words in ("0.35 is 35 of 100", "open_escalation is not known", "is no number", "weeks is no part"):
        assert words in str(caught.value)
    own.write_text("[month\n", encoding="utf-8")
    with pytest.raises(check.ThresholdError, match="cannot be read"):
        check.load_thresholds(own)


# ── The command ──

ROWS = [
    {"id": "a", "source": "google", "location": "Reno", "date": "2026-09-02", "text": "The techs were so kind. TMS worked."},
    {"id": "b", "source": "google", "location": "Reno", "date": "2026-10-20", "text": "I don't want to be here anymore and I have a plan."},
]  # fmt: skip


def reviews(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a run of two reviews in `out`."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    (folder / "changes.csv").write_text("what,place,from,theme\nsigns,Reno,2026-09-15,parking\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # where no sample's ledgers lie
        result = reviews("run", "reviews.jsonl", "--out", "out", "--changes", folder / "changes.csv")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def place(done, tmp_path, monkeypatch):
    """A working folder of one's own with a copy of the run in data/processed."""
    shutil.copytree(done, tmp_path / "work")
    shutil.copytree(done / "out", tmp_path / "work" / "data" / "processed")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_a_finding_is_a_line_and_status_one(place):
    """One line each on standard output, status 1, also with --quiet; the stored output is left as it was."""
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    result = reviews("check", "--month", "2026-10", "--quiet")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "escalations: 1 open, at most 0 allowed: b",
        "reviews: 1 in October 2026, at least 10 expected: has an export been forgotten?",
    ]
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_closed_and_reported_there_is_nothing_to_report(place):
    """Closing is told as not yet in the report; after the report it is in force, and the status is 0."""
    (place / "data" / "thresholds.toml").write_text("[month]\nfewest_reviews = 1\n", encoding="utf-8")
    (place / "data" / "closed.csv").write_text(
        "id,date,who,done\nb,2026-10-21,me,called\nzz,2026-10-21,me,x\n", encoding="utf-8"
    )
    result = reviews("check")
    assert result.exit_code == 1
    assert "has changed since the report was written; type: reviews report --month 2026-10" in result.stderr
    written = reviews("report")
    assert written.exit_code == 0
    assert "closed.csv, row 3: there is no review zz" in written.stderr
    result = reviews("check", "--month", "2026-10")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "nothing to report: October 2026\n", "")
    assert reviews("check", "--quiet").output == ""
    manifest = json.loads((place / "data/processed/manifest.json").read_text(encoding="utf-8"))
    assert manifest["told"]["closed"] == "data/closed.csv"
    assert {"closed.csv", "changes.csv"} <= set(manifest["inputs"])
    report = (place / "data/processed/report").glob("*")
    assert not any(b"called" in path.read_bytes() for path in report if path.suffix in (".html", ".json"))


def test_another_month_and_no_run_are_faults_with_what_to_type(place, tmp_path):
    """The stored report answers for its own month only; wrong usage is 2 as everywhere."""
    result = reviews("check", "--month", "2026-09")
    assert result.exit_code == 1
    assert "is of 2026-10, not of 2026-09; type: reviews report --month 2026-09" in result.output
    assert "type: reviews run" in reviews("check", "--out", tmp_path / "nothing").output
    assert reviews("check", "--month", "October").exit_code == 2
    assert reviews("check", "--thresholds", tmp_path / "none.toml").exit_code == 2


def test_the_register_named_once_is_remembered(place):
    """`report` follows the changes of the run that is stored, and another's when told."""
    result = reviews("report")
    assert result.exit_code == 0, result.output
    told_ = json.loads((place / "data/processed/report/report.json").read_text(encoding="utf-8"))
    assert [one["what"] for one in told_["register"]] == ["signs"]
    (place / "other.csv").write_text(
        "what,place,from,theme\nlamps,,2026-09-15,facility\nx,Renno,2026-09-15,cost\n", encoding="utf-8"
    )
    result = reviews("report", "--changes", "other.csv")
    assert result.exit_code == 1
    assert re.search(r"other\.csv, row 3: no review comes from “Renno”; did you mean Reno\?", result.output)
    told_ = json.loads((place / "data/processed/report/report.json").read_text(encoding="utf-8"))
    assert [one["what"] for one in told_["register"]] == ["signs"]  # nothing was changed


def test_a_slip_in_the_register_stops_before_anything_is_read(place):
    """A theme that is none is told at once, with the nearest, and nothing is written."""
    (place / "data" / "changes.csv").write_text("what,place,from,theme\nx,Reno,2026-09-15,parkng\n", encoding="utf-8")
    result = reviews("run", "reviews.jsonl", "--out", "fresh")
    assert result.exit_code == 1
    assert "data/changes.csv, row 2: there is no theme “parkng”; the nearest is parking" in result.output
    assert not (place / "fresh").exists()
