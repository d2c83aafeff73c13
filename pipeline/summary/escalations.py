"""What to act on: every review with a reason, each reason in the patient's own words, open until somebody has closed it."""

from collections.abc import Mapping

import pandas as pd

from pipeline import tables
from pipeline.months import day_name, day_of, last_day, month_name
from pipeline.statistics import rounded
from pipeline.summary.counted import Counted
from pipeline.wording import REASON_NAMES, SOURCE_NAMES, capital, one_in, passage, plural

LONGEST = 240  # letters of a passage: whoever acts needs what stands around it
MOST_EARLIER = 1_000  # listed of earlier months; the report of its own month lists every one
THIS_MONTH, NO_DATE, EARLIER = "this month", "no date", "earlier"
OPEN, CLOSED = "open", "closed"


def to_act_on(
    counted: Counted,
    month: str,
    screened: int,
    model: Mapping,
    closed: pd.DataFrame | None = None,
    stands: Mapping[str, str] | None = None,
) -> dict:
    """One row per review with a reason, those of the month first, then those without a date, then earlier ones, MOST_EARLIER at
    most; not_listed counts the rest of these.

    closed: `tables.CLOSED`; its review_id may be that of any answer or copy of the review. stands: the
    id of every review → of the review it is a copy of, or its own. A row has a status, open or closed, closed_on and
    closed_by; open, closed and status (both in words) count the rows of each group; not_closed: one row per line of the
    ledger that closes nothing, with the reason.

    Within each group the open ones first, then by tier (the most urgent of the reasons), then those with the surest evidence, then the oldest. A row's
    reasons stand surest first: {reason, name, before, evidence, after, confidence, said_in (where a folded copy says it, or a person does)}.
    found and tiers count those of the month among the `screened`, which are the month's reviews that were read.
    """
    reviews, texts = counted.reviews, counted.answers
    answers = {row.answer: row for row in texts[texts["answer"].isin(counted.acts["answer"])].itertuples()}
    by_id = {row.review_id: row for row in reviews[reviews["review_id"].isin(counted.acts["review_id"])].itertuples()}
    reasons: dict[str, list] = {}
    for one in counted.acts.itertuples():
        reasons.setdefault(one.review_id, []).append(one)
    closings, not_closed = _closings(closed, counted, by_id, reasons, stands or {}, month)
    rows = [_row(by_id[review_id], told, month) | closings.get(review_id, STILL) for review_id, told in reasons.items()]
    groups = (THIS_MONTH, NO_DATE, EARLIER)
    rows.sort(
        key=lambda row: (
            groups.index(row["when"]),
            row["status"] == CLOSED,
            _urgency(row["tier"]),
            -round(rounded(row["reasons"][0].confidence) or 0, 1),
            row["date"] or "",
            row["review_id"],
        )
    )
    each = {group: [row for row in rows if row["when"] == group] for group in groups}
    listed = [*each[THIS_MONTH], *each[NO_DATE], *each[EARLIER][:MOST_EARLIER]]
    for row in listed:
        row["reasons"] = [_told(one, answers[one.answer]) for one in row["reasons"]]
    mine = each[THIS_MONTH]
    count = {
        status: {group: sum(row["status"] == status for row in each[group]) for group in groups}
        for status in (OPEN, CLOSED)
    }
    status = {
        group: ", ".join(f"{count[one][group]} {one}" for one in (OPEN, CLOSED) if count[one][group] or one == OPEN)
        for group in groups
    }
    told = f": {status[THIS_MONTH]}" if count[CLOSED][THIS_MONTH] else ""
    tiers = {reason: sum(row["tier"] == reason for row in mine) for reason in tables.REASONS}
    missed = _missed(model)
    name = month_name(month)
    found = plural(len(mine), "review to act on", "reviews to act on")
    return {
        "found": len(mine),
        "screened": screened,
        "missed": missed,
        "sentence": f"{len(mine)} found in {plural(screened, 'review')} screened{told}; {missed}",
        "title": f"{capital(found)} found in {name.split()[0]}, of {screened} screened{told}",
        **count,
        "status": status,
        "not_closed": not_closed,
        "undated": len(each[NO_DATE]),
        "earlier": len(each[EARLIER]),
        "not_listed": len(rows) - len(listed),
        "tiers": tiers,
        # the crisis tier is never cut
        "on_page_one": max(
            sum(row["status"] == OPEN and row["tier"] == "crisis" for row in mine), min(count[OPEN][THIS_MONTH], 3)
        ),
        "rows": listed,
    }


def _told(one, said) -> dict:
    """A reason to act (of Counted.acts) in the words of the answer that gives it."""
    return {
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


STILL = {"status": OPEN, "closed_on": None, "closed_by": None}


def _closings(
    closed, counted: Counted, by_id: Mapping, reasons: Mapping, stands: Mapping, month: str
) -> tuple[dict, list[dict]]:
    """What was closed, by review: {status, closed_on, closed_by}, of several lines the last; and the lines that close nothing.

    That a review holds nothing to act on is told until the month of the closing has been reported: a slip is noticed then,
    and a review that the program no longer raises, or a person has corrected, is no news in every month.
    """
    unit_of = dict(zip(counted.answers["answer"], counted.answers["review_id"], strict=True))
    found, vain = {}, []
    for line in [] if closed is None else tables.records(closed):
        typed = line["review_id"]
        review_id = unit_of.get(typed) or unit_of.get(stands.get(typed))
        if typed not in stands:
            why = f"there is no review {typed}; copy the id from the sheet Escalations of report.xlsx"
        elif review_id is None:
            continue  # of a later month
        elif review_id not in reasons:
            if line["date"][:7] < month:
                continue
            why = f"review {typed} holds nothing to act on; was another one meant?"
        elif line["date"] < (by_id[review_id].date or ""):
            why = f"closed on {line['date']}, before the review was written ({by_id[review_id].date}); correct the date"
        else:
            before = found.get(review_id, {"closed_on": ""})
            if line["date"] >= before["closed_on"]:
                found[review_id] = {"status": CLOSED, "closed_on": line["date"], "closed_by": line["who"]}
            continue
        vain.append({"row": int(line["row"]), "why": why})
    return found, vain


def _row(review, reasons: list, month: str) -> dict:
    """A row to be: its `reasons` are still rows of Counted.acts, surest first."""
    day = day_of(review.date) if review.month else None
    end = last_day(month)
    when = NO_DATE if review.month is None else THIS_MONTH if review.month == month else EARLIER
    age = None
    if day:
        days = (end - day).days
        year = day.year != end.year
        age = f"{day_name(day, year=year)}, {plural(days, 'day')} on {day_name(end)}"
    reasons = sorted(reasons, key=lambda one: (-(rounded(one.confidence) or 0), _urgency(one.reason)))
    tier = min((one.reason for one in reasons), key=_urgency)
    return {
        "review_id": review.review_id,
        "tier": tier,
        "why": ", ".join(REASON_NAMES.get(one, one) for one in sorted({one.reason for one in reasons}, key=_urgency)),
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
