"""How far the figures carry: where every row went, stars against words, platforms, the limits and the method in words."""

from collections.abc import Mapping

import pandas as pd

from pipeline import tables
from pipeline.statistics import ENOUGH_POINTS, ENOUGH_REVIEWS, FALSE_ALARMS, FALSE_CLAIMS, FEW, RULES, SMALL, figure
from pipeline.summary.monthly import PAGE_ONE_CHARTS
from pipeline.summary.shifts import standardised
from pipeline.summary.tally import Tally
from pipeline.wording import NOT_STATED, SOURCE_NAMES, UNREAD, one_in, percent, plural


def accounted(tally: Tally, rejected: pd.DataFrame, counts: Mapping) -> dict:
    """Where every row went. rejected_rows: one per refused row; files: one per file; flags: one per mark of the reader."""
    reviews, rows = tally.reviews, tally.files
    names = ("file", "row", "reason")
    refused = pd.DataFrame({name: pd.Series(tables.values(rejected[name]), dtype=object) for name in names})
    each = {
        "accepted": rows[~rows["twin"]].groupby("file")["n"].sum(),
        "duplicates": rows[rows["twin"]].groupby("file")["n"].sum(),
        "rejected": refused["file"].value_counts(),
    }
    files = sorted({str(name) for column in each.values() for name in column.index if name})
    flags = dict(zip(tally.flags["flag"], tally.flags["n"], strict=True))
    unread = reviews[reviews["words"] & ~reviews["read"]]
    languages = unread.groupby("language")["n"].sum()
    answers = int(rows.loc[~rows["twin"] & ~rows["late"], "n"].sum())
    n = int(reviews["n"].sum())

    def part(mask, where, of=n):
        return figure(many(reviews, mask), of, where)

    return {
        "sentence": f"{counts['read']} rows read = {counts['accepted']} accepted + {counts['duplicates']} duplicates "
        f"+ {counts['rejected']} rejected.",
        "rejected": figure(counts["rejected"], counts["read"]),
        "reviews": n,
        "answers": answers,
        "after_cut_off": counts["accepted"] - answers,
        "with_words": part(reviews["words"], {"words": "any"}),
        "stars_only": part(~reviews["words"], {"sentiment": "stars only"}),
        "not_read": part(reviews["words"] & ~reviews["read"], {"sentiment": UNREAD}, many(reviews, reviews["words"]))
        | {
            "languages": dict(
                sorted(((name, int(k)) for name, k in languages.items()), key=lambda one: (-one[1], one[0]))
            )
        },
        "no_month": part(reviews["month"].isna(), {"dated": "no"}),
        "inexact_date": part(reviews["rough"], {"dated": "roughly"}),
        "no_location": part(reviews["location"] == NOT_STATED, {"location": NOT_STATED}),
        "flags": {flag: figure(k, n, {"flag": flag}) for flag, k in sorted(flags.items())},
        "files": [
            {"file": file, **{name: int(column.get(file, 0)) for name, column in each.items()}} for file in files
        ],
        "rejected_rows": [
            {"file": row["file"], "row": None if row["row"] is None else int(row["row"]), "reason": row["reason"]}
            for row in refused.to_dict("records")
        ],
    }


def many(rows: pd.DataFrame, mask) -> int:
    """How many reviews some rows of a tally stand for."""
    return int(rows.loc[mask, "n"].sum())


def disagreements(stars: pd.DataFrame, month: str) -> dict:
    """How many reviews' stars and words say opposite things: 4 or 5 stars with negative words, 1 or 2 with positive."""
    both = stars[stars["read"]]
    now = both[both["month"] == month]
    return {
        "month": figure(many(now, now["disagrees"]), now["n"].sum(), {"month": month, "stars": "disagree"}),
        "all": figure(many(both, both["disagrees"]), both["n"].sum(), {"stars": "disagree"}),
    }


def platforms(reviews: pd.DataFrame, months: list[str]) -> dict:
    """One row per source in the month, and the share negative with the mix of the twelve months before held constant.

    reviews: of the tally.
    """
    month, before = months[-1], months[-13:-1]
    span = {"from": before[0], "to": before[-1]} if before else {}
    now, earlier = reviews[reviews["month"] == month], reviews[reviews["month"].isin(before)]
    rows = []
    for source in sorted({*now["source"], *earlier["source"]}, key=lambda one: (-many(now, now["source"] == one), one)):
        here, read = now[now["source"] == source], now[(now["source"] == source) & now["read"]]
        where = {"month": month, "source": source}
        rows.append(
            {
                "source": source,
                "reviews": figure(here["n"].sum(), now["n"].sum(), where),
                "before": figure(
                    many(earlier, earlier["source"] == source), earlier["n"].sum(), span | {"source": source}
                ),
                "negative": figure(
                    many(read, read["overall"] == "negative"), read["n"].sum(), where | {"sentiment": "negative"}
                ),
            }
        )
    read = reviews[reviews["read"]].assign(bad=reviews["n"].where(reviews["overall"] == "negative", 0))
    held = standardised(read[read["month"].isin(before)], read[read["month"] == month])
    if held is None:
        sentence = (
            "Would the share of negative reviews differ if the platforms were in their usual proportions? "
            "Cannot tell: too few reviews on some platform."
        )
    else:
        names = ", ".join(SOURCE_NAMES.get(one, one) for one in held["sources"])
        sentence = (
            f"With the platforms in the proportions of the twelve months before, {percent(held['after'], 1)} of the "
            f"month's reviews would be negative; over those twelve months {percent(held['before'], 1)} were "
            f"(both counted on {names})."
        )
    return {"rows": rows, "same_mix": held, "sentence": sentence}


def measured(model: Mapping | None) -> dict:
    """What is known of the model, every key there: name, version, escalation_miss_rate, escalations_there, and of each
    theme precision, recall, n (how many test reviews speak of it) and found (how many it said do), null where unmeasured.
    """
    known = dict.fromkeys(("name", "version", "escalation_miss_rate", "escalation_false_rate", "escalations_there"))
    known |= {name: value for name, value in (model or {}).items() if name in known}
    themes = {}
    for theme, given in ((model or {}).get("themes") or {}).items():
        one = {name: given.get(name) for name in ("precision", "recall", "n", "found")}
        if one["found"] is None and one["precision"] and one["recall"] is not None and one["n"]:
            one["found"] = round(one["recall"] * one["n"] / one["precision"])  # both count those rightly found
        themes[theme] = one
    return known | {"themes": themes}


def limits(read: int, not_read: int, model: Mapping) -> list[str]:
    """What this month's data cannot tell, in sentences. read, not_read: how many of its texts."""
    out = [
        "Reviewers are not all patients: they choose to write, and a platform draws its own kind. "
        "No figure here is a satisfaction rate."
    ]
    if read < FEW:
        out.append(f"{plural(read, 'text')} this month: counts only, too few for any share.")
    elif read < SMALL:
        moves = percent(1 / read, read)
        out.append(f"{read} texts this month: a share moves by {moves} with one review. Look at the counts.")
    else:
        out.append(
            f"{read} texts this month; a cell of a theme, a clinic and a treatment holds far fewer. Look at the counts."
        )
    out.append(_errors(model["themes"].values()))
    if not_read:
        out.append(f"{plural(not_read, 'text')} in another language than English or Spanish not read.")
    out.append("The date of a review is not the date of a visit.")
    return out


def _errors(themes) -> str:
    """How often the program is wrong about a theme and how often it misses one, over all themes."""
    known = [one for one in themes if one["precision"] is not None and one["found"] is not None]
    there = [one for one in themes if one["recall"] is not None and one["n"]]
    found, held = sum(one["found"] for one in known), sum(one["n"] for one in there)
    if not found or not held:
        return "Read by a program whose errors were not measured for this report."
    wrong = 1 - sum(one["precision"] * one["found"] for one in known) / found
    missed = 1 - sum(one["recall"] * one["n"] for one in there) / held
    return (
        f"Read by a program: on test reviews {one_in(wrong)} of the {found} themes it found was wrong, "
        f"and it missed {one_in(missed)} of the {held} there."
    )


def method() -> list[str]:
    """How it was done, for whoever asks: a paragraph each."""
    alarms = FALSE_ALARMS
    return [
        "A review is what one person wrote at one time: copies on several platforms, and the answers of one survey form, "
        "count once.",
        f"Shares carry 95 % Wilson intervals. Under {FEW} reviews only the count is given; under {SMALL} the figure is "
        "marked as small.",
        "The control charts follow NHS Making Data Count: a p-chart with limits that step with the number of reviews for "
        "shares, an XmR chart for means. Four rules speak of a special cause: "
        + "; ".join(f"({rule}) {says}" for rule, says in RULES.items())
        + f". Limits rest on the first {ENOUGH_POINTS} months with reviews; with fewer months they are trial limits. Months "
        f"without reviews, and in an XmR chart months with fewer than {FEW}, are left out. What is expected fewer than "
        f"{FEW} times a month has no chart.",
        "A run or a trend (rules 2 and 3) counts as an improvement or a concern only where its months, taken together, differ "
        "beyond chance from the other months: seven months a hair above the mean are a run, and nothing to act on, and every "
        "rule beside the limits makes charts without a change signal more often (Champ and Woodall 1987, Technometrics "
        "29:393). The interval of that difference (Newcombe's for shares; Welch's, 1947, for means) has to leave out nought, "
        f"widened for the {PAGE_ONE_CHARTS} charts of page one, or for the charts of the clinics (Bonferroni). Else the word "
        "is no special-cause signal.",
        f"Usual is the mean of a chart, dashed there: of its first {ENOUGH_POINTS} months, on which its limits rest too.",
        "A signal on a chart is a reason to look, not a finding: in "
        f"{alarms['reports']} invented reports in which nothing changed, a chart showed one in its last month "
        f"{alarms['chart_in_100']} times of 100, and {alarms['report_in_100']} of 100 reports had at least one.",
        "What changed: for each theme and clinic a review counts −1 where it complains, +1 where it praises, else 0, and "
        "every month is tried as the start of a lasting shift. A shuffling test says how often chance alone would show as "
        "large a shift in any month, and Holm's correction keeps the chance that any shift of a theme at a clinic is "
        f"claimed falsely to {FALSE_CLAIMS * 100:.0f} in 100 reports; it does not cover the control charts. Of "
        f"{alarms['shift_reports']} invented reports without a change {alarms['false_shifts']} claimed one.",
        "The months before and after a shift are parted where they differ most: the difference between the two is the "
        "largest that the data allow, so the true one is likely smaller.",
        "One lasting shift within two years is looked for; a single bad month that passed, or a slow drift, may escape, and "
        f"a small shift often does: of {alarms['planted']} invented reports in which complaints of a theme rose from 4 "
        + "; ".join(f"to {to} of 100 reviews, {found} found it" for to, found in alarms["found"].items())
        + ".",
        "A complaint is a theme spoken of negatively; praise and blame of the same theme in one review is mixed and counts "
        "as neither. A review belongs to the treatments it says were received.",
        "Changes written down: the reviews of up to a year before and up to a year since, shorter where another change of the "
        f"same theme lies between; under {ENOUGH_REVIEWS} reviews on a side it is too early. The difference has Newcombe's "
        "interval, widened (Holm) so that with several changes looked at at once the chance of any false claim stays at "
        f"{FALSE_CLAIMS * 100:.0f} in 100. Changes are often made after bad months, and a bad month is often followed by a "
        "better one by itself.",
        "Associated is not caused: a shift since June says when the words changed, not why.",
    ]
