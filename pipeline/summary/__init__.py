"""Annotations of many reviews → one Summary: counts, intervals, control charts, and what has changed.

A Summary is plain dicts and lists that go to JSON as they are; the page, the workbook and `report.json` say what it says.

Every share is a *figure*: {k, n, share, low, high, mark, filter}. `k` of `n` reviews; `share` with its 95 % Wilson
interval; `mark` is "count" under 5 reviews (then share, low and high are null: the count is all that can be said), "small"
under 30, else "". `filter` selects the reviews behind `k`, by the rules of `counted.select`.

    counted       who counts as one review, what each says, which reviews a filter selects
    tally         all reviews as counts that add up
    shown         which of them a report shows
    monthly       the series, the control charts, the headline tiles, each clinic's own chart
    themes        what reviewers speak of, by theme and by treatment
    shifts        what has changed, and what is seen since a change written down
    escalations   what to act on, open or closed
    quality       where every row went, the limits, the method
    checked       how often the reading was right, where people read a review through
    cube          every count, for people who reckon on

Pure and without a clock: "now" is the day after the month's last.
"""

from collections.abc import Mapping

import pandas as pd

from pipeline import tables
from pipeline.months import day_after, is_month, month_before, month_name, months_between
from pipeline.statistics import figure
from pipeline.summary import quality
from pipeline.summary.checked import checked
from pipeline.summary.counted import STARS, Counted, newest, plain, select, verdict_of_each
from pipeline.summary.cube import cross_table
from pipeline.summary.escalations import to_act_on
from pipeline.summary.monthly import Monthly, clinics, headlines, negative_chart, places_of, star_chart
from pipeline.summary.quality import many
from pipeline.summary.shifts import followed, lasting_shifts, waiting, windows
from pipeline.summary.shown import KNOWN_BY, shown
from pipeline.summary.tally import AND, Scope, Tally, frames, tally_of, total, whole
from pipeline.summary.themes import by_treatment, spoken_of, verdicts
from pipeline.wording import NOT_STATED, REASON_NAMES, SOURCE_NAMES, TREATMENT_NAMES, UNREAD

__all__ = [
    "KNOWN_BY",
    "STARS",
    "Counted",
    "Scope",
    "Tally",
    "newest",
    "plain",
    "select",
    "shown",
    "summarise",
    "tally_of",
    "total",
    "verdict_of_each",
    "whole",
    "windows",
]

LONGEST = 36  # months shown; NHS Making Data Count asks for two to three years


def summarise(
    annotations: tables.Annotations,
    rejected: pd.DataFrame,
    counts: Mapping[str, int],
    month: str,
    *,
    model: Mapping | None = None,
    changes: pd.DataFrame | None = None,
    closed: pd.DataFrame | None = None,
    corrections: pd.DataFrame | None = None,
    names: Mapping[str, str] | None = None,
    counted: Counted | None = None,
    found: Tally | None = None,
) -> dict:
    """The Summary of a month.

    rejected: `tables.REJECTED`. counts: read, accepted, duplicates, rejected, of the whole run. month: "YYYY-MM". model:
    name, version, and as far as measured `themes` ({theme: {precision, recall, n}}) and `escalation_miss_rate`. changes:
    `tables.CHANGES`. closed: `tables.CLOSED`. corrections: the `tables.CORRECTIONS` in force. names: a theme's name for
    people, from the taxonomy. counted: what `plain` made of the annotations for the month, where that has been done.
    found: the counts of all reviews (see tally.whole), where the annotations are only those whose words are shown.

    Keys, each list with one dict per what is named: months; headlines (tile); escalations.rows (review with a reason to
    act); negative, stars (control charts: points per month); themes (theme, the month's); treatments.rows (theme ×
    treatment, the last twelve months); verdicts (treatment × what it did); clinics (clinic); grid (theme × clinic, monthly
    counts); changed (shift found); register (change written down), and
    register_later (those not yet in force, or null); platforms.rows (source); table (month × location ×
    source × treatment × theme, "all" for a margin); quality; limits (sentence); method (paragraph); model.

    ValueError where the month is not one, or where accepted + duplicates + rejected is not read.
    """
    if not is_month(month):
        raise ValueError(f"month {month!r} is not of the form 2026-10")
    counts = {name: int(counts[name]) for name in ("read", "accepted", "duplicates", "rejected")}
    parts = counts["accepted"] + counts["duplicates"] + counts["rejected"]
    if parts != counts["read"]:
        raise ValueError(
            f"rows are missing: read {counts['read']}, but accepted {counts['accepted']} + duplicates "
            f"{counts['duplicates']} + rejected {counts['rejected']} = {parts}"
        )
    known = quality.measured(model)
    counted = plain(annotations, month) if counted is None else counted
    if found is None:
        scope = Scope(month, windows(changes, month))
        found, _ = whole(tally_of(annotations, scope), scope)
    found = frames(found)
    reviews = found.reviews
    acts = counted.reviews[counted.reviews["escalate"].map(bool).astype(bool)]
    dated = sorted({value for value in reviews["month"] if value})
    months = months_between(max(dated[0] if dated else month, month_before(month, LONGEST - 1)), month)
    themes = [*tables.THEMES, *sorted({*found.said["theme"], *found.verdicts["theme"]} - {*tables.THEMES})]
    had = {name for each in set(reviews["treatments"]) for name in each.split(AND)}
    treatments = [*tables.TREATMENTS, *sorted(had - {*tables.TREATMENTS, NOT_STATED}), NOT_STATED]
    places, sources = places_of(reviews), sorted(set(reviews["source"]))
    named = {
        "themes": {theme: (names or {}).get(theme) or theme.replace("_", " ") for theme in themes},
        "treatments": {name: TREATMENT_NAMES.get(name, name) for name in treatments},
        "reasons": REASON_NAMES,
        "sources": {name: SOURCE_NAMES.get(name, name) for name in sources},
        "months": {value: month_name(value) for value in sorted({*months, *dated})},
    }
    now = reviews[reviews["month"] == month]
    monthly = Monthly(found, acts, months)
    stars = star_chart(monthly, found.stars)
    changed, unchanged, grid = lasting_shifts(monthly, found, themes, places, named["themes"])
    ids, copies = (tables.values(annotations.reviews[name]) for name in ("review_id", "duplicate_of"))
    stands = {one: copy_of or one for one, copy_of in zip(ids, copies, strict=True)}
    acting = to_act_on(counted, month, int(monthly.screened[-1]), known, closed, stands)
    not_read, with_words = many(now, now["words"] & ~now["read"]), many(now, now["words"])
    return {
        "month": month,
        "month_name": month_name(month),
        "cut_off": day_after(month).isoformat(),
        "months": months,
        "names": named,
        "lists": {
            "themes": themes,
            "treatments": treatments,
            "locations": places + ([NOT_STATED] if NOT_STATED in set(reviews["location"]) else []),
            "sources": sources,
            "languages": sorted(set(reviews["language"])),
            "months": dated,
        },
        "counts": counts,
        "received": {
            "reviews": int(now["n"].sum()),
            "with_words": with_words,
            "read": many(now, now["read"]),
            "not_read": figure(not_read, with_words, {"month": month, "sentiment": UNREAD}),
            "locations": len(set(now["location"]) - {NOT_STATED}),
        },
        "headlines": headlines(monthly, stars, acting["found"]),
        "escalations": acting,
        "negative": negative_chart(monthly),
        "stars": stars,
        "themes": spoken_of(found, counted, months, themes, changed, known, named["themes"]),
        "treatments": by_treatment(reviews, found.said, months, themes, treatments),
        "verdicts": verdicts(found.verdicts, months, treatments),
        "clinics": clinics(found, acts, months, places),
        "grid": grid,
        "changed": changed,
        "unchanged": unchanged,
        "register": followed(changes, found, month, named["themes"]),
        "register_later": waiting(changes, month),
        "disagreements": quality.disagreements(found.stars, month),
        "platforms": quality.platforms(reviews, months),
        "corrections": checked(corrections, themes, named["themes"]),
        "table": cross_table(found, months, themes),
        "quality": quality.accounted(found, rejected, counts),
        "limits": quality.limits(int(monthly.read[-1]), not_read, known),
        "method": quality.method(),
        "model": known,
    }
