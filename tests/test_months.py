"""The sample's month: the story planted in it is found, and docs/ show a reader what the program shows."""

import csv
import html
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.run import KEPT, Settings, check, run

PROJECT = Path(__file__).resolve().parent.parent
MONTH = "2026-10"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """(what the run says, its folder, its Summary) of the data that comes with the project, run as `make report` does."""
    beside = {name: PROJECT / "data" / f"{name}.csv" for name in ("consents", "staff", *KEPT)}
    kept = {name: path for name, path in beside.items() if path.exists()}
    out = tmp_path_factory.mktemp("sample") / "out"
    done = run(Settings((PROJECT / "data" / "raw",), out, PROJECT / "models" / "default", month=MONTH, **kept))
    return done, out, json.loads((out / "report" / "report.json").read_text(encoding="utf-8"))


def test_the_story_planted_in_the_sample_is_found_and_nothing_else(sample):
    """Parking in Las Vegas worse, scheduling in Santa Monica better; no tile, chart or clinic claims more, and none is quoted against their stars."""
    done, out, told = sample
    assert [(one["theme"], one["location"], one["state"]) for one in told["changed"]] == [
        ("parking", "Las Vegas", "concern"),
        ("scheduling", "Santa Monica", "improvement"),
    ]
    charts = [*(tile["chart"] for tile in told["headlines"]), told["negative"], *(one["chart"] for one in told["clinics"])]  # fmt: skip
    assert {chart["now"]["state"] for chart in charts} <= {"ordinary", "unusual"}
    assert done.to_act_on == told["escalations"]["status"]["this month"]
    ratings = pq.read_table(out / "reviews.parquet", columns=["review_id", "rating"]).to_pydict()
    rating = dict(zip(*ratings.values(), strict=True))
    for one in told["themes"]:
        for side, contradicted in (("for", (1, 2)), ("against", (4, 5))):
            if one[side]:
                assert rating[one[side]["review_id"]] not in contradicted


def missing(page: str, shown: list[str]) -> list[str]:
    """What is shown and the page does not say, line breaks aside."""
    text = " ".join((PROJECT / "docs" / page).read_text(encoding="utf-8").split())
    return [one for one in shown if one not in text]


def of(count: dict) -> str:
    return f"{count['k']} of {count['n']}"


def test_the_quality_managers_month_says_what_the_sample_shows(sample):
    """Every figure of docs/quality-month.md is the program's."""
    done, _, told = sample
    acts = told["escalations"]
    numbers, positive = told["headlines"][:2]
    worse, better = told["changed"]
    chairs, early = told["register"][1], told["register"][3]
    shown = [
        *(f"`{name} {getattr(done, name)}`" for name in ("read", "accepted", "duplicates", "rejected")),
        f"for each of the {done.rejected} that were refused",
        f"`to act on {done.to_act_on}, of {MONTH}`",
        f"*Needs action today: {acts['status']['this month']}*",
        f"*{acts['open']['earlier']} open from earlier months*",
        f"{numbers['value']} reviews, {of(positive)} positive",
        f"({of(worse['after']['negative'])} reviews complain, before {of(worse['before']['negative'])})",
        f"({of(better['after']['negative'])}, before {of(better['before']['negative'])})",
        f"Click on *{of(worse['after']['negative'])}*",
        *(re.sub(r", as was hoped|[.]$| [(].*", "", row["sentence"]) for row in (chairs, early)),
        f"`escalations: {acts['open']['this month']} open",
    ]
    assert not missing("quality-month.md", shown)


def test_what_is_left_when_the_month_is_over(sample):
    """Step 5 closes one of earlier months and step 9 takes the other back, so that the check of step 10 tells of this month's
    alone."""
    _, out, told = sample
    earlier = [row for row in told["escalations"]["rows"] if row["when"] == "earlier" and row["status"] == "open"]
    assert [row["review_id"] for row in earlier] == ["R_lqy1tFGL6qNrHaS:Q3_TEXT", "ye-71101"]
    (finding,) = [one for one in check(out, MONTH, None).findings if one.what == "escalations"]
    assert finding.says.startswith(f"{told['escalations']['open']['this month'] + len(earlier)} open")


def test_the_marketers_month_says_what_the_sample_shows(sample):
    """Figures and quotes of docs/marketing-month.md are the board's, and the quote that step 6 asks for waits for its patient alone."""
    _, out, _ = sample
    with open(out / "report" / "testimonials.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    board = html.unescape((out / "report" / "testimonials.html").read_text(encoding="utf-8"))
    (heading,) = re.findall(r"<h1[^>]*>([^<]*)", board)
    (cleared,) = [row for row in rows if row["status"] == "cleared"]
    blocked = sum(row["status"] == "blocked" for row in rows)
    shown = [
        f"*{heading.strip()}*",
        f"*{re.search(r'Take down: [^<:]*hold', board).group()}*",
        f"*{re.search(r'[0-9]+ signed reviews have no passage to quote', board).group()}*",
        f"*You see* 1 of {len(rows)}: “{cleared['quote']}”",
        f"({cleared['share']})",
        f"*You see* {blocked}, greyed",
        f"`{cleared['theme']}-los-angeles-1-1080x1080.png`",
    ]
    assert not missing("marketing-month.md", shown)
    text = (PROJECT / "docs" / "marketing-month.md").read_text(encoding="utf-8")
    (asked,) = [row for row in rows if f"\n    {row['review_id']},text," in text]
    assert (asked["theme"], asked["location"], asked["reasons"]) == ("scheduling", "Santa Monica", "CONSENT_MISSING")
    assert f"“{asked['quote']}”" in text
