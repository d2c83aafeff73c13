"""The history as counts: whatever is cut into parts adds up to the same, and what crosses parts is counted once."""

import datetime as dt
import tracemalloc
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented import annotated, counted, fourteen_months, refused, review

from pipeline import summary, tables
from pipeline.summary import tally

WINDOWS = (
    tally.Window(1, "Dry Wells", "parking", dt.date(2025, 10, 1), dt.date(2026, 6, 1), dt.date(2026, 11, 1)),
    tally.Window(2, None, "cost", dt.date(2025, 9, 1), dt.date(2026, 2, 1), dt.date(2026, 9, 1)),
)
SCOPE = summary.Scope("2026-10", WINDOWS)


def a_history() -> list[dict]:
    """Two hundred reviews or so; every fifth an answer of a form whose other answer comes a hundred rows later, every
    eleventh a twin, some without a date, without words, in a language nobody reads, or with flags."""
    rows = fourteen_months(many=4)
    for at, one in enumerate(rows):
        one["row"] = at
        if at % 5 == 0:
            one |= {"respondent": f"form {at % 100}", "source": "survey"}
        elif at % 11 == 0 and at > 11:
            one |= {"duplicate_of": rows[at - 1]["review_id"]}
        elif at % 13 == 0:
            one |= {"date": None, "date_precision": None}
        elif at % 17 == 0:
            one |= {"text": "", "overall": None, "score": None, "said": (), "flags": ["truncated", "burst"]}
        elif at % 19 == 0:
            one |= {"language": "pl", "overall": None, "score": None, "said": ()}
    return rows


ROWS = a_history()
WHOLE = tally.tally_of(annotated(ROWS), SCOPE)


def same(one: tally.Tally, other: tally.Tally) -> bool:
    return all(a.equals(b) for a, b in zip(one, other, strict=True))


@settings(max_examples=25)
@given(st.lists(st.integers(0, len(ROWS)), max_size=6), st.randoms(use_true_random=False))
def test_any_cut_adds_up_to_the_whole(cuts, order):
    """Parts of any size, summed in any order and grouping, give the tally of the whole, forms and twins across parts too."""
    ends = sorted({0, *cuts, len(ROWS)})
    parts = [annotated(ROWS[a:b]) for a, b in pairwise(ends)]
    order.shuffle(parts)
    some = order.randrange(len(parts) + 1)
    tallies = [tally.tally_of(part, SCOPE) for part in parts]
    found = tally.total([tally.total(tallies[:some]), *tallies[some:]])
    assert same(found, WHOLE)
    assert same(tally.whole(found, SCOPE)[0], tally.whole(WHOLE, SCOPE)[0])


def test_the_answers_of_a_form_are_one_review_wherever_they_stand():
    """Two answers in two parts: one review, a theme praised and blamed is mixed, once; each alone would be a review."""
    first = review(
        "a1",
        text="Parking was fine.",
        said=[("parking", "positive", "Parking was fine.")],
        respondent="f",
        source="survey",
    )
    second = review("a2", text="Parking was bad.", said=[("parking", "negative", "Parking was bad.")], respondent="f", source="survey", row=2)  # fmt: skip
    parts = [tally.tally_of(annotated([one]), SCOPE) for one in (first, second)]
    found, forms = tally.whole(tally.total(parts), SCOPE)
    assert found.reviews["n"].to_pylist() == [1]
    assert found.said.select(["theme", "sentiment", "n"]).to_pylist() == [
        {"theme": "parking", "sentiment": "mixed", "n": 1}
    ]
    assert forms["review_id"].tolist() == ["a1", "a1"]


def test_a_twin_is_in_no_count_but_that_of_its_file():
    """A folded copy adds to the rows of its file, and to nothing else."""
    one = review("a", said=[("staff", "positive", "The staff were kind.")])
    copy = one | {"review_id": "b", "duplicate_of": "a", "file": "other.csv"}
    alone, both = (tally.tally_of(annotated(rows), SCOPE) for rows in ([one], [one, copy]))
    assert [a.equals(b) for a, b in zip(alone, both, strict=True)] == [name != "files" for name in tally.Tally._fields]
    assert sorted(both.files.to_pylist(), key=lambda row: row["file"])[1] == {"file": "other.csv", "twin": True, "late": False, "n": 1}  # fmt: skip


def test_the_summary_of_few_rows_and_all_counts_is_that_of_all_rows():
    """The rows of the month alone, with the tally of the whole history, give every figure that all rows give."""
    annotations = annotated(ROWS)
    counts = counted(annotations)
    of_all = summary.summarise(annotations, refused(), counts, "2026-10")
    found, _ = tally.whole(WHOLE, SCOPE)
    recent = [
        row
        for row in ROWS
        if (row["date"] or "") >= "2025-10" or row["review_id"] in {other.get("duplicate_of") for other in ROWS}
    ]
    forms = {row["respondent"] for row in recent if row.get("respondent")}
    shown = annotated([row for row in ROWS if row in recent or row.get("respondent") in forms])
    of_few = summary.summarise(shown, refused(), counts, "2026-10", found=found)
    assert {name for name in of_all if of_all[name] != of_few[name]} == set()


@pytest.mark.parametrize("parts", [4])
def test_counting_more_parts_takes_no_more_memory(parts):
    """Four times the reviews, in parts as a run reads them: what is held while they are counted grows by a tenth at most."""
    rows = [row | {"respondent": None} for row in fourteen_months(many=20)]
    part = annotated(rows)

    def most(times: int) -> int:
        tracemalloc.start()
        tally.total(
            tally.tally_of(tables.Annotations(*map(pd.DataFrame.copy, part)), SCOPE) for _ in range(times * parts)
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    most(1)  # what is loaded once
    assert most(parts) < 1.1 * most(1)
