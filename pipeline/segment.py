"""Review → sentences → clauses, each with its offsets in the text.

A sentence ends where the Punkt algorithm ends it (Kiss and Strunk 2006, in the form NLTK gives it) when it knows our
abbreviations and has learned nothing else, mended where patients write otherwise than newspapers: "love it!!! 😊" is one
sentence, "phq 22 to 6. enough said" two. In doubt sentences stay together, so that no quote is cut. Within a sentence, a
turn ("but", "however", "pero"), a semicolon, a dash, or a line break begins a new clause, so that "great nurses but awful
parking" is two opinions with a place each.
"""

import re
from itertools import pairwise
from typing import NamedTuple

ABBREVIATIONS = {
    *("dr", "drs", "mr", "mrs", "ms", "st", "ave", "blvd", "jr", "sr", "vs", "etc", "e.g", "i.e", "approx"),
    *("appt", "no", "ph.d", "m.d", "r.n", "n.p", "p.a", "u.s", "a.m", "p.m", "dra", "sra", "srta", "lic"),
}

# A mark may end a sentence before a blank or before one of these.
CLOSING = r"""[)";}\]*:@'({\[‘’“”«»?!]"""
MARK = re.compile(rf"[.?!](?:(?={CLOSING})|(?=(\s+)\S))")
# Punkt's words: a run of dashes or dots, what stands up to a blank or a mark, or a mark by itself. No word begins with one
# of ("`{[:;&#*@)}],- and a comma ends one only before a blank or a mark.
RUN = r"-{2,}|\.{2,}|(?:\.\s){2,}\."
WORD = re.compile(rf"""{RUN}|[^\s("`{{\[:;&#*@)}}\]\-,]\S*?(?=\s|$|{CLOSING}|{RUN}|,(?:$|\s|{CLOSING}|{RUN}))|\S""")
INITIAL = re.compile(r"[^\W\d]\.")
NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*")
PAUSES = frozenset(";:,.!?")
NEXT = re.compile(r"\S*")
LETTER = re.compile(r"\w")
# Closing quotes and brackets belong to the sentence before them.
QUOTING = frozenset("\"')]}‘’“”«»")
QUOTES = re.compile(r"""["')\]}‘’“”«»]+(?:\s+|(?=--)|$)""")
BLANKS = str.maketrans("\t\r\x0b\x0c", "    ")

# A title belongs to the name after it, whatever Punkt makes of "Dr. L!!!".
TITLE = re.compile(r"\b(?:dr|drs|mr|mrs|ms|st|dra|sr|sra|srta|lic)\.$", re.IGNORECASE)
LONGEST_TITLE = len("srta.")
# Ends that Punkt passes over: a figure before lower case, dots that trail off before a capital, an emoji before a capital.
MISSED = re.compile(
    r"(?<=\d\.)\s+(?=[^\W\d_])|(?<=\.\.|.…)\s+(?=[^\W\d_a-z])"
    r"|(?<=[\U0001F300-\U0001FAFF\u2600-\u27BF\ufe0f])\s+(?=[^\W\d_a-z])"
)
PERHAPS_MISSED = re.compile(r"[.…\U0001F300-\U0001FAFF\u2600-\u27BF\ufe0f](?<![^\d.]\.)\s")
QUOTE_ENDS = re.compile(r"(?<=[^\s\"“”'‘’])[\"'”’)]")  # said "ready?", walked out
NUMBERED = re.compile(r"\W*\d{1,2}\.$")  # "1. kind people": the number of a list ends nothing

# What parts opinions within a sentence, looked for in small letters. The first character is one of a few, so that the
# search passes over all others, and what follows it rules out most of the rest; a run of blanks is gone through once.
CONTRAST = r"""(?:but|however|although|though|yet|except|unfortunately|whereas|still,
    |pero|aunque|sin\s+embargo|excepto|lástima)\b"""
NEXT_THOUGHT = r"(?:and\s+(?:the|my|they|i|we|it|he|she|now|then|no)|so|then|while|plus|which)\b"
TURN = re.compile(
    rf"""
    [\s,;—–•·]
    (?: (?=[bhatyeuwspl]) (?<=\s) (?={CONTRAST})
      | (?<=,) \s+ (?={CONTRAST}|{NEXT_THOUGHT})
      | (?=[\s;\-–—•·]) (?<=\s) (?<!\s\s)
        (?: \s* [;\n]+ \s* | (?<=\n) \s* | \s* [-–—]{{1,2}} \s+ | \s* [—–] \s*
          | \s+ (?={CONTRAST}) | (?<=[a-z\d"”)]\s) \s* [•·] \s* )
      | (?<=[;\n]) [;\n]* \s*
      | (?<=[—–]) \s*
      | (?<=[a-z\d"”)][•·]) \s*
    )
    """,
    re.VERBOSE,
)
SHORTEST = 3  # characters: less is no clause of its own


class Clause(NamedTuple):
    """text[start:end], without the blanks around it."""

    start: int
    end: int


def trimmed(text: str, start: int, end: int) -> Clause:
    """The span without leading and trailing blanks."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return Clause(start, end)


def sentences(text: str) -> list[Clause]:
    """The sentences of a text in order, where in doubt joined rather than parted; a line break ends one too."""
    spans, at, mended = [], 0, PERHAPS_MISSED.search(text)
    for line in text.split("\n"):
        first = len(spans)
        for start, end in _parted(line):
            start, end = at + start, at + end
            for missed in MISSED.finditer(text, start, end) if mended else ():
                if not NUMBERED.match(text, start, missed.start()):
                    _add(spans, first, text, start, missed.start())
                    start = missed.end()
            _add(spans, first, text, start, end)
        at += len(line) + 1
    return spans


def _parted(line: str) -> list[tuple[int, int]]:
    """The sentences of a line where Punkt parts it."""
    marks: list[
        tuple[int, re.Match]
    ] = []  # where the word before a mark begins, and the mark: a word's last one counts
    begin = place = 0
    spaced = line if line.isprintable() else line.translate(BLANKS)
    for mark in MARK.finditer(line):
        before, place = place, mark.start()
        blank = spaced.rfind(" ", before, place)
        if blank > before:
            begin = blank + 1
        if marks and before > begin:
            marks.pop()
        marks.append((begin, mark))
    spans, start = [], 0
    for begin, mark in marks:
        if _is_end(line, begin, mark):
            end = mark.end()
            after = end if mark.end(1) < 0 else mark.end(1)
            quotes = QUOTES.match(line, after) if line[after] in QUOTING else None
            spans.append((start, after + len(quotes.group().rstrip()) if quotes else end))
            start = quotes.end() if quotes else after
    spans.append((start, len(line.rstrip())))
    return spans


def _is_end(line: str, begin: int, mark: re.Match) -> bool:
    """Whether a mark, or another in the words beside it, ends a sentence. `begin`: of the word before it."""
    place = mark.start()
    if line[place] != ".":
        return True
    word = line[begin:place]
    if len(word) > 1 and word.isalpha() and word.lower() not in ABBREVIATIONS:
        return True
    end = place + 2 if mark.end(1) < 0 else NEXT.match(line, mark.end(1)).end()
    return any(_ends_with(word, after) for word, after in pairwise(WORD.findall(line, begin, end)))


def _ends_with(word: str, after: str) -> bool:
    """Whether a sentence ends with a word, dots and all, when the other comes after it."""
    if word in ("?", "!", "."):
        return True
    if not word.endswith(".") or word.endswith(".."):
        return False
    bare = word[:-1].lower()
    if bare in ABBREVIATIONS or bare.rsplit("-", 1)[-1] in ABBREVIATIONS:
        return False
    if INITIAL.fullmatch(word):
        return not (after in PAUSES or after[0].islower() or after[0].isupper())
    if NUMBER.fullmatch(word):
        return not (after in PAUSES or after[0].islower())
    return True


def _add(spans: list, first: int, text: str, start: int, end: int) -> None:
    """One more sentence; or the last one made longer, where it ends with a title or what follows holds no word."""
    begun, ended = span = trimmed(text, start, end)
    if ended <= begun:
        return
    if spans:
        last, last_end = spans[-1]
        # "!", " . " and "👍" close what stands before, across lines too; so does the mark that ends a question quoted.
        closing = not text[begun].isalnum() and (not LETTER.search(text, begun, ended) or QUOTE_ENDS.match(text, start))
        # five letters before the dot are more than any title has
        titled = text[last_end - 1] == "." and len(spans) > first and not text[last_end - 6 : last_end - 1].isalpha()
        if closing or (titled and TITLE.search(text, max(last, last_end - LONGEST_TITLE), last_end)):
            spans[-1] = Clause(last, ended)
            return
    spans.append(span)


def clauses(text: str) -> list[Clause]:
    """The clauses of a text in order, without gaps other than blanks and the marks that part them."""
    found = []
    small = text.lower()
    if len(small) != len(text):  # a letter whose small form is two
        small = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    for sentence in sentences(text):
        start = sentence.start
        for turn in TURN.finditer(small, sentence.start, sentence.end):
            piece = trimmed(text, start, turn.start())
            if piece.end - piece.start >= SHORTEST and sentence.end - turn.end() >= SHORTEST:
                found.append(piece)
                start = turn.end()
        rest = trimmed(text, start, sentence.end) if start > sentence.start else sentence
        if rest.end > rest.start:
            found.append(rest)
    return found
