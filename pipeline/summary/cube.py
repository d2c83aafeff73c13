"""Every count for people who reckon on: month × location × source × treatment × theme. Only report.json carries it."""

import numpy as np

from pipeline import tables
from pipeline.statistics import FEW, mark, wilson
from pipeline.summary.tally import AND, Tally

COLUMNS = (
    *("month", "location", "source", "treatment", "theme", "reviews", "n", "mentions"),
    *tables.SENTIMENTS,
    *("share", "low", "high", "negative_share", "negative_low", "negative_high", "mark"),
)
MARGINS = ((), ("location",), ("source",), ("treatment",), ("location", "source", "treatment"))
DIMENSIONS = ("location", "source", "treatment")


def cross_table(tally: Tally, months: list[str], themes: list[str]) -> dict:
    """One row per month × location × source × treatment × theme, as {columns, rows}; "all" stands for a margin.

    `reviews` all, `n` those read, `mentions` those that speak of the theme (theme "all": n), the four sentiments, the share
    of mentions among n and of negatives among n with their intervals. The margins hold every month, one without a review
    with n 0 and null shares (missing, not 0 %); the full crossing holds the combinations that have a review. A review with
    two treatments is in both their rows, and once in "all".
    """
    known = {sentiment: at for at, sentiment in enumerate(tables.SENTIMENTS)}
    base, said = (rows[rows["month"].isin(months)] for rows in (tally.reviews, tally.said))
    names = {dim: sorted(set(base[dim])) for dim in ("location", "source")}
    names["treatment"] = sorted({one for had in set(base["treatments"]) for one in had.split(AND)})

    def coded(rows, overall):
        """The rows as codes, one per treatment had; `first`: of each row the first of those."""
        had = [had.split(AND) for had in rows["treatments"]]
        row = np.repeat(np.arange(len(rows)), [len(one) for one in had])
        codes = {"month": _codes(rows["month"], months), "sentiment": _codes(rows[overall], known)}
        codes |= {dim: _codes(rows[dim], names[dim]) for dim in ("location", "source")} | {"n": rows["n"].to_numpy()}
        codes = {name: values[row] for name, values in codes.items()}
        codes["treatment"] = _codes([one for each in had for one in each], names["treatment"])
        return codes | {"row": row, "first": np.diff(row, prepend=-1) > 0}

    codes, spoken = coded(base, "overall"), coded(said, "sentiment")
    codes["read"] = base["read"].to_numpy(bool)[codes["row"]]
    spoken["theme"] = _codes(said["theme"], themes)[spoken["row"]]
    parts = [part for dims in MARGINS for part in _crossed(codes, spoken, dims, names, months, themes)]
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


def _crossed(codes, spoken, dims: tuple, names: dict, months: list[str], themes: list[str]):
    """One part per theme (−1: all): the counts by month and some dimensions, every column an array; dimensions as codes.

    codes: of the reviews, spoken: of what they say of a theme; each one entry per row of the tally × treatment.
    """
    shape = (len(months), *(len(names[dim]) for dim in dims))
    size = int(np.prod(shape))

    def placed(rows):
        """The rows that count here (each once, where treatments are not told apart), with their cells."""
        rows = rows if "treatment" in dims else {name: values[rows["first"]] for name, values in rows.items()}
        parts = [rows[dim] for dim in ("month", *dims)]
        return rows, np.ravel_multi_index(parts, shape) if len(parts[0]) else np.zeros(0, np.int64)

    def count(cells, n, many=size):
        return np.bincount(cells, n, minlength=many).astype(np.int64)

    (rows, cell), (told, spoken_cell) = placed(codes), placed(spoken)
    read = rows["read"]
    many = {"reviews": count(cell, rows["n"]), "n": count(cell[read], rows["n"][read])}
    margin = len(dims) < 3
    kinds = len(tables.SENTIMENTS)
    index = dict(zip(("month", *dims), np.unravel_index(np.arange(size), shape), strict=True))
    for theme in range(-1, len(themes)):
        here, at = (rows, cell) if theme < 0 else (told, spoken_cell)
        mine = (read if theme < 0 else told["theme"] == theme) & (here["sentiment"] >= 0)
        counts = count(at[mine] * kinds + here["sentiment"][mine], here["n"][mine], size * kinds).reshape(size, kinds)
        mentions = counts.sum(axis=1)
        full = many["reviews"] > 0 if theme < 0 else mentions > 0
        keep = np.arange(size) if margin else np.flatnonzero(full)
        part = {name: index[name][keep] if name in index else np.full(len(keep), -1) for name in ("month", *DIMENSIONS)}
        part |= {name: values[keep] for name, values in many.items()}
        part |= {name: counts[keep, at] for at, name in enumerate(tables.SENTIMENTS)}
        yield part | {"mentions": mentions[keep], "theme": np.full(len(keep), theme)}
