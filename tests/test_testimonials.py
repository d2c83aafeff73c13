"""Which passages are offered, in what order; and the board in a real browser."""

import calendar
import csv
import io
import json
import os
import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from pipeline import clearance, tables, testimonials
from pipeline.report import board

RULES = clearance.load_rules()


def annotations(*reviews):
    """Small tables: (id, text, [(theme, sentiment, evidence[, treatment])], changes)."""
    rows, opinions = [], []
    for review_id, text, said, *rest in reviews:
        rows.append(
            {
                "review_id": review_id, "source": "survey", "location": "Los Angeles", "date": "2026-10-02", "date_precision": "day",
                "rating": 5.0, "language": "en", "text": text, "overall": "positive", "treatments": [], "received": [], "themes": [],
                "escalate": [], "twins": [], "flags": [], "file": "a.jsonl", "row": 1, **(rest[0] if rest else {}),
            }
        )  # fmt: skip
        for theme, sentiment, evidence, *treatment in said:
            start = text.index(evidence)
            opinions.append(
                {
                    "review_id": review_id, "theme": theme, "treatment": treatment[0] if treatment else None, "sentiment": sentiment,
                    "score": {"positive": 0.8, "negative": -0.8}.get(sentiment, 0.0), "confidence": 0.9, "evidence": evidence,
                    "start": start, "end": start + len(evidence), "found_by": "rule",
                }
            )  # fmt: skip
    return tables.Annotations(
        tables.frame(rows, tables.REVIEWS), tables.frame(opinions, tables.OPINIONS), tables.frame([], tables.MENTIONS),
        tables.frame([], tables.ESCALATIONS),
    )  # fmt: skip


def ledger(*rows):
    blank = dict.fromkeys(tables.CONSENTS.names, "")
    signed = {"scope": "text", "channels": "website", "signed_at": "2026-10-05"}
    return pd.DataFrame([{**blank, **signed, **row} for row in rows], columns=tables.CONSENTS.names)


KIND = "Everybody at the desk is kind to us."
EASY = "Parking behind the house is easy and quick."
SET = (
    ("r1", KIND + " I come on Mondays.", [("staff", "positive", "is kind to us")]),
    ("r2", EASY, [("parking", "positive", "easy and quick")], {"location": "Las Vegas"}),
    (
        "r3",
        "TMS gave me my mornings back, truly.",
        [("efficacy", "positive", "gave me my mornings back", "tms")],
        {"treatments": ["tms"]},
    ),
    (
        "r4",
        "The desk was gruff with my mother twice.",
        [("staff", "negative", "gruff with my mother twice")],
        {"overall": "negative", "rating": 1.0, "question": "What could we improve?"},
    ),
    (
        "r5",
        "The nurses are gentle and quick. I am cured.",
        [("staff", "positive", "gentle and quick")],
        {"source": "google"},
    ),
    ("r6", "Twin of the first one, kind people.", [("staff", "positive", "kind people")], {"duplicate_of": "r1"}),
    ("r7", "Cut off by the source, lovely people.", [("staff", "positive", "lovely people")], {"flags": ["truncated"]}),
    ("r8", "", [], {"overall": None}),
    ("r9", "Kind people, all of them, in September.", [("staff", "positive", "Kind people")], {"date": "2026-09-03"}),
)


@pytest.fixture(scope="module")
def made():
    found = annotations(*SET)
    return found, testimonials.candidates(found, month="2026-10", consents=ledger({"review_id": "r1"}))


def passages_of(text, *said):
    rows = annotations(("x", text, said)).opinions.to_dict("records")
    return [text[one.start : one.end] for one in testimonials.passages(text, rows, RULES)]


# ── Passages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "evidence", "quote"),
    [
        (
            "We came on foot. The nurses are kind to us all. We left at noon.",
            "kind to us",
            "The nurses are kind to us all.",
        ),
        (
            "The nurses are kind to us all. But bring a book.",
            "kind to us",
            "The nurses are kind to us all. But bring a book.",
        ),
        (
            "They run late now and then. However, the nurses are kind.",
            "kind",
            "They run late now and then. However, the nurses are kind.",
        ),
        (
            "The nurses are kind to us all. Except at noon.",
            "kind to us",
            "The nurses are kind to us all. Except at noon.",
        ),
        (
            "The nurses were kind to us all. Not any more, sadly.",
            "kind to us",
            "The nurses were kind to us all. Not any more, sadly.",
        ),
        (
            "Did the nurses care? They were kind to us all.",
            "kind to us",
            "Did the nurses care? They were kind to us all.",
        ),
        (
            "We drove. The first three weeks nothing. The nurses were kind to us all.",
            "kind to us",
            "The first three weeks nothing. The nurses were kind to us all.",
        ),
        (
            "I rolled my eyes at the brochure. The nurses were kind to us all. Kind!",
            "kind to us",
            "I rolled my eyes at the brochure. The nurses were kind to us all. Kind!",
        ),
        (
            "The nurses are kind to us all. If you come early.",
            "kind to us",
            "The nurses are kind to us all. If you come early.",
        ),
        (
            "Dr. Quince and the nurses are kind to us all.",
            "kind to us",
            "Dr. Quince and the nurses are kind to us all.",
        ),
        ("the nurses are kind to us all. i love the chairs", "kind to us", "the nurses are kind to us all."),
    ],
)
def test_a_passage_is_whole_and_keeps_its_turn(text, evidence, quote):
    """Whole sentences, and never without the "but", the "not", the question or the condition beside them."""
    assert passages_of(text, ("staff", "positive", evidence)) == [quote]


def test_praise_outweighed_by_blame_is_not_offered():
    """A passage that holds as much blame as praise is no testimonial."""
    text = "The nurses are kind but the desk is cold to everybody."
    assert passages_of(text, ("staff", "positive", "kind"), ("communication", "negative", "cold")) == []


def test_a_passage_too_long_or_too_short_is_not_offered():
    """A word is no quote; neither is a page."""
    assert passages_of("Kind nurses.", ("staff", "positive", "Kind")) == []
    long = "The nurses are kind" + ", and then the story goes on" * 20 + "."
    assert passages_of(long, ("staff", "positive", "kind")) == []


def test_neighbouring_praise_is_joined_and_outcomes_stay_apart():
    """Two sentences about people read as one quote; the outcome after them is its own candidate."""
    text = "The nurses are kind to us all. The desk remembers my name. TMS lifted my mood for good measure."
    said = (
        ("staff", "positive", "kind"),
        ("staff", "positive", "remembers my name"),
        ("efficacy", "positive", "lifted my mood"),
    )
    assert passages_of(text, *said) == [text[: text.index(" TMS")], "TMS lifted my mood for good measure."]


@pytest.mark.parametrize(
    "text",
    [
        "As a nurse myself I'm picky.",
        "My best friend drove me there.",
        "The whole crew, every day.",
        "I was the guy at the window.",
        "With the nurse's blessing, so calm down everybody.",
    ],
)
def test_a_passage_that_praises_nothing_by_itself_is_not_offered(text):
    """Whatever the model read into it: the words must carry the praise."""
    assert passages_of(text, ("staff", "positive", text)) == []


@pytest.mark.parametrize(
    "text",
    ["on time now, every visit", "Me explicó todo sin prisa", "Nobody ever rushed me out", "In and out in ten minutes"],
)
def test_praise_by_facts_is_praise(text):
    """ "On time" is praise enough, in either language."""
    assert passages_of(text, ("scheduling", "positive", text)) == [text]


def test_what_the_model_hardly_believes_is_no_ground_for_a_quote():
    """An opinion of low confidence makes no candidate."""
    rows = annotations(("x", KIND, [("staff", "positive", "is kind")])).opinions.to_dict("records")
    assert len(testimonials.passages(KIND, rows, RULES)) == 1
    assert testimonials.passages(KIND, [{**rows[0], "confidence": 0.3}], RULES) == []


def test_a_result_in_plain_words_is_a_quote_about_results():
    """ "Good result" is no service experience, though the model tagged the doctor alone."""
    text = "Good doctor, good result."
    [one] = testimonials.passages(
        text, annotations(("x", text, [("staff", "positive", "Good doctor")])).opinions.to_dict("records"), RULES
    )
    assert one.service is False


WORDS = st.lists(
    st.sampled_from(
        [
            "kind",
            "nurses",
            "great",
            "But",
            "however",
            "not",
            "until",
            ".",
            "!",
            "?",
            "…",
            "\n",
            ",",
            "Dr.",
            "👍",
            "wore off",
        ]
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(WORDS, st.integers(0, 200), st.integers(1, 40))
def test_what_is_offered_is_never_cut_or_changed(words, at, length):
    """Whatever the text, a passage is verbatim and clearance finds neither a cut nor a change in it."""
    text = " ".join(words)
    start = min(at, max(0, len(text) - 1))
    row = {
        "theme": "staff",
        "treatment": None,
        "sentiment": "positive",
        "confidence": 0.9,
        "start": start,
        "end": min(len(text), start + length),
    }
    review = {"text": text, "date": "2026-10-01", "overall": "positive", "language": "en"}
    for one in testimonials.passages(text, [row], RULES):
        found = clearance.flags(
            text[one.start : one.end], review, [], [], None, date(2026, 10, 31), None, one.start, one.end
        )
        assert {"TRUNCATION", "TEXT_EDITED"}.isdisjoint(flag.rule for flag in found)


# ── Candidates ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_candidates_of_the_month(made):
    """Verbatim passages of the month's reviews: no twin, no cut source, no other month, no star-only review."""
    found, table = made
    assert list(table.columns)[: len(tables.TESTIMONIALS.names)] == tables.TESTIMONIALS.names
    assert sorted(table["review_id"]) == ["r1", "r2", "r3", "r5"]
    texts = dict(zip(found.reviews["review_id"], found.reviews["text"], strict=True))
    for row in table.to_dict("records"):
        assert texts[row["review_id"]][row["start"] : row["end"]] == row["quote"]


def test_status_and_reasons(made):
    """Consent and no objection: cleared. No consent: needs review. A cure elsewhere in the review: blocked."""
    by = {row["review_id"]: row for row in made[1].to_dict("records")}
    assert (by["r1"]["status"], by["r1"]["reasons"]) == ("cleared", "")
    assert (by["r2"]["status"], by["r2"]["reasons"]) == ("needs review", "CONSENT_MISSING")
    assert by["r5"]["status"] == "blocked"
    assert by["r5"]["reasons"].split(";")[0] == "CURE"
    first = json.loads(by["r5"]["flags"])[0]
    assert (first["rule"], first["words"], first["where"]) == ("CURE", ["cured"], "review")


def test_without_a_ledger_nothing_is_cleared():
    """The pipeline without --consents clears no quote."""
    table = testimonials.candidates(annotations(*SET), month="2026-10")
    assert "cleared" not in set(table["status"])
    assert all("CONSENT_MISSING" in reasons for reasons in table["reasons"])


def test_service_comes_before_outcomes(made):
    """Within a status, quotes about people and rooms come before what names a treatment or an effect."""
    asked = made[1][made[1]["status"] == "needs review"]
    assert list(asked["service"]) == [True, False]
    assert asked.iloc[1]["treatment"] == "tms"


def test_each_says_how_many_agree_and_who_does_not(made):
    """The share over the reviews read of the month, twins apart, and the strongest contrary view with its question."""
    row = made[1][made[1]["review_id"] == "r1"].iloc[0]
    assert row["share"] == "3 of 6 reviews praise staff"
    assert row["contrary_id"] == "r4"
    assert row["contrary"] == "The desk was gruff with my mother twice."
    assert row["contrary_question"] == "What could we improve?"
    assert row["contrary_where"] == "Los Angeles, survey, October 2026"
    assert pd.isna(made[1][made[1]["theme"] == "parking"].iloc[0]["contrary_id"])


def test_the_share_counts_as_the_report_does():
    """Unread reviews are in neither number; the answers of one respondent are one review; praise beside blame is mixed."""
    kind = [("staff", "positive", "kind")]
    form = {"respondent": "R1", "source": "survey"}
    found = annotations(
        ("a1", "The nurses are kind to us all.", kind),
        ("a2", "All of the nurses are kind here.", kind, form),
        ("a3", "Again, the nurses are kind here.", kind, form),
        ("a4", "Kathe nurses kind, but unread text.", kind, {"overall": None}),
        ("a5", "The nurses are kind. The desk is cold.", [*kind, ("staff", "negative", "cold")]),
    )
    row = testimonials.candidates(found, month="2026-10").iloc[0]
    assert (row["praise"], row["of"], row["share"]) == (2, 3, "2 of 3 reviews praise staff")


@pytest.mark.parametrize(("text", "shown"), [("Too cold there", False), ("It was too cold there", True)])
def test_a_contrary_view_has_four_words(text, shown):
    """A fragment out of a survey tells nobody what the contrary is."""
    found = annotations(
        SET[0], ("r4", text, [("staff", "negative", "too cold" if shown else "Too cold")], {"overall": "negative"})
    )
    assert pd.notna(testimonials.candidates(found, month="2026-10").iloc[0]["contrary_id"]) is shown


def test_a_contrary_view_on_the_same_matter_comes_first():
    """A milder view that shares the quote's matter goes before the plainest of the theme, else that one is said to be of all of it."""
    parking = ("p1", "The validation machine is broken again.", [("parking", "negative", "broken again")])
    tow = ("p2", "My car was towed off while they had me in there.", [("parking", "negative", "towed")])
    found = annotations(
        ("q1", "They made validation easy and quick for me.", [("parking", "positive", "easy")]),
        ("q2", "The garage is ample, and open to all of us.", [("parking", "positive", "ample")]),
        *((*one, {"overall": "negative"}) for one in (parking, tow)),
    )
    found.opinions.loc[found.opinions["review_id"] == "p1", "score"] = -0.6
    by = testimonials.candidates(found).set_index("review_id")
    assert (by.loc["q1", "contrary_id"], by.loc["q1", "contrary_near"]) == ("p1", True)
    assert (by.loc["q2", "contrary_id"], by.loc["q2", "contrary_near"]) == ("p2", False)


def test_nobody_contradicts_themselves():
    """What the same person says on the form is their review (clearance reads it), and no other patient's view."""
    form = {"respondent": "R1", "question": "What could we improve?"}
    found = annotations(
        ("a1", KIND, [("staff", "positive", "is kind")], {"respondent": "R1"}),
        ("a2", "The doctor was rude to me once.", [("staff", "negative", "rude")], form | {"overall": "negative"}),
    )
    [row] = testimonials.candidates(found).to_dict("records")
    assert row["contrary_id"] is None or pd.isna(row["contrary_id"])
    assert list(row["form"]) == ["a1", "a2"]
    assert "REST_CONTRADICTS" in row["reasons"]


def test_a_crisis_is_nobodys_contrary_view():
    """The strongest contrary view is never taken from a review in which somebody is at risk."""
    found = annotations(SET[0], ("r4", SET[3][1], SET[3][2], {"escalate": ["crisis"], "overall": "negative"}))
    assert pd.isna(testimonials.candidates(found, month="2026-10").iloc[0]["contrary_id"])


def test_the_list_is_spread():
    """With one quote in hand of a place and theme, the next comes from another."""
    rows = [
        (f"a{n}", f"The nurses on floor {n} are kind to us all.", [("staff", "positive", "kind")]) for n in range(6)
    ]
    rows.append(("z1", EASY, [("parking", "positive", "easy")], {"location": "Las Vegas"}))
    table = testimonials.candidates(annotations(*rows), month="2026-10", limit=2)
    assert sorted(table["theme"]) == ["parking", "staff"]


def test_some_room_is_kept_for_outcomes_and_refusals():
    """A short list still shows an outcome quote and what was blocked."""
    rows = [
        (f"a{n}", f"The nurses on floor {n} are kind to us all.", [("staff", "positive", "kind")]) for n in range(30)
    ]
    rows += [
        (f"b{n}", f"TMS gave me back my {n} mornings, truly.", [("efficacy", "positive", "gave me back")])
        for n in range(30)
    ]
    rows += [
        (f"c{n}", f"The desk on floor {n} is kind. I am cured.", [("staff", "positive", "kind")]) for n in range(30)
    ]
    table = testimonials.candidates(annotations(*rows), month="2026-10", limit=20)
    assert len(table) == 20
    assert (table["status"] == "blocked").sum() == 5
    assert 0 < (~table["service"]).sum() < 10


def test_the_same_input_gives_the_same_table_in_any_order():
    """Neither the order of rows nor the run changes anything."""
    found = annotations(*SET)
    turned = tables.Annotations(*(table.iloc[::-1].reset_index(drop=True) for table in found))
    pd.testing.assert_frame_equal(testimonials.candidates(found), testimonials.candidates(turned))


def test_nothing_to_offer_is_an_empty_table():
    """No review, or no praise: the columns and no rows."""
    for rows in ((), (SET[3],)):
        table = testimonials.candidates(annotations(*rows), month="2026-10")
        assert len(table) == 0
        assert list(table.columns) == testimonials.CANDIDATES.names


def test_what_could_be_used_today_comes_first():
    """Of the quotes that need review, those with an authorization on file come before those without."""
    rows = [
        (f"a{n}", f"The nurses on floor {n} are kind to us all.", [("staff", "positive", "kind")], {"source": "google"})
        for n in range(5)
    ]
    table = testimonials.candidates(annotations(*rows), consents=ledger({"review_id": "a4"}))
    assert set(table["status"]) == {"needs review"}
    assert table["review_id"].iloc[0] == "a4"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"revoked_at": "2026-10-09"}, False),
        ({"expires_at": "2026-10-09"}, False),
        ({"channels": ""}, False),
    ],
)
def test_a_signed_review_has_its_card_however_low_it_ranks(changes, shown):
    """Whose authorization is in force is on the board, before those one would have to write to; a lapsed one takes no place."""
    rows = [
        (f"a{n}", f"The nurses on floor {n} are kind to us all.", [("staff", "positive", "kind")]) for n in range(9)
    ]
    rows.append(("z9", "And it was good there, thanks.", [("staff", "positive", "good")]))
    found = annotations(*rows)
    table = testimonials.candidates(found, limit=3, consents=ledger({"review_id": "z9", **changes}))
    assert len(table) == 3
    assert (table["review_id"].iloc[0] == "z9") is shown


def test_a_signed_review_without_a_quote_is_told():
    """With its reason: no praise read, no whole sentence that stands alone, cut by the source, stars alone; others are not listed."""
    found = annotations(
        SET[0], SET[3], SET[6], SET[7], ("s1", "Kind nurses.", [("staff", "positive", "Kind")]), *SET[8:]
    )
    ids = ("r1", "r4", "r7", "r8", "s1", "r9", "gone")
    consents = ledger(*({"review_id": one} for one in ids), {"review_id": "r4", "signed_at": "2026-10-06"})
    table = testimonials.unquoted(found, consents, month="2026-10")
    words = {"r4": "praise was read", "r7": "cuts", "r8": "stars", "s1": "whole sentences"}
    assert list(table["review_id"]) == sorted(words)
    assert all(words[row["review_id"]] in row["why"] for row in table.to_dict("records"))
    assert len(testimonials.unquoted(found, None)) == 0


def test_what_says_nothing_of_its_own_comes_last():
    """Thanks, marks and a bare "good" rank below service and outcomes that tell something."""
    found = annotations(
        ("a1", "Thanks to you all, good people.", [("staff", "positive", "good")]),
        ("a2", "nine out of ten, great place", [("facility", "positive", "great")], {"location": "Las Vegas"}),
        ("b1", "TMS gave me my mornings back, truly.", [("efficacy", "positive", "gave me my mornings back")]),
        ("c1", KIND, [("staff", "positive", "is kind")]),
    )
    assert [one[0] for one in testimonials.candidates(found)["review_id"]] == ["c", "b", "a", "a"]


def test_praise_of_what_has_got_worse_since_needs_review():
    """The Summary's shift of the theme at that place reaches the quote older than it, in the shift's own words."""
    shift = {
        "theme": "parking", "location": "Las Vegas", "state": "concern", "since": "2026-11", "between": ["2026-11", "2026-12"],
        "title": "Parking in Las Vegas has been worse, most likely since November 2026", "figures": "9 of 12 complain",
    }  # fmt: skip
    by = testimonials.candidates(annotations(*SET), shifts=[shift]).set_index("review_id")
    assert "CHANGED_SINCE" in by.loc["r2", "reasons"]
    assert "CHANGED_SINCE" not in by.loc["r1", "reasons"]
    [flag] = [flag for flag in json.loads(by.loc["r2", "flags"]) if flag["rule"] == "CHANGED_SINCE"]
    assert shift["title"] in flag["reason"]
    assert flag["words"] == ["easy and quick"]


def test_a_strict_clinic_blocks_what_nobody_authorized():
    """ "Needs review" without a consent becomes "blocked" under the setting strict."""
    table = testimonials.candidates(annotations(*SET[:2]), setting=RULES.setting._replace(strict=True))
    assert set(table["status"]) == {"blocked"}


def test_the_names_of_our_own_people_are_flagged():
    """The roster handed in makes STAFF_NAMED know names that no list holds."""
    found = annotations(("r1", "So kind, that tarquinia at the desk.", [("staff", "positive", "So kind")]))
    for staff, named in (((), False), (("Tarquinia Obrey",), True)):
        assert ("STAFF_NAMED" in testimonials.candidates(found, staff=staff).iloc[0]["reasons"]) is named


def test_without_a_month_nothing_after_the_day_is_offered():
    """All reviews up to the end of the period that the report covers, judged on that day; undated ones stay."""
    found = annotations(
        SET[0], SET[8], ("r0", "Undated, but the nurses are kind.", [("staff", "positive", "kind")], {"date": None})
    )
    expiring = ledger({"review_id": "r9", "expires_at": "2026-09-29"})
    table = testimonials.candidates(found, on=date(2026, 9, 30), consents=expiring)
    assert sorted(table["review_id"]) == ["r0", "r9"]
    assert "CONSENT_INVALID" in table.set_index("review_id").loc["r9", "reasons"]


def test_all_months_are_judged_on_the_last_day_of_the_latest():
    """Without a month the window is everything; a review 25 months older than the latest is stale."""
    old = ("r0", "The nurses are kind to us all here.", [("staff", "positive", "kind")], {"date": "2024-09-30"})
    table = testimonials.candidates(annotations(old, SET[1]))
    reasons = dict(zip(table["review_id"], table["reasons"], strict=True))
    assert "STALE" in reasons["r0"]
    assert "STALE" not in reasons["r2"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Patient review, Los Angeles, October 2026"),
        ({"location": None}, "Patient review, October 2026"),
        ({"date": None}, "Patient review, Los Angeles"),
        ({"date": "2026-01-01", "date_precision": "year"}, "Patient review, Los Angeles, 2026"),
        (
            {"text": "My husband did the course. The nurses are kind to us all."},
            "Review on a patient's behalf, Los Angeles, October 2026",
        ),
    ],
)
def test_the_attribution_says_what_is_known_and_no_name(changes, said):
    """Who, where, when; another's words are not called a patient's."""
    text = changes.pop("text", "The nurses are kind to us all.")
    table = testimonials.candidates(annotations(("r1", text, [("staff", "positive", "kind")], changes)))
    assert table.iloc[0]["attribution"] == said


def test_the_attribution_does_not_depend_on_the_locale(monkeypatch):
    """A machine set to Spanish writes the month in English all the same."""
    monkeypatch.setattr(
        calendar,
        "month_name",
        [f"mes {number}" for number in range(13)],
    )
    assert (
        testimonials.candidates(annotations(SET[0])).iloc[0]["attribution"]
        == "Patient review, Los Angeles, October 2026"
    )


def test_who_revoked_under_a_twin_is_listed_under_every_id():
    """A review and its twin are one patient: both quotes come down, and neither is cleared."""
    found = annotations(SET[0], (*SET[5][:3], {"duplicate_of": "r1"}))
    found.reviews["twins"] = pd.Series([["r6"], []], dtype=found.reviews["twins"].dtype)
    rows = ledger({"review_id": "r1"}, {"review_id": "r6", "signed_at": "2025-01-01", "revoked_at": "2026-10-09"})
    assert list(testimonials.withdrawn(found, rows, on=date(2026, 10, 31))["review_id"]) == ["r1", "r6"]
    assert list(testimonials.candidates(found, consents=rows)["status"]) == ["blocked"]


def test_withdrawn_lists_what_must_come_down():
    """Revoked, expired, edited, gone; an authorization that holds is not listed, nor is one that was renewed."""
    found = annotations(*SET)
    rows = ledger(
        {"review_id": "r1", "text_hash": clearance.text_hash(KIND)},
        {"review_id": "r2", "revoked_at": "2026-10-09"},
        {"review_id": "r3", "expires_at": "2026-10-01"},
        {"review_id": "r5", "text_hash": "0" * 64},
        {"review_id": "r6"},
        {"review_id": "gone"},
        {"review_id": "r9", "signed_at": "2026-01-01", "expires_at": "2026-02-01"},
        {"review_id": "r9"},
    )
    table = testimonials.withdrawn(found, rows, on=date(2026, 10, 31))
    assert dict(zip(table["review_id"], table["why"].str.split().str[-1], strict=True)) == {
        "gone": "reviews", "r2": "revoked", "r3": "expired", "r5": "authorization",
    }  # fmt: skip
    assert len(testimonials.withdrawn(found, None, on=date(2026, 10, 31))) == 0


# ── The files ────────────────────────────────────────────────────────────────────────────────────────────────────────

REDACTED = "The desk knew [NAME-1] and was kind to us."
MARKUP = (
    'The <b>nurses</b> are kind & "warm" <script>window.ran = true</script><img src=x onerror="window.ran = true">.'
)
FORMULA = "=SUM(1) said my screen, and the nurses are kind about it."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rows = [
        *SET,
        ("m1", MARKUP, [("staff", "positive", "are kind")], {"location": "Santa Monica", "treatments": ["spravato"]}),
        ("f1", FORMULA, [("staff", "positive", "are kind")], {"location": "Santa Monica", "source": "google"}),
        (
            "accounts/7/locations/8/reviews/AbC_9",
            REDACTED,
            [("staff", "positive", "kind to us")],
            {"location": "Las Vegas", "respondent": "F1", "question": "What did we do well?"},
        ),
        (
            "g1",
            "A clock in the hall would be nice.",
            [],
            {"location": "Las Vegas", "respondent": "F1", "question": "What could we improve?", "overall": "neutral"},
        ),
    ]
    found = annotations(*rows)
    signed = ("r1", "r3", "m1", "f1", "r4")
    consents = ledger(
        *({"review_id": review_id} for review_id in signed), {"review_id": "r9", "revoked_at": "2026-10-09"}
    )
    table = testimonials.candidates(found, month="2026-10", consents=consents)
    where = tmp_path_factory.mktemp("report")
    paths = board.write_board(
        table, found, where, withdrawn=testimonials.withdrawn(found, consents, on=date(2026, 10, 31)),
        unquoted=testimonials.unquoted(found, consents, month="2026-10"),
    )  # fmt: skip
    assert [path.name for path in paths] == ["testimonials.html", "testimonials.csv"]
    return where


def test_the_csv_holds_every_candidate_and_no_formula(folder):
    """The contract's columns first; text that a spreadsheet would run keeps an apostrophe; files are private."""
    content = (folder / "testimonials.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert list(rows[0])[:7] == ["review_id", "quote", "theme", "treatment", "sentiment", "status", "reasons"]
    assert {"location", "source", "date", "attribution", "typical_results"} <= set(rows[0])
    waiting = {row["quote"] for row in rows if row["awaits_authorization"] == "yes"}
    assert waiting == {EASY}
    assert {row["awaits_authorization"] for row in rows} == {"yes", "no"}
    assert {row["status"] for row in rows if row["quote"] in waiting} == {"needs review"}
    assert len(rows) == 7
    assert "contrary" not in rows[0]  # another patient's words
    assert "gruff" not in content
    assert "accounts/7/locations/8/reviews/AbC_9" in content  # the contract asks for the id, here and nowhere else
    assert next(row for row in rows if row["review_id"] == "f1")["quote"] == "'" + FORMULA
    assert not [cell for row in rows for cell in row.values() if re.match(r"[=+\-@\t\r]", cell)]
    assert {path.name: oct(os.stat(path).st_mode & 0o777) for path in folder.iterdir()} == {
        "testimonials.html": "0o600", "testimonials.csv": "0o600",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM", "\t=1", "\r=1", " =1", "\n=1"])
def test_cells_that_would_run_are_made_safe(text):
    """Each opening that a spreadsheet takes for a formula."""
    assert board.safe(text) == "'" + text
    assert board.safe("kind = " + text) == "kind = " + text


def test_the_same_input_gives_the_same_bytes(folder, tmp_path):
    """Written twice, nothing differs."""
    found = annotations(*SET)
    table = testimonials.candidates(found)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        board.write_board(table, found, tmp_path / name)
    for name in ("testimonials.html", "testimonials.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@given(st.text("abc <&", max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_the_pieces_of_a_highlight_are_the_text(text, spans):
    """However the evidence overlaps, the pieces put together are the text."""
    rows = [
        {
            "start": min(pair),
            "end": max(pair),
            "theme": "staff",
            "treatment": None,
            "sentiment": "positive",
            "confidence": 0.5,
        }
        for pair in spans
    ]
    assert "".join(piece["text"] for piece in board.pieces(text, rows, 0, len(text), quote=(0, len(text) // 2))) == text


# ── In the browser ───────────────────────────────────────────────────────────────────────────────────────────────────

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: install Debian's browser with `apt-get install chromium`")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser, folder):
    asked, faults = [], []
    with browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto((folder / "testimonials.html").as_uri())
        yield tab
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert faults == []


def shown(page):
    return page.locator("article.card:visible").count()


def card(page, word):
    return page.locator("article.card", has=page.locator("blockquote", has_text=word))


def release(page, typical="About half of patients respond; see the study on our site."):
    """What a person fills in before a quote leaves."""
    page.get_by_role("button", name="Before a quote leaves").click()
    page.fill("#typical", typical)
    page.fill("#by", "K. Ostrander")
    page.fill("#on", "2026-11-02")


def test_the_board_opens_and_counts(page):
    """The heading counts the three statuses of the CSV, which add up; what must come down stands first."""
    heading = "7 candidate quotes: 2 cleared, 3 need review (1 of them awaits the patient's authorization), 2 blocked"
    assert page.locator("h1").inner_text() == heading
    assert shown(page) == 7
    listed = page.locator(".withdrawn li").inner_text()
    assert (
        listed
        == "Los Angeles, survey, September 2026: the authorization has been revoked (2026-10-09), in the ledger r9"
    )


def test_no_id_of_a_source_is_seen_on_a_card(page):
    """Everything opened, no card shows a review's id or resource name; a redaction reads [name]."""
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    texts = page.locator("article.card").all_inner_texts()
    assert not [text for text in texts if re.search(r"accounts/|AbC_9|\b[rmf]\d\b", text)]
    assert "The desk knew [name] and was kind to us" in card(page, "The desk knew").inner_text()
    assert "NAME-1" not in page.locator("#cards").inner_text()


def test_markup_of_a_patient_shows_as_text(page):
    """Tags and scripts in a review are letters, in the quote, the context and the export."""
    quote = card(page, "window.ran").locator("blockquote")
    quote.evaluate("node => node.querySelectorAll('.unseen').forEach(label => label.remove())")
    assert quote.inner_text() == MARKUP
    assert page.evaluate("window.ran") is None
    assert page.locator("article img").count() == 0


def test_filters_and_search_stay_in_the_address(page):
    """Each filter narrows the cards, says how many remain, and a copied link opens the same view."""
    page.select_option("#f-location", "Las Vegas")
    page.select_option("#f-theme", "parking")
    assert shown(page) == 1
    assert page.locator("#shown").inner_text() == "1"
    assert "location=Las+Vegas" in page.url
    page.reload()
    assert shown(page) == 1
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('shown').textContent === '7'")
    page.fill("#f-q", "MORNINGS truly")
    assert shown(page) == 1
    page.fill("#f-q", "nobody wrote this")
    assert page.locator("#none").is_visible()
    page.fill("#f-q", "")
    for name, value, count in (
        *(("status", "blocked", 2), ("status", "awaiting", 1), ("status", "signed", 2), ("status", "needs review", 3)),
        ("status", "cleared", 2),
        *(("treatment", "tms", 1), ("theme", "parking", 1), ("month", "2026-10", 7)),
    ):
        page.select_option(f"#f-{name}", value)
        assert shown(page) == count, name
        page.select_option(f"#f-{name}", "")


def copied(page, said):
    page.wait_for_function("text => document.getElementById('said').textContent.includes(text)", arg=said)
    return page.evaluate("navigator.clipboard.readText()")


def test_copying_gives_the_words(page):
    """The quote alone, or with its attribution."""
    cleared = card(page, "Everybody at the desk")
    cleared.get_by_role("button", name="Copy", exact=True).click()
    assert copied(page, "Copied.") == KIND
    cleared.get_by_role("button", name="Copy with attribution").click()
    page.wait_for_timeout(100)
    assert copied(page, "Copied.") == f"“{KIND}”\nPatient review, Los Angeles, October 2026"


def test_without_an_authorization_a_quote_serves_only_to_ask(page):
    """No picture, no attribution, no selection; the page's data hold the words and nothing else of it."""
    asked = card(page, "Parking behind")
    assert asked.locator(".status").inner_text() == "… needs review: awaits authorization"
    assert asked.locator("button, input").count() == 1
    asked.get_by_role("button", name="Copy", exact=True).click()
    assert copied(page, "For asking the patient only") == EASY
    rows = json.loads(page.locator("#quotes").text_content())["rows"]
    row = next(row for row in rows if row["quote"] == EASY)
    assert sorted(row) == ["authorized", "number", "quote"]


def test_what_needs_review_leaves_with_the_reviewers_name_and_day(page):
    """Attribution, picture and export are refused, and the field that lacks is shown; nothing of it stays in the address."""
    one = card(page, "SUM(1)")
    one.get_by_role("button", name="Copy with attribution").click()
    assert "who reviewed it" in page.locator("#said").inner_text()
    assert page.evaluate("document.activeElement.id") == "by"
    page.fill("#by", "K. Ostrander")
    one.get_by_role("button", name="Picture").click()
    one.locator("[data-kind=svg][data-width='1080']").click()
    assert "the day of the review" in page.locator("#said").inner_text()
    assert page.evaluate("document.activeElement.id") == "on"
    page.fill("#on", "2026-11-02")
    one.get_by_role("button", name="Copy with attribution").click()
    assert (
        copied(page, "needs review first: PLATFORM_TERMS") == f"“{FORMULA}”\nPatient review, Santa Monica, October 2026"
    )
    assert "Ostrander" not in page.url
    page.reload()
    assert page.input_value("#by") == ""


def test_a_quote_about_results_carries_the_typical_line(page, tmp_path):
    """Neither attribution nor picture before the line is written; then both hold it."""
    one = card(page, "mornings back")
    page.get_by_role("button", name="Before a quote leaves").click()
    page.fill("#by", "K. Ostrander")
    page.fill("#on", "2026-11-02")
    one.get_by_role("button", name="Copy with attribution").click()
    assert "typical-results line" in page.locator("#said").inner_text()
    assert page.evaluate("document.activeElement.id") == "typical"
    page.fill("#typical", "About half of patients respond.")
    one.get_by_role("button", name="Copy with attribution").click()
    assert copied(page, "Copied.").splitlines()[1:] == [
        "Patient review, Los Angeles, October 2026",
        "About half of patients respond.",
    ]
    one.get_by_role("button", name="Picture").click()
    with page.expect_download() as download:
        one.locator("[data-kind=svg][data-width='1200']").click()
    download.value.save_as(tmp_path / "picture.svg")
    lines = re.findall(r"<text[^>]*>([^<]*)</text>", (tmp_path / "picture.svg").read_text("utf-8"))
    assert lines[-2:] == ["Patient review, Los Angeles, October 2026", "About half of patients respond."]


def test_a_blocked_quote_cannot_leave(page):
    """No button, no box, not in the page's data for export; its reasons stand open with words and source."""
    assert page.locator("article.blocked").locator("button, input").count() == 0
    assert "gentle and quick" not in page.locator("#quotes").inner_text()
    reasons = card(page, "gentle and quick").locator(".reasons").inner_text()
    assert "CURE" in reasons
    assert "NAC 630.190" in reasons


def test_the_context_is_one_click_away(page):
    """The whole review, with the quote in it, and the strongest contrary view."""
    first = card(page, "Everybody at the desk")
    assert not first.get_by_text("I come on Mondays.").is_visible()
    first.get_by_text("The whole review").click()
    assert first.get_by_text("I come on Mondays.").is_visible()
    assert first.locator(".context b").first.inner_text().startswith("Everybody")
    first.get_by_text("Strongest contrary view").click()
    assert "gruff" in first.locator(".contrary").inner_text()
    assert first.get_by_text("The survey asked: What could we improve?").is_visible()
    assert "no contrary view was found" in card(page, "Parking behind").inner_text()
    assert "gruff" not in page.locator("#quotes").text_content()


def test_the_whole_review_is_the_whole_form(page):
    """All that the same person answered stands in the card, each answer under its question, and can be searched."""
    context = card(page, "The desk knew").locator(".context")
    context.get_by_text("The whole review").click()
    said = context.inner_text()
    questions = ("What did we do well?", "The desk knew", "What could we improve?", "A clock in the hall")
    assert [said.index(piece) for piece in questions] == sorted(said.index(piece) for piece in questions)
    page.fill("#f-q", "clock in the hall")
    assert shown(page) == 1


def test_a_signed_review_without_a_quote_is_named_on_the_board(page):
    """One line: the ledger's id and why."""
    page.get_by_text("1 signed review has no passage to quote").click()
    assert (
        page.locator("#unquoted li")
        .inner_text()
        .startswith("r4 (Los Angeles, survey, October 2026): no praise was read")
    )


def test_the_selected_leave_with_their_reasons_and_the_typical_line(page, tmp_path):
    """No export without the typical-results line; then status, reasons and attribution go along, and no formula."""
    for word in ("Everybody", "SUM(1)"):
        card(page, word).get_by_label("Select").check()
    assert page.locator("#selected").inner_text() == "2"
    assert "pick=" in page.url
    page.get_by_role("button", name="Export selected").click()
    assert "typical-results line" in page.locator("#said").inner_text()
    assert page.evaluate("document.activeElement.id") == "typical"
    page.fill("#typical", "About half of patients respond; see the study on our site.")
    page.get_by_role("button", name="Export selected").click()
    assert "who reviewed it" in page.locator("#said").inner_text()
    page.fill("#by", "=K. Ostrander")
    page.fill("#on", "2026-11-02")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export selected").click()
    download.value.save_as(tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8-sig", newline="")))
    assert list(rows[0]) == [*board.COLUMNS, "reviewed_by", "reviewed_on"]
    assert {(row["reviewed_by"], row["reviewed_on"]) for row in rows} == {("'=K. Ostrander", "2026-11-02")}
    by = {row["review_id"]: row for row in rows}
    assert by["r1"]["status"] == "cleared"
    assert by["f1"]["quote"] == "'" + FORMULA
    assert by["f1"]["reasons"] == "PLATFORM_TERMS"
    assert all(row["typical_results"].startswith("About half") for row in rows)


@pytest.mark.parametrize(
    ("kind", "width", "height"), [("png", 1080, 1080), ("png", 1200, 630), ("svg", 1080, 1080), ("svg", 1200, 630)]
)
def test_a_picture_of_a_quote(page, tmp_path, kind, width, height):
    """In both formats and sizes: quote and attribution, nothing else; named by theme, place and number, never by a source's id."""
    release(page)
    one = card(page, "window.ran")
    number = one.get_attribute("data-number")
    one.get_by_role("button", name="Picture").click()
    with page.expect_download() as download:
        one.locator(f"[data-kind={kind}][data-width='{width}']").click()
    assert download.value.suggested_filename == f"staff-santa-monica-{number}-{width}x{height}.{kind}"
    path = tmp_path / "picture"
    download.value.save_as(path)
    if kind == "png":
        content = path.read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert (int.from_bytes(content[16:20]), int.from_bytes(content[20:24])) == (width, height)
    else:
        content = path.read_text("utf-8")
        assert f'width="{width}" height="{height}"' in content
        lines = re.findall(r"<text[^>]*>([^<]*)</text>", content)
        assert lines[-1] == "Patient review, Santa Monica, October 2026"
        assert "<script" not in content
        assert "&lt;script&gt;" in content


def test_the_board_works_by_keyboard(page):
    """The first stop skips to the quotes; a picture's menu opens with Enter and closes with Escape, focus kept."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    button = card(page, "Everybody").get_by_role("button", name="Picture")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-expanded") == "false"
    assert button.evaluate("node => node === document.activeElement")


@pytest.mark.parametrize("width", [1280, 390])
def test_no_word_is_cut_off(page, width):
    """On a laptop and on a phone no card hides a part of its text, and a line of a quote holds at most 70 characters."""
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    hidden = "card => [...card.querySelectorAll('*')].filter(one => one.className !== 'unseen' && one.scrollWidth > one.clientWidth + 1 "
    hidden += "&& getComputedStyle(one).overflow !== 'visible' && one.clientWidth).map(one => one.outerHTML)"
    assert [found for one in page.locator("article.card").all() for found in one.evaluate(hidden)] == []
    widest = "node => node.clientWidth / (() => { const pen = document.createElement('canvas').getContext('2d'); "
    widest += "pen.font = getComputedStyle(node).fontSize + ' ' + getComputedStyle(node).fontFamily; return pen.measureText('The nurses were kind to me').width / 26; })()"
    assert page.locator("blockquote").first.evaluate(widest) < 70


def test_the_first_quotes_stand_on_the_first_screen(page):
    """Heading, notices and controls take less than a third of a laptop's window."""
    assert page.locator("article.card").first.bounding_box()["y"] < 300


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(page, scheme):
    """With everything opened, in light and in dark."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    card(page, "Everybody").get_by_role("button", name="Picture").click()
    result = Axe().run(page)
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in result.response["violations"]] == []


def test_the_page_keeps_its_words_on_a_phone_and_with_nothing_to_show(browser, tmp_path):
    """No sideways scrolling at 360 pixels; an empty board says so."""
    empty = annotations()
    board.write_board(testimonials.candidates(empty), empty, tmp_path)
    with browser.new_context(viewport={"width": 360, "height": 740}) as context:
        tab = context.new_page()
        tab.goto((tmp_path / "testimonials.html").as_uri())
        assert tab.locator("h1").inner_text().startswith("0 candidate quotes")
        assert "nothing to publish" in tab.locator("main").inner_text()
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
