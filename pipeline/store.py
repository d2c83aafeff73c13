"""Where results are kept: all of a run or none of it, readable by nobody but the owner.

A run writes into a folder beside the old output and swaps the two by rename when everything is there and on the disk. A
crash, a kill or a full disk leaves the old output whole; the next run clears what was left behind.
"""

import csv
import ctypes
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import tables
from pipeline.faults import Fault

FILES = tables.SCHEMAS
ROW_GROUP = 4096  # rows of a Parquet file that are written, and read again, at once
MANIFEST = "manifest.json"
AS_READ = "as_read"  # a folder of the same four tables: the reviews that people corrected, as the program read them


class StoreError(Fault):
    """The output cannot be written or read; the message names the folder and the mend."""


def _private(folder: Path) -> None:
    """Files 0600, folders 0700, and everything on the disk."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


WRITABLE = "give a folder you may write to with --out"
_holding: ContextVar[frozenset[Path]] = ContextVar("holding", default=frozenset())  # outputs held by a block around


@contextmanager
def held(place: Path, mend: str = WRITABLE) -> Iterator[None]:
    """An output, or a file that people's corrections are kept in, is this process's alone to change until the block ends:
    what is read in it is still there when `replacing`, inside, writes what came of it.

    `mend`: what helps where nothing may be written. Raises StoreError where another process holds it, or where nothing may be
    written beside it.
    """
    with _locked(place.resolve(), mend):
        around = _holding.set(_holding.get() | {place.resolve()})
        try:
            yield
        finally:
            _holding.reset(around)


@contextmanager
def _locked(place: Path, mend: str = WRITABLE) -> Iterator[None]:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(place.with_name(f".{place.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"{place}: cannot be written ({error.strerror}); {mend}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(handle, 32).decode() or "unknown"
        os.close(handle)
        raise StoreError(f"{place}: another run (process {holder}) is writing there; wait for it to end") from None
    try:
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)  # the lock file stays: unlinking it would let two runs hold two locks of one name


@contextmanager
def replacing(out: Path, keep: tuple[str, ...] = ()) -> Iterator[Path]:
    """A fresh folder that takes the place of `out` if the block ends well. `keep`: names carried over from the old one.

    Raises StoreError where `out` cannot be written or another run holds it.
    """
    out = out.resolve()
    fresh, old = (out.with_name(f".{out.name}.{part}") for part in ("new", "old"))
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out} is a file; give a folder with --out")
    if os.path.ismount(out):
        raise StoreError(
            f"{out} is where a disk begins, and no other folder can take its place; give one in it, as --out {out / 'processed'}"
        )
    if out.exists() and not (out / MANIFEST).exists() and any(path.name != ".gitkeep" for path in out.iterdir()):
        raise StoreError(
            f"{out} holds other files and no {MANIFEST} of an earlier run; give an empty folder with --out"
        )
    with nullcontext() if out in _holding.get() else _locked(out):
        _settle(out, fresh, old)
        try:
            fresh.mkdir(mode=0o700)
            yield fresh
            for name in keep:
                if (out / name).exists() and not (fresh / name).exists():
                    shutil.copy2(out / name, fresh / name)
            _private(fresh)
            _swap(fresh, out, old)
        except OSError as error:
            where = error.filename or fresh
            raise StoreError(f"{where}: {error.strerror or error}; nothing was changed in {out}") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _sync_folder(out.parent)
        shutil.rmtree(old, ignore_errors=True)


Read = TypeVar("Read")


def of_one_run(out: Path, read: Callable[[], Read]) -> Read:
    """What `read` reads of an output, all of it of one run: it reads again where a run put another output there meanwhile.

    Nobody waits: a reader holds up no run, and a run no reader.
    """
    while True:
        try:
            handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY)  # while it is open no other folder has its number
        except OSError:
            return read()  # which says what is wrong
        try:
            found, fault = None, None
            try:
                found = read()
            except Exception as error:
                fault = error
            if _is(handle, out):
                if fault:
                    raise fault
                return found
        finally:
            os.close(handle)


def _is(handle: int, folder: Path) -> bool:
    """Whether an open folder still goes by its name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder))
    except FileNotFoundError:
        return False


def _settle(out: Path, fresh: Path, old: Path) -> None:
    """Undo what a killed run left behind: the old output goes back if the new one never took its place."""
    shutil.rmtree(fresh, ignore_errors=True)
    if old.exists():
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(old, out)


def _swap(fresh: Path, out: Path, old: Path) -> None:
    """`fresh` becomes `out` and the former `out`, if any, `old`. On Linux nobody ever sees a moment without an `out`."""
    if not out.exists():
        os.rename(fresh, out)
        return
    try:
        exchanged = (
            ctypes.CDLL(None).renameat2(-100, os.fsencode(fresh), -100, os.fsencode(out), 2) == 0
        )  # RENAME_EXCHANGE
    except AttributeError:
        exchanged = False
    if exchanged:
        os.rename(fresh, old)
    else:
        os.rename(out, old)
        os.rename(fresh, out)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """A function that adds rows to a Parquet file. Its row groups hold ROW_GROUP rows each, whatever the pieces were, so
    that the same rows are the same bytes."""
    path.touch(mode=0o600)
    held: list[pa.Table] = []

    def write(piece: pa.Table) -> None:
        held.append(piece)
        while sum(map(len, held)) >= ROW_GROUP:
            whole = pa.concat_tables(held)
            file.write_table(whole[:ROW_GROUP].combine_chunks())
            held[:] = [whole[ROW_GROUP:]]

    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        yield write
        if sum(map(len, held)):
            file.write_table(pa.concat_tables(held).combine_chunks())


def write_parts(folder: Path, parts: Iterable[tables.Annotations]) -> None:
    """The four tables, a part (of Arrow's tables) after the other."""
    with ExitStack() as stack:
        writes = [stack.enter_context(writing(folder / f"{name}.parquet", FILES[name])) for name in FILES]
        for part in parts:
            for write, table in zip(writes, part, strict=True):
                write(table)


def write_annotations(folder: Path, annotations: tables.Annotations) -> None:
    write_parts(folder, [tables.in_arrow(annotations)])


class Stored:
    """A Parquet file looked at a row group at a time."""

    def __init__(self, path: Path):
        self.file = pq.ParquetFile(path)
        about = self.file.metadata
        self.first = np.cumsum([0, *(about.row_group(at).num_rows for at in range(about.num_row_groups))])
        self.group = lru_cache(maxsize=2)(lambda at, columns: self.file.read_row_group(at, columns))

    def __len__(self) -> int:
        return self.file.metadata.num_rows

    def blocks(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows in their order, at most so many at once."""
        for at in range(len(self.first) - 1):
            group = self.file.read_row_group(at, columns)
            yield from (group[start : start + rows] for start in range(0, len(group), rows))

    def column(self, name: str) -> pa.ChunkedArray:
        return self.file.read([name])[name]

    def of(self, ids: pa.Array) -> pa.Table:
        """The rows of some reviews."""
        found = [self.file.schema_arrow.empty_table()]
        for at in range(len(self.first) - 1):
            mine = pc.is_in(self.file.read_row_group(at, ["review_id"])["review_id"], ids)
            if pc.any(mine).as_py():
                found.append(self.file.read_row_group(at).filter(mine))
        return pa.concat_tables(found)

    def take(self, numbers: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """The rows of some numbers, in the order of the numbers."""
        order = np.argsort(numbers, kind="stable")
        wanted = np.asarray(numbers, np.int64)[order]
        groups = np.searchsorted(self.first, wanted, side="right") - 1
        found = [
            self.group(at, tuple(columns)).take(wanted[groups == at] - self.first[at])
            for at in np.unique(groups).tolist()
        ]
        if not found:
            return self.file.schema_arrow.empty_table().select(list(columns))
        return pa.concat_tables(found).take(np.argsort(order, kind="stable"))


class Finished:
    """The four tables of a folder, looked at a part at a time. Rows of opinions, mentions and escalations stand in the order
    of their reviews. `out`: the output that a person knows it by."""

    def __init__(self, folder: Path, out: Path):
        self.folder, self.out = folder, out
        with self._readable():
            self.stored = {name: Stored(folder / f"{name}.parquet") for name in FILES}

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.folder, error, self.out) from error

    def __len__(self) -> int:
        """How many reviews."""
        return len(self.stored["reviews"])

    def parts(self) -> Iterator[tables.Annotations]:
        """ROW_GROUP reviews or fewer at once with all that is read in them (Arrow's tables)."""
        reviews, *others = self.stored.values()
        following, given = [_following(stored) for stored in others], np.zeros(len(others), np.int64)
        with self._readable():
            for block in reviews.blocks(ROW_GROUP):
                ids = block["review_id"].combine_chunks()
                part = tables.Annotations(block, *(rows_of(ids) for rows_of in following))
                given += np.array([len(table) for table in part[1:]])
                yield part
        if given.tolist() != [len(stored) for stored in others]:
            raise StoreError(
                f"{self.folder}: rows are not in the order of their reviews; type: reviews run --out {self.out}"
            )

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of the reviews, ROW_GROUP or fewer at once."""
        with self._readable():
            yield from self.stored["reviews"].blocks(ROW_GROUP, list(names))

    def some(self, ids: Iterable[str]) -> tables.Annotations:
        """Some reviews, those of the ids that there are, with all that is read in them (pandas' tables)."""
        wanted = pa.array(sorted(set(ids)), pa.string())
        with self._readable():
            return tables.Annotations(*(tables.pandas(stored.of(wanted)) for stored in self.stored.values()))


def _following(stored: Stored) -> Callable[[pa.Array], pa.Table]:
    """A function that gives the rows of some reviews, and, asked again, those of the reviews that come next."""
    groups, held = stored.blocks(ROW_GROUP), None

    def rows_of(ids: pa.Array) -> pa.Table:
        nonlocal held
        found = [stored.file.schema_arrow.empty_table()]
        while held is not None or (held := next(groups, None)) is not None:
            other = pc.index(pc.is_in(held["review_id"], ids), False).as_py()
            many = len(held) if other < 0 else other
            found.append(
                held[:many].take(np.arange(many))
            )  # a slice goes to another process with all that it was cut from
            held = held[many:] if many < len(held) else None
            if held is not None:
                break
        return pa.concat_tables(found)

    return rows_of


def write_as_read(folder: Path, annotations: tables.Annotations) -> None:
    """What the program read of the corrected reviews, kept so that a correction can be taken back."""
    if len(annotations.reviews):
        (folder / AS_READ).mkdir(mode=0o700)
        write_annotations(folder / AS_READ, annotations)


def write_corrections(path: Path, corrections: pd.DataFrame) -> None:
    """The file of corrections, whole or not at all, for its owner alone: JSONL where it is named so, else CSV."""
    rows = [{name: value or "" for name, value in row.items()} for row in corrections.to_dict("records")]
    jsonl = path.suffix == ".jsonl"
    if not jsonl:  # a spreadsheet takes what begins so for a formula; `read_corrections` takes the mark off again
        rows = [row | {"review_id": re.sub(r"^(?=[=+@-])", "'", row["review_id"])} for row in rows]
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        # the mark of UTF-8 tells Excel how to read the names of themes
        with open(handle, "w", encoding="utf-8" if jsonl else "utf-8-sig", newline="") as file:
            if jsonl:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, tables.CORRECTIONS.names, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(0o600)
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); name another file with --corrections"
        ) from None
    finally:
        fresh.unlink(missing_ok=True)


FORMULA = re.compile(r"\s*[=+\-@]|[\t\r']")  # what a spreadsheet may run, and the mark that keeps it from doing so


def write_rejected(folder: Path, rejected: pd.DataFrame) -> None:
    guarded = {
        name: rejected[name].map(lambda text: f"'{text}" if FORMULA.match(text) else text, na_action="ignore")
        for name in ("file", "excerpt")
    }
    rejected.assign(**guarded).to_csv(
        folder / "rejected.csv", index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n"
    )


def write_manifest(folder: Path, manifest: dict) -> None:
    """Last of all files: its presence says that the run ended well."""
    (folder / MANIFEST).write_text(
        json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _finished(folder: Path) -> None:
    if not (folder / MANIFEST).exists():
        raise StoreError(f"{folder}: no finished run is there; type: reviews run --out {folder}")


def read_annotations(folder: Path) -> Finished:
    """What an earlier run left. Raises StoreError where there is none."""
    _finished(folder)
    return Finished(folder, folder)


def read_reviews(folder: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of the reviews of an earlier run. Raises StoreError where there is none."""
    _finished(folder)
    return _table(folder, "reviews", folder, columns)


def read_as_read(folder: Path) -> tables.Annotations | None:
    """What the program read of the reviews that people corrected; None where they corrected none."""
    return read_tables(folder / AS_READ, folder) if (folder / AS_READ).exists() else None


def read_tables(folder: Path, out: Path) -> tables.Annotations:
    """The four tables of a folder. `out`: the output that a person knows it by."""
    return tables.Annotations(*(_table(folder, name, out) for name in FILES))


def _table(folder: Path, name: str, out: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    try:
        path = folder / f"{name}.parquet"
        return tables.pandas(pq.read_table(path, schema=FILES[name], columns=columns and list(columns)))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(folder, error, out) from error


def _unreadable(folder: Path, error: Exception, out: Path) -> StoreError:
    return StoreError(f"{folder}: a file of the earlier run cannot be read ({error}); type: reviews run --out {out}")


def read_rejected(folder: Path) -> pd.DataFrame:
    """The rows an earlier run refused."""
    rejected = pd.read_csv(folder / "rejected.csv", dtype={"file": str, "reason": str, "excerpt": str})
    typed = {
        name: rejected[name].map(lambda text: text.removeprefix("'"), na_action="ignore")
        for name in ("file", "excerpt")
    }
    return tables.frame(rejected.assign(**typed), tables.REJECTED)


def read_manifest(folder: Path) -> dict:
    """What is told of an earlier run. Raises StoreError where there is none."""
    _finished(folder)
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def read_summary(folder: Path, month: str | None) -> dict:
    """The Summary of the stored report, of `month` if one is named. Raises StoreError where there is none, or another's."""
    _finished(folder)
    try:
        told = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{folder}: the run reported no month, since no review has a date") from None
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{folder}: report.json cannot be read ({error}); type: reviews report --out {folder}"
        ) from None
    if month and told["month"] != month:
        raise StoreError(
            f"{folder}: the report there is of {told['month']}, not of {month}; type: reviews report --month {month} --out {folder}"
        )
    return told
