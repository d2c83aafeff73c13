"""The map: what is done to the reviews, in order, and what each step reads and writes.

    read        files              → typed reviews, refused rows        pipeline/read/
    clean       typed reviews      → repaired text, language, keys      pipeline/clean.py
    fold        keys               → which review is a twin of which    pipeline/clean.py
    deidentify  text               → text without identifiers           pipeline/deidentify.py
    annotate    de-identified text → opinions, mentions, escalations    pipeline/annotate.py (segment, tag, model)
    summarise   annotations        → Summary of a month                 pipeline/summary/
    report      Summary            → html, xlsx, json                   pipeline/report/
    clear       annotations        → candidate quotes and their status  pipeline/testimonials.py, pipeline/clearance/
    store       everything         → the output folder, all or nothing  pipeline/store.py

Text as typed lives in memory from `read` to `deidentify` and is written nowhere.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline import clearance, read, report, store, summary, tables, taxonomy, testimonials
from pipeline.annotate import annotate_batch
from pipeline.clean import bursts, clean, copied, fold_twins, key, places
from pipeline.deidentify import deidentify, find, typed_span
from pipeline.model import Model, sha256
from pipeline.months import last_day, month_before
from pipeline.read.roster import read_roster
from pipeline.report import board

ROWS_PER_BATCH = 512  # reviews a worker takes at a time: enough to share padding, few enough to show progress
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


class Ingested(NamedTuple):
    """Everything read: one row per review (de-identified, `duplicate_of` set), one per refused row, and what to tell."""

    reviews: pd.DataFrame
    rejected: pd.DataFrame
    notes: list[str]
    read: int


class Outcome(NamedTuple):
    """What a run did. accepted + duplicates + rejected = read."""

    read: int
    accepted: int
    duplicates: int
    rejected: int
    month: str | None
    notes: list[str]
    escalations: int  # reviews of the month to act on
    written: list[Path]


def quiet(_step: str, _done: int, _of: int | None) -> None:
    """No progress shown."""


def ingest(inputs: Iterable[Path], staff: Sequence[str] = (), progress: Progress = quiet) -> Ingested:
    """files → reviews without identifiers, twins folded, and every refused row with its reason. `staff`: names that stay."""
    kept, refused, notes, rows = [], [], [], 0
    for batch in read.read(list(inputs)):
        rows += batch.read
        notes += batch.notes
        refused.append(batch.rejected)
        if len(batch.reviews):
            table = clean(batch.reviews)
            redactions = deidentify(table["text"].tolist(), tables.values(table["author"]), staff)
            table["text"] = [redaction.text for redaction in redactions]
            table["question"] = [
                redaction.text or None for redaction in deidentify(table["question"].fillna("").tolist())
            ]
            kept.append(table.drop(columns=["author"]))
        progress("read", rows, None)
    rejected = pd.concat(refused, ignore_index=True) if refused else tables.frame([], tables.REFUSED)
    if not kept:
        raise read.InputError(nothing_read(rejected))
    reviews = pd.concat(kept, ignore_index=True)
    excerpts = deidentify(rejected["excerpt"].fillna("").tolist(), tables.values(rejected["author"]), staff)
    rejected = rejected.assign(excerpt=[redaction.text for redaction in excerpts])[tables.REJECTED.names]
    reviews["location"] = places(reviews["location"])
    twin_of = fold_twins(reviews)
    ids = reviews["review_id"] = unique_ids(reviews["review_id"], twin_of)
    reviews["duplicate_of"] = [None if pd.isna(at) else ids[at] for at in twin_of]
    twins = reviews[reviews["duplicate_of"].notna()].groupby("duplicate_of")["review_id"].agg(list)
    reviews["twins"] = [twins.get(review_id, []) for review_id in ids]
    marks = {name: reviews[name].fillna(False) for name in ("translated", "truncated", "repaired")}
    marks |= {"copied text": copied(reviews, twin_of), "burst": bursts(reviews, twin_of)}
    reviews["flags"] = [
        [name for name, marked in zip(marks, row, strict=True) if marked] for row in zip(*marks.values(), strict=True)
    ]
    assert len(reviews) + len(rejected) == rows, "every row read is a review or a refused row"
    assert reviews["review_id"].is_unique, "no two rows share an id"
    return Ingested(reviews, rejected, notes, rows)


def nothing_read(rejected: pd.DataFrame) -> str:
    """Why no review came of the input, by file and row."""
    lines = [
        f"{row.file}, row {row.row}: {row.reason}" if row.row else f"{row.file}: {row.reason}"
        for row in rejected.head(5).itertuples()
    ]
    more = [f"and {len(rejected) - 5:,} rows more"] if len(rejected) > 5 else []
    return "no review could be read; nothing was written\n  " + "\n  ".join(lines + more)


def identifies(review_id: str) -> bool:
    """Whether a source used a patient's e-mail address or phone number as its id."""
    return any(found.kind in ("EMAIL", "PHONE") for found in find(review_id))


def unique_ids(ids: pd.Series, twin_of: pd.Series) -> pd.Series:
    """The ids with a suffix ("~2") where one comes again; of twins the one that stands keeps the plain id.

    An id that is an e-mail address or a phone number gives way to one made from it.
    """
    taken, used, given = set(ids), set(), {}
    for at in twin_of.notna().sort_values(kind="stable").index:
        wanted, count = f"r-{key(ids[at])[:12]}" if identifies(ids[at]) else ids[at], 1
        if wanted in used:
            while f"{wanted}~{(count := count + 1)}" in taken:
                pass
            wanted = f"{wanted}~{count}"
            taken.add(wanted)
        used.add(wanted)
        given[at] = wanted
    return pd.Series(given, dtype="object").reindex(ids.index)


_worker: dict = {}


def _start_worker(model_folder: Path, taxonomy_file: Path | None) -> None:
    _worker["model"], _worker["taxonomy"] = Model(model_folder), taxonomy.load(taxonomy_file)


def _work(reviews: pd.DataFrame) -> tables.Annotations:
    return annotate_batch(reviews, _worker["model"], _worker["taxonomy"])


def annotate(reviews: pd.DataFrame, settings: Settings, progress: Progress = quiet) -> tables.Annotations:
    """Every review annotated, in the order given, by as many processes as asked."""
    parts = [reviews.iloc[at : at + ROWS_PER_BATCH] for at in range(0, len(reviews), ROWS_PER_BATCH)] or [reviews]
    done, annotated = 0, []
    for part in _each(parts, settings):
        annotated.append(part)
        done += len(part.reviews)
        progress("annotate", done, len(reviews))
    return tables.Annotations(*(pd.concat(column, ignore_index=True) for column in zip(*annotated, strict=True)))


def _each(parts: Sequence[pd.DataFrame], settings: Settings) -> Iterator[tables.Annotations]:
    """The seam between one process and many: `annotate_batch` on every part, results in the order of the parts."""
    if settings.workers <= 1 or len(parts) == 1:
        _start_worker(settings.model, settings.taxonomy)
        yield from map(_work, parts)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(settings.workers, context, _start_worker, (settings.model, settings.taxonomy)) as pool:
        yield from pool.map(_work, parts)


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
            note(f"{row.file}, row {row.row}: {row.reason}")
        if len(batch.reviews):
            yield from annotations_of(batch.reviews, model, words, staff)
        done += len(batch.reviews)
        progress("annotate", done, None)


def annotations_of(
    typed: pd.DataFrame, model: Model, words: taxonomy.Taxonomy, staff: Sequence[str] = ()
) -> Iterator[dict]:
    """The Annotation of each of some typed reviews (TYPED), in order, with evidence and pii as typed."""
    table = clean(typed)
    redactions = deidentify(table["text"].tolist(), tables.values(table["author"]), staff)
    # rows are told apart by position: two sources may use one id
    numbered = table.assign(
        review_id=[str(at) for at in range(len(table))],
        text=[redaction.text for redaction in redactions],
        flags=[[] for _ in redactions],
    )
    annotated = annotate_batch(numbered, model, words)
    grouped = [dict(list(frame.groupby("review_id", sort=False))) for frame in annotated[1:]]
    columns = (
        annotated.reviews.itertuples(),
        table["review_id"],
        tables.values(typed["text"]),
        table["text"],
        redactions,
    )
    for row, review_id, text, repaired, redaction in zip(*columns, strict=True):
        yield {"id": review_id} | annotation(
            row, [frames.get(row.review_id) for frames in grouped], text or "", repaired, redaction
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
    from difflib import SequenceMatcher

    return SequenceMatcher(None, repaired, typed, autojunk=False).get_matching_blocks()


def unrepaired(blocks: list | None, typed: str, start: int, end: int) -> tuple[int, int]:
    """Where a span of the repaired text stands in the text as typed. `blocks`: see repairs."""
    if blocks is None:
        return start, end
    before = max((block for block in blocks if block.a <= start), key=lambda block: block.a, default=blocks[0])
    after = min(
        (block for block in blocks if block.a + block.size >= end), key=lambda block: block.a, default=blocks[-1]
    )
    return min(before.b + start - before.a, len(typed)), min(max(after.b + end - after.a, 0), len(typed))


def latest_month(reviews: pd.DataFrame) -> str | None:
    """The last month in which a review is dated, or None."""
    dates = reviews["date"].dropna()
    return str(dates.max())[:7] if len(dates) else None


def month_of_report(reviews: pd.DataFrame, asked: str | None) -> str | None:
    """The month asked for, or else the latest. Raises InputError for one that lies outside all that is dated."""
    last = latest_month(reviews)
    if asked and last and not str(reviews["date"].dropna().min())[:7] <= asked <= month_before(last, -1):
        first = str(reviews["date"].dropna().min())[:7]
        raise read.InputError(
            f"no review is dated near {asked}; the reviews run from {first} to {last}: name a month of those"
        )
    return asked or last


def told_of(model: Model, settings: Settings) -> dict:
    """What the report says of how it was made; kept in the manifest, so that another month can be written without the model."""
    about = model.about
    return {
        "model": {
            "name": model.name,
            "version": about["sha256"]["encoder.onnx"][:12],
            "themes": about["measured"]["themes"],
            "escalation_miss_rate": about["measured"]["escalation_miss_rate"],
            "escalation_false_rate": about["measured"]["escalation_false_rate"],
            "escalations_there": about["measured"]["escalations_there"],
        },
        "names": {key: label.name for key, label in taxonomy.load(settings.taxonomy).themes.items()},
        "consents": str(settings.consents) if settings.consents else None,
        "staff": str(settings.staff) if settings.staff else None,
    }


def write_outputs(
    folder: Path,
    annotations: tables.Annotations,
    rejected: pd.DataFrame,
    counts: dict,
    month: str | None,
    only: str | None,
    told: dict,
) -> None:
    """The report of a month and the testimonials, of the month `only` or of all, into folder/report. `told`: see told_of."""
    place = folder / "report"
    place.mkdir(mode=0o700, exist_ok=True)
    if month:
        summed = summary.summarise(annotations, rejected, counts, month, model=told["model"], names=told["names"])
        report.write_report(summed, annotations, place)
    consents = clearance.read_consents(Path(told["consents"])) if told["consents"] else None
    staff = read_roster(Path(told["staff"])) if told["staff"] else ()
    rules = clearance.load_rules()
    on = last_day(month) if month else None
    quotes = testimonials.candidates(annotations, month=only, on=on, consents=consents, rules=rules, staff=staff)
    gone = testimonials.withdrawn(annotations, consents, on=on) if consents is not None and on else None
    board.write_board(quotes, annotations, place, withdrawn=gone, rules=rules)


def input_hashes(settings: Settings) -> dict[str, str]:
    """Every file that went in, by a name people know it by, with its hash."""
    found: dict[str, str] = {}
    beside = [path for path in (settings.consents, settings.staff, settings.taxonomy) if path]
    for given in [*settings.inputs, *beside]:
        for path in sorted(given.rglob("*")) if given.is_dir() else [given]:
            if path.is_file() and not path.name.startswith("."):
                name = str(path.relative_to(given.parent))
                again = 1
                while name in found:
                    again += 1
                    name = f"{path.relative_to(given.parent)} ({again})"
                found[name] = sha256(path)
    return found


def run(settings: Settings, progress: Progress = quiet) -> Outcome:
    """Files to report, in one go. Raises read.InputError, ModelError, TaxonomyError or StoreError with the mend."""
    model = Model(settings.model)  # a missing or foreign model is told before any work is done
    words = taxonomy.load(settings.taxonomy)
    with store.replacing(settings.out, keep=(".gitkeep",)) as folder:
        ingested = ingest(settings.inputs, read_roster(settings.staff) if settings.staff else (), progress)
        annotations = annotate(ingested.reviews, settings, progress)
        duplicates = int(annotations.reviews["duplicate_of"].notna().sum())
        counts = {
            "read": ingested.read,
            "accepted": len(annotations.reviews) - duplicates,
            "duplicates": duplicates,
            "rejected": len(ingested.rejected),
        }
        month = month_of_report(annotations.reviews, settings.month)
        store.write_annotations(folder, annotations)
        store.write_rejected(folder, ingested.rejected)
        progress("report", 0, None)
        told = told_of(model, settings)
        write_outputs(folder, annotations, ingested.rejected, counts, month, None, told)
        store.write_manifest(
            folder,
            {
                "version": version("clinic-reviews"),
                "model": {"name": settings.model.name, "sha256": model.about["sha256"]},
                "taxonomy": words.fingerprint,
                "inputs": input_hashes(settings),
                "told": told,
                "counts": counts,
                "month": month,
                "notes": ingested.notes,
                "libraries": {
                    name: version(name)
                    for name in ("pandas", "pyarrow", "scikit-learn", "onnxruntime", "tokenizers", "ftfy")
                },
            },
        )
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return outcome(counts, month, ingested.notes, annotations, [settings.out / path for path in written])


def rewrite(settings: Settings, only: str | None = None) -> Outcome:
    """Report and testimonials anew from what an earlier run left, for another month or with other consents.

    The board holds the quotes of every month, or of the month `only`.
    """
    kept = (".gitkeep", *(f"{name}.parquet" for name in store.FILES), "rejected.csv")
    with store.replacing(settings.out, keep=kept) as folder:
        annotations = store.read_annotations(settings.out)
        rejected, manifest = store.read_rejected(settings.out), store.read_manifest(settings.out)
        month = month_of_report(annotations.reviews, settings.month or manifest["month"])
        given = {"consents": settings.consents, "staff": settings.staff}
        told = manifest["told"] | {name: str(path) for name, path in given.items() if path}
        write_outputs(folder, annotations, rejected, manifest["counts"], month, only, told)
        store.write_manifest(folder, manifest | {"month": month, "told": told})
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return outcome(manifest["counts"], month, [], annotations, [settings.out / path for path in written])


def outcome(
    counts: dict, month: str | None, notes: list[str], annotations: tables.Annotations, written: list[Path]
) -> Outcome:
    """What was done, with the reviews of the month that must be acted on."""
    reviews = annotations.reviews
    of_month = reviews[reviews["date"].fillna("").str.startswith(month or "-")]["review_id"]
    acting = annotations.escalations["review_id"].isin(of_month)
    return Outcome(
        **counts,
        month=month,
        notes=notes,
        escalations=annotations.escalations["review_id"][acting].nunique(),
        written=written,
    )
