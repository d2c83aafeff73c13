"""The history as counts that add up: part by part, on whichever machine, in any grouping, with one result.

A tally holds all that a Summary says of months, so that the reviews themselves are needed only where they are shown. What
crosses parts: a twin is in no figure; the answers of a survey form wait as slim rows (`answers`, `opinions`) until all are
there, and then count as one review (`whole`).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from pipeline.summary.counted import first_answers, rows_of, shared, stand, units_of, verdict_of_each
from pipeline.tables import COUNT, FLAG, NUMBER, TEXT, WORDS

AND = "\x1f"  # between the treatments of a review, where they are one value to group by

# Each one row per combination of its columns, with how many reviews (n) have it.
REVIEWS = pa.schema(
    [
        *((name, TEXT) for name in ("month", "location", "source", "language", "treatments", "overall")),
        *((name, FLAG) for name in ("words", "read", "rough")),
        ("n", COUNT),
    ]
)
STARS = pa.schema(
    [("month", TEXT), ("location", TEXT), ("rating", NUMBER), ("read", FLAG), ("disagrees", FLAG), ("n", COUNT)]
)
SAID = pa.schema(  # of the clinic, by the reviews read: each theme once a review
    [*((name, TEXT) for name in ("month", "location", "source", "treatments", "theme", "sentiment")), ("n", COUNT)]
)
VERDICTS = pa.schema(  # of a treatment (treatments: those had)
    [*((name, TEXT) for name in ("month", "treatments", "theme", "treatment", "sentiment")), ("n", COUNT)]
)
FLAGS = pa.schema([("flag", TEXT), ("n", COUNT)])
FILES = pa.schema([("file", TEXT), ("twin", FLAG), ("late", FLAG), ("n", COUNT)])  # of rows; late: after the month
PRAISE = pa.schema([("theme", TEXT), ("n", COUNT)])  # of the reviews that the board may quote; null: all that were read
SIDES = pa.schema(  # of a change written down: reviews read, those that complain of its theme, those that speak of it
    [("number", COUNT), ("since", FLAG), ("source", TEXT), ("n", COUNT), ("bad", COUNT), ("spoken", COUNT)]
)

# One row per review that speaks of the theme of a change written down, on the side it is on.
BEHIND = pa.schema([("number", COUNT), ("since", FLAG), ("date", TEXT), ("review_id", TEXT), ("complains", FLAG)])

# One row per answer of a form (`answer`: its id) as `counted.rows_of` gives it, and one per opinion of an answer.
ANSWERS = pa.schema(
    [
        *((name, TEXT) for name in ("answer", "respondent", "file", "source", "location", "date", "month", "language")),
        *((name, TEXT) for name in ("overall",)),
        *((name, NUMBER) for name in ("rating", "score")),
        ("row", COUNT),
        *((name, FLAG) for name in ("words", "read", "rough", "quoted")),
        *((name, WORDS) for name in ("received", "flags")),
    ]
)
OPINIONS = pa.schema([(name, TEXT) for name in ("answer", "theme", "treatment", "sentiment")])


class Tally(NamedTuple):
    """The counts of some reviews, as Arrow's tables."""

    reviews: pa.Table
    stars: pa.Table
    said: pa.Table
    verdicts: pa.Table
    flags: pa.Table
    files: pa.Table
    praise: pa.Table
    sides: pa.Table
    behind: pa.Table
    answers: pa.Table
    opinions: pa.Table


SCHEMAS = Tally(REVIEWS, STARS, SAID, VERDICTS, FLAGS, FILES, PRAISE, SIDES, BEHIND, ANSWERS, OPINIONS)
COUNTS = ("n", "bad", "spoken")  # what is summed; a table without any holds rows
AT_ONCE = 32  # tallies summed
ANSWERS_AT_ONCE = 4096  # of forms, with all that is said in them


class Window(NamedTuple):
    """The days looked at for a change written down: before, from `first` on; since, from `day` to the one before `last`."""

    number: int
    location: str | None  # None: every clinic
    theme: str
    first: dt.date
    day: dt.date
    last: dt.date


class Scope(NamedTuple):
    """What is counted, the same for every part."""

    month: str  # the last that counts
    windows: tuple[Window, ...] = ()
    only: str | None = None  # the month that the board quotes; None: all up to the day `on`, or with no day all
    on: dt.date | None = None


def tally_of(part: tables.Annotations, scope: Scope) -> Tally:
    """The counts of some reviews with all their opinions."""
    rows = rows_of(part.reviews)
    standing = stand(rows, scope.month)
    twin = rows["duplicate_of"].notna().to_numpy(bool)
    rows["quoted"] = quotable(part.reviews, scope.only, scope.on)
    rows["review_id"] = rows["answer"]
    form = rows["respondent"].notna().to_numpy(bool)
    said = pd.DataFrame({name: shared(part.opinions[name]) for name in ("review_id", "theme", "sentiment")})
    said["treatment"] = shared(part.opinions["treatment"], "")
    answers = rows[standing & form]
    of_answer = said["review_id"].isin(set(answers["answer"])).to_numpy(bool)
    single = rows[standing & ~form]
    held = empty()._replace(
        files=rows[["file"]].assign(twin=twin, late=~twin & ~standing, n=1),
        answers=answers,
        opinions=said[of_answer].rename(columns={"review_id": "answer"}),
    )
    return total([counts(single, said[~of_answer], scope, set(single.loc[single["quoted"], "answer"])), held])


def quotable(reviews: pd.DataFrame, only: str | None, on: dt.date | None, wordless: bool = False) -> np.ndarray:
    """Which rows the board may quote: nobody's twin, of the month `only` or else up to the day `on`, and with words unless
    `wordless`."""
    keep = reviews["duplicate_of"].isna() & (wordless | (reviews["text"].fillna("").str.strip() != ""))
    if only is not None:
        keep &= reviews["date"].fillna("").str.startswith(only)
    elif on is not None:
        keep &= reviews["date"].fillna("") <= on.isoformat()
    return keep.to_numpy(bool)


def counts(rows: pd.DataFrame, said: pd.DataFrame, scope: Scope, quoted: set[str]) -> Tally:
    """The counts of some rows of `counted.rows_of` that are whole reviews (`review_id`), and of what is said in them.

    said: review_id, theme, treatment ("": the clinic), sentiment. quoted: the reviews that the board may quote.
    """
    units = units_of(rows)
    units["treatments"] = [AND.join(had) for had in units["treatments"]]
    place = {review_id: at for at, review_id in enumerate(units["review_id"])}
    at = np.array([place.get(review_id, -1) for review_id in said["review_id"]], dtype=np.int64)
    said, at = said[at >= 0], at[at >= 0]
    read = units["read"].to_numpy(bool)
    said = said[read[at]].assign(at=at[read[at]])
    said = verdict_of_each(said)
    at = said["at"].to_numpy()
    said = said.assign(
        **{name: units[name].to_numpy()[at] for name in ("month", "location", "source", "treatments")}, n=1
    )
    clinic = said[said["treatment"] == ""]
    praised = clinic[(clinic["sentiment"] == "positive") & clinic["review_id"].isin(quoted)]
    praise = [*praised["theme"], *[None] * int((read & units["review_id"].isin(quoted)).sum())]
    sides, behind = followed(units, clinic, scope.windows)
    found = empty()._replace(
        reviews=units.assign(n=1),
        stars=units[units["rating"].notna()].assign(n=1),
        said=clinic,
        verdicts=said[said["treatment"] != ""],
        flags=pd.DataFrame({"flag": [flag for each in units["flags"] for flag in each]}, dtype=object).assign(n=1),
        praise=pd.DataFrame({"theme": praise}, dtype=object).assign(n=1),
        sides=sides,
        behind=behind,
    )
    return total([found])


def followed(units: pd.DataFrame, said: pd.DataFrame, windows: Iterable[Window]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """SIDES and BEHIND of some reviews, a row a review and change."""
    sides, behind = [pd.DataFrame(columns=SIDES.names)], [pd.DataFrame(columns=BEHIND.names)]
    dated = units["read"].to_numpy(bool) & units["month"].notna().to_numpy(bool)
    days = np.array(
        [f"{date}-01" if len(date or "") == 7 else (date or "")[:10] for date in units["date"]], dtype=object
    )
    for number, location, theme, *ends in windows:
        first, day, last = (end.isoformat() for end in ends)
        here = dated & (days >= first) & (days < last)
        if location is not None:
            here &= (units["location"] == location).to_numpy(bool)
        mine = said[said["theme"] == theme]
        spoken, bad = (
            np.bincount(rows["at"], minlength=len(units)) for rows in (mine, mine[mine["sentiment"] == "negative"])
        )
        rows = units.loc[here, ["source", "date", "review_id"]].assign(
            number=number, since=days[here] >= day, n=1, bad=bad[here], spoken=spoken[here], complains=bad[here] > 0
        )
        sides.append(rows[SIDES.names])
        behind.append(rows.loc[rows["spoken"] > 0, BEHIND.names])
    return pd.concat(sides), pd.concat(behind)


def total(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one; the same whatever is summed first. Few are held at once."""
    tallies, found = iter(tallies), empty()
    while some := list(islice(tallies, AT_ONCE)):
        each = zip(SCHEMAS, found, *some, strict=True)
        found = Tally(*(summed(pa.concat_tables(as_table(one, schema) for one in parts)) for schema, *parts in each))
    return found


def empty() -> Tally:
    """The tally of no review."""
    return Tally(*(schema.empty_table() for schema in SCHEMAS))


def as_table(rows: pd.DataFrame | pa.Table, schema: pa.Schema) -> pa.Table:
    if not len(rows):  # of which pandas cannot tell the types
        return schema.empty_table()
    return rows if isinstance(rows, pa.Table) else tables.arrow(rows, schema)


def summed(table: pa.Table) -> pa.Table:
    """The rows in order, those that differ in no more than their counts as one."""
    sums = [name for name in table.column_names if name in COUNTS]
    keys = [name for name in table.column_names if name not in sums]
    if sums and len(table):
        grouped = table.combine_chunks().group_by(keys, use_threads=False).aggregate([(name, "sum") for name in sums])
        table = grouped.rename_columns([*keys, *sums]).select(table.column_names).cast(table.schema)
    order = [(name, "ascending") for name in keys if not pa.types.is_list(table.schema.field(name).type)]
    return table.take(pc.sort_indices(table, order)).combine_chunks() if len(table) else table


def whole(found: Tally, scope: Scope) -> tuple[Tally, pd.DataFrame]:
    """The tally with every form counted as the one review it is, and of each answer its form: answer, review_id, date (of
    the form)."""
    forms = [pd.DataFrame({name: [] for name in ("answer", "review_id", "date")}, dtype=object)]

    def folded() -> Iterator[Tally]:
        for rows, said in whole_forms(found.answers, found.opinions):
            counted, dates = _folded(rows, said, scope)
            forms.append(dates)
            yield counted

    rest = found._replace(answers=ANSWERS.empty_table(), opinions=OPINIONS.empty_table())
    counted = total(chain([rest], folded()))
    return counted, pd.concat(forms, ignore_index=True)


def whole_forms(
    answers: pa.Table, opinions: pa.Table, at_once: int = ANSWERS_AT_ONCE
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """ANSWERS and OPINIONS in parts that cut no form in two, `at_once` or a few more each, as pandas has them."""
    if not len(answers):
        return
    form = ["source", "file", "respondent"]
    answers = answers.take(pc.sort_indices(answers, [(name, "ascending") for name in form])).combine_chunks()
    other = np.zeros(len(answers) - 1, bool)  # whether the next answer is of another form
    for name in form:
        other |= pc.not_equal(answers[name][1:], answers[name][:-1]).fill_null(False).to_numpy()
    begins = np.concatenate([[0], np.flatnonzero(other) + 1])
    cuts = begins[1:][np.diff(begins // at_once) > 0]
    place = pc.index_in(opinions["answer"], answers["answer"]).to_numpy()
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    for start, end in pairwise([0, *cuts.tolist(), len(answers)]):
        mine = order[slice(*np.searchsorted(ordered, [start, end]))]
        yield plain_frame(answers[start:end]), plain_frame(opinions.take(mine))


def _folded(rows: pd.DataFrame, said: pd.DataFrame, scope: Scope) -> tuple[Tally, pd.DataFrame]:
    """The tally of whole forms, and of each answer its form (see whole)."""
    for name in ("received", "flags"):
        rows[name] = [tuple(one) for one in rows[name]]
    rows["review_id"] = np.array(first_answers(rows), dtype=object)
    unit_of = dict(zip(rows["answer"], rows["review_id"], strict=True))
    said["review_id"] = [unit_of[answer] for answer in said["answer"]]
    folded = counts(rows, said, scope, set())
    if rows["quoted"].any():  # what the board may quote of a form need not be all of it
        rest = rows[rows["quoted"]]
        of_rest = said[said["answer"].isin(set(rest["answer"]))]
        folded = folded._replace(
            praise=counts(rest, of_rest, scope._replace(windows=()), set(rest["review_id"])).praise
        )
    dates = dict(zip(*(units_of(rows)[name] for name in ("review_id", "date")), strict=True))
    return folded, rows[["answer", "review_id"]].assign(date=[dates[one] for one in rows["review_id"]])


def plain_frame(table: pa.Table) -> pd.DataFrame:
    """A table as pandas has it, numbers as numbers and texts as plain Python values, what is missing as None."""
    columns = {}
    for field in table.schema:
        columns[field.name] = np.empty(len(table), dtype=object)
        columns[field.name][:] = table[field.name].to_pylist()
    types = {field.name: field.type.to_pandas_dtype() for field in table.schema if field.type in (COUNT, NUMBER, FLAG)}
    return pd.DataFrame(columns, dtype=object).astype(types)


def frames(found: Tally) -> Tally:
    """The tables as pandas has them (plain_frame)."""
    return Tally(*map(plain_frame, found))
