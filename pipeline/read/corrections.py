"""Corrections as people hand them in: the workbook of the report with its cells changed, or a table of corrections.

A table (CSV, TSV, XLSX, JSONL) has the columns review_id, what, which, now, and may have text_hash, was, model; the file in
which corrections are kept is one. In the workbook the sheet `Corrections` shows each reading in a cell; beside it, out of
sight, stands the same reading as printed, so that a cell that was changed is known whatever has been read since.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from pipeline import corrections, tables
from pipeline.corrections import NONE, SHEET
from pipeline.read import grid
from pipeline.read.files import Blob, InputError, Unreadable, text_of

GIVEN = [*tables.CORRECTIONS.names, "row"]
NEEDED = ("review_id", "what", "which", "now")
LOOK = 6  # rows among which the sheet's row of keys is looked for


def read_corrections(path: Path, names: Mapping[str, str]) -> pd.DataFrame:
    """One row per correction: the columns of CORRECTIONS (null where the file has none) and `row`, as a person counts.

    names: every theme and its name for people; either may be written. Raises InputError with a line for every wrong row:
    file, row, what is wrong, the mend.
    """
    path = Path(path)
    blob = Blob(path.name, path)
    try:
        with open(path, "rb") as file:
            book = file.read(4) == b"PK\x03\x04"
        rows = list(_from_workbook(blob) if book else _from_text(blob))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; name a file of corrections") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file of corrections") from None
    except Unreadable as error:
        raise InputError(f"{path}: {error}") from None
    given = pd.DataFrame([_spelled(row, names) for row in rows], columns=GIVEN).astype(object)
    wrong = corrections.faults(given, names)
    if wrong:
        raise InputError(told_by_row(path, wrong))
    return given


def told_by_row(path: Path, wrong) -> str:
    """A line for every (row, what is wrong and the mend)."""
    return "\n".join(f"{path}, row {row}: {message}" for row, message in sorted(wrong))


def _spelled(row: dict, names: Mapping[str, str]) -> dict:
    """A row in the words the pipeline uses: small letters, a theme by its key, `no` as none."""
    keys = {name.casefold(): key for key, name in names.items()}
    row = {name: "" if row.get(name) is None else str(row[name]).strip() for name in GIVEN[:-1]} | {"row": row["row"]}
    for name in ("what", "which", "was", "now"):
        row[name] = " ".join(row[name].casefold().split())
    row["review_id"] = re.sub(r"^'(?=[=+@-])", "", row["review_id"])  # see store.write_corrections
    if row["what"] == "theme":
        row["which"] = keys.get(row["which"], row["which"])
    return row | {"now": NONE if row["now"] == "no" else row["now"]}


def _from_text(blob: Blob) -> Iterator[dict]:
    if blob.head(200).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        with text_of(blob) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    yield dict(json.loads(line)) | {"row": number}
                except (ValueError, TypeError):
                    raise InputError(f"{blob.path}, row {number}: not a JSON object; mend or remove the line") from None
        return
    if not blob.head(1):
        return
    yield from _table(blob, grid.text_rows(blob, grid.delimiter_of(blob) or ","))


def _from_workbook(blob: Blob) -> Iterator[dict]:
    names = [sheet.name for sheet in grid.sheets(blob)]
    if SHEET not in names:
        if len(names) > 1:
            raise Unreadable(f"the workbook has no sheet “{SHEET}”; give a report.xlsx, or a table of corrections")
        yield from _table(blob, grid.sheet_rows(blob, names[0]))
        return
    rows = list(grid.sheet_rows(blob, SHEET))
    keys = next((row for row in rows[:LOOK] if "review_id" in row.cells and "text_hash" in row.cells), None)
    if keys is None or "what" in keys.cells:
        yield from _table(blob, rows)
        return
    # a row of keys, out of sight, and the heads that people read; then a row per text
    for row in rows:
        if row.number > keys.number + 1 and any(row.cells):
            yield from _changed(
                blob, row.number, dict(zip(keys.cells, [*row.cells, *[""] * len(keys.cells)], strict=False))
            )


def _changed(blob: Blob, number: int, cells: Mapping[str, str]) -> Iterator[dict]:
    """The corrections of one row of the sheet: the cells that are not as printed."""
    if not cells.get("text_hash"):
        if any(cells.get(name) for name in cells if ":" in name):
            raise InputError(
                f"{blob.path}, row {number}: the row lacks what the report keeps out of sight; change the rows that are "
                "there instead of adding some"
            )
        return
    for printed in [name for name in cells if name.startswith("was ")]:
        name = printed.removeprefix("was ")
        what, _, which = name.partition(":")
        now, was = (" ".join(cells.get(one, "").casefold().split()) or NONE for one in (name, printed))
        if {"no": NONE}.get(now, now) != was:
            yield {"review_id": cells["review_id"], "text_hash": cells["text_hash"], "what": what, "which": which,
                   "now": now, "row": number}  # fmt: skip


def _table(blob: Blob, rows) -> Iterator[dict]:
    heads = None
    for row in rows:
        if not any(cell.strip() for cell in row.cells):
            continue
        if row.broken:
            raise InputError(f"{blob.path}, row {row.number}: its quotation marks do not pair; mend the row")
        if heads is None:
            heads = [cell.strip().casefold() for cell in row.cells]
            if lacking := [name for name in NEEDED if name not in heads]:
                raise InputError(
                    f"{blob.path}, row {row.number}: no column {', '.join(lacking)}; the columns are {', '.join(NEEDED)}"
                )
            continue
        yield dict(zip(heads, [*row.cells, *[""] * len(heads)], strict=False)) | {"row": row.number}
