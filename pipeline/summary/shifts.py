"""What has changed: lasting shifts in what is said of a theme at a clinic, and what is seen since a change written down."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.months import day_after, day_name, day_of, month_name, year_after, year_before
from pipeline.statistics import ENOUGH_REVIEWS, FALSE_CLAIMS, FEW, differences, figure, find_changes, rounded
from pipeline.summary.monthly import Monthly
from pipeline.summary.tally import Tally, Window
from pipeline.wording import capital, in_words, plural

WINDOW = 24  # months searched for a shift
OVERLAP = (
    0.6  # of the earlier reviews must be on platforms that both periods have, else their mix cannot be held constant
)


def lasting_shifts(
    monthly: Monthly, tally: Tally, themes: list[str], places: list[str], names: Mapping
) -> tuple[list[dict], dict, list[dict]]:
    """The shifts found (the surest first), what was looked at in vain, and the counts behind: one row per theme × clinic."""
    months = monthly.months
    window = slice(max(len(months) - WINDOW, 0), len(months))
    looked = months[window]
    cells, grid = {}, []
    for theme in themes:
        for place in places:
            read = monthly.read_at.get(place, np.zeros(len(months), np.int64))
            bad, good = (monthly.said_at(theme, place, sentiment) for sentiment in ("negative", "positive"))
            cells[theme, place] = (read[window], bad[window], good[window])
            counts = {"n": read.tolist(), "negative": bad.tolist(), "positive": good.tolist()}
            where = {"from": months[0], "to": months[-1], "theme": theme, "location": place}
            grid.append({"theme": theme, "location": place, **counts, "filter": where})
    found, untold = find_changes(cells)
    out = [
        _told(theme, place, change, cells[theme, place], looked, names[theme])
        | {"same_platforms": _same_platforms(tally, theme, place, looked, change["split"])}
        for (theme, place), change in found.items()
    ]
    out.sort(key=lambda one: (one["state"] != "concern", one["p_corrected"], one["theme"], one["location"]))
    marked = {(one["theme"], one["location"]): one for one in out}
    for cell in grid:
        one = marked.get((cell["theme"], cell["location"]))
        cell |= {"state": one["state"] if one else None, "since": one["since"] if one else None}
        cell["cannot_tell"] = (cell["theme"], cell["location"]) in untold
    told = len(cells) - len(untold)
    pairs = f"{plural(len(themes), 'theme')} × {plural(len(places), 'clinic')}"
    if not told:
        sentence = "Cannot tell yet: too few reviews speak of any theme."
    elif out:
        rest = plural(told - len(out), "pair")
        sentence = f"No lasting shift found in the other {rest} of theme and clinic (small ones may be missed)."
    else:
        sentence = (
            f"No lasting shift found in any of {plural(told, 'pair')} of theme and clinic (small ones may be missed)."
        )
    unchanged = {
        "pairs": len(cells),
        "tested": told,
        "cannot_tell": len(untold),
        "sentence": sentence,
        "note": f"Looked at {pairs} over {plural(len(looked), 'month')}; {len(untold)} cannot be told (fewer than five "
        "opinions, or too few reviews).",
    }
    return out, unchanged, grid


def _told(theme: str, place: str, change: Mapping, cell: tuple, looked: list[str], name: str) -> dict:
    """A shift with the figures of its two sides and its words."""
    read, bad, good = cell
    at = change["split"]
    sides = {}
    for side, part, first, last in (("before", slice(0, at), 0, at - 1), ("after", slice(at, None), at, -1)):
        where = {"from": looked[first], "to": looked[last], "location": place, "theme": theme}
        sides[side] = {
            "negative": figure(bad[part].sum(), read[part].sum(), where | {"sentiment": "negative"}),
            "positive": figure(good[part].sum(), read[part].sum(), where | {"sentiment": "positive"}),
        }

    def moved(sentiment):
        return sum(
            way * sides[side][sentiment]["k"] / sides[side][sentiment]["n"]
            for way, side in ((1, "after"), (-1, "before"))
        )

    worse = moved("negative") > moved("positive")
    said_by = "negative" if abs(moved("negative")) >= abs(moved("positive")) else "positive"
    verb = "complain" if said_by == "negative" else "praise it"
    since, (first, last) = month_name(looked[at]), (looked[month] for month in change["between"])
    began = f"It most likely began in {since}"
    return {
        "theme": theme,
        "location": place,
        "state": "concern" if worse else "improvement",
        "since": looked[at],
        "between": [first, last],
        "p_corrected": rounded(change["p_corrected"], 6),
        "said_by": said_by,
        **sides,
        "title": f"{capital(name)} in {place} has been {'worse' if worse else 'better'}, most likely since {since}",
        "figures": f"{in_words(sides['after'][said_by], 'reviews')} {verb}, before {in_words(sides['before'][said_by])}",
        "began": f"{began}."
        if first == last
        else f"{began}; it may have been any month from {month_name(first)} to {month_name(last)}.",
        "chance": "Chance alone would show as large a shift anywhere among all that was looked at in "
        f"{at_most(change['p_corrected'])} reports.",
    }


def at_most(p: float) -> str:
    """A chance as an upper bound that does not say more than the shuffles do: 0.0012 → "at most 1 in 500"."""
    return f"at most 1 in {max(of for of in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if p * of <= 1)}"


def _same_platforms(tally: Tally, theme: str, place: str, looked: list[str], at: int) -> dict | None:
    """The complaints of the two periods with the mix of platforms as it was before; None where that cannot be told.

    Direct standardisation over the sources of both periods: {before, after, sources}, `after` being the later shares in the
    earlier proportions. Cannot be told where a source has fewer than five reviews on a side, or they cover too little.
    """
    reviews, said = tally.reviews, tally.said
    read = reviews[reviews["read"] & (reviews["location"] == place)].assign(bad=0)
    complains = said[(said["location"] == place) & (said["theme"] == theme) & (said["sentiment"] == "negative")]
    rows = pd.concat([read, complains.assign(bad=complains["n"], n=0)])[["month", "source", "n", "bad"]]
    return standardised(rows[rows["month"].isin(looked[:at])], rows[rows["month"].isin(looked[at:])])


def standardised(before: pd.DataFrame, after: pd.DataFrame) -> dict | None:
    """Both periods' share of `bad` over the sources they share, in the proportions of the earlier: {before, after, sources}.

    Any number of rows per source: source, n (reviews), bad (those of them that are).
    None where that cannot be told: a shared source has fewer than five reviews in a period, or those shared hold less
    than OVERLAP of the earlier reviews. (Direct standardisation.)
    """
    first, second = (rows.groupby("source")[["n", "bad"]].sum() for rows in (before, after))
    first, second = (sums.assign(mean=sums["bad"] / sums["n"], size=sums["n"]) for sums in (first, second))
    shared = first.index.intersection(second.index).sort_values()
    first, second = first.loc[shared], second.loc[shared]
    if (
        not len(shared)
        or first["size"].sum() < OVERLAP * before["n"].sum()
        or min(first["size"].min(), second["size"].min()) < FEW
    ):
        return None
    weight = first["size"] / first["size"].sum()
    return {
        "before": rounded((weight * first["mean"]).sum()),
        "after": rounded((weight * second["mean"]).sum()),
        "sources": shared.tolist(),
    }


def windows(changes: pd.DataFrame | None, month: str) -> tuple[Window, ...]:
    """The days looked at for each change written down (`tables.CHANGES`) that is in force, the oldest first.

    Before: up to a year, and not beyond an earlier change of that theme there; since: up to a year, and not beyond a later
    one.
    """
    end, out = day_after(month), []
    rows = in_force(changes, month)
    for number, row in enumerate(rows, 1):
        place, theme, day = row["location"], row["theme"], row["day"]
        near = [
            one["day"]
            for one in rows
            if one["theme"] == theme and (one["location"] == place or None in (one["location"], place))
        ]
        first = max([year_before(day), *(other for other in near if other < day)])
        last = min([year_after(day), end, *(other for other in near if other > day)])
        out.append(Window(number, place, theme, first, day, last))
    return tuple(out)


def in_force(changes: pd.DataFrame | None, month: str) -> list[dict]:
    """The changes written down up to the end of the month, each with its `day`, the oldest first."""
    rows = [] if changes is None else [row | {"day": day_of(row["date"])} for row in tables.records(changes)]
    rows = [row for row in rows if row["day"] < day_after(month)]
    return sorted(rows, key=lambda row: (row["day"], row["location"] or "", row["what"]))


def followed(changes: pd.DataFrame | None, tally: Tally, month: str, names: Mapping) -> list[dict]:
    """One row per change written down that is in force, the oldest first: how many complain of its theme, before and since.

    Which days: see windows. before, since: {from, to (ISO days), reviews, complain, speak}; `complain` and `speak` are
    figures of the reviews read. complaints, mentions: what `differences` tells of since − before, null under ENOUGH_REVIEWS
    on a side; the correction is for all changes told of. state: improvement, concern, ordinary, or waiting (too early, or
    too few before). tally: see tally.frames.
    """
    out = []
    for row, (number, place, theme, first, day, last) in zip(
        in_force(changes, month), windows(changes, month), strict=True
    ):
        sides, behind = (rows[rows["number"] == number] for rows in (tally.sides, tally.behind))
        before, since = (sides[sides["since"] == side] for side in (False, True))
        ids = [behind[behind["since"] == side].sort_values(["date", "review_id"]) for side in (False, True)]
        out.append(
            {
                "number": number,
                "date": day.isoformat(),
                "location": place,
                "theme": theme,
                "name": names.get(theme, theme),
                "what": row["what"],
                "hoped": row["hoped"],
                "before": _side(before, ids[0], first, day),
                "since": _side(since, ids[1], day, last),
                "same_platforms": standardised(before, since),
            }
        )
    if not out:
        return []
    enough = [one for one in out if min(one["before"]["reviews"], one["since"]["reviews"]) >= ENOUGH_REVIEWS]
    for kind, key in (("complaints", "complain"), ("mentions", "speak")):
        told = differences(
            [[one[side][key][part] for side in ("before", "since") for part in ("k", "n")] for one in enough]
        )
        for one in out:
            one[kind] = None
        for one, difference in zip(enough, told, strict=True):
            one[kind] = difference
    return [one | _in_words(one) for one in out]


def waiting(changes: pd.DataFrame | None, month: str) -> dict | None:
    """The changes written down that come into force after the month: {n, sentence}; None where there are none."""
    rows = [] if changes is None else tables.records(changes)
    later = sorted((row["date"], row["what"]) for row in rows if day_of(row["date"]) >= day_after(month))
    if not later:
        return None
    first = day_name(day_of(later[0][0]), year=True)
    when = f"in force from {first}" if len(later) == 1 else f"the first in force from {first}"
    return {"n": len(later), "sentence": f"{plural(len(later), 'change')} written down for later, {when}"}


def _side(rows: pd.DataFrame, behind: pd.DataFrame, first: dt.date, end: dt.date) -> dict:
    """The reviews of one side of a change, from `first` to the day before `end`; behind: those that speak of its theme."""
    n = int(rows["n"].sum())

    def told(ids):
        return figure(len(ids), n, {"ids": ids} if ids else {})

    last = max(end - dt.timedelta(days=1), first)
    span = {"from": first.isoformat(), "to": last.isoformat(), "reviews": n}
    complain = behind.loc[behind["complains"].astype(bool), "review_id"].tolist()
    return span | {"complain": told(complain), "speak": told(behind["review_id"].tolist())}


def _in_words(one: Mapping) -> dict:
    """What is seen since a change: {state, word, sentence}. It says since when, never because of what."""
    before, since, told = one["before"], one["since"], one["complaints"]
    if told is None:
        if since["reviews"] < ENOUGH_REVIEWS:
            word = f"too early: {plural(since['reviews'], 'review')} since, {ENOUGH_REVIEWS} are needed"
        else:
            word = f"cannot tell: {plural(before['reviews'], 'review')} before, {ENOUGH_REVIEWS} are needed"
        counts = f"{before['complain']['k']} of {before['complain']['n']} complained before, {since['complain']['k']} of {since['complain']['n']} since"
        return {"state": "waiting", "word": word, "sentence": f"{capital(word)} ({counts})."}
    counts = f"{before['complain']['k']} of {before['complain']['n']} before, {since['complain']['k']} of {since['complain']['n']} since"
    low, high = (abs(round(told[end] * 100)) for end in ("low", "high"))
    if told["p_corrected"] > FALSE_CLAIMS:
        word = "no change that this many reviews could show"
        span = f"between {plural(low, 'point')} fewer and {high} more"
        return {"state": "ordinary", "word": word, "sentence": f"{capital(word)}: {counts}; {span}."}
    fewer = told["high"] <= 0
    near, far = sorted((low, high))
    word = "fewer complain" if fewer else "more complain"
    span = f"{near or 'less than 1'} to {plural(far, 'point')} {'fewer' if fewer else 'more'}"
    hopes = {
        ("better", True): ", as was hoped",
        ("worse", False): ", as was expected",
        ("better", False): ", where fewer were hoped for",
        ("worse", True): ", where more were expected",
    }
    hoped = hopes.get((one["hoped"], fewer), "")
    return {
        "state": "improvement" if fewer else "concern",
        "word": word,
        "sentence": f"{capital(word)}: {counts}; {span}{hoped}.",
    }
