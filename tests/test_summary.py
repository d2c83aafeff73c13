"""Annotations become figures that say no more than the data."""

import json

import numpy as np
import pandas as pd
import pytest
from invented import MONTHS, annotated, counted, fourteen_months, refused, review

from pipeline.months import month_name
from pipeline.statistics import FALSE_ALARMS
from pipeline.summary import plain, select, summarise
from pipeline.summary.escalations import to_act_on
from pipeline.summary.monthly import PAGE_ONE_CHARTS
from pipeline.summary.quality import measured
from pipeline.summary.shifts import at_most


def summary_of(reviews, month="2026-10", rejected=(), **more):
    annotations = annotated(reviews)
    return summarise(annotations, refused(rejected), counted(annotations, len(rejected)), month, **more)


def every_figure(node):
    """Each dict in a Summary that counts k of n."""
    if isinstance(node, dict):
        if {"k", "n", "share", "filter"} <= set(node):
            yield node
        for value in node.values():
            yield from every_figure(value)
    elif isinstance(node, list):
        for value in node:
            yield from every_figure(value)


@pytest.fixture(scope="module")
def story():
    reviews = fourteen_months()
    return annotated(reviews), summary_of(reviews)


# ── What has changed ──


def test_the_story_is_found_and_nothing_else(story):
    """Parking at Dry Wells worse from June, scheduling at Ocean Walk better from March: found, each within its range of months."""
    _, summary = story
    found = {(one["theme"], one["location"], one["state"]): one for one in summary["changed"]}
    assert set(found) == {("parking", "Dry Wells", "concern"), ("scheduling", "Ocean Walk", "improvement")}
    for (theme, place, _), month in zip(sorted(found), ("2026-06", "2026-03"), strict=True):
        change = next(one for one in summary["changed"] if one["theme"] == theme)
        assert change["between"][0] <= month <= change["between"][1]
        assert change["title"].startswith(f"{theme.capitalize()} in {place} has been ")
        assert "most likely since" in change["title"]
        assert change["began"].startswith("It most likely began in ")
        assert "at most 1 in " in change["chance"]
        assert change["title"].endswith(month_name(change["since"]))
    assert "before" in found["parking", "Dry Wells", "concern"]["figures"]
    told = summary["unchanged"]
    rest = f"in the other {told['tested'] - 2} pairs of theme and clinic (small ones may be missed)"
    assert told["sentence"] == f"No lasting shift found {rest}."


def test_nothing_is_claimed_when_the_months_are_shuffled():
    """The same reviews with their months shuffled within each clinic give no change: it says so."""
    reviews = fourteen_months()
    draw = np.random.default_rng(2)
    for place in {one["location"] for one in reviews}:
        mine = [one for one in reviews if one["location"] == place]
        dates = [one["date"] for one in mine]
        for one, at in zip(mine, draw.permutation(len(mine)), strict=True):
            one["date"] = dates[at]
    summary = summary_of(reviews)
    assert summary["changed"] == []
    assert summary["unchanged"]["sentence"].startswith("No lasting shift found in any of ")


@pytest.mark.parametrize(
    ("p", "words"), [(0.0012, "1 in 500"), (0.0499, "1 in 20"), (0.05, "1 in 20"), (0.00005, "1 in 1000")]
)
def test_a_chance_is_an_upper_bound(p, words):
    """A chance is rounded up, and never below what the shuffles can tell."""
    assert at_most(p) == f"at most {words}"


def test_the_promise_about_false_claims_covers_the_shifts_only():
    """The Method says what 5 in 100 is of, how often charts signal without a change, that the split is selected."""
    text = " ".join(summary_of([review("a")])["method"])
    assert "any shift of a theme at a clinic is claimed falsely to 5 in 100 reports" in text
    assert "it does not cover the control charts" in text
    assert f"{FALSE_ALARMS['report_in_100']} of 100 reports had at least one" in text
    assert "parted where they differ most" in text
    assert "exact" not in text


def months_of(good, many=40, months=MONTHS):
    """`many` reviews in each month, the first `good` of the month positive, the others negative."""
    return [
        review(
            f"{month}-{at}", f"{month}-{1 + at % 28:02d}", overall="positive" if at < share else "negative", rating=4.0
        )
        for month, share in zip(months, good, strict=True)
        for at in range(many)
    ]


def claims(s):
    """What the charts of a Summary call an improvement, a concern or unusual, in a word or at a point."""
    charts = [
        *(tile["chart"] for tile in s["headlines"]),
        s["negative"],
        s["stars"],
        *(one["chart"] for one in s["clinics"]),
    ]
    told = [chart["now"]["word"] for chart in charts if chart["now"]["state"] != "ordinary"]
    return told + [point["signal"] for chart in charts for point in chart["points"] if point["signal"]]


def test_a_run_by_a_hair_is_no_improvement():
    """Eight months one review above the six before: no claim on any tile, chart or clinic, the title says so, the points stay."""
    s = summary_of(months_of([26] * 6 + [27] * 8))
    assert claims(s) == []
    positive = s["headlines"][1]["chart"]
    assert positive["now"]["word"] == "no special-cause signal"
    assert [(one["rule"], one["state"], one["since"]) for one in positive["signals"]] == [(2, "ordinary", "2026-03")]
    assert [point["k"] for point in positive["points"]] == [26] * 6 + [27] * 8
    assert s["negative"]["title"].endswith("no special-cause signal")


def test_a_run_beyond_chance_says_since_when_and_how_long():
    """Eight months far above the six before: an improvement since March, of eight months; the negative share says the same."""
    s = summary_of(months_of([20] * 6 + [32] * 8))
    now = s["headlines"][1]["chart"]["now"]
    assert now["word"] == "improvement since March 2026: eight months in a row on one side of the mean"
    assert s["negative"]["title"].endswith("fewer than usual since March 2026")


def test_since_and_the_count_of_months_agree_across_a_gap():
    """A month without reviews is not counted among those in a row, and is told."""
    reviews = [one for one in months_of([20] * 6 + [32] * 8) if not one["date"].startswith("2026-05")]
    now = summary_of(reviews)["headlines"][1]["chart"]["now"]
    assert now["word"].endswith(
        "since March 2026: seven months in a row on one side of the mean, 1 month without a figure left out"
    )


def test_page_one_claims_the_story_and_nothing_else(story):
    """In the invented months no tile, chart or clinic claims anything beside the two shifts; the Method says how a run is judged."""
    assert claims(story[1]) == []
    assert len(story[1]["headlines"]) + 1 == PAGE_ONE_CHARTS
    method = " ".join(story[1]["method"])
    assert f"widened for the {PAGE_ONE_CHARTS} charts of page one" in method
    assert "Champ and Woodall 1987" in method


def test_usual_is_the_mean_that_is_drawn(story):
    """One number: what a tile calls usual is the mean of its chart, rounded as it is shown."""
    for tile, digits in zip(story[1]["headlines"], (0, 2, 1), strict=False):
        assert abs(tile["usual"] - tile["chart"]["mean"]) <= 0.5 * 10**-digits + 1e-9
        assert tile["usual"] == round(tile["usual"], digits)
    assert isinstance(story[1]["headlines"][0]["usual"], int)
    assert [tile["usual"] for tile in summary_of([review("a")])["headlines"]] == [None] * 4  # nothing to compare with


# ── Words for and against ──


def quoted(reviews, theme="staff"):
    (one,) = [one for one in summary_of(reviews)["themes"] if one["theme"] == theme]
    return tuple(one[side] and one[side]["review_id"] for side in ("for", "against"))


def speaks(name, sentiment, rating, date="2026-10-10", text="The staff at the desk took their time with us.", **more):
    return review(name, date, text=text, rating=rating, said=[("staff", sentiment, text)], **more)


def test_no_verbatim_that_its_writers_stars_contradict():
    """Praise read in a one-star review, or a complaint in a five-star one, is not quoted: none, rather than that."""
    assert quoted([speaks("low", "positive", 1.0), speaks("high", "negative", 5.0)]) == (None, None)
    assert quoted([speaks("three", "positive", 3.0), speaks("five", "positive", 5.0)])[0] == "five"
    assert quoted([speaks("none", "negative", None)])[1] == "none"


def test_no_verbatim_of_what_is_to_be_acted_on():
    """A piece of an emergency is no word against anybody's manner; an earlier complaint stands in for it."""
    text = "I fell in the hall. Nobody walked me out."
    act = speaks("act", "negative", 1.0, text=text, act=[("adverse_event", "I fell")])
    assert quoted([act]) == (None, None)
    assert quoted([act, speaks("earlier", "negative", 2.0, "2026-08-10")])[1] == "earlier"
    assert quoted([act, speaks("long ago", "negative", 2.0, "2025-09-10")])[1] is None


def test_a_sure_reading_is_quoted_before_a_newer_doubtful_one():
    """A doubtful reading of the month gives way to a sure one of the year, and is quoted where there is no other and the stars agree."""

    def first_for(*reviews):
        annotations = annotated(reviews)
        doubt = [0.5 if "doubt" in one else 0.9 for one in annotations.opinions["review_id"]]
        annotations = annotations._replace(opinions=annotations.opinions.assign(confidence=doubt))
        s = summarise(annotations, refused(), counted(annotations), "2026-10")
        return next(one["for"] and one["for"]["review_id"] for one in s["themes"] if one["theme"] == "staff")

    assert first_for(speaks("doubt", "positive", 5.0), speaks("sure", "positive", 5.0, "2026-05-10")) == "sure"
    assert first_for(speaks("doubt", "positive", 5.0)) == "doubt"
    assert first_for(speaks("doubt", "positive", None)) is None


def test_a_verbatim_stands_alone_where_one_does():
    """What opens with "they" is quoted only where nothing else is."""
    leaning = speaks("a", "positive", 5.0, text="They were kind to me from start to end.")
    assert quoted([leaning, speaks("b", "positive", 5.0)])[0] == "b"
    assert quoted([leaning])[0] == "a"


# ── What is counted ──


def test_each_kind_of_review_is_counted_where_it_belongs():
    """Twins are in no figure; stars alone count as reviews and stars; unread, undated and later ones are named."""
    reviews = [
        review("a", said=[("staff", "positive", "kind")]),
        review("twin", duplicate_of="a", said=[("staff", "positive", "kind")], act=[("crisis", "kind")]),
        review("stars", text="", overall=None, rating=1.0),
        review("polish", text="Wszystko dobrze", overall=None, language="pl", rating=None),
        review("undated", None, date_precision="unknown", said=[("staff", "negative", "staff")]),
        review("yearly", "2026-10-01", date_precision="year"),
        review("later", "2026-11-02"),
    ]
    s = summary_of(reviews, rejected=[{"file": "x.csv", "row": 3, "reason": "no text; fill it", "excerpt": ""}])
    not_read = s["received"].pop("not_read")
    assert s["received"] == {"reviews": 3, "with_words": 2, "read": 1, "locations": 1}
    assert (not_read["k"], not_read["n"]) == (1, 2)
    assert (s["stars"]["distribution"]["each"]["5"]["k"], s["stars"]["distribution"]["each"]["1"]["k"]) == (1, 1)
    assert s["headlines"][2]["n"] == 2
    staff = next(one for one in s["themes"] if one["theme"] == "staff")
    assert (staff["mentions"]["k"], staff["mentions"]["n"], staff["negative"]["k"]) == (1, 1, 0)
    q = s["quality"]
    assert s["counts"] == {"read": 8, "accepted": 6, "duplicates": 1, "rejected": 1}
    assert (q["no_month"]["k"], q["not_read"]["k"], q["stars_only"]["k"], q["after_cut_off"]) == (2, 1, 1, 1)
    assert q["not_read"]["languages"] == {"pl": 1}
    assert [row["review_id"] for row in s["escalations"]["rows"]] == ["a"]  # for what its twin says


def test_lost_rows_are_refused():
    """Where accepted + duplicates + rejected is not read, there is no report but an error that says the sums."""
    annotations = annotated([review("a")])
    with pytest.raises(ValueError, match=r"read 9, but accepted 1 \+ duplicates 0 \+ rejected 0 = 1"):
        summarise(annotations, refused(), counted(annotations) | {"read": 9}, "2026-10")
    with pytest.raises(ValueError, match="not of the form"):
        summarise(annotations, refused(), counted(annotations), "2026-13")


def test_every_figure_is_behind_its_filter(story):
    """Every k of the Summary that names a filter is the number of reviews the filter selects."""
    annotations, summary = story
    counted_ = plain(annotations, "2026-10")
    checked = 0
    for told in every_figure({name: part for name, part in summary.items() if name != "table"}):
        if told["filter"] and checked < 400:
            assert len(select(counted_, told["filter"])) == told["k"], told
            checked += 1
    assert checked > 200


def test_the_sums_agree(story):
    """Sentiments add up to mentions, clinics to the whole, and "all" counts a review once."""
    _, summary = story
    for theme in summary["themes"]:
        assert sum(theme[name]["k"] for name in ("positive", "negative", "mixed", "neutral")) == theme["mentions"]["k"]
    rows = pd.DataFrame(summary["table"]["rows"], columns=summary["table"]["columns"])
    whole = rows[(rows["location"] == "all") & (rows["source"] == "all") & (rows["treatment"] == "all")]
    assert whole[whole["theme"] == "all"]["reviews"].sum() == summary["quality"]["reviews"]
    places = rows[(rows["location"] != "all") & (rows["source"] == "all")]
    assert (
        places.groupby(["month", "theme"])["negative"].sum().to_dict()
        == whole.groupby(["month", "theme"])["negative"].sum().to_dict()
    )


def test_a_month_without_reviews_is_missing_and_not_nought():
    """In table, charts and grid an empty month has no share; the month after is compared across the gap."""
    s = summary_of([review("a", "2026-08-03", overall="negative"), review("b", "2026-10-03")])
    assert s["months"] == ["2026-08", "2026-09", "2026-10"]
    assert [point["value"] for point in s["negative"]["points"]] == [1.0, None, 0.0]
    rows = pd.DataFrame(s["table"]["rows"], columns=s["table"]["columns"])
    empty = rows[
        (rows["month"] == "2026-09")
        & (rows["theme"] == "staff")
        & (rows["location"] == "all")
        & (rows["source"] == "all")
    ]
    assert set(empty["n"]) == {0}
    assert empty["share"].isna().all()


def test_a_month_without_any_review_still_reports():
    """Nothing at all, or nothing this month, is a result in words."""
    s = summary_of([], rejected=[{"file": "x", "row": 1, "reason": "empty", "excerpt": ""}])
    assert s["negative"]["title"] == "No review with words was read in October 2026"
    assert s["escalations"]["sentence"].startswith("0 found in 0 reviews screened")
    assert s["unchanged"]["sentence"].startswith("Cannot tell yet")


def test_one_review_speaks_of_a_theme_once():
    """Praise and blame of a theme in one review is mixed; a verdict on a treatment is not one on the clinic."""
    text = "Kind nurse, rude desk. TMS did nothing."
    s = summary_of([review("a", text=text, received=["tms"], said=[("staff", "positive", "Kind nurse"), ("staff", "negative", "rude desk"),
                    ("efficacy", "negative", "did nothing", "tms")])])  # fmt: skip
    themes = {one["theme"]: one for one in s["themes"]}
    assert (themes["staff"]["mentions"]["k"], themes["staff"]["mixed"]["k"], themes["staff"]["negative"]["k"]) == (
        1,
        1,
        0,
    )
    assert themes["efficacy"]["mentions"]["k"] == 0
    verdict = next(one for one in s["verdicts"] if (one["treatment"], one["theme"]) == ("tms", "efficacy"))
    assert (verdict["n"], verdict["negative"]["k"]) == (1, 1)


def test_treatments_stand_side_by_side():
    """A review with two treatments is in both their columns, one with none under "not stated"."""
    said = [("staff", "positive", "kind")]
    s = summary_of([review("a", said=said, received=["tms", "ketamine"]), review("b", said=said)])
    found = {one["treatment"]: one["mentions"]["k"] for one in s["treatments"]["rows"] if one["theme"] == "staff"}
    assert found == {"tms": 1, "ketamine": 1, "spravato": 0, "not stated": 1}


def test_what_to_act_on_comes_by_tier_with_its_age():
    """Crisis before misconduct before adverse event, the oldest first; one row a review, its date and age in words."""
    text = "I fainted on the way home. I do not want to be here."
    s = summary_of(
        [
            review("faint", "2026-10-02", text=text, act=[("adverse_event", "I fainted")]),
            review("both", "2026-10-20", text=text, act=[("adverse_event", "I fainted"), ("crisis", "do not want")]),
            review("rude", "2026-10-09", text=text, act=[("misconduct", "on the way")]),
            review("earlier", "2025-12-02", text=text, act=[("crisis", "I fainted")]),
        ],
        model={"escalation_miss_rate": 0.05},
    )["escalations"]
    assert [row["review_id"] for row in s["rows"]] == ["both", "rude", "faint", "earlier"]
    assert [row["age"] for row in s["rows"]][0::3] == ["20 Oct, 11 days on 31 Oct", "2 Dec 2025, 333 days on 31 Oct"]
    assert s["sentence"] == "3 found in 3 reviews screened; on test reviews the screen missed 1 in 20"
    assert s["title"] == "3 reviews to act on found in October, of 3 screened"
    assert (s["found"], s["earlier"]) == (3, 1)


def test_every_reason_is_named_with_its_own_words_the_surest_first():
    """A review with two reasons tells both, each with its passage; the surer stands first whatever its tier."""
    annotations = annotated(
        [
            review(
                "a",
                text="I fainted. I do not want to be here.",
                act=[("crisis", "do not want"), ("adverse_event", "I fainted")],
            )
        ]
    )
    acts = annotations.escalations.assign(confidence=[0.55, 0.95])
    s = summarise(annotations._replace(escalations=acts), refused(), counted(annotations), "2026-10")
    (row,) = s["escalations"]["rows"]
    assert (row["tier"], row["why"]) == ("crisis", "crisis, adverse event")
    told = [(one["reason"], one["evidence"]) for one in row["reasons"]]
    assert told == [("adverse_event", "I fainted"), ("crisis", "do not want")]


def test_the_crisis_tier_is_never_cut():
    """Page one lists every crisis of the month, and up to three in all where there are fewer."""
    act = [review(f"c{i}", act=[("crisis", "kind")]) for i in range(5)]
    faint = [review(f"f{i}", act=[("adverse_event", "kind")]) for i in range(5)]
    assert summary_of(act + faint)["escalations"]["on_page_one"] == 5
    assert summary_of(act[:1] + faint)["escalations"]["on_page_one"] == 3
    assert summary_of(act[:1])["escalations"]["on_page_one"] == 1


def test_what_only_a_folded_copy_says_is_told_of_the_review_that_stands():
    """A reason found on a twin is the survivor's, in the twin's own words and named so; the same words are told once."""
    s = summary_of(
        [
            review("stands", text="The staff were kind. I fainted.", act=[("adverse_event", "I fainted")]),
            review("twin", "2026-10-11", source="yelp", duplicate_of="stands",
                   text="The staff were kind. I fainted. I want to die.", act=[("adverse_event", "I fainted"), ("crisis", "want to die")]),
        ]
    )  # fmt: skip
    (row,) = s["escalations"]["rows"]
    assert (row["review_id"], row["tier"]) == ("stands", "crisis")
    told = {(one["reason"], one["evidence"], one["said_in"]) for one in row["reasons"]}
    assert told == {("adverse_event", "I fainted", ""), ("crisis", "want to die", "in a copy of this review (Yelp)")}
    assert s["headlines"][3]["value"] == 1
    assert s["headlines"][3]["n"] == 1


def test_a_review_without_a_date_is_of_no_month():
    """What to act on without a date stands in a group of its own, outside the tile, `found` and `screened`, in every month."""
    reviews = [review("now"), review("undated", None, date_precision="unknown", act=[("crisis", "kind")])]
    for month, screened in (("2026-10", 1), ("2026-11", 0)):
        s = summary_of(reviews, month=month)
        acts = s["escalations"]
        assert (acts["found"], acts["screened"], acts["undated"]) == (0, screened, 1)
        assert [(row["review_id"], row["when"]) for row in acts["rows"]] == [("undated", "no date")]
        assert (s["headlines"][3]["value"], s["headlines"][3]["n"]) == (0, screened)


def test_how_often_the_screen_misses_is_told_where_it_was_measured():
    """A measured nought is told as such, with how many there were; unmeasured is unmeasured."""
    for model, words in (
        ({"escalation_miss_rate": 0.0}, "missed none"),
        ({"escalation_miss_rate": 0.0, "escalations_there": 40}, "missed none of 40"),
        ({"escalation_miss_rate": 0.05, "escalations_there": 40}, "missed 2 of 40"),
        ({}, "was not measured"),
    ):
        told = to_act_on(plain(annotated([review("a")]), "2026-10"), "2026-10", 1, measured(model))
        assert told["sentence"].endswith(words)


def test_errors_of_the_program_are_told_both_ways():
    """How often it is wrong, of those it found, and how often it misses, of those there; a measured nought is measured."""
    themes = {
        "staff": {"precision": 0.8, "recall": 0.5, "n": 160},
        "cost": {"precision": 0.0, "recall": 0.0, "n": 40, "found": 10},
    }
    s = summary_of([review(f"a{i}", said=[("cost", "negative", "kind")]) for i in range(6)], model={"themes": themes})
    assert s["model"]["themes"]["staff"]["found"] == 100
    assert any("27 in 100" in one or "1 in 4 of the 110 themes it found was wrong" in one for one in s["limits"])
    assert any("it missed 60 in 100 of the 200 there" in one for one in s["limits"])
    told = {one["theme"]: one["corrected"] for one in s["themes"]}
    assert told["cost"] == {"share": None, "low": None, "high": None}
    assert told["parking"] is None
    assert told["staff"]["share"] == 0.0


# ── One form, one review ──


def form(respondent, *answers, **more):
    """The answers (text, overall, theme) of one survey form."""
    return [
        review(f"{respondent}:Q{number}", source="survey", respondent=respondent, row=7, text=text, overall=overall,
               said=[(theme, overall, text)] if theme else [], question=f"Q{number}?", **more)
        for number, (text, overall, theme) in enumerate(answers, 1)
    ]  # fmt: skip


def test_the_answers_of_one_form_are_one_review():
    """Three answers count once: one set of stars, one verdict of the whole, and each theme once."""
    s = summary_of(
        [
            *form("R1", ("Lovely nurses.", "positive", "staff"), ("Rude desk.", "negative", "staff"), ("No lot.", "negative", "parking"), rating=4.0),
            *form("R2", ("Fine.", "neutral", None), ("Kind.", "positive", "staff"), rating=5.0),
            review("g", rating=1.0),
        ]
    )  # fmt: skip
    assert s["received"]["reviews"] == s["quality"]["reviews"] == 3
    assert s["quality"]["answers"] == 6
    assert s["headlines"][2]["n"] == 3
    assert s["stars"]["distribution"]["each"]["4"]["k"] == 1
    assert (s["headlines"][1]["k"], s["headlines"][1]["n"]) == (2, 3)  # mixed, and neutral that gave way to positive
    themes = {one["theme"]: one for one in s["themes"]}
    assert (themes["staff"]["mentions"]["k"], themes["staff"]["mixed"]["k"], themes["staff"]["positive"]["k"]) == (
        2,
        1,
        1,
    )
    assert themes["parking"]["negative"]["k"] == 1
    assert next(one["n"][-1] for one in s["grid"] if one["theme"] == "staff") == 3  # what the search for shifts counts


def test_a_form_is_one_row_to_act_on_and_every_answer_stays_to_be_read():
    """What two answers give reason to act on is one row; the passages stand in their own answers."""
    reviews = form("R1", ("I fainted there.", "negative", None), ("I want to die.", "negative", None))
    reviews[0] |= {"act": [("adverse_event", "I fainted")], "escalate": ["adverse_event"]}
    reviews[1] |= {"act": [("crisis", "want to die")], "escalate": ["crisis"]}
    s = summary_of(reviews)
    (row,) = s["escalations"]["rows"]
    assert {one["evidence"] for one in row["reasons"]} == {"I fainted", "want to die"}
    counted_ = plain(annotated(reviews), "2026-10")
    assert counted_.answers["text"].tolist() == ["I fainted there.", "I want to die."]
    assert counted_.answers["question"].tolist() == ["Q1?", "Q2?"]
    assert select(counted_, {"ids": ["R1:Q2"]}) == ["R1:Q1"]


def test_the_same_id_in_another_file_is_another_person():
    """Forms are told apart by their file: "7" in two exports is two people."""
    one, other = form("7", ("Kind.", "positive", "staff")), form("7", ("Rude.", "negative", "staff"))
    other[0] |= {"file": "other.csv", "review_id": "7:Q1~2"}
    assert summary_of(one + other)["received"]["reviews"] == 2


# ── Too few, and none ──


def test_a_mean_of_few_stars_is_not_drawn():
    """A month with four ratings has no mean in chart or tile, and the tile says how many there were."""
    reviews = [review(f"{month}-{i}", f"{month}-03", rating=4.0) for month in MONTHS[:-1] for i in range(6)]
    reviews += [review(f"now{i}", rating=1.0) for i in range(4)]
    s = summary_of(reviews)
    assert s["stars"]["points"][-1]["value"] is None
    assert s["stars"]["now"] == {"state": "ordinary", "word": "4 ratings this month: too few for a mean", "since": None}
    assert (s["headlines"][2]["value"], s["headlines"][2]["n"]) == (None, 4)
    assert s["clinics"][0]["stars"] is None


def test_a_month_of_stars_alone_is_told_as_none_read():
    """Where reviews came but none had words, nothing was read: that is not "no reviews"."""
    reviews = [review(f"{month}-{i}", f"{month}-03") for month in MONTHS[:-1] for i in range(6)]
    s = summary_of([*reviews, *(review(f"now{i}", text="", overall=None) for i in range(6))])
    assert s["negative"]["now"]["word"] == "none read this month"
    assert s["headlines"][0]["value"] == 6
    assert s["negative"]["points"][-1]["value"] is None


def test_what_is_rare_has_no_control_chart():
    """One to act on after months of none is no signal: the tile says that it is too rare, with counts."""
    reviews = [review(f"{month}-{i}", f"{month}-03") for month in MONTHS for i in range(9)]
    reviews[4] = review("one", "2025-09-03", act=[("crisis", "kind")])
    reviews += [review(f"now{i}", act=[("crisis", "kind")]) for i in range(3)]
    tile = summary_of(reviews)["headlines"][3]
    assert tile["chart"]["now"] == {"state": "ordinary", "word": "too rare for a control chart", "since": None}
    assert tile["chart"]["signals"] == []
    assert (tile["value"], tile["range"]) == (3, [0, 0])


def test_the_word_of_a_chart_is_that_of_its_first_rule():
    """Seven months above the mean and the last beyond the limit: the word is the month outside the limits, since then."""
    months = [*MONTHS, "2026-11", "2026-12", "2027-01", "2027-02", "2027-03"]
    reviews = []
    for at, month in enumerate(months):
        bad = 2 if at < 12 else 4 if at < 18 else 20
        reviews += [
            review(f"{month}-{i}", f"{month}-03", overall="negative" if i < bad else "positive") for i in range(20)
        ]
    chart = summary_of(reviews, month="2027-03")["negative"]
    assert {one["rule"] for one in chart["signals"]} >= {1, 2}
    assert chart["now"]["word"] == "concern since March 2027: a month outside the control limits"


def test_no_clinic_named_is_no_clinic():
    """Reviews without a clinic are counted and named, but are no clinic of their own: not in the count, charts or shifts."""
    s = summary_of([review("a"), review("b", location=None)])
    assert s["received"]["locations"] == 1
    assert [one["location"] for one in s["clinics"]] == ["Hill Street"]
    assert {cell["location"] for cell in s["grid"]} == {"Hill Street"}
    assert s["quality"]["no_location"]["k"] == 1
    assert "8 themes × 1 clinic " in s["unchanged"]["note"]


def test_stars_and_words_that_disagree_are_counted():
    """Four stars with negative words, or two with positive, and no others."""
    reviews = [review("x", rating=4.0, overall="negative"), review("y", rating=2.0), review("z")]
    reviews.append(review("m", rating=3.0, overall="negative"))
    told = summary_of(reviews)["disagreements"]["month"]
    assert (told["k"], told["n"]) == (2, 4)
    assert select(plain(annotated(reviews), "2026-10"), told["filter"]) == ["x", "y"]


def test_the_mix_of_platforms_is_held_constant():
    """A month of surveys only, after a year of half surveys, is not called worse for that."""
    reviews = []
    for month in MONTHS[:-1]:
        for at in range(5):
            reviews.append(
                review(f"{month}g{at}", f"{month}-04", source="google", overall="negative" if at < 4 else "positive")
            )
            reviews.append(
                review(f"{month}s{at}", f"{month}-04", source="survey", overall="negative" if at < 1 else "positive")
            )
    for at in range(20):
        source = "survey" if at < 15 else "google"
        bad = at < 3 or 15 <= at < 19
        reviews.append(review(f"now{at}", "2026-10-04", source=source, overall="negative" if bad else "positive"))
    s = summary_of(reviews)
    assert s["headlines"][1]["share"] == 0.65
    assert s["platforms"]["same_mix"] == {"before": 0.5, "after": 0.5, "sources": ["google", "survey"]}
    assert "(both counted on Google, survey)" in s["platforms"]["sentence"]


def test_the_mix_is_compared_on_the_same_platforms_or_not_at_all():
    """A platform that only one period has is left out of both; one with four reviews cannot be told."""
    reviews = []
    for month in MONTHS[:-1]:
        reviews += [
            review(f"{month}g{i}", f"{month}-04", overall="negative" if i < 1 else "positive") for i in range(10)
        ]
        reviews += [review(f"{month}y", f"{month}-04", source="yelp", overall="negative")]
    now = [review(f"now{i}", overall="negative" if i < 2 else "positive") for i in range(20)]
    told = summary_of(reviews + now)["platforms"]
    assert told["same_mix"] == {"before": 0.1, "after": 0.1, "sources": ["google"]}
    yelps = [review(f"yelp{i}", source="yelp") for i in range(4)]
    told = summary_of(reviews + now + yelps)["platforms"]
    assert told["same_mix"] is None
    assert "Cannot tell" in told["sentence"]


def test_a_theme_of_the_clinics_own_is_reported():
    """A theme that a clinic added to its taxonomy appears under its own name."""
    s = summary_of([review("a", said=[("valet", "negative", "staff")])], names={"valet": "Valet service"})
    assert next(one for one in s["themes"] if one["theme"] == "valet")["name"] == "Valet service"


def test_words_never_claim_more_than_the_data(story):
    """No sentence of the report calls patients anything, says "caused" or "stable", or speaks of a satisfaction rate as its own."""
    text = json.dumps({name: part for name, part in story[1].items() if name != "table"}).lower()
    assert "patients are " not in text
    assert "caused by" not in text
    assert "stable" not in text


def test_same_input_same_summary(story):
    """Twice the same, whatever the order of the rows, and JSON without NaN."""
    annotations, summary = story
    mixed = annotations._replace(
        reviews=annotations.reviews.sample(frac=1, random_state=1),
        opinions=annotations.opinions.sample(frac=1, random_state=1),
    )
    again = summarise(mixed, refused(), counted(annotations), "2026-10")
    assert json.dumps(again, allow_nan=False) == json.dumps(summary, allow_nan=False)
