"""Which reviews a report shows, of all that its counts were made from."""

from collections.abc import Collection, Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.summary.counted import months_of

KNOWN_BY = (
    "review_id",
    "duplicate_of",
    "respondent",
    "date",
    "date_precision",
)  # what `shown` must know of every review


def shown(blocks: Iterable[pa.Table], forms: pd.DataFrame, month: str, most: int, named: Collection[str]) -> set[str]:
    """The ids of the `most` newest reviews not after the month, and of those `named` with the reviews they are copies of;
    of a form all answers.

    blocks: KNOWN_BY of all reviews. forms: see tally.whole.
    """
    named = pa.array(sorted(set(named)), pa.string())
    units = forms.drop_duplicates("review_id")
    held = [pa.table({"day": [day or "" for day in units["date"]], "review_id": units["review_id"].tolist()}, SORTED)]
    ids = set(named.to_pylist())
    for block in blocks:
        copies = pc.is_valid(block["duplicate_of"])
        ids.update(block["duplicate_of"].filter(pc.and_(copies, pc.is_in(block["review_id"], named))).to_pylist())
        alone = block.filter(pc.and_(pc.invert(copies), pc.is_null(block["respondent"])))
        months = months_of(alone["date"].to_pylist(), alone["date_precision"].to_pylist())
        early = pa.array([one is None or one <= month for one in months], pa.bool_())
        columns = {"day": pc.fill_null(alone["date"], ""), "review_id": alone["review_id"]}
        held.append(pa.table(columns, SORTED).filter(early))
        if sum(map(len, held)) > 4 * most:
            held = [_newest(held, most)]
    ids.update(_newest(held, most)["review_id"].to_pylist())
    wanted = set(forms.loc[forms["answer"].isin(ids), "review_id"])
    return ids | set(forms.loc[forms["review_id"].isin(wanted), "answer"])


SORTED = pa.schema([("day", pa.string()), ("review_id", pa.string())])


def _newest(several: list[pa.Table], most: int) -> pa.Table:
    whole = pa.concat_tables(several).combine_chunks()
    return whole.take(pc.sort_indices(whole, [(name, "descending") for name in SORTED.names]))[:most]
