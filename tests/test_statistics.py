"""Shares, control charts and change points: the published figures, and no more claims than promised."""

import importlib.util
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import statistics

# ── Shares and intervals ──


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (12, 31, 0.2373, 0.5618)],
)
def test_wilson_gives_the_published_interval(k, n, low, high):
    """The interval is Wilson's, to four places, exactly 0 and 1 at the ends."""
    got = statistics.wilson(k, n)
    assert (round(float(got[0]), 4), round(float(got[1]), 4)) == (low, high)


@given(n=st.integers(1, 5000), part=st.floats(0, 1))
def test_an_interval_holds_its_share_and_stays_within_0_and_1(n, part):
    """Whatever the counts, 0 ≤ low ≤ share ≤ high ≤ 1, and no count at all has no interval."""
    k = round(n * part)
    low, high = statistics.wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert math.isnan(statistics.wilson(0, 0)[0])


@pytest.mark.parametrize(("n", "mark"), [(0, "count"), (4, "count"), (5, "small"), (29, "small"), (30, "")])
def test_small_numbers_are_marked(n, mark):
    """Under five reviews only the count is told, under thirty the figure is marked."""
    told = statistics.figure(n // 2, n)
    assert told["mark"] == mark
    assert (told["share"] is None) == (mark == "count")


def test_newcombe_gives_the_published_interval():
    """Newcombe's example 56 of 70 against 48 of 80: the difference lies between 0.0524 and 0.3339."""
    low, high = statistics.newcombe(48, 80, 56, 70)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_a_share_is_corrected_for_the_readers_errors():
    """Right 8 times of 10 and finding half: the true share is 1.6 times the one seen; unmeasured, there is none."""
    told = statistics.figure(20, 100)
    fixed = statistics.corrected(told, {"precision": 0.8, "recall": 0.5, "n": 200})
    assert fixed["share"] == 0.32
    assert fixed["low"] < told["low"] * 1.6 < 0.32 < fixed["high"]
    assert statistics.corrected(told, None) is None
    assert statistics.corrected(told, {"precision": None, "recall": 0.5}) is None


def test_a_measured_nought_is_not_called_unmeasured():
    """Nothing found corrects to nothing with an upper end; a program that finds none of those there cannot be corrected."""
    measured = {"precision": 0.8, "recall": 0.5, "n": 200}
    nothing = statistics.corrected(statistics.figure(0, 100), measured)
    assert (nothing["share"], nothing["low"]) == (0.0, 0.0)
    assert nothing["high"] > statistics.figure(0, 100)["high"]
    unknown = {"share": None, "low": None, "high": None}
    assert statistics.corrected(statistics.figure(20, 100), measured | {"recall": 0.0}) == unknown
    assert statistics.corrected(statistics.figure(1, 3), measured) == unknown


def test_each_error_counts_with_its_own_denominator():
    """Precision known from few that were found makes the interval wider than from many, at the same number there."""
    measured = {"precision": 0.8, "recall": 0.5, "n": 200}
    few, many = (statistics.corrected(statistics.figure(20, 100), measured | {"found": found}) for found in (10, 400))
    assert few["low"] < many["low"] < many["high"] < few["high"]


# ── Control charts ──


def rules(values, centre=0.0, sigma=1.0):
    found = statistics.signals(values, centre, sigma)
    return {(one["rule"], one["high"], one["points"][0], one["points"][-1]) for one in found}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, -1, 1, -1, 1, -1, 1], set()),
        ([1, 1, 1, 0, 1, 1, 1, 1], set()),  # a point on the mean is on neither side
        ([0, 0, 3.0, 0], set()),  # on the limit is not outside it
        ([1, 2, 3, 4, 5, 6, 6], {(1, True, 3, 6), (2, True, 0, 6), (4, True, 2, 6)}),  # a level step ends the rise
        ([2.5, -2.5, 2.5], set()),  # not the same side
        ([0, 0, 3.1, 0], {(1, True, 2, 2)}),
        ([-0.1, -0.2, -0.1, -0.2, -0.1, -0.2, -0.1], {(2, False, 0, 6)}),
        ([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3], {(3, True, 0, 6)}),
        ([0, 2.5, 0.5, 2.5, 0], {(4, True, 1, 3)}),
    ],
)
def test_the_four_rules(values, expected):
    """Each rule fires where NHS Making Data Count says, and not a point earlier."""
    assert rules(values) == expected


def test_rule_4_names_only_the_points_close_to_the_limit():
    """Of two close points with an ordinary one beside them, the ordinary one is not coloured (as in NHSRplotthedots)."""
    (one,) = statistics.signals([0, 2.5, 0.5, 2.5, 0], 0.0, 1.0)
    assert (one["rule"], one["points"]) == (4, [1, 3])
    (one,) = statistics.signals([0, 2.5, 2.5, 0.5], 0.0, 1.0)
    assert one["points"] == [1, 2]


@settings(max_examples=60)
@given(st.lists(st.integers(-40, 40), min_size=0, max_size=30))
def test_the_rules_agree_with_their_words(numbers):
    """The rules read off windows agree with the rules as a person would check them, point by point."""
    values = [number / 10 for number in numbers]
    said = set()
    for high, way in ((True, 1), (False, -1)):
        for at in range(len(values)):
            if way * values[at] > 3:
                said.add((1, high, at))
            seven = values[at : at + 7]
            if len(seven) == 7 and all(way * value > 0 for value in seven):
                said |= {(2, high, at + step) for step in range(7)}
            if len(seven) == 7 and all(way * (b - a) > 0 for a, b in itertools.pairwise(seven)):
                said |= {(3, high, at + step) for step in range(7)}
            three = values[at : at + 3]
            if (
                len(three) == 3
                and all(way * value > 0 for value in three)
                and sum(way * value > 2 for value in three) >= 2
            ):
                said |= {(4, high, at + step) for step in range(3) if way * three[step] > 2}
    found = {
        (one["rule"], one["high"], point) for one in statistics.signals(values, 0.0, 1.0) for point in one["points"]
    }
    assert found == said


def test_p_chart_limits_step_with_n_and_gaps_are_missing():
    """Three-sigma limits follow each month's n; a month with no review has no value, and twelve months lock the limits."""
    chart = statistics.p_chart([10, 0, 25] + [10] * 10, [100, 0, 400] + [100] * 10)
    mean = 135 / 1500
    assert chart["mean"] == round(mean, 4)
    assert chart["value"][1] is chart["low"][1] is None
    assert chart["high"][2] == round(mean + 3 * math.sqrt(mean * (1 - mean) / 400), 4)
    assert not chart["trial"]
    assert statistics.p_chart([1] * 11, [9] * 11)["trial"]


def test_p_chart_judges_later_months_by_the_first_twelve():
    """A thirteenth month far above the first twelve is signalled against them, not against itself."""
    chart = statistics.p_chart([10, 12] * 6 + [45], [100] * 13)
    assert chart["mean"] == 0.11
    assert [one["rule"] for one in chart["signals"]] == [1]


def test_xmr_limits():
    """Limits are the mean ± 2.66 × the mean moving range, one wild range left out, within what the scale allows."""
    chart = statistics.xmr([4.0, 4.2] * 6 + [1.0], 1, 5)
    assert (chart["mean"], chart["low"][0], chart["high"][0]) == (4.1, 3.568, 4.632)
    assert chart["signals"][0]["points"] == [12]
    assert statistics.xmr([4.0, 4.2, 4.0, 4.2, 4.0, 4.2, 4.0, 4.2, 4.0, 4.2, 4.0, 1.0])["low"][0] == pytest.approx(
        3.83 - 2.66 * 0.2, abs=0.01
    )


def runs(chart):
    return [(one["rule"], one["stands"]) for one in chart["signals"] if one["rule"] in (2, 3)]


def test_a_run_on_a_hairs_breadth_does_not_stand():
    """Eight months a point above the six before are a run that chance may have made; fifteen points above are none."""
    assert runs(statistics.p_chart([20] * 6 + [21] * 8, [100] * 14)) == [(2, False)]
    assert runs(statistics.p_chart([20] * 6 + [35] * 8, [100] * 14)) == [(2, True)]
    assert runs(statistics.xmr([4.0, 4.2, 3.9, 4.1, 4.0, 3.8, 4.06, 4.07, 4.06, 4.07, 4.06, 4.07, 4.06], 1, 5)) == [(2, False)]  # fmt: skip
    assert runs(statistics.xmr([4.0, 4.2, 3.9, 4.1, 4.0, 3.8, 4.5, 4.4, 4.5, 4.6, 4.5, 4.4, 4.5], 1, 5)) == [(2, True)]


def test_a_run_is_corrected_for_the_charts_beside_it():
    """What one chart alone would show is not claimed of one among five: 120 of 600 before, 203 of 800 since."""
    k, n = [20] * 6 + [25, 26, 25, 25, 26, 25, 26, 25], [100] * 14
    low, _ = statistics.newcombe(120, 600, 203, 800)
    assert low > 0
    assert runs(statistics.p_chart(k, n)) == [(2, True)]
    assert runs(statistics.p_chart(k, n, charts=5)) == [(2, False)]


def test_a_trend_must_end_elsewhere_than_the_other_months():
    """Seven months that rise through the usual differ from nothing, nor do seven that are all there are; the limits need no leave."""
    assert runs(statistics.p_chart([19, 21, 19, 21, 19, 21, 19, *range(17, 24)], [100] * 14)) == [(3, False)]
    assert runs(statistics.p_chart([10, 14, 18, 22, 26, 30, 34], [100] * 7)) == [(3, False)]
    outside = statistics.p_chart([10, 12] * 6 + [45], [100] * 13, charts=50)["signals"]
    assert [(one["rule"], one["stands"]) for one in outside] == [(1, True)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(1, 9))
def test_what_stands_points_where_it_differs(counts, charts):
    """Whatever the counts, the months of a run that stands lie on its side of the others, and more charts let fewer stand."""
    n = [60] * len(counts)
    chart, alone = statistics.p_chart(counts, n, charts), statistics.p_chart(counts, n)
    for one, freer in zip(chart["signals"], alone["signals"], strict=True):
        assert one["stands"] <= freer["stands"]
        if one["rule"] in (2, 3) and one["stands"]:
            run = [counts[at] for at in one["points"]]
            others = [count for at, count in enumerate(counts) if at not in one["points"]]
            assert (sum(run) / len(run) > sum(others) / len(others)) == one["high"]


def test_welchs_interval():
    """As scipy's test of two means says, at any level; too few values tell nothing."""
    from scipy.stats import ttest_ind

    first, second = [3.9, 4.1, 4.0, 4.3, 3.8], [4.4, 4.2, 4.9, 4.6]
    for level in (0.05, 0.01):
        wanted = ttest_ind(second, first, equal_var=False).confidence_interval(1 - level)
        assert statistics.welch(first, second, level) == pytest.approx((wanted.low, wanted.high))
    assert statistics.welch([4.0], second) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("rule", "months", "span", "words"),
    [
        (1, 1, 1, "a month outside the control limits"),
        (1, 2, 2, "two months in a row outside the control limits"),
        (2, 8, 8, "eight months in a row on one side of the mean"),
        (3, 13, 13, "13 months in a row rising or falling"),
        (4, 2, 3, "two of three months close to one control limit"),
        (4, 2, 2, "two months in a row close to one control limit"),
    ],
)
def test_a_signal_says_its_own_number_of_months(rule, months, span, words):
    """The words count the months of this signal, not those the rule asks for."""
    assert statistics.rule_in_words(rule, months, span) == words


def test_what_is_rare_is_told():
    """Fewer than five expected in a middling month is rare, whatever the limits; many are not."""
    assert statistics.p_chart([1, 0] * 7, [40] * 14)["rare"]
    assert not statistics.p_chart([10, 12] * 7, [40] * 14)["rare"]


def test_charts_of_nothing():
    """No month, or no review in any, gives a chart without mean, limits or signals instead of an error."""
    assert statistics.p_chart([0, 0], [0, 0])["mean"] is None
    assert statistics.xmr([math.nan, math.nan])["signals"] == []
    assert statistics.p_chart([0] * 13, [9] * 13)["signals"] == []


# ── What has changed ──


def test_a_planted_shift_is_found_with_its_month():
    """Six months of no complaint and then eight of half complaining, six reviews a month: found, and dated."""
    change = statistics.change_point([6] * 14, [0] * 6 + [3] * 8, [0] * 14)
    assert change["p"] < 0.001
    assert change["split"] == 6
    assert change["between"][0] <= 6 <= change["between"][1]


def test_too_little_is_told_as_cannot_tell():
    """Fewer than five opinions or twelve reviews cannot be tested, and are not called unchanged."""
    assert statistics.change_point([6] * 14, [0] * 13 + [4], [0] * 14) is None
    assert statistics.change_point([1] * 8, [1] * 4 + [0] * 4, [0] * 4 + [1] * 4) is None
    assert statistics.change_point([0] * 5, [0] * 5, [0] * 5) is None


def test_the_chance_of_a_shift_is_honest():
    """On series without a shift the test's p is under 0.05 in about 5 of 100, neither more nor far fewer."""
    draw = np.random.default_rng(11)
    low = 0
    for _ in range(200):
        n = draw.poisson(6, 14)
        bad = draw.binomial(n, 0.15)
        change = statistics.change_point(n, bad, draw.binomial(n - bad, 0.2), draws=199)
        low += change["p"] <= 0.05
    assert 2 <= low <= 20  # 10 expected; outside this range once in a thousand such runs


def test_false_alarms_of_a_whole_report_are_rare():
    """Of 25 reports of 3 clinics × 8 themes without any change, at most 4 claim one (by design 1 in 20)."""
    draw = np.random.default_rng(5)
    claimed = 0
    for _ in range(25):
        cells = {}
        for place in range(3):
            n = draw.poisson(5, 14)
            for theme in range(8):
                bad = draw.binomial(n, draw.uniform(0.02, 0.2))
                cells[theme, place] = (n, bad, draw.binomial(n - bad, draw.uniform(0.02, 0.4)))
        claimed += bool(statistics.find_changes(cells, draws=999)[0])
    assert claimed <= 4


def test_the_method_cites_what_the_tool_prints():
    """The rate of false signals in the Method is the one that `make false-alarms` measures, drawn again here."""
    path = Path(__file__).resolve().parent.parent / "tools" / "false_alarms.py"
    spec = importlib.util.spec_from_file_location("false_alarms", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    cited = statistics.FALSE_ALARMS
    assert tool.chart_alarms() == {name: cited[name] for name in ("chart_in_100", "report_in_100")}
    assert (cited["reports"], cited["shift_reports"]) == (tool.CHART_REPORTS, tool.SHIFT_REPORTS)
    assert cited["planted"] == tool.PLANTED
    assert cited["false_shifts"] <= 2 * statistics.FALSE_CLAIMS * cited["shift_reports"]


def test_correction_for_many_tests():
    """Holm's correction: each p times the number still to test, and never out of order."""
    assert statistics.holm([0.01, 0.5, 0.02, 0.03]) == pytest.approx([0.04, 0.5, 0.06, 0.06])
    assert statistics.holm([]) == []
