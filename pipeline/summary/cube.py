"""Every count for people who reckon on: month × location × source × treatment × theme. Only report.json carries it."""

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.statistics import FEW, mark, wilson

COLUMNS = (
    *("month", "location", "source", "treatment", "theme", "reviews", "n", "mentions"),
    *tables.SENTIMENTS,
    *("share", "low", "high", "negative_share", "negative_low", "negative_high", "mark"),
)
MARGINS = ((), ("location",), ("source",), ("treatment",), ("location", "source", "treatment"))
DIMENSIONS = ("location", "source", "treatment")


def cross_table(reviews: pd.DataFrame, said: pd.DataFrame, months: list[str], themes: list[str]) -> dict:
    """One row per month × location × source × treatment × theme, as {columns, rows}; "all" stands for a margin.

    `reviews` all, `n` those read, `mentions` those that speak of the theme (theme "all": n), the four sentiments, the share
    of mentions among n and of negatives among n with their intervals. The margins hold every month, one without a review
    with n 0 and null shares (missing, not 0 %); the full crossing holds the combinations that have a review. A review with
    two treatments is in both their rows, and once in "all".
    """
    base = reviews[reviews["month"].isin(months)]
    place = {review_id: at for at, review_id in enumerate(base["review_id"])}
    at_review = np.array([place.get(review_id, -1) for review_id in said["review_id"]], dtype=np.int64)
    there = at_review >= 0
    known = {sentiment: at for at, sentiment in enumerate(tables.SENTIMENTS)}
    spoken = {
        "review": at_review[there],
        "theme": _codes(said["theme"].to_numpy(object)[there], themes),
        "sentiment": _codes(said["sentiment"].to_numpy(object)[there], known),
    }
    had = base["treatments"].tolist()
    names = {dim: sorted(set(base[dim])) for dim in ("location", "source")}
    names["treatment"] = sorted({one for each in had for one in each})
    codes = {"month": _codes(base["month"], months), "overall": _codes(base["overall"], known)}
    codes |= {dim: _codes(base[dim], names[dim]) for dim in ("location", "source")}
    codes["read"] = base["read"].to_numpy(bool)
    each = {"review": np.repeat(np.arange(len(base)), [len(one) for one in had])}
    each["treatment"] = _codes([one for each in had for one in each], names["treatment"])
    parts = [part for dims in MARGINS for part in _crossed(codes, each, spoken, dims, names, months, themes)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = whole["n"].astype(float)
    for k, prefix in (("mentions", ""), ("negative", "negative_")):
        low, high = wilson(whole[k], n)
        share = whole[k] / np.where(n > 0, n, np.nan)
        for name, numbers in (("share", share), ("low", low), ("high", high)):
            whole[prefix + name] = np.where(n >= FEW, np.round(numbers, 4), np.nan)
    order = np.lexsort(
        [
            whole["theme"],
            whole["month"],
            *(whole[dim] for dim in reversed(DIMENSIONS)),
            *(whole[dim] >= 0 for dim in reversed(DIMENSIONS)),
        ]
    )
    marks = {value: mark(value) for value in np.unique(whole["n"]).tolist()}
    rows = {name: values[order].tolist() for name, values in whole.items()}
    for name in ("share", "low", "high"):
        for column in (name, f"negative_{name}"):
            rows[column] = [None if value != value else value for value in rows[column]]
    rows["month"] = [months[at] for at in rows["month"]]
    rows["theme"] = ["all" if at < 0 else themes[at] for at in rows["theme"]]
    rows |= {dim: ["all" if at < 0 else names[dim][at] for at in rows[dim]] for dim in DIMENSIONS}
    rows["mark"] = [marks[value] for value in rows["n"]]
    table = [list(row) for row in zip(*(rows[name] for name in COLUMNS), strict=True)]
    return {"columns": list(COLUMNS), "rows": table}


def _codes(values, known) -> np.ndarray:
    """Each value's position among those known; −1 for one that is not."""
    place = known if isinstance(known, dict) else {value: at for at, value in enumerate(known)}
    return np.array([place.get(value, -1) for value in values], dtype=np.int64)


def _crossed(codes, each, spoken, dims: tuple, names: dict, months: list[str], themes: list[str]):
    """One part per theme (−1: all): the counts by month and some dimensions, every column an array; dimensions as codes.

    codes: of each review. each: one entry per review × treatment. spoken: one per review × theme.
    """
    review = each["review"] if "treatment" in dims else np.arange(len(codes["month"]))
    shape = (len(months), *(len(names[dim]) for dim in dims))
    size = int(np.prod(shape))
    parts = [each[dim] if dim == "treatment" else codes[dim][review] for dim in dims]
    cell = np.ravel_multi_index([codes["month"][review], *parts], shape) if len(review) else np.zeros(0, np.int64)
    read = codes["read"][review]
    many = {"reviews": np.bincount(cell, minlength=size), "n": np.bincount(cell[read], minlength=size)}
    margin = len(dims) < 3
    kinds = len(tables.SENTIMENTS)
    # of each passage the cells of its review: several, where it is about several treatments
    first = np.searchsorted(review, spoken["review"])
    times = np.searchsorted(review, spoken["review"], side="right") - first
    told = np.repeat(np.arange(len(first)), times)
    after = np.arange(len(told)) - np.repeat(np.cumsum(times) - times, times)
    spoken_cell = cell[first[told] + after] * kinds + spoken["sentiment"][told]
    spoken_theme = spoken["theme"][told]
    index = dict(zip(("month", *dims), np.unravel_index(np.arange(size), shape), strict=True))
    for theme in range(-1, len(themes)):
        if theme < 0:
            known = read & (codes["overall"][review] >= 0)
            here = cell[known] * kinds + codes["overall"][review][known]
        else:
            here = spoken_cell[spoken_theme == theme]
        counts = np.bincount(here, minlength=size * kinds).reshape(size, kinds)
        mentions = counts.sum(axis=1)
        full = many["reviews"] > 0 if theme < 0 else mentions > 0
        keep = np.arange(size) if margin else np.flatnonzero(full)
        part = {name: index[name][keep] if name in index else np.full(len(keep), -1) for name in ("month", *DIMENSIONS)}
        part |= {name: values[keep] for name, values in many.items()}
        part |= {name: counts[keep, at] for at, name in enumerate(tables.SENTIMENTS)}
        yield part | {"mentions": mentions[keep], "theme": np.full(len(keep), theme)}
