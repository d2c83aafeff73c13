"""Every count for people who reckon on: month × location × source × treatment × theme. Only report.json carries it."""

import math

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
    columns = ["review_id", "month", "location", "source", "treatments", "read", "overall"]
    base = reviews.loc[reviews["month"].isin(months), columns]
    whole = pd.concat(
        [part for dims in MARGINS for part in _crossed(base, said, dims, months, themes)], ignore_index=True
    )
    n = whole["n"].to_numpy(float)
    for k, prefix in (("mentions", ""), ("negative", "negative_")):
        low, high = wilson(whole[k], n)
        share = whole[k].to_numpy(float) / np.where(n > 0, n, np.nan)
        for name, numbers in (("share", share), ("low", low), ("high", high)):
            whole[prefix + name] = np.where(n >= FEW, np.round(numbers, 4), np.nan)
    whole["mark"] = [mark(value) for value in n]
    whole["rank"] = whole["theme"].map({theme: rank for rank, theme in enumerate(["all", *themes])})
    margins = whole.assign(**{f"{dim}_rank": whole[dim] != "all" for dim in DIMENSIONS})
    order = [*(f"{dim}_rank" for dim in DIMENSIONS), *DIMENSIONS, "month", "rank"]
    rows = margins.sort_values(order, kind="stable")[list(COLUMNS)].astype(object).values.tolist()
    plain = [[None if isinstance(value, float) and math.isnan(value) else value for value in row] for row in rows]
    return {"columns": list(COLUMNS), "rows": plain}


def _crossed(base, said, dims: tuple, months: list[str], themes: list[str]):
    """One table per theme (and "all") of the counts by month and some dimensions."""
    rows = base.explode("treatments").rename(columns={"treatments": "treatment"}) if "treatment" in dims else base
    keys = ["month", *dims]
    read = rows[rows["read"]]
    every = rows.groupby(keys).size().rename("reviews").to_frame()
    every["n"] = read.groupby(keys).size().reindex(every.index, fill_value=0)
    margin = len(dims) < 3
    if margin:
        levels = [months, *(sorted(set(rows[dim])) for dim in dims)]
        whole = pd.MultiIndex.from_product(levels, names=keys) if dims else pd.Index(months, name="month")
        every = every.reindex(whole, fill_value=0)
    spoken = said[["review_id", "theme", "sentiment"]].merge(rows[["review_id", *keys]], on="review_id")
    sizes = spoken.groupby(["theme", *keys, "sentiment"]).size()
    there = set(spoken["theme"])
    told = {"all": read.groupby([*keys, "overall"]).size().unstack(fill_value=0)}
    for theme in themes:
        if theme in there:
            told[theme] = sizes.xs(theme, level="theme").unstack(fill_value=0)
        elif margin:
            told[theme] = pd.DataFrame(index=every.index)
    for theme, counted in told.items():
        full = margin or theme == "all"
        part = every.copy() if full else every.loc[every.index.intersection(counted.index)].copy()
        for sentiment in tables.SENTIMENTS:
            column = counted[sentiment] if sentiment in counted else pd.Series(0, index=counted.index)
            part[sentiment] = column.reindex(part.index, fill_value=0)
        part["mentions"] = part[list(tables.SENTIMENTS)].sum(axis=1)
        yield part.reset_index().assign(theme=theme, **{dim: "all" for dim in DIMENSIONS if dim not in dims})
