"""What an earlier run has read need not be read again.

A reading follows from a review's text, the question it answers, its language, and from program, model and taxonomy; from
nothing beside it. Where an earlier output was made by the same, its rows are taken over for every review that says the
same under whatever id, and the new output has the same bytes as if all had been read. What people corrected is not taken
over: the program reads it anew.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import store, tables
from pipeline.model import Model, sha256
from pipeline.taxonomy import Taxonomy

SAID = ("text", "question", "language")
READ = ("overall", "score", "confidence", "treatments", "received", "themes", "escalate")
LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "onnxruntime", "tokenizers", "ftfy")


class Earlier(NamedTuple):
    """What an earlier run left, indexed by what the reviews say."""

    tables: Mapping[str, store.Stored]
    keys: np.ndarray  # of every review that may be taken over, in order
    numbers: np.ndarray  # its row among the reviews
    first: Mapping[str, np.ndarray]  # of opinions, mentions, escalations: where each review's rows begin, and the end


def made_by(model: Model, taxonomy: Taxonomy) -> dict:
    """All that a reading follows from but the review, for the manifest. The program is known by its files: a list of terms
    may have grown since without another version."""
    here = Path(__file__).parent
    program = hashlib.sha256()
    for path in sorted(path for kind in ("*.py", "*.toml") for path in here.rglob(kind)):
        program.update(f"{path.relative_to(here).as_posix()}\0{sha256(path)}\n".encode())
    return {
        "program": program.hexdigest(),
        "model": sha256(model.folder / "model.json"),
        "taxonomy": taxonomy.fingerprint,
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
    }


def table_hashes(folder: Path) -> dict[str, str]:
    """Of every Parquet file of an output: where one was changed since, nothing is taken over."""
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*.parquet"))}


def keys_of(reviews: pa.Table) -> np.ndarray:
    """A number per review that tells what it says. Two that say something else may share one, hardly ever."""
    rows = zip(*(reviews[name].to_pylist() for name in SAID), strict=True)
    said = (hashlib.blake2b(json.dumps(row).encode(), digest_size=8).digest() for row in rows)
    return np.fromiter((int.from_bytes(digest) for digest in said), np.uint64, len(reviews))


def earlier(out: Path, made: Mapping) -> Earlier | None:
    """What may be taken over from the output in `out`; None where there is none, or another program, model or taxonomy made it."""
    try:
        manifest = store.read_manifest(out)
        if manifest.get("made_by") != made or manifest.get("tables") != table_hashes(out):
            return None
    except (store.StoreError, OSError, ValueError):
        return None
    stored = {name: store.Stored(out / f"{name}.parquet") for name in store.FILES}
    reviews, *others = stored
    ids = stored[reviews].column("review_id")
    corrected = store.read_as_read(out)
    own = pc.invert(pc.is_in(ids, pa.array([] if corrected is None else corrected.reviews["review_id"], pa.string())))
    numbers = np.flatnonzero(own.to_numpy())
    keys = np.concatenate([keys_of(block) for block in stored[reviews].blocks(store.ROW_GROUP, list(SAID))])[numbers]
    order = np.argsort(keys, kind="stable")
    first = {}
    for name in others:
        rows = pc.index_in(stored[name].column("review_id"), ids)
        counts = np.bincount(rows.to_numpy(), minlength=len(ids))
        first[name] = np.concatenate([[0], np.cumsum(counts)])
    return Earlier(stored, keys[order], numbers[order], first)


def taken_over(block: pa.Table, known: Earlier, marks: tuple[str, ...]) -> tuple[np.ndarray, tables.Annotations]:
    """Which reviews of a block an earlier run has read, and its rows of them (Arrow's tables), in the block's order.

    `marks`: the flags that a review has before it is read; the others are of the reading.
    """
    keys = keys_of(block)
    at = np.minimum(np.searchsorted(known.keys, keys), len(known.keys) - 1)
    there = np.flatnonzero(known.keys[at] == keys) if len(known.keys) else np.zeros(0, int)
    numbers = known.numbers[at[there]]
    old = known.tables["reviews"].take(numbers, [*SAID, *READ, "flags"])
    new = block.take(there)
    same = [[old[name][row].as_py() == new[name][row].as_py() for name in SAID] for row in range(len(there))]
    same = np.array([all(row) for row in same], bool)
    there, numbers, old, new = there[same], numbers[same], old.filter(same), new.filter(same)
    flags = [
        [*before, *(flag for flag in after if flag not in marks)]
        for before, after in zip(new["flags"].to_pylist(), old["flags"].to_pylist(), strict=True)
    ]
    columns = {name: new[name] for name in new.column_names} | {name: old[name] for name in READ} | {"flags": flags}
    found = [pa.table({name: columns[name] for name in tables.REVIEWS.names}, schema=tables.REVIEWS)]
    for name, first in known.first.items():
        counts = first[numbers + 1] - first[numbers]
        rows = np.repeat(first[numbers] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        ids = new["review_id"].take(np.repeat(np.arange(len(there)), counts))
        schema = store.FILES[name]
        found.append(known.tables[name].take(rows, schema.names).set_column(0, schema.field(0), ids))
    mask = np.zeros(len(block), bool)
    mask[there] = True
    return mask, tables.Annotations(*found)
