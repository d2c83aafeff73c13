"""The header rows of survey tools: Qualtrics writes two or three, SurveyMonkey two."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.read.exports import EXPORTS, plain
from pipeline.read.grid import Row

SURVEYS = {key: {"key": key, **entry} for key, entry in EXPORTS["survey"].items()}
TEXT_ENTRY = re.compile(r"_TEXT\b")
OPEN_ENDED = {"open-ended response", "open ended response", "antwort (freitext)", "respuesta abierta"}


class Asked(NamedTuple):
    """A survey's column: its unique `name`, the question it belongs to, the `key` that its comments carry, and whether the file says
    that it takes words (None: it does not say)."""

    name: str
    question: str | None
    key: str
    open: bool | None = None


class SurveyHeader(NamedTuple):
    """`survey`: the entry of exports.toml; `rows`: how many header rows there are."""

    survey: dict
    rows: int
    columns: list[Asked]


def survey_header(rows: Sequence[Row]) -> SurveyHeader | None:
    """The header of a survey export from its first rows, or None for another table."""
    lines = [row.cells for row in rows[:4]]
    lines += [[]] * (4 - len(lines))
    names = {plain(cell) for cell in lines[0] if cell.strip()}
    if _known(names, "surveymonkey"):
        return SurveyHeader(
            SURVEYS["surveymonkey"], 2 if _options(lines[0], lines[1]) else 1, _surveymonkey(lines[0], lines[1])
        )
    if _known(names, "qualtrics"):
        return _qualtrics(lines[0], lines[1], lines[2])
    if _known({plain(cell) for cell in lines[1] if cell.strip()}, "qualtrics"):  # the oldest: V1, V2, … above the names
        names_row = [
            second if re.fullmatch(r"V\d+", first) else first for first, second in zip(lines[0], lines[1], strict=False)
        ]
        return SurveyHeader(SURVEYS["qualtrics"], 2, _columns(names_row, lines[1], []))
    return None


def _known(names: set[str], survey: str) -> bool:
    return any(all(plain(name) in names for name in wanted) for wanted in SURVEYS[survey]["known_by"])


def _qualtrics(ids: list[str], texts: list[str], imports: list[str]) -> SurveyHeader:
    survey = SURVEYS["qualtrics"]
    if any(cell.lstrip().startswith('{"ImportId"') for cell in imports):
        return SurveyHeader(survey, 3, _columns(ids, texts, imports))
    where = next(place for place, cell in enumerate(ids) if plain(cell) == "responseid")
    answered = texts[where].strip() if where < len(texts) else ""
    if re.match(r"R_|\d", answered) or not answered:  # somebody has removed the second row
        return SurveyHeader(survey, 1, _columns(ids, [], []))
    return SurveyHeader(survey, 2, _columns(ids, texts, []))


def _columns(ids: list[str], texts: list[str], imports: list[str]) -> list[Asked]:
    found = []
    for place, name in enumerate(unique(ids)):
        text = re.sub(r"\s+", " ", texts[place]).strip() if place < len(texts) else ""
        entry = imports[place] if place < len(imports) else ""
        words = bool(TEXT_ENTRY.search(entry) or TEXT_ENTRY.search(name)) or None
        found.append(Asked(name, text or None, name.strip(), words))
    return found


def _options(first: list[str], second: list[str]) -> bool:
    """Whether the second row holds the options of the questions and not yet an answer."""
    return not (second and second[0].strip())


def _surveymonkey(questions: list[str], options: list[str]) -> list[Asked]:
    options = options if _options(questions, options) else []
    about = {plain(name) for name in SURVEYS["surveymonkey"]["about"]}
    found, question, number = [], "", 0
    for place in range(max(len(questions), len(options))):
        typed = re.sub(r"\s+", " ", questions[place]).strip() if place < len(questions) else ""
        option = options[place].strip() if place < len(options) else ""
        if typed and typed != question:
            question = typed
            number += plain(typed) not in about
        alone = plain(option) in ("", "response", "open ended response")
        name = question if alone or plain(question) in about else f"{question} | {option}"
        # One column per option: its answers are the option's own words, not the patient's.
        several = bool(option) and not alone
        found.append(
            Asked(name, question, f"Q{number}", True if option.lower() in OPEN_ENDED else False if several else None)
        )
    names = unique([column.name for column in found])
    return [column._replace(name=name) for column, name in zip(found, names, strict=True)]


def unique(names: Sequence[str]) -> list[str]:
    """Column names that differ: the second "Comment" becomes "Comment (2)", a column without a name is called by its place."""
    seen: set[str] = set()
    found = []
    for place, typed in enumerate(names, 1):
        name = first = re.sub(r"\s+", " ", typed.lstrip("\ufeff")).strip() or f"column {place}"
        again = 1
        while name in seen:
            again += 1
            name = f"{first} ({again})"
        seen.add(name)
        found.append(name)
    return found
