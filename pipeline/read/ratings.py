"""What a rating in an export says, on 1 to 5, and on which scale its column stands.

A score of n out of m is 5·n/m, and no lower than 1: 4/5 → 4, 8/10 → 4, 0/10 → 1. A scale on which 1 is best is 6 − n.
Nothing is guessed for one value alone: the scale of bare numbers and of words is decided from the whole column.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from pipeline.read.exports import EXPORTS

WORDS = EXPORTS["words"]
NO_RATING = set(WORDS["no_rating"])
SEVERAL = {word: number for number, word in enumerate(WORDS["several"], 1)}
STAR_WORDS = "|".join(WORDS["stars"])
YES, NO = set(WORDS["yes"]), set(WORDS["no"])

NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
OUT_OF = re.compile(
    r"(?:rated\s+)?(\d+(?:[.,]\d+)?)\s*(?:(?:"
    + STAR_WORDS
    + r")\s+)?(?:/|out of|of|de|von|sur)\s*(\d{1,3})(?:[.,]0+)?(?:\s*(?:"
    + STAR_WORDS
    + r"))?",
    re.I,
)
STARRED = re.compile(
    r"(?:rated\s+)?(\d+(?:[.,]\d+)?|" + "|".join(SEVERAL) + r")[\s-]*(?:" + STAR_WORDS + r"|★|⭐)", re.I
)
GLYPHS = re.compile(r"[★⭐🌟*✭✩☆✰\s\ufe0f½]+")
PERCENT = re.compile(r"(\d{1,3})(?:[.,]0+)?\s*%")
LABELLED = re.compile(r"(\d{1,3})\s*(?:[-–—:=.)(]\s*)+(\D+?)\)?|(\D+?)\s*[-–—:=(]\s*(\d{1,3})\)?")
TO_TEN = re.compile(r"\b(?:0|1)\s*(?:-|–|to|and|through)\s*10\b|/\s*10\b|out of (?:10|ten)|\bnps\b|net promoter", re.I)
TO_HUNDRED = re.compile(r"\b(?:0|1)\s*(?:-|–|to)\s*100\b|/\s*100\b|out of 100|percent|%", re.I)


class Scale(NamedTuple):
    """How a column is read: bare numbers out of `best`, or `worst` first; words by `steps`; `said` for people."""

    best: int = 5
    turned: bool = False  # 1 is best
    steps: tuple[tuple[str, int], ...] = ()
    unrated: frozenset = frozenset()
    said: str = "1 to 5"


GIVEN = {
    "1-5": Scale(),
    "5-1": Scale(turned=True, said="1 is best and 5 worst, so 1 is read as 5 stars and 5 as 1 star"),
    "0-10": Scale(10, said="0 to 10: half of it, so 8 is read as 4 stars"),
    "0-100": Scale(100, said="0 to 100: a twentieth of it, so 80 is read as 4 stars"),
}


def decide(
    values: Collection[str], heading: str = "", given: str | None = None, unrated: Collection[str] = ()
) -> Scale:
    """The scale of a column from its distinct values (any number of repeats) and its heading, or as `given` (a key of GIVEN).

    Words are read by the first scale that knows them all, else by the one that knows most of them.
    """
    bare = [_number(value) for value in values if NUMBER.fullmatch(value.strip())]
    if given:
        scale = GIVEN[given]
    elif TO_TEN.search(heading) and all(number <= 10 for number in bare):
        scale = GIVEN["0-10"]
    elif TO_HUNDRED.search(heading) and max(bare, default=0) > 10:
        scale = GIVEN["0-100"]
    elif max(2, 0.25 * len(bare)) <= _between(bare, 5, 10) and _between(bare, 10, 1e9) <= 0.25 * len(bare):
        scale = GIVEN["0-10"]
    elif _between(bare, 10, 100) >= max(3, 0.5 * len(bare)):
        scale = GIVEN["0-100"]
    else:
        scale = GIVEN["1-5"]
    steps = _steps(values)
    said = scale.said
    if steps:
        used = sorted(
            {(number, word) for word, number in steps if any(_worded(value) == word for value in values)}, reverse=True
        )
        said = ", ".join(f"{word} = {number}" for number, word in used) + (f"; numbers {scale.said}" if bare else "")
    return scale._replace(steps=steps, unrated=frozenset(value.casefold() for value in unrated), said=said)


def _between(numbers: Collection[float], low: float, high: float) -> int:
    return sum(low < number <= high for number in numbers)


def _steps(values: Collection[str]) -> tuple[tuple[str, int], ...]:
    words = {_worded(value) for value in values} - NO_RATING
    known = {}
    for scale in EXPORTS["scale"]:
        steps = {word: 5 - place for place, step in enumerate(scale["steps"]) for word in step}
        known[scale["name"]] = (len(words & steps.keys()), steps)
    best = max(count for count, _ in known.values())
    if not best:
        return ()
    return next(tuple(steps.items()) for count, steps in known.values() if count == best)


def _worded(value: str) -> str:
    """The words of a value such as "5 - Very good" or "Very good!", without case."""
    value = value.strip().casefold()
    if match := LABELLED.fullmatch(value):
        value = match[2] or match[3]
    return re.sub(r"\s+", " ", value.strip(" .!()"))


def _number(value: str) -> float:
    return float(value.strip().replace(",", "."))


def fits(value: str, scale: Scale) -> bool:
    """Whether a value says something on this scale."""
    rating, problem = read_rating(value, scale)
    return rating is not None and problem is None


@lru_cache(maxsize=100_000)
def read_rating(typed: str, scale: Scale = GIVEN["1-5"]) -> tuple[float | None, str | None]:
    """(rating 1…5 or None, why it cannot be read or None). An empty cell is no rating and no problem."""
    value = re.sub(r"(?<=\d)\s?½", ".5", typed.strip().casefold())
    if value in NO_RATING or value in scale.unrated or (value.endswith(".0") and value[:-2] in scale.unrated):
        return None, None
    if len(value) > 60:
        return None, "the rating cannot be read: too long for a rating"
    if NUMBER.fullmatch(value):
        number = _number(value)
        if scale.turned:
            return (6 - number, None) if 1 <= number <= 5 else _outside("1 to 5")
        if scale.best == 5:
            return (number, None) if 1 <= number <= 5 else _outside("1 to 5")
        return _share(number, scale.best)
    if match := OUT_OF.fullmatch(value):
        return _share(_number(match[1]), int(match[2]))
    if match := STARRED.fullmatch(value):
        number = SEVERAL.get(match[1]) or _number(match[1])
        return (float(number), None) if 1 <= number <= 5 else _outside("1 to 5")
    if GLYPHS.fullmatch(value):
        full = sum(value.count(glyph) for glyph in "★⭐🌟*✭") + 0.5 * value.count("½")
        return (float(full), None) if 1 <= full <= 5 else _outside("1 to 5")
    if value in SEVERAL:
        return float(SEVERAL[value]), None
    if match := PERCENT.fullmatch(value):
        return _share(float(match[1]), 100)
    steps = dict(scale.steps)
    if _worded(value) in steps:
        return float(steps[_worded(value)]), None
    if match := LABELLED.fullmatch(value):
        return read_rating(match[1] or match[4], scale)
    if re.match(r"\d{4}-\d\d-\d\d", value):
        return None, "the rating cannot be read: it is a date, which Excel makes of 4/5"
    return None, "the rating cannot be read"


def _share(number: float, best: int) -> tuple[float | None, str | None]:
    if best < 3 or not 0 <= number <= best:
        return _outside(f"0 to {best}") if best >= 3 else (None, "the rating cannot be read")
    return max(1.0, round(5 * number / best, 2)), None


def _outside(scale: str) -> tuple[None, str]:
    return None, f"the rating lies outside {scale}"


@lru_cache(maxsize=10_000)
def read_recommended(typed: str) -> bool | None:
    """Yes, no, or None where neither is said."""
    value = typed.strip().casefold().rstrip(".!").replace("_", " ")
    return True if value in YES else False if value in NO else None
