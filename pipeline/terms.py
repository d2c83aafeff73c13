"""The one way a list of words in a data file becomes something that finds them in a text.

A term is what a person would write down:

    park*           any ending: park, parking, parked        (a star stands for letters within a word)
    front desk      a space also matches a hyphen or a line break
    (no|zero) pain  one of several;  (very )?  may be left out
    call* .. back   up to four words between, within a sentence
    K               a term of one or two capitals is matched with its case
    re:\\bT\\.?M\\.?S\\b   a regular expression, where nothing else will do

`unless` holds the exceptions: a hit that overlaps one of them does not count.

Lists run to a thousand terms, and most have nothing to do with a given text. So each term is filed under a word that it
cannot do without, and only the terms whose word stands in the text are tried.
"""

import re
from functools import lru_cache
from typing import NamedTuple

APOSTROPHE = "['’ʼ`´]?"
WORD = re.compile(r"\w+")
NO_WORD = str.maketrans({chr(code): " " for code in range(128) if not WORD.match(chr(code))})
TOKEN = re.compile(r" \.\. |\s+|\*|\(|\)|\||\?|['’]|\w+|[^\s*()|?'’\w]")


class Hit(NamedTuple):
    """A place in a text: text[start:end]."""

    start: int
    end: int


class Needed(NamedTuple):
    """Words without which a term cannot match: one of `whole`, or a word that begins with one of `begun`."""

    whole: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()

    @property
    def shortest(self) -> int:
        return min(map(len, self.whole | self.begun), default=0)


def pattern(term: str) -> str:
    """The regular expression of one term."""
    if term.startswith("re:"):
        return term[3:]
    out = []
    for token in TOKEN.finditer(term):
        piece = token.group()
        if piece == " .. ":
            out.append(r"(?:[ \t]+[^\s.!?;]+){0,4}?[ \t]+")
        elif piece.isspace():
            out.append(r"[\s\-–]+")
        elif piece == "*":
            out.append(r"\w*")
        elif piece == "(":
            out.append("(?:")
        elif piece in ")|?":
            out.append(piece)
        elif piece in "'’":
            out.append(APOSTROPHE)
        else:
            out.append(re.escape(piece))
    body = "".join(out)
    left = r"(?<!\w)" if term[0].isalnum() or term[0] in "(*" else ""
    right = r"(?!\w)" if term[-1].isalnum() or term[-1] in ")*?" else ""
    if len(term) <= 2 and term.isupper():
        body = f"(?-i:{body})"
    return f"{left}(?:{body}){right}"


def compile_terms(terms) -> re.Pattern:
    """One expression for a short list, the longest term first."""
    return re.compile("|".join(pattern(term) for term in sorted(terms, key=len, reverse=True)), re.IGNORECASE)


def needed(term: str) -> Needed | None:
    """The words that a term cannot do without, the longest it has; None where there is none to file it under."""
    if term.startswith("re:"):
        return None
    tokens = [token.group() for token in TOKEN.finditer(term)]
    return _needed_of(tokens, 0)[0]


def _needed_of(tokens: list[str], at: int) -> tuple[Needed | None, int]:
    """What a sequence needs, up to its closing parenthesis; and where it ends."""
    best, alternatives = None, []
    while at < len(tokens):
        piece = tokens[at]
        if piece == ")":
            break
        if piece == "|":
            alternatives.append(best)
            best, at = None, at + 1
            continue
        joined = lambda place: 0 <= place < len(tokens) and (tokens[place] in "'’*()?" or tokens[place].isalnum())  # noqa: E731
        if piece == "(":
            found, end = _needed_of(tokens, at + 1)
            optional = tokens[end + 1 : end + 2] == ["?"]
            # a group that touches a word is only a part of it: "(un)kind"
            if optional or _touches(tokens, at - 1) or _touches(tokens, end + 1):
                found = None
            at = end + 1
        elif piece.isalnum():
            star = tokens[at + 1 : at + 2] == ["*"]
            alone = not joined(at - 1) or tokens[at - 1] in "(|"
            after = at + 2 if star else at + 1
            ended = not joined(after) or tokens[after] == ")"
            word = frozenset([piece.lower()])
            found = (Needed(begun=word) if star else Needed(whole=word)) if alone and ended else None
            at += 1
        else:
            found, at = None, at + 1
        if found and (best is None or found.shortest > best.shortest):
            best = found
    if alternatives:
        alternatives.append(best)
        if any(each is None for each in alternatives):
            return None, at
        whole = frozenset().union(*(each.whole for each in alternatives))
        return Needed(whole, frozenset().union(*(each.begun for each in alternatives))), at
    return best, at


def _touches(tokens: list[str], place: int) -> bool:
    return 0 <= place < len(tokens) and (tokens[place].isalnum() or tokens[place] in "'’*")


def split_words(text: str) -> list[str]:
    """The words of a text as they come: letters, digits and underscores in a row."""
    return text.translate(NO_WORD).split() if text.isascii() else WORD.findall(text)  # the same, in half the time


@lru_cache(maxsize=256)
def words_of(text: str) -> frozenset[str]:
    """The words of a text in small letters; many lists are tried on the same text."""
    return frozenset(split_words(text.lower()))


@lru_cache(maxsize=256)
def beginnings_of(text: str) -> frozenset[str]:
    """Every beginning of every word of a text."""
    return frozenset(word[:length] for word in words_of(text) for length in range(1, len(word) + 1))


class _Index:
    """Compiled terms, filed under the word each needs."""

    def __init__(self, terms):
        self.whole: dict[str, list[re.Pattern]] = {}
        self.begun: dict[str, list[re.Pattern]] = {}
        self.always: list[re.Pattern] = []
        for term in dict.fromkeys(terms):
            compiled, need = re.compile(pattern(term), re.IGNORECASE), needed(term)
            if need is None:
                self.always.append(compiled)
            else:
                for words, shelf in ((need.whole, self.whole), (need.begun, self.begun)):
                    for word in words:
                        shelf.setdefault(word, []).append(compiled)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where any term matches, in order; of those that overlap the first and longest."""
        tried = dict.fromkeys(self.always)
        for word in self.whole.keys() & words_of(text):
            tried.update(dict.fromkeys(self.whole[word]))
        if self.begun:
            for word in self.begun.keys() & beginnings_of(text):
                tried.update(dict.fromkeys(self.begun[word]))
        found = sorted(
            {match.span() for compiled in tried for match in compiled.finditer(text)},
            key=lambda span: (span[0], -span[1]),
        )
        kept, end = [], -1
        for span in found:
            if span[0] >= end:
                kept.append(span)
                end = span[1]
        return kept


class Terms:
    """A compiled list with its exceptions."""

    def __init__(self, terms, unless=()):
        self.terms, self.unless = _Index(terms), _Index(unless)

    def find(self, text: str) -> list[Hit]:
        """Every hit in the order of the text, those that overlap an exception left out."""
        hits = [Hit(*span) for span in self.terms.spans(text)]
        if not hits:
            return hits
        masked = self.unless.spans(text)
        return [hit for hit in hits if not any(hit.start < end and start < hit.end for start, end in masked)]
