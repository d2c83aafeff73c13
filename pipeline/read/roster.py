"""The clinic's own people: a file of names that stay, because staff are not patients."""

import csv
from pathlib import Path

from pipeline.read.files import InputError


def read_roster(path: Path) -> tuple[str, ...]:
    """The names in a text or CSV file, one a line or in the column `name`. Raises InputError where there is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: the roster cannot be read; save it as “CSV UTF-8” with a column `name`") from None
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    header = [cell.lower() for cell in rows[0]] if rows else []
    at = header.index("name") if "name" in header else 0
    names = tuple(row[at] for row in rows[1 if "name" in header else 0 :] if len(row) > at and row[at])
    if not names:
        raise InputError(f"{path}: the roster holds no name; write one a line")
    return names
