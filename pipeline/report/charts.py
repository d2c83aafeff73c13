"""Charts of a Summary as SVG that lives in the page.

Drawn here rather than by a plotting library: every colour is a CSS variable, so light, dark and print need no second
picture; every point is a link to its reviews with a name a screen reader says; and a page of forty charts stays small.
Each function returns Markup; all text in it has been escaped.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from pipeline.months import day_name, day_of, last_day, month_name, short_month

SHAPES = {"concern": "▲", "improvement": "◆", "unusual": "■"}  # beside the colour, for who does not see it


def control_chart(
    chart: Mapping, link: Callable, name: str, *, width=560, height=250, shares=True, high=5.0, changes=()
) -> Markup:
    """A control chart: points, mean, limits that step, and what was signalled. A month without reviews is a gap.

    changes: those written down, each a dashed line on its day, with its number.
    """
    points = chart["points"]
    left, right, top, bottom = 38, 12, 14, 26
    if shares:
        peak = max([point["value"] or 0 for point in points] + [point["high"] or 0 for point in points] + [0.1])
        low, step = 0.0, 0.25 if peak > 0.5 else 0.1 if peak > 0.2 else 0.05
        high = min(1.0, (int(peak / step) + 1) * step)
    else:
        low, step = 1.0, 1.0
    wide = (width - left - right) / max(len(points), 1)

    def x(at: float) -> float:
        return left + (at + 0.5) * wide

    def y(value: float) -> float:
        return top + (high - value) / (high - low) * (height - top - bottom)

    out = []
    tick = low
    while tick <= high + 1e-9:
        label = f"{tick * 100:.0f} %" if shares else f"{tick:.0f}"
        out.append(_tag("line", x1=left, x2=width - right, y1=y(tick), y2=y(tick), class_="grid"))
        out.append(_tag("text", label, x=left - 6, y=y(tick) + 4, class_="tick", text_anchor="end"))
        tick += step
    there = [at for at, point in enumerate(points) if point["value"] is not None]
    for at in there:  # the band between the limits, a step a month
        point = points[at]
        if point["low"] is not None:
            tall = max(y(max(point["low"], low)) - y(min(point["high"], high)), 0)
            out.append(
                _tag("rect", x=x(at) - wide / 2, y=y(min(point["high"], high)), width=wide, height=tall, class_="band")
            )
    if chart["mean"] is not None:
        out.append(_tag("line", x1=left, x2=width - right, y1=y(chart["mean"]), y2=y(chart["mean"]), class_="mean"))
    out += _change_lines(changes, [point["month"] for point in points], left, wide, top, height - bottom)
    for first, second in itertools.pairwise(there):
        if second == first + 1:
            ends = {"x1": x(first), "y1": y(points[first]["value"]), "x2": x(second), "y2": y(points[second]["value"])}
            out.append(_tag("line", **ends, class_="series"))
    every = max(1, round(len(points) / 7))
    for at, point in enumerate(points):
        month = month_name(point["month"])
        if (len(points) - 1 - at) % every == 0:
            short = short_month(point["month"]) + (
                f" {month[-2:]}" if point["month"].endswith("-01") or at < every else ""
            )
            out.append(_tag("text", short, x=x(at), y=height - 8, class_="tick", text_anchor="middle"))
        if point["value"] is None:
            out.append(_tag("text", "–", x=x(at), y=height - bottom - 4, class_="tick", text_anchor="middle"))
            continue
        state = point["signal"]
        count = f"{point['k']} of {point['n']} reviews" if shares else f"{point['value']:.2f}, {point['n']} reviews"
        says = f"{month}: {count}" + (f", {state}" if state else "")
        if state:
            shape = _tag(
                "text", SHAPES[state], x=x(at), y=y(point["value"]) + 5, class_=f"signal {state}", text_anchor="middle"
            )
        else:
            shape = _tag("circle", cx=x(at), cy=y(point["value"]), r=4, class_="point")
        target = _tag("rect", x=x(at) - wide / 2, y=top, width=wide, height=height - top - bottom, class_="target")
        title = Markup("<title>{}</title>").format(says)
        if point["k"] == 0:  # nothing to open
            out.append(Markup('<g role="img" aria-label="{}">{}{}{}</g>').format(says, title, target, shape))
        else:
            where = link(point["filter"])
            out.append(Markup('<a href="{}" aria-label="{}">{}{}{}</a>').format(where, says, title, target, shape))
    for state, first in _firsts(points):  # the signalled run is named where it begins
        value = points[first]["value"]
        up = y(value) > top + 26
        label = f"{state} since {short_month(points[first]['month'])}"
        anchor = "end" if first > len(points) * 0.7 else "start"
        out.append(
            _tag(
                "text", label, x=x(first), y=y(value) + (-10 if up else 20), class_=f"note {state}", text_anchor=anchor
            )
        )
    return _svg(out, width, height, name, "group")


def _change_lines(changes, months: Sequence[str], left: float, wide: float, top: float, foot: float) -> list[Markup]:
    """Each change as a line on its day, where the months hold it. Numbers that would touch stand together: "2, 3"."""
    out, labels = [], []
    for one in changes:
        month, day = one["date"][:7], day_of(one["date"])
        if month not in months:
            continue
        x = left + (months.index(month) + (day.day - 1) / last_day(month).day) * wide
        says = f"Change {one['number']}, {day_name(day, year=True)}, {one['location'] or 'every clinic'}: {one['what']}"
        line = _tag("line", x1=x, x2=x, y1=top, y2=foot, class_="change")
        out.append(Markup('<g role="img" aria-label="{}"><title>{}</title>{}</g>').format(says, says, line))
        if labels and x - labels[-1][0] < 14:
            labels[-1][1].append(one["number"])
        else:
            labels.append((x, [one["number"]]))
    for x, numbers in labels if top > 10 else ():
        text = ", ".join(map(str, numbers))
        out.append(_tag("text", text, x=x, y=top - 3, class_="tick", text_anchor="middle", aria_hidden="true"))
    return out


def _firsts(points: Sequence[Mapping]) -> list[tuple[str, int]]:
    found, last = [], None
    for at, point in enumerate(points):
        if point["value"] is None:
            continue
        if point["signal"] and point["signal"] != last:
            found.append((point["signal"], at))
        last = point["signal"]
    return found


def sparkline(chart: Mapping, name: str, *, width=150, height=30) -> Markup:
    """The months as one thin line, the last a dot, the mean dashed; gaps stay gaps."""
    points = chart["points"][-13:]
    values = [point["value"] for point in points if point["value"] is not None]
    if not values:
        return Markup("")
    low, high = min([*values, chart["mean"]]), max([*values, chart["mean"]])
    spread = (high - low) or 1

    def x(at):
        return 3 + at * (width - 8) / max(len(points) - 1, 1)

    def y(value):
        return 4 + (high - value) / spread * (height - 8)

    out = [_tag("line", x1=0, x2=width, y1=y(chart["mean"]), y2=y(chart["mean"]), class_="mean")]
    for at, (first, second) in enumerate(itertools.pairwise(points)):
        if first["value"] is not None and second["value"] is not None:
            out.append(
                _tag("line", x1=x(at), y1=y(first["value"]), x2=x(at + 1), y2=y(second["value"]), class_="series thin")
            )
    if points[-1]["value"] is not None:
        out.append(
            _tag(
                "circle",
                cx=x(len(points) - 1),
                cy=y(points[-1]["value"]),
                r=3.5,
                class_=f"point {points[-1]['signal'] or ''}",
            )
        )
    return _svg(out, width, height, name, "img")


def interval(told: Mapping, state: str = "ordinary", *, width=96, height=16) -> Markup:
    """A share as a dot with its interval on 0 to 100 %; hollow where the numbers are small, nothing where there are too few.

    The numbers stand beside it in the text, so a screen reader skips the picture.
    """
    if told["share"] is None:
        return Markup("")
    middle = height / 2
    out = [_tag("line", x1=1, x2=width - 1, y1=middle, y2=middle, class_="grid")]
    span = {"x1": 4 + told["low"] * (width - 8), "x2": 4 + told["high"] * (width - 8)}
    out.append(_tag("line", **span, y1=middle, y2=middle, class_=f"reach {state}"))
    hollow = " hollow" if told["mark"] else ""
    out.append(_tag("circle", cx=4 + told["share"] * (width - 8), cy=middle, r=4, class_=f"dot {state}{hollow}"))
    return _svg(out, width, height, None, "img")


def tallest(grid: Sequence[Mapping], theme: str) -> int:
    """The largest monthly count of a theme at any place, so that its places share one scale."""
    return max([1, *(max([0, *cell["negative"], *cell["positive"]]) for cell in grid if cell["theme"] == theme)])


def counts(cell: Mapping, months: Sequence[str], name: str, peak: int, *, width=260, height=40, changes=()) -> Markup:
    """Praise (up) and complaints (down) of one theme at one place, a bar a month; a month without reviews is a dot.

    changes: those written down, a dashed line each.
    """
    wide, middle = width / len(months), height / 2
    unit = (middle - 3) / peak
    out = []
    if cell["since"] in months:
        at = months.index(cell["since"])
        out.append(
            _tag("rect", x=at * wide, y=0, width=width - at * wide, height=height, class_=f"since {cell['state']}")
        )
    out.append(_tag("line", x1=0, x2=width, y1=middle, y2=middle, class_="grid"))
    for at in range(len(months)):
        if not cell["n"][at]:
            out.append(_tag("circle", cx=(at + 0.5) * wide, cy=middle, r=1.2, class_="gap"))
            continue
        good, bad = cell["positive"][at] * unit, cell["negative"][at] * unit
        bar = {"x": at * wide + wide * 0.18, "width": wide * 0.64}
        if good:
            out.append(_tag("rect", **bar, y=middle - good, height=good, class_="bar improvement"))
        if bad:
            out.append(_tag("rect", **bar, y=middle, height=bad, class_="bar concern"))
    out += _change_lines(changes, months, 0, wide, 0, height)
    return _svg(out, width, height, name, "img")


def _svg(parts, width, height, name: str | None, role: str) -> Markup:
    label = Markup('role="{}" aria-label="{}"').format(role, name) if name else Markup('aria-hidden="true"')
    return Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" {}>{}</svg>').format(
        width, height, width, height, label, Markup("").join(parts)
    )


def _tag(tag: str, text: str | None = None, **attributes) -> Markup:
    pairs = Markup(" ").join(
        Markup('{}="{}"').format(
            name.rstrip("_").replace("_", "-"), f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
        )
        for name, value in attributes.items()
    )
    return (
        Markup("<{} {}/>").format(tag, pairs)
        if text is None
        else Markup("<{} {}>{}</{}>").format(tag, pairs, escape(text), tag)
    )
