"""What to act on: every review with a reason, each reason in the patient's own words."""

from collections.abc import Mapping

from pipeline import tables
from pipeline.months import day_name, day_of, last_day, month_name
from pipeline.statistics import rounded
from pipeline.summary.counted import Counted
from pipeline.wording import REASON_NAMES, SOURCE_NAMES, capital, one_in, passage, plural

LONGEST = 240  # letters of a passage: whoever acts needs what stands around it
THIS_MONTH, NO_DATE, EARLIER = "this month", "no date", "earlier"


def to_act_on(counted: Counted, month: str, screened: int, model: Mapping) -> dict:
    """One row per review with a reason, those of the month first, then those without a date, then earlier ones.

    Within each group by tier (the most urgent of the reasons), then those with the surest evidence, then the oldest. A row's
    reasons stand surest first: {reason, name, before, evidence, after, confidence, said_in (where a folded copy says it, or a person does)}.
    found and tiers count those of the month among the `screened`, which are the month's reviews that were read.
    """
    answers = {row.answer: row for row in counted.answers.itertuples()}
    by_id = {row.review_id: row for row in counted.reviews.itertuples()}
    reasons: dict[str, list] = {}
    for one in counted.acts.itertuples():
        said = answers[one.answer]
        reasons.setdefault(one.review_id, []).append(
            {
                "reason": one.reason,
                "name": REASON_NAMES.get(one.reason, one.reason),
                **passage(said.text, one.start, one.end, LONGEST),
                "language": said.language,
                "confidence": rounded(one.confidence),
                "said_in": f"in a copy of this review ({SOURCE_NAMES.get(said.source, said.source)})"
                if one.twin
                else "as a person found"
                if one.found_by == tables.BY_A_PERSON
                else "",
            }
        )
    rows = [_row(by_id[review_id], told, month) for review_id, told in reasons.items()]
    groups = (THIS_MONTH, NO_DATE, EARLIER)
    rows.sort(
        key=lambda row: (
            groups.index(row["when"]),
            _urgency(row["tier"]),
            -round(row["reasons"][0]["confidence"] or 0, 1),
            row["date"] or "",
            row["review_id"],
        )
    )
    each = {group: [row for row in rows if row["when"] == group] for group in groups}
    mine = each[THIS_MONTH]
    tiers = {reason: sum(row["tier"] == reason for row in mine) for reason in tables.REASONS}
    missed = _missed(model)
    name = month_name(month)
    found = plural(len(mine), "review to act on", "reviews to act on")
    return {
        "found": len(mine),
        "screened": screened,
        "missed": missed,
        "sentence": f"{len(mine)} found in {plural(screened, 'review')} screened; {missed}",
        "title": f"{capital(found)} found in {name.split()[0]}, of {screened} screened",
        "undated": len(each[NO_DATE]),
        "earlier": len(each[EARLIER]),
        "tiers": tiers,
        "on_page_one": max(tiers["crisis"], min(len(mine), 3)),  # the crisis tier is never cut
        "rows": rows,
    }


def _row(review, reasons: list[dict], month: str) -> dict:
    day = day_of(review.date) if review.month else None
    end = last_day(month)
    when = NO_DATE if review.month is None else THIS_MONTH if review.month == month else EARLIER
    age = None
    if day:
        days = (end - day).days
        year = day.year != end.year
        age = f"{day_name(day, year=year)}, {plural(days, 'day')} on {day_name(end)}"
    reasons = sorted(reasons, key=lambda one: (-(one["confidence"] or 0), _urgency(one["reason"])))
    tier = min((one["reason"] for one in reasons), key=_urgency)
    return {
        "review_id": review.review_id,
        "tier": tier,
        "why": ", ".join(
            REASON_NAMES.get(one, one) for one in sorted({one["reason"] for one in reasons}, key=_urgency)
        ),
        "when": when,
        "location": review.location,
        "source": review.source,
        "date": review.date if review.month else None,
        "age_days": (end - day).days if day else None,
        "age": age or "no date",
        "reasons": reasons,
        "filter": {"ids": [review.review_id]},
    }


def _urgency(reason: str) -> tuple:
    return (tables.REASONS.index(reason) if reason in tables.REASONS else len(tables.REASONS), reason)


def _missed(model: Mapping) -> str:
    """How often the screen misses one, as far as it was measured."""
    rate, there = model.get("escalation_miss_rate"), model.get("escalations_there")
    if rate is None:
        return "how often the screen misses one was not measured"
    of = f" of {there}" if there else ""
    if rate <= 0:
        missed = f"on test reviews the screen missed none{of}"
    else:
        missed = f"on test reviews the screen missed {f'{round(rate * there)}{of}' if there else one_in(rate)}"
    false = model.get("escalation_false_rate")
    return missed if not false else f"{missed}; {one_in(false)} it raised was none"
