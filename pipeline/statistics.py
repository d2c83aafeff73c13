"""Shares with their intervals, control charts and change points: numbers in, numbers out.

Nothing here knows of reviews, files or a clock; each formula names its source. `pipeline.summary` says what is counted,
`pipeline.wording` how a figure is said.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import numpy as np

FEW, SMALL = 5, 30  # under FEW a count only; under SMALL marked; the policy of the clinics' report, not a law of nature
Z = 1.959963984540054  # the 97.5th percentile of the normal distribution
ENOUGH_POINTS = 12  # control limits on fewer months are trial limits; with more they are locked on the first twelve
ENOUGH_REVIEWS = 20  # on either side of a change written down, before the report says what followed it (a choice)
FALSE_CLAIMS = 0.05  # the chance that a report claims any change of a theme where there is none
# What `make false-alarms` prints; the Method of the report says it.
FALSE_ALARMS = {
    "reports": 400,  # without a change, their control charts looked at
    "chart_in_100": 2,  # charts with a signal in the last month
    "report_in_100": 13,  # reports with such a chart
    "shift_reports": 200,  # without a change, searched for a lasting shift
    "false_shifts": 8,  # of them, those that claim one
    "planted": 200,  # reports in which complaints of one theme rise, from 4 of 100 reviews
    "found": {25: 26, 45: 128},  # to so many of 100 → reports that find it
}
DRAWS_FIRST, DRAWS = 999, 19_999  # shuffles for every cell; for the cells that look changed
RULES = {  # as the Method says them; `rule_in_words` says how many months one found has
    1: "a month outside the control limits",
    2: "seven months in a row on one side of the mean",
    3: "seven months in a row rising or falling",
    4: "two of three months close to one control limit",
}


# ── Shares and intervals ────────────────────────────────────────────────────────────────────────────────────────────


def wilson(k, n, z=Z):
    """The 95 % interval of a share (or that of another `z`), low and high; arrays or numbers. NaN where n is 0.

    (Wilson 1927, JASA 22:209.)
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = k / n
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        low = np.where(k == 0, 0.0, np.maximum(centre - half, 0.0))  # exactly 0 and 1 at the ends, not 1e-17
        high = np.where(k == n, 1.0, np.minimum(centre + half, 1.0))
    empty = n == 0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def newcombe(k1, n1, k2, n2, z=Z):
    """The 95 % interval (or that of another `z`) of share 2 − share 1, from the two Wilson intervals; arrays or numbers.

    (Newcombe 1998, Stat Med 17:873, method 10.)
    """
    k1, n1, k2, n2 = (np.asarray(counts, float) for counts in (k1, n1, k2, n2))
    (low1, high1), (low2, high2) = wilson(k1, n1, z), wilson(k2, n2, z)
    p1, p2 = k1 / n1, k2 / n2
    low = p2 - p1 - np.sqrt((p2 - low2) ** 2 + (high1 - p1) ** 2)
    high = p2 - p1 + np.sqrt((high2 - p2) ** 2 + (p1 - low1) ** 2)
    return low, high


def welch(first, second, level: float = FALSE_CLAIMS) -> tuple[float, float]:
    """The interval at 1 − `level` of mean(second) − mean(first), of two lists of single values that need not vary alike.

    (Welch 1947, Biometrika 34:28.) Infinite on both sides where one list has fewer than two values.
    """
    from scipy.special import stdtrit  # slow to load, and only a run needs it

    first, second = np.asarray(first, float), np.asarray(second, float)
    if min(len(first), len(second)) < 2:
        return -math.inf, math.inf
    parts = [values.var(ddof=1) / len(values) for values in (first, second)]
    far, spread = float(second.mean() - first.mean()), sum(parts)
    if spread <= 0:
        return far, far
    freedom = spread**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True))
    reach = float(stdtrit(freedom, 1 - level / 2)) * math.sqrt(spread)
    return far - reach, far + reach


def differences(pairs: Sequence[Sequence[int]]) -> list[dict]:
    """Share 2 − share 1 of several (k1, n1, k2, n2) looked at at once: {low, high, level, p_corrected} each, in that order.

    The chance p of a difference is that at which its Newcombe interval just leaves out nought, and Holm's correction keeps
    the chance of any false claim to FALSE_CLAIMS. Each interval has the `level` at which Holm tests it (the first not
    claimed gives its level to those after it), so that an interval leaves out nought if and only if its difference is
    claimed.
    """
    if not len(pairs):
        return []
    counts = np.asarray(pairs, float).T
    inside, outside = np.zeros(len(pairs)), np.full(len(pairs), 40.0)
    for _ in range(50):  # the z of that interval, which grows with it
        middle = (inside + outside) / 2
        low, high = newcombe(*counts, middle)
        clear = (low > 0) | (high < 0)
        inside, outside = np.where(clear, middle, inside), np.where(clear, outside, middle)
    p = [2 * NormalDist().cdf(-z) for z in inside.tolist()]
    level, levels, claimed = 0.0, [0.0] * len(p), True
    for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        if claimed:
            level = FALSE_CLAIMS / (len(p) - rank)
            claimed = p[at] <= level
        levels[at] = level
    ends = newcombe(*counts, np.array([NormalDist().inv_cdf(1 - level / 2) for level in levels]))
    rows = zip(*ends, levels, holm(p), strict=True)
    return [
        {"low": rounded(low), "high": rounded(high), "level": rounded(1 - level), "p_corrected": rounded(chance, 6)}
        for low, high, level, chance in rows
    ]


def mark(n: int) -> str:
    """How far a share of `n` reviews carries: "count", "small" or ""."""
    return "count" if n < FEW else "small" if n < SMALL else ""


def figure(k: int, n: int, where: Mapping | None = None) -> dict:
    """`k` of `n` reviews as a figure; `where` is the filter that selects the `k`."""
    k, n = int(k), int(n)
    told = {"k": k, "n": n, "share": None, "low": None, "high": None, "mark": mark(n), "filter": dict(where or {})}
    if n >= FEW:
        low, high = wilson(k, n)
        told |= {"share": rounded(k / n), "low": rounded(low), "high": rounded(high)}
    return told


def corrected(told: Mapping, measured: Mapping | None) -> dict | None:
    """A theme's share put right for the reader's own measured errors: {share, low, high}, or None where none were measured.

    Of those found, `precision` are right (of `found` on test reviews); of those there, `recall` are found (of `n`): true =
    found × precision ÷ recall (Rogan and Gladen 1978, Am J Epidemiol 107:71, by predictive value). The interval adds the
    three uncertainties on the log scale; where nothing is found, its upper end is that of the share seen. All three are
    null where there are too few reviews for a share, or where the program found none of those there.
    """
    if measured is None or measured.get("precision") is None or measured.get("recall") is None:
        return None
    precision, recall = measured["precision"], measured["recall"]
    there, found = max(measured.get("n") or 0, 1), max(measured.get("found") or measured.get("n") or 0, 1)
    if told["share"] is None or recall == 0 or precision == 0:
        return {"share": None, "low": None, "high": None}
    times = precision / recall
    if not told["k"]:
        return {"share": 0.0, "low": 0.0, "high": rounded(min(told["high"] * times, 1))}
    share = told["share"] * times
    spread = (1 - told["share"]) / told["k"] + (1 - precision) / (precision * found) + (1 - recall) / (recall * there)
    reach = math.exp(Z * math.sqrt(spread))
    return {
        "share": rounded(min(share, 1)),
        "low": rounded(min(share / reach, 1)),
        "high": rounded(min(share * reach, 1)),
    }


# ── Statistical process control, as NHS Making Data Count does it ───────────────────────────────────────────────────


def rule_in_words(rule: int, months: int, span: int) -> str:
    """What a signal saw, with its own number of months: "eight months in a row on one side of the mean".

    months: those it names; span: the months with a figure from its first to its last.
    """
    if rule == 4 and span > months:
        return f"{count_in_words(months)} of {count_in_words(span)} months close to one control limit"
    many = "a month" if months == 1 else f"{count_in_words(months)} months in a row"
    where = {
        1: "outside the control limits",
        2: "on one side of the mean",
        3: "rising or falling",
        4: "close to one control limit",
    }
    return f"{many} {where[rule]}"


def count_in_words(number: int) -> str:
    """A small number as a word, as text has it."""
    names = (
        "nought",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    )
    return names[number] if number < len(names) else str(number)


def signals(values, centre: float, sigma) -> list[dict]:
    """Special-cause signals of the four rules: one dict {rule, high, points} per run of points that shows one.

    `values` are consecutive points (gaps left out before), `sigma` one number or one a point. A point exactly on the mean
    is on neither side. Rule 4 counts points beyond 3 sigma as close too, and names only the close points of its three.
    (NHSRplotthedots, ptd_calculate_point_type.R.)
    """
    values = np.asarray(values, float)
    off = values - centre
    sigma = np.broadcast_to(np.asarray(sigma, float), values.shape)
    off[np.isclose(values, centre, atol=1e-12)] = 0.0  # before the division: 0 ÷ 0 is no signal
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(off == 0, 0.0, off / sigma)
    side, moves, found = np.sign(off), np.sign(np.round(np.diff(values), 12)), []
    for way, high in ((1, True), (-1, False)):
        close = way * z > 2
        pairs = _windows(close, 3)
        two_of_three = (pairs.sum(axis=1) >= 2) & _every(side == way, 3) if len(pairs) else np.zeros(0, bool)
        for rule, hits, width, named in (
            (1, way * z > 3, 1, None),
            (2, _every(side == way, 7), 7, None),
            (3, _every(moves == way, 6), 7, None),
            (4, two_of_three, 3, close),
        ):
            for points in _runs(hits, width):
                kept = [at for at in points if named is None or named[at]]
                found.append({"rule": rule, "high": high, "points": kept})
    return sorted(found, key=lambda one: (one["points"][0], one["rule"]))


def _runs(hits: np.ndarray, width: int) -> list[list[int]]:
    """The points of the windows of `width` that begin where `hits` is true, joined where windows touch."""
    out: list[list[int]] = []
    for start in np.flatnonzero(hits).tolist():
        if out and start <= out[-1][-1] + 1:
            out[-1] += range(out[-1][-1] + 1, start + width)
        else:
            out.append(list(range(start, start + width)))
    return out


def p_chart(k, n, charts: int = 1) -> dict:
    """Control chart of a share with limits that step with n. `k` of `n` per month; a month with n = 0 is missing.

    {mean, trial, approximate, rare, value, low, high, signals}: value, low, high have one entry a month, null where
    missing; signals hold positions in the list of months, and `stands` (see `_stands`), where it is one of `charts` that
    are looked at together. Limits are the mean ± 3 √(mean (1 − mean) ÷ n), within 0…1
    (Shewhart). `approximate`: in some month fewer than five are expected on one side, so the limits are rough; `rare`: in
    a middling month fewer than five `k` are expected, so that a single one more or less would be a signal.
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    there = np.flatnonzero(n > 0)
    base = there[:ENOUGH_POINTS]
    mean = float(k[base].sum() / n[base].sum()) if len(base) else None
    chart = {"kind": "p", "mean": mean, "trial": len(there) < ENOUGH_POINTS, "baseline": base.tolist()}
    sigma = np.sqrt(mean * (1 - mean) / np.where(n > 0, n, np.nan)) if mean is not None else np.full(len(n), np.nan)
    value = k / np.where(n > 0, n, np.nan)
    chart["approximate"] = bool(mean is not None and (n[there] * min(mean, 1 - mean) < FEW).any())
    chart["rare"] = bool(mean is not None and np.median(n[there]) * mean < FEW)
    centre = mean if mean is not None else np.nan
    low, high = np.maximum(centre - 3 * sigma, 0), np.minimum(centre + 3 * sigma, 1)

    def apart(run, others, level):
        z = NormalDist().inv_cdf(1 - level / 2)
        return newcombe(k[others].sum(), n[others].sum(), k[run].sum(), n[run].sum(), z)

    return _charted(chart, value, centre, sigma, there, low, high, apart, charts)


def xmr(values, lowest: float = -math.inf, highest: float = math.inf, charts: int = 1) -> dict:
    """Control chart of single values (XmR), as `p_chart`. NaN is a missing month.

    Limits are the mean ± 2.66 × the mean moving range, moving ranges over 3.267 times their mean dropped once.
    (NHSRplotthedots, ptd_spc_standard.R.)
    """
    value = np.asarray(values, float)
    there = np.flatnonzero(~np.isnan(value))
    base = there[:ENOUGH_POINTS]
    chart = {
        "kind": "xmr",
        "trial": len(there) < ENOUGH_POINTS,
        "baseline": base.tolist(),
        "approximate": False,
        "rare": False,
    }
    mean = float(value[base].mean()) if len(base) else None
    ranges = np.abs(np.diff(value[base]))
    usual = float(ranges.mean()) if len(ranges) else math.nan
    kept = ranges[ranges < 3.267 * usual] if usual > 0 else ranges
    usual = float(kept.mean()) if len(kept) else usual
    centre = mean if mean is not None else math.nan
    reach = np.full(len(value), 2.66 * usual)
    chart["mean"] = mean
    low, high = np.maximum(centre - reach, lowest), np.minimum(centre + reach, highest)

    def apart(run, others, level):
        return welch(value[others], value[run], level)

    return _charted(chart, value, centre, reach / 3, there, low, high, apart, charts)


def _charted(chart, value, centre, sigma, there, low, high, apart, charts) -> dict:
    usable = len(there) > 1 and not np.isnan(sigma[there]).any()
    found = signals(value[there], centre, sigma[there]) if usable else []
    for one in found:
        one["points"] = [int(there[point]) for point in one["points"]]
        one["stands"] = one["rule"] not in (2, 3) or _stands(one, there, apart, FALSE_CLAIMS / charts)
    gone = np.isnan(value)
    chart["mean"] = rounded(chart["mean"])
    for name, numbers in (("value", value), ("low", low), ("high", high)):
        chart[name] = [None if missing else rounded(number) for number, missing in zip(numbers, gone, strict=True)]
    chart["signals"] = found
    return chart


def _stands(signal: Mapping, there: np.ndarray, apart: Callable, level: float) -> bool:
    """Does a run or a trend differ beyond chance, the way it points, from the other months taken together?

    Seven months a hair above the mean are a run, and say nothing that is worth acting on; and each rule beside the limits
    makes a chart without a change signal more often (Champ and Woodall 1987, Technometrics 29:393). So the `apart` interval
    of run − others must leave out nought at a `level` that is shared among the charts (Bonferroni). A month outside the
    limits needs no such leave, nor have two of three close to them: they say themselves how far they lie.
    """
    run = np.array(signal["points"])
    others = np.setdiff1d(there, run)
    if not len(others):
        return False  # nothing to differ from
    low, high = apart(run, others, level)
    return bool(low > 0 if signal["high"] else high < 0)


def _windows(hits: np.ndarray, width: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(hits, width) if len(hits) >= width else np.zeros((0, width), bool)


def _every(hits: np.ndarray, width: int) -> np.ndarray:
    return _windows(hits, width).all(axis=1)


# ── What has changed ────────────────────────────────────────────────────────────────────────────────────────────────


def change_point(n, negative, positive, draws: int = DRAWS) -> dict | None:
    """Has what is said of one theme at one place shifted, and from which month? {p, split, between}, or None: cannot tell.

    A review counts −1 where it complains of the theme, +1 where it praises it, else 0. For every month at which the series
    may be cut (five reviews on either side) the difference of the two means is divided by its standard deviation under
    shuffling; the largest over all cuts is the statistic, so that looking at every month is paid for. Its chance comes from
    `draws` shuffles of the reviews over the months, with the number of reviews a month and of each verdict held fixed (a
    permutation test: valid at any size of sample). The shuffles are drawn month by month from the hypergeometric
    distribution with a fixed seed: the same data give the same answer.

    `between` are the first and last month of an approximate 95 % range of the cut: those whose squared statistic is within
    3.84 of the largest. tools/false_alarms.py prints how often it holds the true month. Fewer than five opinions or twelve
    reviews: None.
    """
    n, negative, positive = (np.asarray(counts, np.int64) for counts in (n, negative, positive))
    total, bad, good = int(n.sum()), int(negative.sum()), int(positive.sum())
    before = np.cumsum(n)[:-1]
    cuts = np.flatnonzero((before >= FEW) & (before <= total - FEW) & (n[1:] > 0))
    variance = (bad + good) / total - ((good - bad) / total) ** 2 if total else 0.0
    if total < 12 or bad + good < FEW or not len(cuts) or variance <= 0:
        return None
    before = before[cuts]
    scale = np.sqrt(before * (total - before) / (total - 1) * variance)

    def statistic(score):  # score: months last
        return np.abs(np.cumsum(score, axis=-1)[..., cuts] - before * (good - bad) / total) / scale

    seen = statistic(positive - negative)
    best = int(seen.argmax())
    rng = np.random.Generator(np.random.PCG64(20_260_101))
    left, bad_left, good_left = total, np.full(draws, bad), np.full(draws, good)
    shuffled = np.empty((draws, len(n)), np.int64)
    for month, size in enumerate(n.tolist()):
        lost = rng.hypergeometric(bad_left, left - bad_left, size)
        won = rng.hypergeometric(good_left, left - bad_left - good_left, size - lost)
        shuffled[:, month] = won - lost
        left, bad_left, good_left = left - size, bad_left - lost, good_left - won
    beyond = int((statistic(shuffled).max(axis=1) >= seen[best] - 1e-9).sum())
    near = cuts[seen**2 >= seen[best] ** 2 - 3.84]
    return {
        "p": (1 + beyond) / (draws + 1),
        "split": int(cuts[best]) + 1,
        "between": [int(near[0]) + 1, int(near[-1]) + 1],
    }


def holm(p: list[float]) -> list[float]:
    """Chances corrected for how many were looked at, in the order given. (Holm 1979, Scand J Stat 6:65.)"""
    out, worst = [0.0] * len(p), 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        worst = max(worst, min(1.0, p[at] * (len(p) - rank)))
        out[at] = worst
    return out


def find_changes(cells: Mapping, draws: int = DRAWS) -> tuple[dict, list]:
    """Which of many series have shifted: {key: change} and the keys that cannot be told.

    `cells`: key → (n, negative, positive) per month. All are tested together, and Holm's correction keeps the chance of any
    false claim to FALSE_CLAIMS; FALSE_ALARMS says how often there was one. A cell whose first thousand shuffles say
    p > 0.1 is left at that; the others are shuffled anew, `draws` times, which alone decides.
    """
    tested, untold = {}, []
    for key, counts in cells.items():
        change = change_point(*counts, draws=min(DRAWS_FIRST, draws))
        if change and change["p"] <= 0.1 and draws > DRAWS_FIRST:
            change = change_point(*counts, draws=draws)
        if change:
            tested[key] = change
        else:
            untold.append(key)
    for change, p in zip(tested.values(), holm([change["p"] for change in tested.values()]), strict=True):
        change["p_corrected"] = p
    return {key: change for key, change in tested.items() if change["p_corrected"] <= FALSE_CLAIMS}, untold


def rounded(value, digits: int = 4):
    """A number short enough for JSON; null for null and NaN."""
    return None if value is None or math.isnan(value) else round(float(value), digits)
