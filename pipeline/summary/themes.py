"""What reviewers speak of: each theme this month with words for and against, themes by treatment, treatments' verdicts."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.months import month_before
from pipeline.statistics import corrected, figure
from pipeline.summary.counted import Counted, verdict_of_each
from pipeline.summary.tally import AND, Tally
from pipeline.wording import NOT_STATED, passage

SURE = 0.7  # how sure the reading of a passage on page one is at least (a choice)
LEANING = re.compile(  # a passage that begins so speaks of what stood before it
    r"\W*(it|its|they|them|their|he|she|him|his|her|that's|those|these|and|but|or|though|which|because"
    r"|ell[oa]s?|es[oae]s?|y|pero|aunque|porque)\b",
    re.IGNORECASE,
)
COUNTS = {  # what the two tables of treatments count, for people
    "clinic": "Counted are reviews, by the treatment their writers had: how many of those speak of a theme at the clinic, "
    "whatever they say it of. A review of two treatments is in both columns.",
    "verdict": "Counted are verdicts on a treatment itself: what those who had it say it did for them. Who had two, praises "
    "one and blames the other is counted once for each, and as mixed where reviews are counted, so that the two need not "
    "agree.",
}
FITTING = range(30, 86)  # letters of a passage on page one: neither a scrap nor a speech


def spoken_of(
    tally: Tally,
    counted: Counted,
    months: list[str],
    themes: list[str],
    changed: list,
    model: Mapping,
    names: Mapping,
) -> list[dict]:
    """One row per theme: the month's mentions and sentiments, the twelve months before, words for and against, its shifts.

    counted: the reviews whose words may stand here. Those themes with a shift first, then those most spoken of.
    """
    month, before = months[-1], months[-13:-1]
    read = tally.reviews[tally.reviews["read"]]
    n = int(read.loc[read["month"] == month, "n"].sum())
    n_before = int(read.loc[read["month"].isin(before), "n"].sum())
    words = counted.said[counted.said["review_id"].isin(counted.reviews.loc[counted.reviews["read"], "review_id"])]
    words = verdict_of_each(words[words["treatment"] == ""])
    out: list[dict] = []
    used: set[str] = set()  # no review speaks twice on page one
    for theme in themes:
        rows, spoken = tally.said[tally.said["theme"] == theme], words[words["theme"] == theme]
        earlier = rows[rows["month"].isin(before)].groupby("sentiment")["n"].sum()
        mine = rows[rows["month"] == month].groupby("sentiment")["n"].sum()
        where = {"month": month, "theme": theme}
        year = {"from": before[0], "to": before[-1], "theme": theme} if before else {}
        told = figure(mine.sum(), n, where)
        shifts = [one for one in changed if one["theme"] == theme]
        bad = figure(earlier.get("negative", 0), earlier.sum(), year | {"sentiment": "negative"})
        out.append(
            {
                "theme": theme,
                "name": names[theme],
                "mentions": told,
                "usual": figure(earlier.sum(), n_before, year),
                "corrected": corrected(told, model["themes"].get(theme)),
                **{one: figure(mine.get(one, 0), mine.sum(), where | {"sentiment": one}) for one in tables.SENTIMENTS},
                "negative_usual": bad,
                "signal": [
                    {"state": one["state"], "since": one["since"], "location": one["location"]} for one in shifts
                ],
                "for": _verbatim(spoken, counted, "positive", month, shifts, used),
                "against": _verbatim(spoken, counted, "negative", month, shifts, used),
            }
        )
    return sorted(
        out,
        key=lambda one: (
            not one["signal"],
            -one["mentions"]["k"],
            -one["usual"]["k"],
            themes.index(one["theme"]),
        ),
    )


def _verbatim(rows, counted: Counted, sentiment: str, month: str, shifts: list, used: set) -> dict | None:
    """The passage that says it best, or None: no words are better than words that were misread.

    Never one of a review that is to be acted on (it stands above already), nor one that its writer's stars contradict. One
    read surely, of the month if it has one, else the latest of the twelve months before; where none is sure, one of the month
    whose stars say the same. Among those: from where the theme has shifted, of a review not yet quoted, with stars that say
    the same, that stands alone, uncut, surest first.
    """
    rows = rows[(rows["sentiment"] == sentiment) & rows["month"].notna() & (rows["start"] >= 0)]
    rows = rows[rows["end"] > rows["start"]]  # a person who corrects does not say where it stands
    if not len(rows):
        return None
    reviews, texts = counted.reviews, counted.answers
    reviews = reviews.loc[reviews["review_id"].isin(rows["review_id"]), ["review_id", "escalate", "rating"]]
    rows = rows.merge(reviews, on="review_id")
    praised, blamed = rows["rating"] >= 4, rows["rating"] <= 2  # no stars: neither
    agrees, contradicts = (praised, blamed) if sentiment == "positive" else (blamed, praised)
    rows = rows.assign(unlike=~agrees)[~contradicts & ~rows["escalate"].map(bool).astype(bool)]
    sure, of_month = rows["confidence"].fillna(0.0) >= SURE, rows["month"] == month
    latest = rows.loc[sure & (rows["month"] >= month_before(month, 12)), "month"].max()
    rows = (
        rows[sure & (rows["month"] == latest)] if sure.any() and latest == latest else rows[of_month & ~rows["unlike"]]
    )
    if not len(rows):
        return None
    texts = texts.loc[texts["answer"].isin(rows["answer"]) & ~texts["twin"], ["answer", "text", "language"]]
    rows = rows.merge(texts, on="answer")
    moved = {one["location"] for one in shifts if (one["state"] == "concern") == (sentiment == "negative")}
    rows["misplaced"] = ~rows["location"].isin(moved)
    rows["again"] = rows["review_id"].isin(used)
    rows["doubt"] = [-round(known, 1) for known in rows["confidence"].fillna(0.0)]
    best = None
    for row in rows.sort_values(["misplaced", "again", "unlike", "doubt", "answer"], kind="stable").itertuples():
        known = (row.misplaced, row.again, row.unlike)
        if best and best[0] <= (*known, False, False, False, row.doubt, -max(FITTING), row.answer):
            break  # no passage from here on can rank before it, whatever stands around it
        where = passage(row.text, row.start, row.end, 130)
        words = where["before"] + where["evidence"] + where["after"]
        leans = LEANING.match(words) is not None
        rank = (*known, leans, where["cut"], len(words) not in FITTING, row.doubt, -len(words), row.answer)
        if best is None or rank < best[0]:
            best = (rank, row, where)
    _, row, where = best
    used.add(row.review_id)
    return {
        "review_id": row.review_id,
        "month": row.month,
        "location": row.location,
        "sentiment": sentiment,
        "language": row.language,
        "filter": {"ids": [row.review_id]},
        **where,
    }


def by_treatment(
    reviews: pd.DataFrame, said: pd.DataFrame, months: list[str], themes: list[str], treatments: list[str]
) -> dict:
    """Themes by treatment received, the last twelve months: one row per theme × treatment. reviews, said: of the tally.

    A review is among each treatment it says was received, else under "not stated".
    """
    period = months[-12:]
    span = {"from": period[0], "to": period[-1]}
    read = reviews[reviews["read"] & reviews["month"].isin(period)]
    totals = _by_each(read, ["treatments"])
    sizes = _by_each(said[said["month"].isin(period)], ["theme", "treatments", "sentiment"])
    out = []
    for theme in themes:
        for treatment in treatments:
            found = {one: int(sizes.get((theme, treatment, one), 0)) for one in tables.SENTIMENTS}
            mentions = sum(found.values())
            where = span | {"theme": theme, "treatment": treatment}
            out.append(
                {
                    "theme": theme,
                    "treatment": treatment,
                    "mentions": figure(mentions, totals.get(treatment, 0), where),
                    **{one: figure(k, mentions, where | {"sentiment": one}) for one, k in found.items()},
                }
            )
    sizes = {
        name: {"n": int(totals.get(name, 0)), "filter": span | {"treatment": name, "words": "yes"}}
        for name in treatments
    }
    return span | {"rows": out, "reviews": sizes, "counts": COUNTS}


def _by_each(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """How many reviews of a tally, by some of its columns; one with several treatments is among each."""
    each = rows.assign(treatments=rows["treatments"].str.split(AND)).explode("treatments")
    return each.groupby(keys)["n"].sum()


def verdicts(said: pd.DataFrame, months: list[str], treatments: list[str]) -> list[dict]:
    """What is said of each treatment by name, wherever it was had: one row per treatment × outcome, the last twelve months.

    said: the tally's verdicts.
    """
    period = months[-12:]
    # a verdict is told of a treatment received, by the annotation guide; one on another would not be found again
    pairs = zip(said["treatment"], said["treatments"], strict=True)
    had = np.array([one in all_of_it.split(AND) for one, all_of_it in pairs], dtype=bool)
    rows = said[had & said["month"].isin(period).to_numpy(bool)]
    sizes = rows.groupby(["treatment", "theme", "sentiment"])["n"].sum()
    out = []
    for theme in sorted({*rows["theme"], "efficacy", "side_effects"}, key=lambda one: (one != "efficacy", one)):
        for treatment in (name for name in treatments if name != NOT_STATED):
            found = {one: int(sizes.get((treatment, theme, one), 0)) for one in tables.SENTIMENTS}
            n = sum(found.values())
            where = {"from": period[0], "to": period[-1], "treatment": treatment, "theme": theme, "about": "verdict"}
            told = {one: figure(k, n, where | {"sentiment": one}) for one, k in found.items()}
            out.append({"treatment": treatment, "theme": theme, "n": n, "filter": where, **told})
    return out
