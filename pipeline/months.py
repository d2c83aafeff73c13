"""Months ("2026-10") and days as the reports count and name them: English in every locale, and no clock."""

import calendar
import datetime as dt
import re

NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def is_month(text: str | None) -> bool:
    """Is this a month, written "2026-10"?"""
    return bool(text and MONTH.fullmatch(text))


def month_name(month: str) -> str:
    """ "2026-10" → "October 2026"."""
    return f"{NAMES[int(month[5:7]) - 1]} {month[:4]}"


def short_month(month: str) -> str:
    """ "2026-10" → "Oct", for axes and narrow columns that say the year elsewhere."""
    return NAMES[int(month[5:7]) - 1][:3]


def months_between(first: str, last: str) -> list[str]:
    """Every month from `first` to `last`, both included; none where `last` comes before."""
    at, end = _number(first), _number(last)
    return [_month(number) for number in range(at, end + 1)]


def month_before(month: str, many: int = 1) -> str:
    """The month `many` months earlier."""
    return _month(_number(month) - many)


def month_of(date: str | None, precision: str | None = None) -> str | None:
    """The month in which a dated thing stands, or None where the date is missing or only a year is known."""
    found = MONTH.match(date or "")
    return found.group() if found and precision not in ("year", "unknown") else None


def last_day(month: str) -> dt.date:
    """ "2026-10" → 31 October 2026."""
    year, number = int(month[:4]), int(month[5:7])
    return dt.date(year, number, calendar.monthrange(year, number)[1])


def day_after(month: str) -> dt.date:
    """The first day that a report on the month does not cover: "2026-10" → 1 November 2026."""
    return last_day(month) + dt.timedelta(days=1)


def day_of(date: str | None) -> dt.date | None:
    """A date as the tables hold it ("2026-10-14", or "2026-10": the first) as a day; None where it is none."""
    try:
        return dt.date.fromisoformat(date[:10] if len(date) > 7 else f"{date}-01")
    except (TypeError, ValueError):
        return None


def day_name(day: dt.date, *, year: bool = False) -> str:
    """ "14 Oct", or with the year "14 Oct 2026"."""
    return f"{day.day} {NAMES[day.month - 1][:3]}" + (f" {day.year}" if year else "")


def year_before(day: dt.date) -> dt.date:
    """The same day a year earlier; for 29 February the 28th."""
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def year_after(day: dt.date) -> dt.date:
    """The same day a year later; for 29 February the 28th."""
    return day.replace(year=day.year + 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def _month(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
