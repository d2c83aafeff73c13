"""`sources.toml`: what a person says about columns that we would not guess. It lies in the folder with the exports.

dates = "day first"                  # for every file here: 03/04/2026 is 3 April
places = ["Las Vegas", "Santa Monica"]   # "Example Clinic - Las Vegas" becomes "Las Vegas"

[[file]]
match = "front-desk*.xlsx"           # some of the files
source = "front desk"
scale = "0-10"                       # "1-5", "5-1" (1 is best), "0-10", "0-100"
columns = { text = "What they told us", rating = "Score", date = "When" }
"""

import collections.abc
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from pipeline.read.dates import ORDERS
from pipeline.read.exports import FIELDS
from pipeline.read.files import InputError
from pipeline.read.ratings import GIVEN

KEYS = ("match", "columns", "source", "location", "dates", "scale", "places")


Columns = collections.abc.Mapping[str, tuple[str, ...]]


class Entry(NamedTuple):
    """What is said about the files that `match` (a name with stars). `columns`: field → one column, or several for `text`."""

    match: str = "*"
    columns: Columns = MappingProxyType({})
    source: str | None = None
    location: str | None = None
    dates: str | None = None
    scale: str | None = None
    places: tuple[str, ...] = ()

    def updated(self, other: "Entry") -> "Entry":
        """This with all that the other says."""
        kept = {key: value for key, value in other._asdict().items() if value}
        return self._replace(**{**kept, "columns": {**self.columns, **other.columns}})


class Mapping(NamedTuple):
    """A sources.toml: its entries, the general one first."""

    entries: tuple[Entry, ...] = ()

    def about(self, label: str) -> Entry:
        """What is said about one file; a later entry overrides an earlier one."""
        said = Entry()
        for entry in self.entries:
            name = label.lower()
            if any(fnmatchcase(part, entry.match.lower()) for part in (name, PurePosixPath(name).name)):
                said = said.updated(entry)
        return said


def load_mapping(path: Path) -> Mapping:
    """Read a sources.toml. Raises InputError, naming the file and what to write, for anything it does not understand."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f'{path}: not valid TOML: {error}; names and values look like  text = "Their Column"'
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    files = data.pop("file", [])
    if isinstance(files, dict):
        files = [files]
    if not isinstance(files, list) or not all(isinstance(entry, dict) for entry in files):
        raise InputError(f"{path}: file: write [[file]] above each entry")
    return Mapping(tuple(_entry(path, entry) for entry in [data, *files] if entry))


def _entry(path: Path, data: dict) -> Entry:
    def wrong(key: str, mend: str) -> InputError:
        return InputError(f"{path}: {key}: {mend}")

    for key in data:
        if key not in KEYS:
            raise wrong(key, f"not known; write one of {', '.join(KEYS)}, or [[file]] above an entry")
    for key in ("match", "source", "location", "dates", "scale"):
        if key in data and (not isinstance(data[key], str) or not data[key].strip()):
            raise wrong(key, "write it in quotation marks")
    if data.get("dates", ORDERS[0]) not in ORDERS:
        raise wrong("dates", 'write "day first" or "month first"')
    if data.get("scale", "1-5") not in GIVEN:
        raise wrong("scale", f"write one of {', '.join(GIVEN)}")
    places = data.get("places", [])
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        raise wrong("places", 'write a list, ["Las Vegas", "Santa Monica"]')
    columns = data.get("columns", {})
    if not isinstance(columns, dict):
        raise wrong("columns", 'write [columns] above lines such as  text = "Their Column"')
    named = {}
    for field, column in columns.items():
        if field not in FIELDS:
            raise wrong(f"columns.{field}", f"not known; the fields are {', '.join(FIELDS)}")
        listed = column if isinstance(column, list) else [column]
        if not listed or not all(isinstance(name, str) and name.strip() for name in listed):
            raise wrong(f"columns.{field}", "write the column's name in quotation marks")
        named[field] = tuple(listed)
    return Entry(**{**data, "columns": named, "places": tuple(places)})


def place_of(location: str, places: tuple[str, ...]) -> str:
    """The known place that a listing's name ends in or holds ("Example Clinic - Las Vegas" → "Las Vegas"), else the name as it is."""
    found = [place for place in places if re.search(rf"(?<!\w){re.escape(place)}(?!\w)", location, re.IGNORECASE)]
    return max(found, key=len) if found else location
