"""Months and words as the reports say them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import months, statistics, wording


def test_months_are_counted_across_the_year():
    """Every month between two, both included; a month so many before; none where the last comes first."""
    assert months.months_between("2025-11", "2026-02") == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert months.months_between("2026-02", "2026-01") == []
    assert (months.month_before("2026-01"), months.month_before("2026-10", 35)) == ("2025-12", "2023-11")


@given(st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)))
def test_the_last_day_ends_the_month(day):
    """The day after a month is the first of the next, whatever the month, and every day of it comes before."""
    month = day.isoformat()[:7]
    after = months.day_after(month)
    assert after.day == 1
    assert day < after == months.last_day(month) + dt.timedelta(days=1)


def test_months_and_days_are_english_in_every_locale():
    """Names come from no locale."""
    assert (months.month_name("2026-10"), months.short_month("2026-03")) == ("October 2026", "Mar")
    assert months.day_name(dt.date(2026, 10, 4)) == "4 Oct"
    assert months.day_name(dt.date(2025, 12, 4), year=True) == "4 Dec 2025"


@pytest.mark.parametrize(
    ("date", "precision", "month"),
    [("2026-10-04", "day", "2026-10"), ("2026-10-04", "year", None), (None, None, None), ("soon", None, None), ("2026-13-01", None, None)],
)  # fmt: skip
def test_a_month_is_known_or_none(date, precision, month):
    """Only a date that says its month has one."""
    assert months.month_of(date, precision) == month


def test_a_year_before_a_leap_day():
    """29 February has the 28th a year before."""
    assert months.year_before(dt.date(2028, 2, 29)) == dt.date(2027, 2, 28)


def test_a_passage_is_its_sentence_and_says_when_it_is_cut():
    """The words around an evidence are its own sentence; a cut reads […]; a placeholder reads as its kind."""
    text = "Parking is far. But [NAME-1] was kind to me, always. I left."
    start = text.index("was kind")
    got = wording.passage(text, start, start + 8)
    told = (got["before"], got["evidence"], got["after"], got["cut"])
    assert told == ("But [name] ", "was kind", " to me, always.", False)
    long = "word " * 60 + "kind" + " word" * 60
    got = wording.passage(long, 300, 304, 100)
    assert got["cut"]
    assert got["before"].startswith("[…] ")
    assert got["after"].endswith(" […]")


@pytest.mark.parametrize("abbreviation", ["Dr.", "Mrs.", "St.", "a.m."])
def test_an_abbreviation_ends_no_sentence(abbreviation):
    """A passage keeps the name after "Dr." and what stands before it."""
    text = f"It rained. At last {abbreviation} Okafor listened to me. I left."
    start = text.index("Okafor")
    got = wording.passage(text, start, start + len("Okafor listened"))
    assert got["before"] == f"At last {abbreviation} "
    assert got["after"] == " to me."


@given(st.text(max_size=400), st.integers(0, 400), st.integers(0, 400))
def test_a_passage_holds_its_evidence_whatever_the_text(text, start, end):
    """Any text and any offsets give a passage without an error; where they fit, it holds the evidence."""
    got = wording.passage(text, start, end)
    if 0 <= start < end <= len(text) and end - start <= 150:
        assert got["evidence"] == wording.shown(text[start:end])


def test_figures_in_words():
    """Counts first, then the interval; the count alone where there are too few; whole numbers under a thousand."""
    assert wording.in_words(statistics.figure(12, 31), "reviews") == "12 of 31 reviews (24–56 %)"
    assert wording.in_words(statistics.figure(2, 4)) == "2 of 4"
    assert (wording.percent(0.125, 40), wording.percent(0.1257, 4000), wording.percent(None, 3)) == (
        "13 %",
        "12.6 %",
        "–",
    )
    assert (wording.plural(1, "review"), wording.plural(2, "review")) == ("1 review", "2 reviews")
    assert (wording.one_in(0.05), wording.one_in(0), wording.one_in(0.75)) == ("1 in 20", "none", "75 in 100")
