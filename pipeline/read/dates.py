"""What a date in an export says, and in which order its day and month stand.

The order is decided from the whole column: one 25/03/2026 tells how 03/04/2026 is meant. Where nothing tells, the caller refuses the file.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from pipeline.read.exports import EXPORTS

FIRST, LAST = (
    date(1995, 1, 1),
    date(2079, 12, 31),
)  # reviews on the web are younger; the clock is not asked, so a run can be repeated
DAY_FIRST, MONTH_FIRST = "day first", "month first"
ORDERS = (DAY_FIRST, MONTH_FIRST)

TIME = r"(?:[\sT,]*\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?\s?m\.?)?\s*(?:Z|\(?[A-Z]{2,5}\)?|(?:GMT|UTC)?\s*[+-]\d{2}:?\d{2})?)?"
WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
YEAR_FIRST = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){TIME}", re.I)
PARTS = re.compile(rf"(\d{{1,2}})([/.\-])(\d{{1,2}})\2(\d{{4}}|\d{{2}}){TIME}", re.I)
DAY_NAMED = re.compile(
    rf"{WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th)?[\s.\-/]+(?:of\s+|de\s+)?([^\W\d_]+)\.?,?[\s\-/]+(?:del?\s+)?(\d{{4}}|\d{{2}}),?{TIME}",
    re.I,
)
MONTH_NAMED = re.compile(rf"{WEEKDAY}([^\W\d_]+)\.?[\s\-]+(\d{{1,2}})(?:st|nd|rd|th)?,?[\s\-]+(\d{{4}}),?{TIME}", re.I)
UNIX_STYLE = re.compile(
    r"(?:mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) +(\d{1,2}) [\d:]{8} (?:[A-Z]{2,5} |[+-]\d{4} )?(\d{4})", re.I
)
MONTH_ONLY = re.compile(r"(\d{4})[-/.](\d{1,2})|([^\W\d_]+)\.?,?[\s\-]+(?:de\s+|of\s+)?(\d{4})|(\d{1,2})/(\d{4})", re.I)
YEAR_ONLY = re.compile(r"\d{4}")
COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
NUMBER = re.compile(r"\d{5}(?:\.\d+)?|\d{10}(?:\.\d+)?|\d{13}|\d{16}")
RELATIVE = re.compile(
    r"(?:(?:edited|reviewed|posted|about|over|almost)\s+)*(?:an?|one|\d+)\s+(?:second|minute|hour|day|week|month|year)s?\s+ago"
    r"|hace\s+(?:una?|\d+)\s+(?:segundo|minuto|hora|d[ií]a|semana|mes|año)(?:e?s)?"
    r"|today|yesterday|just now|last (?:week|month|year)|this (?:week|month)|hoy|ayer|recently",
    re.I,
)
NO_DATE = {"", "-", "–", "—", "n/a", "na", "null", "none", "nan", "nat", "unknown", "#n/a", "?"}


def _months() -> dict[str, int]:
    """Month names and their short forms, in English and Spanish, to their number."""
    found = {"sept": 9, "set": 9}
    for names in EXPORTS["months"].values():
        for number, name in enumerate(names, 1):
            found[name] = found[name[:3]] = number
    return found


MONTHS = _months()


class Date(NamedTuple):
    """`date` YYYY-MM-DD or None; `precision` day, month, year, relative, unknown; `problem` why it cannot be read, or None."""

    date: str | None
    precision: str
    problem: str | None = None


NONE = Date(None, "unknown")


class Evidence(NamedTuple):
    """What a column says about its order: how many values have only one reading, and how many have two."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0


def weigh(values: Iterable[str], before: Evidence = Evidence()) -> Evidence:  # noqa: B008 (a tuple)
    """Count the values of a column by the readings they allow, added to what was counted before."""
    day, month, either = before
    for value, times in Counter(values).items():
        match = PARTS.fullmatch(value.strip())
        if not match:
            continue
        left, right = int(match[1]), int(match[3])
        if left > 12 >= right:
            day += times
        elif right > 12 >= left:
            month += times
        elif left != right:
            either += times
    return Evidence(day, month, either)


class Order(NamedTuple):
    """`order` or None where it does not matter; `said` for people; `problem` where it cannot be decided."""

    order: str | None
    said: str
    problem: str | None = None
    mixed: bool = False  # some dates can only have the day first, others only the month


def decide(evidence: Evidence, given: str | None = None, usual: str | None = None) -> Order:
    """The order of a column: as somebody said (`given`), as its values tell, or as the platform writes (`usual`).

    A value that has one reading only is always read that way, so the order settles the others.
    """
    day, month, either = evidence
    if given:
        return Order(given, f"{given}, as sources.toml says")
    if day and not month:
        return Order(DAY_FIRST, f"{DAY_FIRST}: {day} dates have no other reading")
    if month and not day:
        return Order(MONTH_FIRST, f"{MONTH_FIRST}: {month} dates have no other reading")
    if usual:
        odd = month if usual == DAY_FIRST else day
        such = "05/25/2026, with the month first" if usual == DAY_FIRST else "25/05/2026, with the day first"
        mixed = (
            f"; but {odd:,} can only be meant the other way ({such}), and were read so: among the {either:,} that could be either, some may have day and month exchanged"
            if day and month
            else ""
        )
        return Order(usual, f"{usual}, as this kind of export writes them{mixed}", mixed=bool(mixed))
    if not either:
        return Order(None, "no date leaves the order open")
    if day and month:
        problem = (
            f"{day} dates can only have the day first and {month} only the month first, and {either} could be either"
        )
    else:
        problem = f"{either} dates such as 03/04/2026 could have the day or the month first, and none tells which"
    return Order(None, problem, problem + '; write dates = "day first" or dates = "month first" in sources.toml')


@lru_cache(maxsize=100_000)
def read_date(typed: str, order: str | None = None) -> Date:
    """The date that a cell holds. The day is the one written, in the zone it is written in; epochs are UTC."""
    value = typed.strip()
    if value.lower() in NO_DATE:
        return NONE
    if len(value) > 60:
        return Date(None, "unknown", "the date cannot be read: too long for a date")
    if match := YEAR_FIRST.fullmatch(value):
        return _day(int(match[1]), int(match[2]), int(match[3]))
    if match := PARTS.fullmatch(value):
        left, right, year = int(match[1]), int(match[3]), _century(match[4])
        if left > 12 >= right or (order == DAY_FIRST and not right > 12 >= left) or left == right:
            return _day(year, right, left)
        if right > 12 or order == MONTH_FIRST:
            return _day(year, left, right)
        return Date(None, "unknown", "the date could have the day or the month first")
    if NUMBER.fullmatch(value):
        return _counted(value)
    if match := COMPACT.fullmatch(value):
        return _day(int(match[1]), int(match[2]), int(match[3]))
    if (match := DAY_NAMED.fullmatch(value)) and match[2].lower() in MONTHS:
        return _day(_century(match[3]), MONTHS[match[2].lower()], int(match[1]))
    if (match := MONTH_NAMED.fullmatch(value) or UNIX_STYLE.fullmatch(value)) and match[1].lower() in MONTHS:
        return _day(int(match[3]), MONTHS[match[1].lower()], int(match[2]))
    if RELATIVE.fullmatch(value):
        return Date(None, "relative")
    if match := MONTH_ONLY.fullmatch(value):
        year = match[1] or match[4] or match[6]
        month = int(match[2] or match[5] or MONTHS.get((match[3] or "").lower(), 0))
        return _day(int(year), month, 1, "month")
    if YEAR_ONLY.fullmatch(value):
        return _day(int(value), 1, 1, "year")
    if set(value) == {"#"}:
        return Date(
            None, "unknown", "the date was lost: #### is a column too narrow when it was saved; export it again"
        )
    return Date(None, "unknown", "the date cannot be read")


def _century(year: str) -> int:
    return int(year) + 2000 if len(year) == 2 else int(year)


def _day(year: int, month: int, day: int, precision: str = "day") -> Date:
    try:
        found = date(year, month, day)
    except ValueError:
        return Date(None, "unknown", "there is no such day in the calendar")
    if not FIRST <= found <= LAST:
        return Date(None, "unknown", f"the date lies outside {FIRST.year} to {LAST.year}")
    # A month or a year is written as its first day; the precision says that the day is not known.
    return Date(found.isoformat(), precision)


def _counted(value: str) -> Date:
    """Seconds, or thousandths or millionths of them, since 1970, or days as Excel counts them (day 1 is 1900-01-01, with its false leap day)."""
    whole = int(value.split(".")[0])
    if len(str(whole)) == 5:
        found = date(1899, 12, 30) + timedelta(days=whole)
    else:
        seconds = whole // {13: 1000, 16: 1_000_000}.get(len(value), 1)
        found = datetime.fromtimestamp(seconds, UTC).date()
    return _day(found.year, found.month, found.day)


@lru_cache(maxsize=10_000)
def later(edited: str, created: str) -> bool:
    """Whether an instant lies after another; False where one of the two is no ISO 8601 instant."""
    try:
        first, last = datetime.fromisoformat(created.strip()), datetime.fromisoformat(edited.strip())
        if first.tzinfo is None or last.tzinfo is None:
            first, last = first.replace(tzinfo=None), last.replace(tzinfo=None)
        return last > first
    except ValueError:
        return False
