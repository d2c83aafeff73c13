"""The map: what is done to the reviews, in order, and what each step reads and writes.

    read        files              → typed reviews, refused rows        pipeline/read/
    prepare     typed reviews      → repaired text, language, keys,     pipeline/prepare.py (clean, deidentify)
                                     no identifiers
    fold        keys of all        → which review is a twin of which    pipeline/clean.py
    annotate    de-identified text → opinions, mentions, escalations    pipeline/annotate.py (segment, tag, model)
    correct     annotations        → annotations as people corrected    pipeline/corrections.py
    count       annotations        → counts that add up, part by part   pipeline/summary/tally.py
    summarise   counts, what shows → Summary of a month                 pipeline/summary/
    report      Summary            → html, xlsx, json                   pipeline/report/
    clear       annotations        → candidate quotes and their status  pipeline/testimonials.py, pipeline/clearance/
    store       everything         → the output folder, all or nothing  pipeline/store.py

Text as typed lives in memory from `read` to `prepare`, a batch at a time, and is written nowhere. De-identified reviews
wait on the disk, in the run's own folder, until all are read; in memory are the short values that tell twins (tables.KEYS).
Then they are annotated part by part, and every part is written as it comes. Reports are made from counts of all reviews and
from the rows of those that are shown: no table of all rows is held.
"""

import gc
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import (
    carry,
    clearance,
    corrections,
    read,
    report,
    store,
    summary,
    tables,
    taxonomy,
    testimonials,
    workers,
)
from pipeline import check as checks
from pipeline.annotate import annotate_batch
from pipeline.clean import bursts, copied, fold_twins, places
from pipeline.deidentify import typed_span
from pipeline.model import Model, sha256
from pipeline.months import last_day, month_before
from pipeline.prepare import nameless, prepare, prepare_refused
from pipeline.read import ledgers
from pipeline.read.corrections import read_corrections, told_by_row
from pipeline.read.files import label_of
from pipeline.read.roster import read_roster
from pipeline.report import board

KEPT = {  # the tables people keep by hand, and where they are if nobody says otherwise
    "corrections": Path("data/corrections.csv"),
    "changes": Path("data/changes.csv"),
    "closed": Path("data/closed.csv"),
}
GIVEN = ("consents", "staff", *KEPT)  # the settings that name a table, which a later report takes over
MOST_LINES = 5  # of what is in vain in a table kept by hand
THE_REST = {
    "corrections": "reviews correct {path} --dry-run lists them",
    "changes": "mend those first",
    "closed": "the report lists them",
}
MARKS = (
    "translated",
    "truncated",
    "repaired",
    "copied text",
    "burst",
)  # flags that a review has before it is annotated
ROWS_READ = 1024  # rows of a file in memory at a time: long texts, split into words, are many times their size
ROWS_PER_BATCH = 256  # reviews a worker takes at a time: enough to share the cost of a table, few enough that none is left alone at the end
Progress = Callable[[str, int, int | None], None]  # (step, done, of how many)


class Settings(NamedTuple):
    """What a run is asked to do."""

    inputs: tuple[Path, ...]
    out: Path
    model: Path
    taxonomy: Path | None = None
    consents: Path | None = None
    staff: Path | None = None
    month: str | None = None
    workers: int = 1
    corrections: Path | None = None
    changes: Path | None = None
    closed: Path | None = None
    engine: str = "local"  # or "spark", then at:
    master: str | None = None  # None: the Spark that the surroundings give
    storage: Path | None = None  # a folder that all of Spark's workers see; None: the run's own


class Kept(NamedTuple):
    """What people keep by hand beside the exports."""

    corrections: pd.DataFrame  # CORRECTIONS and `row`; no row where there is no such file
    changes: pd.DataFrame | None  # CHANGES; None where there is no such file
    closed: pd.DataFrame | None  # CLOSED; None where there is no such file


Vain = tuple[list[int], str]  # rows of a table kept by hand that have no effect, and why and the mend


class Ingested(NamedTuple):
    """Everything read: `staged` (STAGED, on the disk) and `across` (ACROSS), one row per review each, in the order read; one
    row per refused row; and what to tell."""

    staged: store.Stored
    across: pa.Table
    rejected: pd.DataFrame
    notes: list[str]
    read: int

    def blocks(self) -> Iterator[pa.Table]:
        """All reviews in their order, ROWS_PER_BATCH or fewer at once."""
        done = 0
        for block in self.staged.blocks(ROWS_PER_BATCH):
            own = beside(block, self.across[done : done + len(block)])
            yield own.take(np.arange(len(own)))  # a slice goes to another process with all that it was cut from
            done += len(block)

    def some(self, numbers: np.ndarray) -> pa.Table:
        """The reviews of some row numbers."""
        return beside(self.staged.take(numbers, tables.STAGED.names), self.across.take(numbers))


class Counting(NamedTuple):
    """What workers count of what they read, and the sum of what they have: none or one."""

    scope: summary.Scope
    found: list[summary.Tally]

    def add(self, one: summary.Tally) -> None:
        self.found[:] = [summary.total([*self.found, one])]


class Correction(NamedTuple):
    """What `reviews correct` did, or with dry_run would do."""

    changes: list[corrections.Change]
    names: dict[str, str]  # of the themes, for people
    stale: list[str]
    kept: Path
    outcome: "Outcome | None"  # None where nothing was written


class Checked(NamedTuple):
    """What `reviews check` found of a month ("October 2026"), and what to tell beside it."""

    findings: list[checks.Finding]
    notes: list[str]
    month: str


class Outcome(NamedTuple):
    """What a run did. accepted + duplicates + rejected = read."""

    read: int
    accepted: int
    duplicates: int
    rejected: int
    month: str | None
    notes: list[str]
    to_act_on: str  # the reviews of the month, as the page tells them: "3 open, 1 closed"; "" without a month
    written: list[Path]


def quiet(_step: str, _done: int, _of: int | None) -> None:
    """No progress shown."""


def ingest(
    inputs: Iterable[Path],
    staged: Path,
    staff: Sequence[str] = (),
    progress: Progress = quiet,
    helping: workers.Workers | None = None,
) -> Ingested:
    """files → reviews without identifiers in the file `staged`, twins folded, and every refused row with its reason.

    `staff`: names that stay. `helping`: see workers.
    """
    keys, refused, notes, rows = [], [], [], 0

    def typed():
        nonlocal rows
        for batch in read.read(list(inputs), rows_per_batch=ROWS_READ):
            rows += batch.read
            notes.extend(batch.notes)
            if len(batch.rejected):
                refused.append(prepare_refused(batch.rejected, staff))
            if len(batch.reviews):
                yield batch.reviews
            progress("read", rows, None)

    with store.writing(staged, tables.STAGED) as write:
        for reviews, key in workers.in_turn(partial(_prepared, staff=staff), typed(), helping):
            write(reviews)
            keys.append(key)
    rejected = pd.concat(refused, ignore_index=True) if refused else tables.frame([], tables.REJECTED)
    if not keys:
        raise read.InputError(nothing_read(rejected))
    progress("fold", 0, None)
    waiting = store.Stored(staged)
    known = tables.pandas(pa.concat_tables(keys))
    keys.clear()
    told = across(known, lambda numbers: waiting.take(np.array(numbers), ["text"])["text"].to_pylist())
    assert len(waiting) + len(rejected) == rows, "every row read is a review or a refused row"
    assert pc.count_distinct(told["review_id"]).as_py() == len(told), "no two rows share an id"
    return Ingested(waiting, told, rejected, notes, rows)


def _prepared(typed: pd.DataFrame, staff: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Typed reviews → STAGED and KEYS."""
    reviews = prepare(typed, staff).reviews
    return tables.arrow(reviews, tables.STAGED), tables.arrow(reviews, tables.KEYS)


def across(reviews: pd.DataFrame, texts_of: Callable[[list[int]], list[str]]) -> pa.Table:
    """The columns for which all reviews must be seen (ACROSS): place, id, twins, flags. `reviews`: KEYS, numbered from 0;
    `texts_of`: the texts of some numbers, asked for where fold_twins must."""
    located = places(reviews["location"])
    twin_of = fold_twins(reviews, texts_of)
    ids = unique_ids(reviews["review_id"], twin_of)
    duplicate_of = {label: ids[survivor] for label, survivor in twin_of[twin_of.notna()].items()}
    twins: dict[str, list[str]] = {}
    for label, survivor in duplicate_of.items():
        twins.setdefault(survivor, []).append(ids[label])
    marked = {name: reviews[name].fillna(False) for name in ("translated", "truncated", "repaired")}
    marked["copied text"] = copied(reviews, twin_of)
    marked["burst"] = bursts(reviews.assign(location=located), twin_of)
    none: list[str] = []  # one for all that have no twin or flag
    flags = [none] * len(reviews)
    for name in MARKS:
        for place in marked[name].to_numpy(dtype=bool).nonzero()[0]:
            flags[place] = [*flags[place], name]
    return pa.table(
        {
            "review_id": ids.tolist(),
            "location": pa.array(located, pa.string(), from_pandas=True),
            "duplicate_of": [duplicate_of.get(label) for label in reviews.index],
            "twins": [twins.get(review_id, none) for review_id in ids],
            "flags": flags,
        },
        schema=tables.ACROSS,
    )


def beside(staged: pa.Table, across: pa.Table) -> pa.Table:
    """Reviews as they are annotated: the columns of both, in the order of REVIEWS."""
    columns = {name: (across if name in tables.ACROSS.names else staged) for name in tables.REVIEWS.names}
    known = {*tables.ACROSS.names, *tables.STAGED.names}
    return pa.table({name: table[name] for name, table in columns.items() if name in known})


def refusal(row) -> str:
    """Where a row was refused and why, for a person: by file and row, or by file where all of it was."""
    return f"{row.file}, row {row.row}: {row.reason}" if row.row else f"{row.file}: {row.reason}"


def nothing_read(rejected: pd.DataFrame) -> str:
    """Why no review came of the input, by file and row."""
    lines = [refusal(row) for row in rejected.head(5).itertuples()]
    more = [f"and {len(rejected) - 5:,} rows more"] if len(rejected) > 5 else []
    return "no review could be read; nothing was written\n  " + "\n  ".join(lines + more)


def unique_ids(ids: pd.Series, twin_of: pd.Series) -> pd.Series:
    """The ids with a suffix ("~2") where one comes again; of twins the one that stands keeps the plain id.

    An id that is an e-mail address or a phone number gives way to one made from it.
    """
    given = ids.astype("object")
    without = given.map(nameless)
    unlike = given.duplicated(keep=False) | (without != given)
    taken, used = set(given), set(given[~unlike])
    for at in twin_of[unlike].notna().sort_values(kind="stable").index:
        wanted, count = without[at], 1
        if wanted in used:
            while f"{wanted}~{(count := count + 1)}" in taken:
                pass
            wanted = f"{wanted}~{count}"
            taken.add(wanted)
        used.add(wanted)
        given[at] = wanted
    return given


_loaded: dict = {}  # model and taxonomy, once a process


def _work(part: pa.Table, model_folder: Path, taxonomy_file: Path | None, made: Mapping) -> tables.Annotations:
    """annotate_batch on Arrow's tables. `made` (see carry.made_by) tells whether what this process has loaded still holds."""
    if _loaded.get("made") != made:
        _loaded.update(made=made, model=Model(model_folder), taxonomy=taxonomy.load(taxonomy_file))
        gc.freeze()  # they stay: nothing of them need be looked through for waste, again and again
    return tables.in_arrow(annotate_batch(tables.pandas(part), _loaded["model"], _loaded["taxonomy"]))


def _work_far(part: pa.Table, folder: Path, model: str, taxonomy_file: str | None, made: Mapping) -> tables.Annotations:
    """_work in a worker of Spark, with the model and the taxonomy that lie in a folder. A worker with another program would
    read otherwise."""
    model_folder, taxonomy_file = folder / model, folder / taxonomy_file if taxonomy_file else None
    if _loaded.get("made") != made:
        here = carry.made_by(Model(model_folder), taxonomy.load(taxonomy_file))
        if unlike := [name for name in made if made[name] != here.get(name)]:
            raise workers.WorkerError(
                f"it has other than the driver: {', '.join(unlike)}; install there what is installed here"
            )
    return _work(part, model_folder, taxonomy_file, made)


def annotate(
    ingested: Ingested,
    settings: Settings,
    made: Mapping,
    progress: Progress = quiet,
    corrected: tables.Annotations | None = None,
    earlier: carry.Earlier | None = None,
    helping: workers.Workers | None = None,
    counting: Counting | None = None,
) -> Iterator[tables.Annotations]:
    """Every review annotated, in the order read, part by part (Arrow's tables), by as many processes as asked.

    `made`: see carry.made_by. `corrected`: reviews that people put right, as they are to stand. `earlier`: see carry. `helping`: see workers.
    `counting`: takes the counts of the others from the workers of a cluster.
    """
    done, reviews = 0, len(ingested.across)
    there = deque()  # of every part in work: the ids of its block, and the rows that need no work

    def to_read():
        for block in ingested.blocks():
            ids, known = block["review_id"].combine_chunks(), []
            if corrected and len(corrected.reviews):
                known.append(
                    tables.Annotations(*(table.filter(pc.is_in(table["review_id"], ids)) for table in corrected))
                )
                block = block.filter(pc.invert(pc.is_in(block["review_id"], known[0].reviews["review_id"])))
            if earlier:
                mask, taken = carry.taken_over(block, earlier, MARKS)
                known.append(taken)
                block = block.filter(~mask)
            there.append((ids, known))
            yield block

    for part in _each(to_read(), settings, made, helping, counting):
        ids, known = there.popleft()
        yield in_order(ids, [part, *known])
        done += len(ids)
        progress("annotate", done, reviews)
    assert done == reviews, "every review comes back"


def in_order(ids: pa.Array, parts: Sequence[tables.Annotations]) -> tables.Annotations:
    """Some parts, each in the order of `ids`, as one."""

    def ordered(several):
        whole = pa.concat_tables(several)
        return whole.take(np.argsort(pc.index_in(whole["review_id"], ids).to_numpy(), kind="stable"))

    return tables.Annotations(*map(ordered, zip(*parts, strict=True))) if len(parts) > 1 else parts[0]


def read_first(ingested: Ingested, ids: Collection[str], settings: Settings, made: Mapping) -> tables.Annotations:
    """What the program reads of some reviews. Read alone they read the same as among all."""
    numbers = np.flatnonzero(pc.is_in(ingested.across["review_id"], pa.array(ids, pa.string())).to_numpy())
    parts = [ingested.some(numbers[at : at + ROWS_PER_BATCH]) for at in range(0, len(numbers), ROWS_PER_BATCH)]
    found = list(_each(parts, settings._replace(engine="local"), made)) if parts else []
    empty = tables.Annotations(*(schema.empty_table() for schema in tables.SCHEMAS.values()))
    return tables.Annotations(
        *(tables.pandas(pa.concat_tables(several)) for several in zip(empty, *found, strict=True))
    )


def _tallied(part: tables.Annotations, scope: summary.Scope) -> summary.Tally:
    return summary.tally_of(tables.in_pandas(part), scope)


def _each(
    parts: Iterable[pa.Table],
    settings: Settings,
    made: Mapping,
    helping: workers.Workers | None = None,
    counting: Counting | None = None,
) -> Iterator[tables.Annotations]:
    """The seam between one process, many, and a cluster: `annotate_batch` on every part, results in the order of the parts,
    of which few are held at once."""
    if settings.engine == "spark":
        from pipeline import spark

        given = [path for path in (settings.model, settings.taxonomy) if path]
        names = {"model": settings.model.name, "taxonomy_file": settings.taxonomy and settings.taxonomy.name}
        work = partial(_work_far, **names, made=made)
        storage = settings.storage or settings.out.resolve().parent
        counted = counting and (partial(_tallied, scope=counting.scope), counting.add)
        yield from spark.each(
            parts, work, given, out=settings.out, storage=storage, master=settings.master, counted=counted
        )
        return
    work = partial(_work, model_folder=settings.model, taxonomy_file=settings.taxonomy, made=made)
    yield from workers.in_turn(work, parts, helping)


def annotate_typed(
    inputs: Iterable[Path],
    model_folder: Path,
    taxonomy_file: Path | None,
    staff_file: Path | None = None,
    progress: Progress = quiet,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[dict]:
    """The Annotation of every review in the order read, with evidence and pii as typed. For `annotate`: nothing is stored."""
    model, words = Model(model_folder), taxonomy.load(taxonomy_file)
    staff = read_roster(staff_file) if staff_file else ()
    done = 0
    for batch in read.read(list(inputs), rows_per_batch=ROWS_PER_BATCH):
        for message in batch.notes:
            note(message)
        for row in batch.rejected.itertuples():
            note(refusal(row))
        if len(batch.reviews):
            yield from annotations_of(batch.reviews, model, words, staff)
        done += len(batch.reviews)
        progress("annotate", done, None)


def annotations_of(
    typed: pd.DataFrame, model: Model, words: taxonomy.Taxonomy, staff: Sequence[str] = ()
) -> Iterator[dict]:
    """The Annotation of each of some typed reviews (TYPED), in order, with evidence and pii as typed."""
    table, repaired, redactions = prepare(typed, staff)
    # rows are told apart by position: two sources may use one id
    numbered = table.assign(review_id=[str(at) for at in range(len(table))], flags=[[] for _ in redactions])
    annotated = annotate_batch(numbered, model, words)
    grouped = [dict(list(frame.groupby("review_id", sort=False))) for frame in annotated[1:]]
    columns = (
        annotated.reviews.itertuples(),
        table["review_id"],
        tables.values(typed["text"]),
        repaired,
        redactions,
    )
    for row, review_id, text, whole, redaction in zip(*columns, strict=True):
        yield {"id": review_id} | annotation(
            row, [frames.get(row.review_id) for frames in grouped], text or "", whole, redaction
        )


def annotation(row, parts, typed: str, repaired: str, redaction) -> dict:
    """One review's rows as the Annotation that people write (but for its id), in words of the text as typed."""
    opinions, mentions, escalations = ([] if part is None else list(part.itertuples()) for part in parts)

    blocks = repairs(typed, repaired)

    def as_typed(start, end):
        return typed[slice(*unrepaired(blocks, typed, *typed_span(redaction, start, end)))]

    def told(opinion):
        return {
            "theme": opinion.theme,
            "sentiment": opinion.sentiment,
            "evidence": as_typed(opinion.start, opinion.end),
            "score": opinion.score,
            "confidence": opinion.confidence,
            "found_by": opinion.found_by,
        }

    return {
        "language": row.language,
        "overall": None if pd.isna(row.overall) else row.overall,
        "score": None if pd.isna(row.score) else row.score,
        "confidence": None if pd.isna(row.confidence) else row.confidence,
        "treatments": [
            {
                "name": mention.treatment,
                "received": bool(mention.received),
                "evidence": as_typed(mention.start, mention.end),
                "found_by": mention.found_by,
            }
            for mention in mentions
        ],
        "aspects": [told(opinion) for opinion in opinions if pd.isna(opinion.treatment)],
        "outcomes": [
            {"treatment": opinion.treatment, **told(opinion)} for opinion in opinions if not pd.isna(opinion.treatment)
        ],
        "escalate": [escalation.reason for escalation in escalations],
        "signals": [
            {
                "reason": signal.reason,
                "evidence": as_typed(signal.start, signal.end),
                "confidence": signal.confidence,
                "found_by": signal.found_by,
            }
            for signal in escalations
        ],
        "pii": [typed[slice(*unrepaired(blocks, typed, start, end))] for start, end, _ in redaction.placeholders],
    }


def repairs(typed: str, repaired: str) -> list | None:
    """The stretches that repair left as they were, or None where it changed nothing. Slow: once a review, not once a span."""
    if typed == repaired:
        return None
    from rapidfuzz.distance import Indel  # in bits, since difflib takes hours for a text of a hundred thousand letters

    return Indel.opcodes(repaired, typed).as_matching_blocks()


def unrepaired(blocks: list | None, typed: str, start: int, end: int) -> tuple[int, int]:
    """Where a span of the repaired text stands in the text as typed. `blocks`: see repairs."""
    if blocks is None:
        return start, end
    before = max((block for block in blocks if block.a <= start), key=lambda block: block.a, default=blocks[0])
    after = min(
        (block for block in blocks if block.a + block.size >= end), key=lambda block: block.a, default=blocks[-1]
    )
    return min(before.b + start - before.a, len(typed)), min(max(after.b + end - after.a, 0), len(typed))


def month_of_report(dates: pa.ChunkedArray, asked: str | None) -> str | None:
    """The month asked for, or else the latest in which a review is dated, if any is. Raises InputError for one that lies
    outside all that is dated."""
    first, last = (value and value[:7] for value in pc.min_max(dates).as_py().values())
    if asked and last and not first <= asked <= month_before(last, -1):
        raise read.InputError(
            f"no review is dated near {asked}; the reviews run from {first} to {last}: name a month of those"
        )
    return asked or last


def told_of(model: Model, settings: Settings) -> dict:
    """What the report says of how it was made; kept in the manifest, so that another month can be written without the model."""
    about = model.about
    return (
        {
            "model": {
                "name": model.name,
                "version": model.version,
                "themes": about["measured"]["themes"],
                "escalation_miss_rate": about["measured"]["escalation_miss_rate"],
                "figures": about["measured"]["figures"],
                "escalation_false_rate": about["measured"]["escalation_false_rate"],
                "escalations_there": about["measured"]["escalations_there"],
            },
            "names": {key: label.name for key, label in taxonomy.load(settings.taxonomy).themes.items()},
        }
        | dict.fromkeys(GIVEN)
        | given(settings)
    )


def given(settings: Settings) -> dict[str, str]:
    """Where the tables lie that the settings name."""
    return {name: str(path) for name in GIVEN if (path := getattr(settings, name))}


def place_of(name: str, told: Mapping) -> Path:
    """Where a table kept by hand lies: where an earlier run was told, else where it usually is."""
    return Path(told.get(name) or KEPT[name])


def read_kept(told: Mapping) -> Kept:
    """The tables kept by hand that `told` names (see told_of), places as typed. Raises InputError with a line for every wrong row."""
    paths = {name: Path(told[name]) if told.get(name) else None for name in KEPT}
    return Kept(
        kept_corrections(paths["corrections"], told["names"]),
        ledgers.read_changes(paths["changes"], told["names"]) if paths["changes"] else None,
        ledgers.read_closed(paths["closed"]) if paths["closed"] else None,
    )


def kept_corrections(path: Path | None, names: Mapping[str, str]) -> pd.DataFrame:
    """The file of corrections: CORRECTIONS and `row`; no row where there is no file. names: theme → its name for people."""
    if path is None:
        return pd.DataFrame(columns=[*tables.CORRECTIONS.names, "row"], dtype=object)
    kept = read_corrections(path, names)
    by_hand = [
        (row, f"it has no text_hash; corrections typed by hand are taken in with: reviews correct {path}")
        for row in kept.loc[kept["text_hash"] == "", "row"]
    ]
    if by_hand:
        raise read.InputError(told_by_row(path, by_hand))
    return kept


def settled(
    kept: Kept, reviews: pd.DataFrame, locations: pa.ChunkedArray, told: Mapping
) -> tuple[Kept, dict[str, list[Vain]]]:
    """What is kept as far as the reviews bear it out (corrections that stand, changes in clinics as they are named there),
    and by table what is in vain. Which closings are is known with the Summary: see write_outputs.

    `reviews`: REVIEWS, those that corrections name at least. `locations`: of all.
    """
    standing, stale = corrections.standing(kept.corrections, reviews)
    changes, unplaced = kept.changes, []
    if changes is not None:
        places = {place for place in locations.unique().to_pylist() if place}
        changes, unplaced = ledgers.settled(changes, places, Path(told["changes"]))
    return Kept(standing, changes, kept.closed), {"corrections": stale, "changes": unplaced}


def in_vain(found: Mapping[str, Sequence[Vain]], told: Mapping) -> list[str]:
    """What in the tables kept by hand has no effect: lines of file, rows, why and the mend, MOST_LINES a table."""
    lines = []
    for name, vain in found.items():
        lines += vain_lines(told[name], vain[:MOST_LINES])
        if len(vain) > MOST_LINES:
            rest = THE_REST[name].format(path=told[name])
            lines.append(f"{told[name]}: {len(vain) - MOST_LINES} more have no effect; {rest}")
    return lines


def vain_lines(path: Path | str, vain: Iterable[Vain]) -> list[str]:
    """ "corrections.csv, rows 3, 4: the text …", for each."""
    return [f"{path}, row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))}: {why}" for rows, why in vain]


def scope_of(kept: Kept, month: str | None, only: str | None) -> summary.Scope:
    """What is counted for the report of a month, and for the board of the month `only` or of all. kept: see settled."""
    if not month:
        return summary.Scope(testimonials.EVER, only=only)
    return summary.Scope(month, summary.windows(kept.changes, month), only, last_day(month))


def write_outputs(
    folder: Path,
    finished: store.Finished,
    rejected: pd.DataFrame,
    counts: dict,
    month: str | None,
    only: str | None,
    told: dict,
    kept: Kept,
    found: summary.Tally | None = None,
    helping: workers.Workers | None = None,
) -> dict | None:
    """The report of a month and the testimonials, of the month `only` or of all, into folder/report; the Summary, if any.

    told: see told_of. kept: see settled. found: the tally of all reviews, where the workers have made it. helping: see
    workers; board and workbook are written beside the page. All reviews are counted part by part; whole in memory are those that are
    shown, and those the board is chosen from.
    """
    summed, shown, counted = None, None, None
    place = folder / "report"
    place.mkdir(mode=0o700, exist_ok=True)
    scope = scope_of(kept, month, only)
    where = (finished.folder, finished.out)
    wanted = workers.aside(partial(wanted_for_board, *where, scope), helping)
    if found is None:
        found = summary.total(workers.in_turn(partial(_tallied, scope=scope), finished.parts(), helping))
    found, forms = summary.whole(found, scope)
    if month:
        named = {*finished.stored["escalations"].column("review_id").to_pylist()}
        named |= {*kept.closed["review_id"]} if kept.closed is not None else set()
        columns = finished.columns(summary.KNOWN_BY)
        shown = finished.some(summary.shown(columns, forms, month, report.MOST_REVIEWS, named))
        counted = summary.plain(shown, month)
        more = {"model": told["model"], "names": told["names"], "counted": counted, "found": found}
        summed = summary.summarise(shown, rejected, counts, month, **more, **kept._asdict())
    shifts = summed["changed"] if summed else ()
    board_of = partial(write_board, place, *where, scope, told, wanted(), found.praise, shifts)
    board_written = workers.aside(board_of, helping)
    if summed:
        report.write_report(summed, shown, place, counted, helping)
    del shown, counted
    board_written()
    return summed


def wanted_for_board(folder: Path, out: Path, scope: summary.Scope) -> testimonials.Wanted:
    """The reviews that a board may be chosen from. folder, out: see store.Finished."""
    return testimonials.wanted(store.Finished(folder, out).parts(), month=scope.only, on=scope.on)


def write_board(
    place: Path,
    folder: Path,
    out: Path,
    scope: summary.Scope,
    told: dict,
    wanted: testimonials.Wanted,
    praise: pa.Table,
    shifts: Sequence[dict],
) -> None:
    """The board of quotes, chosen from the reviews that promise most and those whose authors have signed. folder, out: see
    store.Finished. wanted: see wanted_for_board. praise: of the tally."""
    finished = store.Finished(folder, out)
    consents = ledgers.read_consents(Path(told["consents"])) if told["consents"] else None
    staff = read_roster(Path(told["staff"])) if told["staff"] else ()
    rules = clearance.load_rules()
    which = {"month": scope.only, "on": scope.on}
    ids = {*wanted.praising, *wanted.complaining, *(consents["review_id"] if consents is not None else ())}
    near = finished.some(testimonials.related(partial(finished.columns, testimonials.RELATED_BY), ids))
    praised = dict(zip(*praise.to_pydict().values(), strict=True))
    quotes = testimonials.candidates(
        near,
        **which,
        consents=consents,
        rules=rules,
        staff=staff,
        shifts=shifts,
        praised=praised,
        among=wanted.praising,
    )
    gone = testimonials.withdrawn(near, consents, on=scope.on) if consents is not None and scope.on else None
    unquoted = testimonials.unquoted(near, consents, **which, rules=rules)
    board.write_board(quotes, near, place, withdrawn=gone, unquoted=unquoted, rules=rules)


def edited_kept(out: Path, folder: Path, taken: Path | None = None) -> list[str]:
    """Workbooks that somebody changed and nobody has taken in go along into the new output; a note of each.

    taken: the file whose corrections have just been taken in, which need not be kept.
    """
    report = out / "report" / "report.xlsx"
    books = sorted(out.glob("report.edited*.xlsx"))
    written = store.read_manifest(out).get("workbook") if (out / store.MANIFEST).exists() else None
    if written and report.exists() and sha256(report) != written:
        books.append(report)
    notes = []
    for book in books:
        if taken is None or not book.samefile(taken):
            kept = f"report.edited{f'-{len(notes) + 1}' * bool(notes)}.xlsx"
            shutil.copyfile(book, folder / kept)
            notes.append(
                f"a workbook holds changes that were not taken in, kept as {out / kept}; type: reviews correct {out / kept}"
            )
    return notes


def workbook_hash(folder: Path) -> str | None:
    """Of the workbook just written: another one is one that somebody has changed."""
    book = folder / "report" / "report.xlsx"
    return sha256(book) if book.exists() else None


def input_hashes(settings: Settings) -> dict[str, str]:
    """Every file that went in, by a name people know it by, with its hash."""
    found: dict[str, str] = {}
    tables_given = [path for name in ("taxonomy", *GIVEN) if (path := getattr(settings, name))]
    for place in [*settings.inputs, *tables_given]:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and not path.name.startswith("."):
                name = label_of(str(path.relative_to(place.parent)))
                again = 1
                while name in found:
                    again += 1
                    name = f"{path.relative_to(place.parent)} ({again})"
                found[name] = sha256(path)
    return found


def run(settings: Settings, progress: Progress = quiet) -> Outcome:
    """Files to report, in one go. Raises read.InputError, ModelError, TaxonomyError or StoreError with the mend."""
    model = Model(settings.model)  # a missing or foreign model is told before any work is done
    words = taxonomy.load(settings.taxonomy)
    told = told_of(model, settings)
    made = carry.made_by(model, words)
    staff = read_roster(settings.staff) if settings.staff else ()
    with (
        store.replacing(settings.out, keep=(".gitkeep",)) as folder,
        workers.beside(settings.workers, __name__) as helping,
    ):
        kept = read_kept(told)  # now that no other process writes to them
        staged = folder / "staged.parquet"
        ingested = ingest(settings.inputs, staged, staff, progress, helping)
        named = pc.is_in(ingested.across["review_id"], pa.array(kept.corrections["review_id"], pa.string()))
        named = tables.pandas(ingested.some(np.flatnonzero(named.to_numpy())))
        kept, vain = settled(kept, named, ingested.across["location"], told)
        month = month_of_report(ingested.staged.column("date"), settings.month)
        ids = tables.pandas(ingested.across.select(["review_id", "duplicate_of"]))
        as_read = read_first(ingested, corrections.concerned(ids, kept.corrections), settings, made)
        right = corrections.apply(as_read, kept.corrections)
        # what is taken over waits in memory for its neighbours, and all of them come at once from a cluster
        earlier = carry.earlier(settings.out, made) if settings.engine == "local" else None
        here = settings._replace(storage=settings.storage or folder)
        counting = Counting(scope_of(kept, month, None), [])
        parts = annotate(ingested, here, made, progress, tables.in_arrow(right), earlier, helping, counting)
        store.write_parts(folder, parts)
        if counting.found:  # the workers of a cluster have counted what they read
            counting.add(summary.tally_of(right, counting.scope))
        store.write_as_read(folder, as_read)
        staged.unlink()
        finished = store.Finished(folder, settings.out)
        duplicates = len(finished) - ingested.across["duplicate_of"].null_count
        counts = {
            "read": ingested.read,
            "accepted": len(finished) - duplicates,
            "duplicates": duplicates,
            "rejected": len(ingested.rejected),
        }
        edited = edited_kept(settings.out, folder)
        store.write_rejected(folder, ingested.rejected)
        progress("report", 0, None)
        summed = write_outputs(
            folder, finished, ingested.rejected, counts, month, None, told, kept, *(counting.found or [None]), helping
        )
        store.write_manifest(
            folder,
            {
                "version": version("clinic-reviews"),
                "model": {"name": settings.model.name, "sha256": model.about["sha256"]},
                "taxonomy": words.fingerprint,
                "made_by": made,
                "tables": carry.table_hashes(folder),
                "inputs": input_hashes(settings),
                "told": told,
                "counts": counts,
                "month": month,
                "workbook": workbook_hash(folder),
                "notes": ingested.notes,
            },
        )
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    notes = ingested.notes + told_by(summed, vain, told) + edited
    return outcome(counts, month, notes, summed, [settings.out / path for path in written])


def rewrite(settings: Settings, only: str | None = None, taken: Path | None = None) -> Outcome:
    """Report and testimonials anew from what an earlier run left, for another month or with other tables kept by hand.

    The board holds the quotes of every month, or of the month `only`. taken: see edited_kept.
    """
    with store.replacing(settings.out, keep=(".gitkeep", "rejected.csv")) as folder:
        manifest = store.read_manifest(settings.out)
        told = manifest["told"] | given(settings)
        before, kept = store.read_annotations(settings.out), read_kept(told)
        as_read = read_as_read(settings.out, kept.corrections["review_id"], all_corrected=True)
        kept, vain = settled(kept, as_read.reviews, before.stored["reviews"].column("location"), told)
        edited = edited_kept(settings.out, folder, taken)
        rejected = store.read_rejected(settings.out)
        right = corrections.apply(as_read, kept.corrections)
        store.write_parts(folder, replaced(before.parts(), tables.in_arrow(right)))
        store.write_as_read(folder, corrections.part(as_read, corrections.concerned(as_read.reviews, kept.corrections)))
        finished = store.Finished(folder, settings.out)
        month = month_of_report(finished.stored["reviews"].column("date"), settings.month or manifest["month"])
        summed = write_outputs(folder, finished, rejected, manifest["counts"], month, only, told, kept)
        hashes = {Path(told[name]).name: sha256(Path(told[name])) for name in KEPT if told.get(name)}
        fresh = {
            "month": month,
            "told": told,
            "inputs": manifest["inputs"] | hashes,
            "workbook": workbook_hash(folder),
            "tables": carry.table_hashes(folder),
        }
        store.write_manifest(folder, manifest | fresh)
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    notes = told_by(summed, vain, told) + edited
    return outcome(manifest["counts"], month, notes, summed, [settings.out / path for path in written])


def to_learn_from(settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The reviews that an earlier run left, the corrections of them that stand, and a line for each that is stale.

    The texts are those of the output, de-identified: nothing is kept beside, so that a review taken out of the raw files
    is out of the training with the next run.
    """
    reviews, told = store.of_one_run(
        settings.out,
        lambda: (
            store.read_reviews(settings.out, tables.REVIEWS.names),
            store.read_manifest(settings.out)["told"],
        ),
    )
    kept = kept_corrections(settings.corrections, told["names"])
    standing, stale = corrections.standing(kept, reviews)
    return reviews, standing, vain_lines(settings.corrections, stale)


def read_as_read(out: Path, ids: Iterable[str], all_corrected: bool = False) -> tables.Annotations:
    """What the program read in an earlier run of some reviews and of their copies (and of all that were corrected then),
    corrections taken out again."""
    finished, as_read = store.read_annotations(out), store.read_as_read(out)
    wanted = set(ids) | (set(as_read.reviews["review_id"]) if all_corrected and as_read is not None else set())
    known = pa.array(sorted(wanted), pa.string())
    for block in finished.columns(("review_id", "duplicate_of")):
        wanted.update(block["review_id"].filter(pc.is_in(block["duplicate_of"], known)).to_pylist())
    found = finished.some(wanted)
    if as_read is None:
        return found
    return corrections.put_back(found, corrections.part(as_read, found.reviews["review_id"].tolist()))


def replaced(parts: Iterable[tables.Annotations], fresh: tables.Annotations) -> Iterator[tables.Annotations]:
    """The parts with the rows of some reviews given anew (all Arrow's tables)."""
    for part in parts:
        ids = part.reviews["review_id"].combine_chunks()
        mine = [table.filter(pc.is_in(table["review_id"], ids)) for table in fresh]
        gone = mine[0]["review_id"].combine_chunks()
        rest = (table.filter(pc.invert(pc.is_in(table["review_id"], gone))) for table in part)
        yield in_order(ids, [tables.Annotations(*rest), tables.Annotations(*mine)]) if len(gone) else part


def correct(settings: Settings, file: Path, dry_run: bool = False) -> Correction:
    """The corrections of a file (an edited workbook, or a table) into the file kept and into what an earlier run left.

    A row that is wrong raises InputError, with every such row, and changes nothing. A stale one (its review is gone, or
    has another text) is told, and the others are taken. Raises StoreError while another process writes to either.
    """
    told = store.read_manifest(settings.out)["told"]  # where no run has ended there is nothing to hold
    path = settings.corrections or place_of("corrections", told)
    if dry_run:
        return store.of_one_run(settings.out, lambda: weighed(settings, file, path)[0])
    with store.held(settings.out), store.held(path, "give a file you may write to with --corrections"):
        found, merged, due = weighed(settings, file, path)
        if due:
            given_in_order(told)
            store.write_corrections(path, merged)
            found = found._replace(outcome=rewrite(settings._replace(corrections=path), taken=file))
        return found


def given_in_order(told: Mapping) -> None:
    """Raises InputError where a table that the last run was given is no longer where it was, or is wrong: the report could not be
    written."""
    for name in GIVEN:
        if name != "corrections" and told.get(name) and not Path(told[name]).is_file():
            raise read.InputError(
                f"{told[name]}: the last run was given this table, and it is not there now; nothing was changed. Put it back, "
                "or work in the folder that the run was started in"
            )
    read_kept(told | {"corrections": None})
    if told["consents"]:
        ledgers.read_consents(Path(told["consents"]))


def weighed(settings: Settings, file: Path, path: Path) -> tuple[Correction, pd.DataFrame, bool]:
    """What the corrections of `file` come to beside those kept in `path`: what would change, the corrections to keep (the
    columns of CORRECTIONS), and whether there is anything to write."""
    manifest = store.read_manifest(settings.out)
    told = manifest["told"]
    offered = read_corrections(file, told["names"])
    if path.exists() and path.samefile(file):
        kept = offered[offered["text_hash"] != ""]
    else:
        kept = kept_corrections(path if path.exists() else None, told["names"])
    as_read = read_as_read(settings.out, [*offered["review_id"], *kept["review_id"]])
    now = corrections.apply(as_read, kept)
    if wrong := corrections.objections(offered, now.reviews):
        raise read.InputError(told_by_row(file, wrong))
    texts = corrections.hashes(as_read.reviews)
    by_hand = offered["text_hash"] == ""
    offered.loc[by_hand, "text_hash"] = offered.loc[by_hand, "review_id"].map(texts)
    standing, stale = corrections.standing(offered, as_read.reviews)
    merged, changes = corrections.merge(kept, standing, as_read, told["model"]["version"])
    # as a kill between file and report leaves them
    behind = path.exists() and manifest["inputs"].get(path.name) != sha256(path)
    found = Correction(changes, told["names"], vain_lines(file, stale), path, None)
    return found, merged, bool(changes or behind or (by_hand.any() and path == file))


def check(out: Path, month: str | None, thresholds: Path | None) -> Checked:
    """The stored report of a month against thresholds, and a note of each table kept by hand that has changed since."""
    wanted = checks.load_thresholds(thresholds)
    told, manifest = store.of_one_run(out, lambda: (store.read_summary(out, month), store.read_manifest(out)))
    found = checks.findings(told, manifest["told"]["model"], wanted)
    places = [place_of(name, manifest["told"]) for name in KEPT]
    notes = [
        f"{path} has changed since the report was written; type: reviews report --month {told['month']}"
        for path in places
        if path.exists() and sha256(path) != manifest["inputs"].get(path.name)
    ]
    return Checked(found, notes, told["month_name"])


def told_by(summed: dict | None, vain: Mapping[str, Sequence[Vain]], told: Mapping) -> list[str]:
    """What of the tables kept by hand has no effect, or none yet: in vain, and what the Summary alone knows of them."""
    if summed is None:
        return in_vain(vain, told)
    closed = [([one["row"]], one["why"]) for one in summed["escalations"]["not_closed"]]
    later = summed["register_later"]
    waits = [f"{told['changes']}: {later['sentence']}"] if later else []
    return in_vain({**vain, "closed": closed}, told) + waits


def outcome(counts: dict, month: str | None, notes: list[str], summed: dict | None, written: list[Path]) -> Outcome:
    """What was done, with the reviews of the month that must be acted on, as the Summary counts them."""
    status = summed["escalations"]["status"]["this month"] if summed else ""
    return Outcome(**counts, month=month, notes=notes, to_act_on=status, written=written)
