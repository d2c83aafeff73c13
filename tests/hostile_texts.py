"""Texts made to slow a regular expression down, from the expression itself: the way to each of its repetitions, then what is
repeated, again and again, then something that fits nowhere."""

import random
import re
from collections.abc import Iterator
from re import _constants as op
from re import _parser as parser

REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
LETTERS = "a1 .-'(A,é\n@/_"
FITS_NOWHERE = ("", "\x00", "a", " ")
CLASSES = {
    op.CATEGORY_DIGIT: re.compile(r"\d"),
    op.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    op.CATEGORY_SPACE: re.compile(r"\s"),
    op.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    op.CATEGORY_WORD: re.compile(r"\w"),
    op.CATEGORY_NOT_WORD: re.compile(r"\W"),
}


def _one_of(items) -> str:
    """A letter of a class."""
    out, fits = items[0][0] is op.NEGATE, set()
    for kind, value in items:
        if kind is op.LITERAL:
            fits.add(chr(value))
        elif kind is op.RANGE:
            fits |= {chr(value[0]), *(letter for letter in LETTERS if value[0] <= ord(letter) <= value[1])}
        elif kind is op.CATEGORY:
            fits |= {letter for letter in LETTERS if CLASSES[value].match(letter)}
    if out:
        return next((letter for letter in LETTERS if letter not in fits), "~")
    return min(fits, default="a", key=lambda letter: (LETTERS.find(letter) % 99, letter))


def _parts(kind, value) -> list:
    """The sequences inside a node."""
    if kind in REPEATS:
        return [value[2]]
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.BRANCH:
        return list(value[1])
    if kind is op.ATOMIC_GROUP:
        return [value]
    if kind is op.ASSERT:
        return [value[1]]
    return []


def example(sequence, draw: random.Random) -> str:
    """A text that a parsed expression would match, but for what it looks around for."""
    out = []
    for kind, value in sequence:
        if kind is op.LITERAL:
            out.append(chr(value))
        elif kind is op.NOT_LITERAL:
            out.append(next(letter for letter in LETTERS if ord(letter) != value))
        elif kind is op.ANY:
            out.append("a")
        elif kind is op.IN:
            out.append(_one_of(value))
        elif kind in REPEATS:
            out.append(example(value[2], draw) * max(value[0], min(1, value[1])))
        elif kind is op.BRANCH:
            out.append(example(draw.choice(value[1]), draw))
        elif kind in (op.SUBPATTERN, op.ATOMIC_GROUP):
            out.append(example(_parts(kind, value)[0], draw))
    return "".join(out)


def _repeated(sequence, before: str, draw) -> Iterator[tuple[str, str]]:
    """(the way there, what is repeated) for every repetition that has no small bound."""
    for kind, value in sequence:
        if kind in REPEATS and value[1] > 20:
            yield before, example(value[2], draw)
        for part in _parts(kind, value):
            yield from _repeated(part, before, draw)
        before += example([(kind, value)], draw)


def pumps(expression: re.Pattern, most: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """(beginning, what is repeated, end), at most so many, for an expression."""
    draw = random.Random(seed)
    parsed = parser.parse(expression.pattern, expression.flags)
    whole = example(parsed, draw)
    found = [("", whole, "\x00"), ("", whole + " ", "")] + ([("", whole[:-1], "\x00")] if len(whole) > 1 else [])
    for before, again in _repeated(parsed, "", draw):
        found += [
            (before, again, draw.choice(FITS_NOWHERE)),
            ("", before + again, "\x00"),
            ("", again, "\x00"),
            ("x", again, "x"),
        ]
    found += [("x", " ", "x"), ("", "a", "\x00"), ("", "1", "a")]
    distinct = [pump for pump in dict.fromkeys(found) if pump[1]]
    return distinct if len(distinct) <= most else distinct[:3] + draw.sample(distinct[3:], most - 3)


def grown(pump: tuple[str, str, str], length: int) -> str:
    """The pump as a text of about so many characters."""
    begin, again, end = pump
    return begin + again * (length // len(again)) + end
