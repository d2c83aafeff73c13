"""Month by month: the series behind the charts, the charts with their words, the headline tiles, and each clinic's own."""

import math

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.months import month_name
from pipeline.statistics import ENOUGH_POINTS, FEW, figure, mark, p_chart, rounded, rule_in_words, xmr
from pipeline.summary.counted import STARS
from pipeline.summary.tally import Tally
from pipeline.wording import FINE, NOT_STATED, half_up, in_words, plural

FEWEST_POINTS = (
    6  # months below which a chart says nothing either way (a choice; the limits are trial limits up to twelve)
)
PAGE_ONE_CHARTS = 5  # the four tiles and the share negative: looked at together, so a run on one is corrected for all


class Monthly:
    """Counts per month of the reviews with a month: arrays with one entry a month, in the order of `months`.

    reviews, read, screened (read, or with a reason to act), rated, escalated; overall: per sentiment; read_at: per clinic;
    stars: the mean, NaN under five ratings. Made of a tally (`tally.frames`) and of the reviews with a reason to act.
    """

    def __init__(self, tally: Tally, acts: pd.DataFrame, months: list[str]):
        def count(rows):
            return rows.groupby("month")["n"].sum().reindex(months, fill_value=0).to_numpy(np.int64)

        reviews, stars, said = tally.reviews, tally.stars, tally.said
        read, acts = reviews[reviews["read"]], acts.assign(n=1)
        self.months = months
        self.reviews, self.read, self.rated = count(reviews), count(read), count(stars)
        self.escalated = count(acts)
        self.screened = self.read + count(acts[~acts["read"]])
        self.overall = {verdict: count(read[read["overall"] == verdict]) for verdict in tables.SENTIMENTS}
        sums = stars.assign(sum=stars["rating"] * stars["n"]).groupby("month")["sum"].sum()
        self.star_sum = sums.reindex(months, fill_value=0.0).to_numpy(float)
        self.stars = np.where(self.rated >= FEW, self.star_sum / np.maximum(self.rated, 1), np.nan)
        self.read_at = {place: count(rows) for place, rows in read.groupby("location")}
        pairs = said.groupby(["theme", "location", "sentiment", "month"])["n"].sum() if len(said) else pd.Series()
        self._said = {
            key: rows.droplevel([0, 1, 2]).reindex(months, fill_value=0).to_numpy(np.int64)
            for key, rows in (pairs.groupby(level=[0, 1, 2]) if len(pairs) else ())
        }

    def said_at(self, theme: str, place: str, sentiment: str) -> np.ndarray:
        """How many reviews a month speak so of a theme at a clinic."""
        return self._said.get((theme, place, sentiment), np.zeros(len(self.months), np.int64))

    def nothing(self, n, of: str) -> str | None:
        """Why a chart of `of` has no point this month, in words; None where it may have one."""
        if not self.reviews[-1]:
            return "no reviews this month"
        return f"none {of} this month" if not n[-1] else None


def control(chart: dict, months: list[str], *, bad_when_high: bool | None, n, k=None, where=None, gone=None) -> dict:
    """A control chart with its months, for people: the points, what was signalled, and how things stand now.

    points: one dict a month {month, k, n, value, low, high, signal, filter}; signals: {rule, says, since, until, state};
    now: {state, word, since}. A point, and the month, have the state of the lowest rule that names them; where one rule
    names two runs, of the later one. A run or trend that chance may have made (`stands` is false) is of state "ordinary",
    and no point or month has it. `gone`: why this month has no point.
    """
    there = [at for at, value in enumerate(chart["value"]) if value is not None]

    def state(one):
        if not one["stands"]:
            return "ordinary"
        return "unusual" if bad_when_high is None else "concern" if one["high"] == bad_when_high else "improvement"

    def says(one):
        first, last = one["points"][0], one["points"][-1]
        words = rule_in_words(one["rule"], len(one["points"]), sum(first <= at <= last for at in there))
        missing = last - first + 1 - sum(first <= at <= last for at in there)
        return words + (f", {plural(missing, 'month')} without a figure left out" if missing else "")

    found = [
        {
            "rule": one["rule"],
            "says": says(one),
            "since": months[one["points"][0]],
            "until": months[one["points"][-1]],
            "state": state(one),
        }
        for one in chart["signals"]
    ]
    points = []
    for at, month in enumerate(months):
        naming = [(one["rule"], state(one)) for one in chart["signals"] if at in one["points"] and one["stands"]]
        points.append(
            {
                "month": month,
                "n": int(n[at]),
                "k": int(k[at]) if k is not None else None,
                **{name: chart[name][at] for name in ("value", "low", "high")},
                "signal": min(naming)[1] if naming else None,
                "filter": {"month": month, **(where or {})},
            }
        )
    few = len(there) < FEWEST_POINTS
    now = {"state": "ordinary", "word": "too few months to tell" if few else "no special-cause signal", "since": None}
    current = [one for one in found if one["until"] == months[-1] and one["state"] != "ordinary"]
    if points[-1]["value"] is None:
        now["word"] = gone or f"too few this month: {points[-1]['n']}"
    elif current:
        lowest = min(one["rule"] for one in current)
        one = max((one for one in current if one["rule"] == lowest), key=lambda one: one["since"])
        word = f"{one['state']} since {month_name(one['since'])}: {one['says']}"
        now = {"state": one["state"], "word": word, "since": one["since"]}
    if chart["trial"]:
        now["word"] += f" (trial limits: {len(there)} of {ENOUGH_POINTS} months)"
    return {
        "mean": chart["mean"],
        "trial": chart["trial"],
        "approximate": chart["approximate"],
        "baseline": [months[at] for at in (chart["baseline"][:1] + chart["baseline"][-1:])],
        "points": points,
        "signals": found,
        "now": now,
    }


def negative_chart(monthly: Monthly) -> dict:
    """The control chart of the share of reviews that are negative, with its title, and `share`: the month's as a figure."""
    bad, read, month = monthly.overall["negative"], monthly.read, monthly.months[-1]
    chart = share_chart(monthly, "negative", bad_when_high=True)
    share = figure(bad[-1], read[-1], {"month": month, "sentiment": "negative"})
    told = f"{in_words(share, 'reviews')} are negative in {month_name(month)}"
    if not read[-1]:
        title = f"No review with words was read in {month_name(month)}"
    elif chart["now"]["state"] == "ordinary":
        title = (
            f"{told}: {'too few months to tell' if 'too few' in chart['now']['word'] else 'no special-cause signal'}"
        )
    else:
        worse = {"concern": "more than usual", "improvement": "fewer than usual"}.get(chart["now"]["state"], "unusual")
        title = f"{told}, {worse} since {month_name(chart['now']['since'])}"
    return chart | {"title": title, "share": share}


def share_chart(
    monthly: Monthly, sentiment: str, *, bad_when_high: bool, where: dict | None = None, charts: int = PAGE_ONE_CHARTS
) -> dict:
    """The control chart of the share of the reviews read that are of one sentiment; charts: how many are looked at together."""
    k, n = monthly.overall[sentiment], monthly.read
    return control(
        p_chart(k, n, charts),
        monthly.months,
        bad_when_high=bad_when_high,
        k=k,
        n=n,
        where={**(where or {}), "sentiment": sentiment},
        gone=monthly.nothing(n, "read"),
    )


def star_chart(monthly: Monthly, stars: pd.DataFrame) -> dict:
    """The control chart of the mean stars, and how many gave each number this month (stars: of the tally)."""
    month = monthly.months[-1]
    chart = control(
        xmr(monthly.stars, 1, 5, PAGE_ONE_CHARTS),
        monthly.months,
        bad_when_high=False,
        n=monthly.rated,
        where={"stars": "rated"},
        gone=monthly.nothing(monthly.rated, "rated")
        or f"{plural(int(monthly.rated[-1]), 'rating')} this month: too few for a mean",
    )
    rated = stars[stars["month"] == month]

    def box(stars):
        low, high = STARS[stars]
        k = rated.loc[(rated["rating"] >= low) & (rated["rating"] < high), "n"].sum()
        return figure(k, rated["n"].sum(), {"month": month, "stars": stars})

    # top box is five stars (CAHPS)
    several = {"five": box("5"), "four_or_five": box("4-5"), "one_or_two": box("1-2")}
    return chart | {"distribution": {"each": {star: box(star) for star in "54321"}, **several}}


def headlines(monthly: Monthly, stars: dict, found: int) -> list[dict]:
    """One row per tile: its value, what is usual, the series and the variation in a word.

    usual: the mean of the tile's own chart, dashed there and what the word rests on, rounded as it is shown; null where the
    month is the only one. (Of what is to act on, which has no chart of counts, the mean of the twelve months before.) stars: the star chart. found: how many reviews of the month there are to act on.
    """
    months, month = monthly.months, monthly.months[-1]
    before = slice(max(len(months) - 13, 0), len(months) - 1)
    read, positive, rated = monthly.read, monthly.overall["positive"], monthly.rated
    volume = control(
        xmr(np.where(monthly.reviews > 0, monthly.reviews, np.nan), 0, charts=PAGE_ONE_CHARTS),
        months,
        bad_when_high=None,
        n=monthly.reviews,
        gone=monthly.nothing(monthly.reviews, ""),
    )
    praise = share_chart(monthly, "positive", bad_when_high=False)
    return [
        {
            "key": "reviews",
            "name": "Reviews",
            "value": int(monthly.reviews[-1]),
            "n": int(monthly.reviews[-1]),
            "usual": _usual(volume, 0),
            "filter": {"month": month},
            "chart": volume,
        },
        {
            "key": "positive",
            "name": "Positive",
            **figure(positive[-1], read[-1], {"month": month, "sentiment": "positive"}),
            "usual": _usual(praise, 3 if read[-1] >= FINE else 2),
            "chart": praise,
        },
        {
            "key": "stars",
            "name": "Stars",
            "value": stars["points"][-1]["value"],
            "n": int(rated[-1]),
            "mark": mark(rated[-1]),
            "filter": {"month": month, "stars": "rated"},
            "usual": _usual(stars, 1),
            "chart": {name: part for name, part in stars.items() if name != "distribution"},
        },
        _acting_tile(monthly, before, found),
    ]


def _acting_tile(monthly: Monthly, before: slice, found: int) -> dict:
    """The tile of the reviews to act on. Rare things have no control chart: one more or less would be a signal."""
    k, n, month = monthly.escalated, monthly.screened, monthly.months[-1]
    chart = p_chart(k, n, PAGE_ONE_CHARTS)
    if chart["rare"]:
        chart |= {"signals": [], "low": [None] * len(n), "high": [None] * len(n), "trial": False}
    there = k[before][n[before] > 0].tolist()
    told = control(
        chart,
        monthly.months,
        bad_when_high=True,
        k=k,
        n=n,
        where={"escalation": "any"},
        gone=monthly.nothing(n, "read"),
    )
    if chart["rare"] and n[-1]:
        told["now"]["word"] = "too rare for a control chart"
    return {
        "key": "escalations",
        "name": "To act on",
        "value": found,
        "n": int(n[-1]),
        "usual": half_up(float(np.mean(there)), 1) if there else None,
        "range": [min(there), max(there)] if there else None,
        "filter": {"month": month, "escalation": "any"},
        "chart": told,
    }


def clinics(tally: Tally, acts: pd.DataFrame, months: list[str], places: list[str]) -> list[dict]:
    """One row per clinic: the month's figures and its own control chart of the share negative."""
    out = []
    for place in places:
        here = {
            name: rows[rows["location"] == place] for name, rows in (("reviews", tally.reviews), ("stars", tally.stars))
        }
        monthly = Monthly(tally._replace(**here, said=tally.said[:0]), acts[acts["location"] == place], months)
        bad, read = monthly.overall["negative"], monthly.read
        where, year = (
            {"location": place, "month": months[-1]},
            {"from": months[-13:-1][0], "to": months[-2]} if months[:-1] else {},
        )
        stars = monthly.stars[-1]
        out.append(
            {
                "location": place,
                "reviews": int(monthly.reviews[-1]),
                "filter": where,
                "escalations": figure(monthly.escalated[-1], monthly.screened[-1], where | {"escalation": "any"}),
                "negative": figure(bad[-1], read[-1], where | {"sentiment": "negative"}),
                "usual": figure(
                    bad[-13:-1].sum(), read[-13:-1].sum(), {"location": place, "sentiment": "negative"} | year
                ),
                "stars": None if math.isnan(stars) else rounded(stars),
                "rated": int(monthly.rated[-1]),
                "chart": share_chart(
                    monthly, "negative", bad_when_high=True, where={"location": place}, charts=len(places)
                ),
            }
        )
    return out


def places_of(reviews: pd.DataFrame) -> list[str]:
    """The clinics that the reviews of a tally name."""
    return sorted(set(reviews["location"]) - {NOT_STATED})


def _usual(chart: dict, digits: int) -> float | None:
    """The mean of a chart of several months, rounded as people see it."""
    several = sum(point["value"] is not None for point in chart["points"]) > 1
    return half_up(chart["mean"], digits) if several else None
