"""Review → sentences → clauses, each with its offsets in the text.

A sentence comes from NLTK's Punkt algorithm with our own abbreviations (nothing is downloaded), mended where patients
write otherwise than newspapers: "love it!!! 😊" is one sentence, "phq 22 to 6. enough said" two. In doubt sentences stay
together, so that no quote is cut. Within a sentence, a turn ("but", "however", "pero"), a semicolon, a dash, or a line
break begins a new clause, so that "great nurses but awful parking" is two opinions with a place each.
"""

import re
from functools import cache
from typing import NamedTuple

ABBREVIATIONS = {
    *("dr", "drs", "mr", "mrs", "ms", "st", "ave", "blvd", "jr", "sr", "vs", "etc", "e.g", "i.e", "approx"),
    *("appt", "no", "ph.d", "m.d", "r.n", "n.p", "p.a", "u.s", "a.m", "p.m", "dra", "sra", "srta", "lic"),
}
# A title belongs to the name after it, whatever Punkt makes of "Dr. L!!!".
TITLE = re.compile(r"\b(?:dr|drs|mr|mrs|ms|st|dra|sr|sra|srta|lic)\.$", re.IGNORECASE)
# Ends that Punkt passes over: a figure before lower case, dots that trail off before a capital, an emoji before a capital.
MISSED = re.compile(
    r"(?<=\d\.)\s+(?=[^\W\d_])|(?<=\.\.|.…)\s+(?=[^\W\d_a-z])"
    r"|(?<=[\U0001F300-\U0001FAFF\u2600-\u27BF\ufe0f])\s+(?=[^\W\d_a-z])"
)
QUOTE_ENDS = re.compile(r"(?<=[^\s\"“”'‘’])[\"'”’)]")  # said "ready?", walked out
NUMBERED = re.compile(r"\W*\d{1,2}\.$")  # "1. kind people": the number of a list ends nothing

TURN = re.compile(
    r"""
    \s*[;\n]+\s*
  | \s+[-–—]{1,2}\s+ | \s*[—–]\s*
  | ,?\s+(?=(?:but|however|although|though|yet|except|unfortunately|whereas|still,|pero|aunque|sin\s+embargo|excepto|lástima)\b)
  | ,\s+(?=(?:and\s+(?:the|my|they|i|we|it|he|she|now|then|no)|so|then|while|plus|which)\b)
  | (?<=[a-z\d"”)])\s*[•·]\s*
    """,
    re.IGNORECASE | re.VERBOSE,
)
SHORTEST = 3  # characters: less is no clause of its own


class Clause(NamedTuple):
    """text[start:end], without the blanks around it."""

    start: int
    end: int


@cache
def _punkt():
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = ABBREVIATIONS
    return PunktSentenceTokenizer(parameters)


def trimmed(text: str, start: int, end: int) -> Clause:
    """The span without leading and trailing blanks."""
    piece = text[start:end]
    return Clause(start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip())))


def sentences(text: str) -> list[Clause]:
    """The sentences of a text in order, where in doubt joined rather than parted; a line break ends one too."""
    spans = []
    for line in re.finditer(r"[^\n]+", text):
        first = len(spans)
        for start, end in _punkt().span_tokenize(line.group()):
            start, end = line.start() + start, line.start() + end
            for missed in MISSED.finditer(text, start, end):
                if not NUMBERED.match(text, start, missed.start()):
                    _add(spans, first, text, start, missed.start())
                    start = missed.end()
            _add(spans, first, text, start, end)
    return spans


def _add(spans: list, first: int, text: str, start: int, end: int) -> None:
    """One more sentence; or the last one made longer, where it ends with a title or what follows holds no word."""
    span = trimmed(text, start, end)
    if span.end <= span.start:
        return
    # "!", " . " and "👍" close what stands before, across lines too; so does the mark that ends a question quoted.
    closing = not re.search(r"\w", text[span.start : span.end]) or QUOTE_ENDS.match(text, start)
    if spans and (closing or (len(spans) > first and TITLE.search(text, spans[-1].start, spans[-1].end))):
        spans[-1] = Clause(spans[-1].start, span.end)
    else:
        spans.append(span)


def clauses(text: str) -> list[Clause]:
    """The clauses of a text in order, without gaps other than blanks and the marks that part them."""
    found = []
    for sentence in sentences(text):
        start = sentence.start
        for turn in TURN.finditer(text, sentence.start, sentence.end):
            piece = trimmed(text, start, turn.start())
            if piece.end - piece.start >= SHORTEST and sentence.end - turn.end() >= SHORTEST:
                found.append(piece)
                start = turn.end()
        piece = trimmed(text, start, sentence.end)
        if piece.end > piece.start:
            found.append(piece)
    return found
