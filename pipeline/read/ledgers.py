"""The tables people keep by hand: the register of changes, what was done about reviews to act on, who consented to what.

What their columns may be called stands in resources/ledgers.toml. Whatever is wrong is told at once, a line for every row.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rapidfuzz import fuzz, process

from pipeline.read import grid
from pipeline.read.dates import Evidence, decide, read_date, weigh
from pipeline.read.exports import plain
from pipeline.read.files import Blob, InputError, Unreadable, what
from pipeline.read.mapping import place_of
from pipeline.tables import CHANGES, CLOSED, CONSENTS, SCOPES, frame, values

WORDS = tomllib.loads((Path(__file__).parent.parent / "resources" / "ledgers.toml").read_text(encoding="utf-8"))
TITLES = 10  # rows among which the heading is looked for
NEAR = 75  # of 100: two names as alike as this are taken for one and a slip of the pen (rapidfuzz's ratio)


class Cells(NamedTuple):
    """One row of a ledger: its number as a person counts, and its cells by field, "" where there is none."""

    row: int
    cells: dict[str, str]


def read_changes(path: Path, names: Mapping[str, str]) -> pd.DataFrame:
    """One row per change: CHANGES; `theme` is a key of `names`.

    names: every theme and its name for people; either may be written. The place is as typed: `settled` settles it, once
    the reviews are known. Raises InputError.
    """
    rows, words, faults, found = _rows(path, "changes"), WORDS["changes"], [], []
    keys = {plain(spelled): key for key, name in names.items() for spelled in (key, name)}
    days = _days([cells["date"] for _, cells in rows], ("day", "month"))
    for (row, cells), (day, problem) in zip(rows, days, strict=True):
        theme, hope = keys.get(plain(cells["theme"])), plain(cells["hoped"])
        hoped = "better" if hope in words["better"] else "worse" if hope in words["worse"] else None
        wrong = _dated(day, problem)
        if not cells["what"]:
            wrong.append("it does not say what was changed; write it in a few words")
        if not theme:
            wrong.append(_no_theme(cells["theme"], keys, names))
        if hope and not hoped:
            wrong.append(f"hoped for is “{cells['hoped']}”; write better or worse, or leave it empty")
        faults += [(row, one) for one in wrong]
        place = None if plain(cells["location"]) in words["everywhere"] else cells["location"]
        found.append(dict(zip(CHANGES.names, (row, cells["what"], place, day, theme, hoped), strict=True)))
    _raise(path, faults)
    return frame(found, CHANGES)


def read_closed(path: Path) -> pd.DataFrame:
    """One row per review that somebody has dealt with: CLOSED; date ISO. Raises InputError.

    What was done has to be written down, and stays in the file: a manager names the patient there, and no report may.
    """
    rows, faults, found = _rows(path, "closed"), [], []
    days = _days([cells["date"] for _, cells in rows], ("day", "month"))
    for (row, cells), (day, problem) in zip(rows, days, strict=True):
        wrong = _dated(day, problem)
        if not cells["review_id"]:
            wrong.append("it names no review; copy the id from the sheet Escalations of report.xlsx")
        if not cells["done"]:
            wrong.append("it does not say what was done; write it in a few words (they stay in this file)")
        faults += [(row, one) for one in wrong]
        found.append({"row": row, "review_id": cells["review_id"], "date": day, "who": cells["who"] or None})
    _raise(path, faults)
    return frame(found, CLOSED)


def read_consents(path: Path) -> pd.DataFrame:
    """One row per authorization: CONSENTS. Raises InputError."""
    rows, faults, found = _rows(path, "consents"), [], []
    dated = ("signed_at", "expires_at", "revoked_at")
    days = iter(_days([cells[name] for _, cells in rows for name in dated], ("day",)))
    for row, cells in rows:
        wrong, dates = [], {}
        for name, (day, problem) in zip(dated, days, strict=False):
            dates[name] = day or ""
            wrong += [f"{name.replace('_at', '')}: {problem}, or leave it empty"] if problem else []
        scope = re.sub(r"\s", "", cells["scope"]).casefold()
        if not cells["review_id"]:
            wrong.append("it names no review; copy the id from testimonials.csv")
        if scope not in SCOPES:
            wrong.append(f"the scope is “{cells['scope']}”; write {' or '.join(SCOPES)}")
        if dates["signed_at"] and "" < dates["expires_at"] < dates["signed_at"]:
            wrong.append("it expires before it was signed; correct one of the two")
        if cells["text_hash"] and not re.fullmatch(r"[0-9a-fA-F]{64}", cells["text_hash"]):
            wrong.append("the text_hash is no SHA-256 of 64 digits; copy it from testimonials.csv, or leave it empty")
        faults += [(row, one) for one in wrong]
        found.append(cells | dates | {"scope": scope})
    _raise(path, faults)
    return frame(found, CONSENTS)


def settled(
    changes: pd.DataFrame, places: Collection[str], path: Path
) -> tuple[pd.DataFrame, list[tuple[list[int], str]]]:
    """The register with its places as the reviews name them, and (rows, why and the mend) of what is left out: no review comes from there.

    Raises InputError where a place is nearly one of `places`: that is a slip, and the change would be followed nowhere.
    """
    known = {plain(place): place for place in sorted(places)}
    faults, left_out, out = [], [], []
    for row, typed in zip(values(changes["row"]), values(changes["location"]), strict=True):
        place = typed and (known.get(plain(typed)) or place_of(typed, tuple(sorted(places))))
        if place and place not in places:
            near = process.extractOne(plain(place), list(known), scorer=fuzz.ratio, score_cutoff=NEAR)
            there = f"the clinics are {', '.join(sorted(places))}" if places else "no review names a clinic"
            if near:
                faults.append((row, f"no review comes from “{place}”; did you mean {known[near[0]]}? ({there})"))
            else:
                left_out.append(
                    ([row], f"no review comes from “{place}” yet, so the change is not in the report; {there}")
                )
        out.append(place)
    _raise(path, faults)
    changes = changes.assign(location=pd.array(out, dtype=changes["location"].dtype))
    return changes[[place is None or place in places for place in out]], left_out


def _raise(path: Path, faults: list[tuple[int, str]]) -> None:
    if faults:
        raise InputError("\n".join(f"{path}, row {row}: {wrong}" for row, wrong in faults))


def _no_theme(typed: str, keys: Mapping[str, str], names: Mapping[str, str]) -> str:
    every = "the themes are " + ", ".join(key.replace("_", " ") for key in names)
    if not typed:
        return f"it names no theme; {every}"
    key, _, _ = process.extractOne(plain(typed), list(keys), scorer=fuzz.WRatio)
    return f"there is no theme “{typed}”; the nearest is {keys[key].replace('_', ' ')} ({every})"


def _dated(day: str | None, problem: str | None) -> list[str]:
    """What is wrong with a date that must be there."""
    return [] if day else [problem or "it has no date; write one as 1 June 2026"]


def _days(typed: list[str], precise: Collection[str]) -> list[tuple[str | None, str | None]]:
    """(ISO date or None, what is wrong with it or None) of each cell of one column, or of columns one person dates alike.

    The order of day and month is decided from all of them. precise: how exactly a date must be told.
    """
    order = decide(weigh(typed, Evidence()))
    out = []
    for text in typed:
        found = read_date(text, order.order)
        if not text:
            out.append((None, None))
        elif found.date and found.precision in precise:
            out.append((found.date, None))
        elif found.problem and "day or the month first" in found.problem:
            out.append((None, f"{text} could have the day or the month first; write it as 1 June 2026"))
        else:
            out.append((None, f"“{text}” is no date; write one as 1 June 2026 or 2026-06-01"))
    return out


def _rows(path: Path, ledger: str) -> list[Cells]:
    """The rows below the heading that hold anything. A CSV of any delimiter and encoding, or the first sheet of a workbook."""
    path = Path(path)
    blob, words = Blob(path.name, path), WORDS[ledger]
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; its first line is {words['example']}")
    try:
        if not blob.head().strip(b"\xef\xbb\xbf \t\r\n"):
            return []
        if what(blob) == "workbook":
            rows = list(grid.sheet_rows(blob, grid.sheets(blob)[0].name))
        else:
            rows = list(grid.text_rows(blob, grid.delimiter_of(blob) or ","))
    except Unreadable as error:
        raise InputError(f"{path}: {error}") from None
    fields = {plain(name): field for field, spelled in words["columns"].items() for name in (field, *spelled)}
    filled = [row for row in rows if any(cell.strip() for cell in row.cells)]
    heads = [
        (len({fields[plain(cell)] for cell in row.cells if plain(cell) in fields}), -at)
        for at, row in enumerate(filled[:TITLES])
    ]
    if not heads:
        return []
    many, at = max(heads)
    head = filled[-at]
    placed = {}
    for column, cell in enumerate(head.cells):
        if plain(cell) in fields:
            placed.setdefault(fields[plain(cell)], column)
    lacking = [words["columns"][field][0] for field in words["needed"] if field not in placed]
    if lacking:
        found = "has no column " + ", ".join(lacking) if many > 1 else "is no heading"
        raise InputError(f"{path}, row {head.number}: it {found}; the first line is {words['example']}")
    out, faults = [], []
    for row in filled[1 - at :]:
        beyond = any(cell.strip() for cell in row.cells[len(head.cells) :])
        if row.broken or beyond:
            faults.append((row.number, "its quotation marks do not pair; mend them" if row.broken else
                           f"it has {len(row.cells)} cells and the heading {len(head.cells)}; put a text with a comma in it in quotation marks"))  # fmt: skip
            continue
        cells = dict.fromkeys(words["columns"], "") | {
            field: " ".join(row.cells[column].split()) for field, column in placed.items() if column < len(row.cells)
        }
        if any(cells.values()):
            out.append(Cells(row.number, cells))
    _raise(path, faults)
    return out
