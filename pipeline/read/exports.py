"""The known exports and the words of hand-kept files (resources/exports.toml), and which of them a set of columns is."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

EXPORTS = tomllib.loads((Path(__file__).parent.parent / "resources" / "exports.toml").read_text(encoding="utf-8"))

FIELDS = (
    "id",
    "source",
    "location",
    "date",
    "edited",
    "rating",
    "recommended",
    "question",
    "title",
    "text",
    "author",
    "reply",
    "translation",
)


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """A column's name without case, punctuation and doubled blanks; the dots of JSON stay: "Review Created (UTC)" → "review created utc"."""
    return re.sub(r"[^\w.@]+|_", " ", name.casefold()).strip()


class Shape(NamedTuple):
    """One kind of export: how it is known and what its columns mean. The keys are explained in exports.toml."""

    key: str
    name: str
    known_by: tuple = ()
    or_by: tuple = ()
    only: tuple = ()
    fields: Mapping[str, list[str]] = MappingProxyType({})
    source: str | None = None
    dates: str | None = None
    scale: str | None = None
    unrated: tuple = ()
    unanswered: tuple = ()
    leave: tuple = ()
    truncated: bool = False
    machine: str = ""
    no_stars: tuple = ()
    quirks: str = ""


SHAPES = tuple(Shape(key, **entry) for key, entry in EXPORTS["shape"].items())


def recognise(columns: Iterable[str]) -> Shape | None:
    """The first shape whose columns are all there."""
    names = {plain(column) for column in columns if column.strip()}
    for shape in SHAPES:
        if not all(plain(name) in names for name in shape.known_by):
            continue
        if shape.or_by and not any(plain(name) in names for name in shape.or_by):
            continue
        # A value of the wrong type is still that column: "text.0" is a list where a text should be.
        if shape.only and not {name.split(".")[0] for name in names} <= {plain(name) for name in shape.only}:
            continue
        return shape
    return None
