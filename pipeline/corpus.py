"""The annotated corpus and any other pair of review and annotation files: JSONL → aligned lists.

data/corpus/<author>.reviews.jsonl and <author>.labels.jsonl hold one author's reviews each, in the annotation format.
Authors are kept whole: a model is judged on people it never read.
"""

import json
from pathlib import Path
from typing import NamedTuple

from pipeline.faults import Fault

# Authors nobody trains on. CALIBRATION sets probabilities and thresholds; HELD_OUT is only ever measured.
SPLIT_FILE = "split.json"


class CorpusError(Fault):
    """A file of reviews or annotations is at fault; the message names file, line and mend."""


class Pair(NamedTuple):
    """One review and what a careful reader marked in it."""

    review: dict
    gold: dict


def read_jsonl(path: Path) -> list[dict]:
    """The objects of a JSONL file. Raises CorpusError with file, line and mend."""
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise CorpusError(f"{path}, line {number}: not JSON ({error}); mend or remove the line") from error
    return rows


def pairs(reviews: Path, labels: Path) -> list[Pair]:
    """Every review that has an annotation, in the order of the reviews."""
    gold = {row["id"]: row for row in read_jsonl(labels)}
    return [Pair(review, gold[review["id"]]) for review in read_jsonl(reviews) if review["id"] in gold]


def authors(folder: Path) -> dict[str, list[Pair]]:
    """Author → their pairs, for every author in the folder, by name."""
    return {
        path.name.removesuffix(".reviews.jsonl"): pairs(
            path, path.with_name(path.name.replace(".reviews.", ".labels."))
        )
        for path in sorted(folder.glob("*.reviews.jsonl"))
    }


def split(folder: Path) -> dict[str, list[Pair]]:
    """The corpus as `train`, `calibration` and `held_out`, by the authors named in split.json."""
    by_author = authors(folder)
    named = json.loads((folder / SPLIT_FILE).read_text(encoding="utf-8"))
    kept = {author for part in named.values() for author in part}
    if unknown := kept - by_author.keys():
        raise CorpusError(f"{folder / SPLIT_FILE} names authors who wrote nothing here: {', '.join(sorted(unknown))}")
    parts = {part: [pair for author in names for pair in by_author[author]] for part, names in named.items()}
    parts["train"] = [pair for author, both in by_author.items() if author not in kept for pair in both]
    return parts
