"""make false-alarms: how often the report claims something where nothing changed, and how often it finds what did.

Invented reports of three clinics over fourteen months in which every month is drawn alike. What is printed stands in
`statistics.FALSE_ALARMS` and in the report's Method; a test draws the charts again.
"""

import numpy as np

from pipeline import statistics
from pipeline.summary.monthly import PAGE_ONE_CHARTS

MONTHS, CLINICS, THEMES, A_MONTH = 14, 3, 8, 5  # A_MONTH: reviews a clinic gets in a month, on average
CHART_REPORTS, SHIFT_REPORTS, PLANTED = 400, 200, 200
SENTIMENTS = (0.2, 0.62)  # chances of a negative and of a positive review
STARS = (0.10, 0.06, 0.06, 0.14, 0.64)  # of one star to five


def chart_alarms(reports: int = CHART_REPORTS, seed: int = 1) -> dict:
    """In how many of 100 charts, and of 100 reports, the last month shows a signal: {chart_in_100, report_in_100}.

    As the report tells it: a run or a trend only where it differs beyond chance, corrected for the charts beside it.

    The charts of a report: the number of reviews, the shares positive and negative, the mean stars, each clinic's share
    negative. (The chart of what to act on is rare and has no limits.)
    """
    draw = np.random.default_rng(seed)
    charts = alarmed = reported = 0
    for _ in range(reports):
        n = draw.poisson(A_MONTH, (CLINICS, MONTHS))
        bad = draw.binomial(n, SENTIMENTS[0])
        good = draw.binomial(n - bad, SENTIMENTS[1] / (1 - SENTIMENTS[0]))
        every = n.sum(axis=0)
        stars = np.array(
            [draw.choice(5, size, p=STARS).mean() + 1 if size >= statistics.FEW else np.nan for size in every]
        )
        drawn = [
            statistics.xmr(np.where(every > 0, every, np.nan), 0, charts=PAGE_ONE_CHARTS),
            statistics.p_chart(good.sum(axis=0), every, PAGE_ONE_CHARTS),
            statistics.p_chart(bad.sum(axis=0), every, PAGE_ONE_CHARTS),
            statistics.xmr(stars, 1, 5, PAGE_ONE_CHARTS),
            *(statistics.p_chart(bad[at], n[at], CLINICS) for at in range(CLINICS)),
        ]
        signalled = [
            any(one["stands"] and one["points"][-1] == MONTHS - 1 for one in chart["signals"]) for chart in drawn
        ]
        charts, alarmed, reported = charts + len(signalled), alarmed + sum(signalled), reported + any(signalled)
    return {"chart_in_100": round(100 * alarmed / charts), "report_in_100": round(100 * reported / reports)}


def no_change(draw: np.random.Generator) -> dict:
    """The cells of a report without a change: (theme, clinic) → (n, negative, positive) per month."""
    cells = {}
    for clinic in range(CLINICS):
        n = draw.poisson(A_MONTH, MONTHS)
        for theme in range(THEMES):
            bad = draw.binomial(n, draw.uniform(0.02, 0.2))
            cells[theme, clinic] = (n, bad, draw.binomial(n - bad, draw.uniform(0.02, 0.4)))
    return cells


def false_shifts(reports: int = SHIFT_REPORTS, seed: int = 2) -> int:
    """How many of so many reports without a change claim a lasting shift of any theme at any clinic."""
    draw = np.random.default_rng(seed)
    return sum(bool(statistics.find_changes(no_change(draw), draws=1999)[0]) for _ in range(reports))


def planted_shifts(after: float, reports: int, seed: int = 3) -> tuple[int, int]:
    """One theme's complaints rise from 4 of 100 reviews to `after` in the tenth month: (reports that find it, those whose
    range of months holds the tenth)."""
    draw = np.random.default_rng(seed)
    found = held = 0
    for _ in range(reports):
        cells = no_change(draw)
        n = draw.poisson(A_MONTH, MONTHS)
        chance = np.where(np.arange(MONTHS) < 9, 0.04, after)
        bad = draw.binomial(n, chance)
        cells["planted"] = (n, bad, draw.binomial(n - bad, 0.03))
        change = statistics.find_changes(cells, draws=1999)[0].get("planted")
        if change:
            found += 1
            held += change["between"][0] <= 9 <= change["between"][1]
    return found, held


def main():
    alarms = chart_alarms()
    print(f"No change, {CHART_REPORTS} reports: {alarms['chart_in_100']} of 100 charts signal in their last month,")
    print(f"  {alarms['report_in_100']} of 100 reports have at least one such chart.")
    print(f"No change, {SHIFT_REPORTS} reports: {false_shifts()} claim a lasting shift.")
    for after in statistics.FALSE_ALARMS["found"]:
        found, held = planted_shifts(after / 100, PLANTED)
        print(
            f"Complaints from 4 to {after} of 100: {found} of {PLANTED} reports find it; the range holds the month in {held}."
        )


if __name__ == "__main__":
    main()
