"""The one way a list of words in a data file becomes something that finds them in a text.

A term is what a person would write down:

    park*           any ending: park, parking, parked        (a star stands for letters within a word)
    front desk      a space also matches a hyphen or a line break
    (no|zero) pain  one of several;  (very )?  may be left out
    call* .. back   up to four words between, within a sentence
    K               a term of one or two capitals is matched with its case
    re:\\bT\\.?M\\.?S\\b   a regular expression, where nothing else will do

`unless` holds the exceptions: a hit that overlaps one of them does not count.

Lists run to a thousand terms, and most have nothing to do with a given text. So every term is filed under the words that
it cannot do without, a word that is met is looked up once and remembered, and only the terms all of whose words stand in
the text are tried. Several lists can share one such look at a text (Lists), and all of them its words (Said).
"""

import re
import tomllib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import NamedTuple

APOSTROPHE = "['’ʼ`´]?"
EVERYDAY = frozenset(tomllib.loads((files("pipeline") / "resources" / "everyday.toml").read_text("utf-8"))["words"])
WORD = re.compile(r"\w+")
NO_WORD = str.maketrans({chr(code): " " for code in range(128) if not WORD.match(chr(code))})
BLANKS, LETTERS = (
    r"[\s\-–]{1,9}",
    r"\w{0,40}",
)  # no more: two of a kind in a row, and a page of blanks would take for ever
TOKEN = re.compile(r" \.\. |\s+|\*|\(|\)|\||\?|['’]|\w+|[^\s*()|?'’\w]")


class Hit(NamedTuple):
    """A place in a text: text[start:end]."""

    start: int
    end: int


class Needed(NamedTuple):
    """What a term cannot match without: one of the words `whole`, or a word that begins with one of `begun`."""

    whole: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()


@cache
def common(need: Needed) -> float:
    """How often a text may meet it, roughly: everyday words do, and short words more than long ones."""
    lengths = [(word, len(word)) for word in need.whole] + [(word, len(word) - 1) for word in need.begun]
    return sum((10 if word in EVERYDAY else 1) * 0.7**length for word, length in lengths)


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
            out.append(BLANKS)
        elif piece == "*":
            out.append(LETTERS)
        elif piece == "(":
            out.append("(?:")
        elif piece in ")|?":
            out.append(piece)
        elif piece in "'’":
            out.append(APOSTROPHE)
        else:
            out.append(re.escape(piece))
    body = "".join(out)
    left, right = (guard if bound else "" for guard, bound in zip((r"(?<!\w)", r"(?!\w)"), _bounds(term), strict=True))
    if len(term) <= 2 and term.isupper():
        body = f"(?-i:{body})"
    return f"{left}(?:{body}){right}"


def _bounds(term: str) -> tuple[bool, bool]:
    """Whether a term begins and ends where a word does."""
    return term[0].isalnum() or term[0] in "(*", term[-1].isalnum() or term[-1] in ")*?"


def compile_terms(terms) -> re.Pattern:
    """One expression for a short list, the longest term first."""
    return re.compile("|".join(pattern(term) for term in sorted(terms, key=len, reverse=True)), re.IGNORECASE)


@cache
def compiled(term: str) -> re.Pattern:
    """The pattern of one term, compiled when it is first tried. Raises re.error for a term that is no pattern."""
    return re.compile(pattern(term), re.IGNORECASE)


def needed(term: str) -> list[Needed]:
    """All that a term cannot do without, as far as it can be seen; nothing where the term must always be tried."""
    if term.startswith("re:"):
        return _needed_of(["(", *_told(term[3:]), ")", "*"], 0, False)[0]
    tokens = [token.group() for token in TOKEN.finditer(term)]
    bounded_left, bounded_right = _bounds(term)
    return _needed_of(tokens if bounded_right else ["(", *tokens, ")", "*"], 0, bounded_left)[0]


# A regular expression piece by piece: what looks around, a group, its end and how often, a class, blanks, a count, a mark.
PIECE = re.compile(
    r"\(\?<?[=!]|\((?:\?(?:-i)?:)?|\)(?:[*?]|\{[0,][^{}]*\})?|\[\^?\]?(?:\\.|[^\]\\])*\]"
    r"|(?:\\.|\s)(?:[*+?]|\{[^{}]*\})?|\{[^{}]*\}|."
)
PARTED = re.compile(r"\\b|(?:\\[s\W]|\s)\+?")
MARKS = {rf"\{mark}" for mark in ".,:;/$%&#@+-"}
PARTING = {" ", *(mark[1] for mark in MARKS)}
UNTOLD = re.compile(r"\(\?(?!:|-i:|<?[=!])")


def _told(expression: str) -> list[str]:
    """A regular expression in the tokens of a term: words, blanks, groups, and a star where no word can be told."""
    if UNTOLD.search(expression):
        return ["*"]
    tokens, looking = [], 0
    for piece in PIECE.findall(expression):
        last = tokens[-1] if tokens else ""
        if looking or piece in ("(?=", "(?!", "(?<=", "(?<!"):  # what looks around holds no word of the match
            looking += piece.startswith("(") - piece.startswith(")")
            tokens.append("*")
        elif piece[0] in "()":
            tokens += [piece[0], "?"] if piece[0] == ")" and len(piece) > 1 else [piece[0]]
        elif piece == "|" or (piece.isalnum() and not last.isalnum()):
            tokens.append(piece)
        elif piece.isalnum():
            tokens[-1] += piece
        elif piece[0] in "*?{" and last.isalnum():  # its last letter may be lacking
            tokens[-1:] = [last[:-1], "*"] if len(last) > 1 else ["*"]
        elif PARTED.fullmatch(piece):
            tokens.append(piece[1] if piece in MARKS else " ")
        elif not (last in PARTING and piece in (r"\s?", r"\s*", " ?", " *")):  # "\. ?b": b begins a word either way
            tokens.append("*")
    return tokens


def _needed_of(tokens: list[str], at: int, fresh: bool) -> tuple[list[Needed], int, bool, int]:
    """What a sequence needs up to its closing parenthesis, where that is, whether a word would begin after it, and how many
    of the needs end before it does, so that they are words whatever follows.

    `fresh`: whether a word begins where the sequence does.
    """
    found, alternatives, first, ends, ended = [], [], fresh, True, 0
    while at < len(tokens) and tokens[at] != ")":
        piece, after = tokens[at], tokens[at + 1 : at + 2]
        if piece == "|":
            alternatives.append(found)
            found, fresh, ends, ended = [], first, ends and fresh, 0
        elif piece == "(":
            within, at, ends_within, whole = _needed_of(tokens, at + 1, fresh)
            if tokens[at + 1 : at + 2] == ["?"]:
                at, fresh = at + 1, fresh and ends_within
            else:
                if not _parts(tokens, at + 1):
                    within[whole:] = [Needed(begun=each.whole | each.begun) for each in within[whole:]]
                found += within
                fresh = ends_within
        elif piece[0].isalnum() or piece[0] == "_":
            word = frozenset([piece.lower()[:-1] if after == ["?"] else piece.lower()]) - {""}
            if fresh and word:
                found.append(Needed(whole=word) if _parts(tokens, at + 1) else Needed(begun=word))
            fresh = False
        elif piece != "?":  # after a blank it only makes the blank as short as may be
            fresh = piece.isspace() or (piece not in "*'’" and after != ["?"])
            ended = len(found) if fresh else ended
        at += 1
    if alternatives:
        ended, best = 0, [min(each, key=common, default=None) for each in (*alternatives, found)]
        found = [] if None in best else [Needed(*(frozenset().union(*kind) for kind in zip(*best, strict=True)))]
    return found, at, ends and fresh, ended


def _parts(tokens: list[str], at: int) -> bool:
    """Whether a token parts words. The end of a group does: what follows the group is seen where the group is."""
    piece, after = "".join(tokens[at : at + 1]) or ")", tokens[at + 1 : at + 2]
    if piece.isspace() or piece in ")|":
        return True
    return not (piece[0].isalnum() or piece[0] in "_*'’(?" or after == ["?"])


def _leads_of(tokens: list[str], at: int = 0) -> tuple[Needed | None, int, bool]:
    """The words, whole or begun, of which a sequence begins with one (None: it cannot be told), its end, may it be empty."""
    whole, parts, told, begun, maybe_empty = set(), set(), True, False, False
    while at < len(tokens) and tokens[at] != ")":
        piece, after = tokens[at], tokens[at + 1 : at + 2]
        if piece == "|":
            begun, maybe_empty = False, maybe_empty or not begun
        elif piece == "(":
            within, at, empty = _leads_of(tokens, at + 1)
            optional = tokens[at + 1 : at + 2] == ["?"]
            if not begun:
                (whole if _parts(tokens, at + 1) else parts).update(within.whole if within else ())
                parts.update(within.begun if within else ())
                told, begun = told and within is not None, not (optional or empty)
            at += optional
        elif not begun:
            word = (piece[:-1] if after == ["?"] else piece).lower()
            told, begun = told and word.isalnum(), True
            marked = after and after[0] in ".,:;/" and tokens[at + 2 : at + 3] != ["?"]
            if marked or not _parts(tokens, at + 1):
                parts.add(word + after[0] if marked else word)
            else:
                whole.add(word)
        at += 1
    return Needed(frozenset(whole), frozenset(parts)) if told else None, at, maybe_empty or not begun


def split_words(text: str) -> list[str]:
    """The words of a text as they come: letters, digits and underscores in a row."""
    return text.translate(NO_WORD).split() if text.isascii() else WORD.findall(text)  # the same, in half the time


class Said(NamedTuple):
    """A text as every list looks at it. Made once, it can be shown to many."""

    text: str
    small: str  # in small letters
    words: frozenset[str]  # those of `small`


def said(text: str | Said) -> Said:
    """A text ready to be looked at by lists."""
    if isinstance(text, Said):
        return text
    small = text.lower()
    return Said(text, small, frozenset(split_words(small)))


class _Term(NamedTuple):
    """A term of a list, and what else than its filed need it needs."""

    key: Hashable
    term: str
    others: tuple[Needed, ...]

    def places(self, text: Said) -> list[tuple[int, int]]:
        """Where it matches, from left to right."""
        whole, small, found, end = text.text, text.small, [], 0
        leads = leads_of(self.term)
        if leads is None or len(small) != len(whole):
            return [match.span() for match in compiled(self.term).finditer(whole)]
        for start in _starts(leads, text):
            if start >= end and (match := compiled(self.term).match(whole, start)):
                found.append(match.span())
                end = match.end()
        return found


def _starts(leads: Needed, text: Said) -> list[int]:
    """Where a word is or begins with one of the leads."""
    starts, small = [], text.small
    for lead in (*(leads.whole & text.words), *leads.begun):
        start = small.find(lead)
        while start >= 0:
            if not start or not (small[start - 1].isalnum() or small[start - 1] == "_"):
                starts.append(start)
            start = small.find(lead, start + 1)
    return sorted(set(starts)) if len(starts) > 1 else starts


@cache
def leads_of(term: str) -> Needed | None:
    """With what the hits of a term begin, one of these words, whole or begun; None where that cannot be told."""
    if term.startswith("re:"):
        tokens = _told(term[3:])[1:] if term.startswith(r"re:\b") else ["*"]
    else:
        tokens = [token.group() for token in TOKEN.finditer(term)]
    whole = not term.startswith("re:") and _bounds(term)[1]
    leads = _leads_of(tokens if whole else ["(", *tokens, ")", "*"])[0]
    return leads if leads and any(leads) else None


OTHERS = 4  # needs looked at before a term is tried, besides the one it is filed under
WORDS_KNOWN = 100_000  # how many are remembered: some megabytes


class _Index:
    """The terms of several lists, each filed under the rarest thing it needs."""

    def __init__(self, lists: Mapping[Hashable, Iterable[str]]):
        self.always: list[_Term] = []
        self.filed: dict[Needed, list[_Term]] = {}
        for key, terms in lists.items():
            for term in dict.fromkeys(terms):
                needs = needed(term)
                rarest = min(needs, key=common, default=None)
                shelf = self.filed.setdefault(rarest, []) if needs else self.always
                shelf.append(_Term(key, term, tuple(sorted(needs, key=common)[1 : 1 + OTHERS])))
        self.words: dict[str, set[Needed]] = {}
        self.beginnings: dict[str, set[Needed]] = {}
        for need in self.filed:
            for words, met_by in ((need.whole, self.words), (need.begun, self.beginnings)):
                for word in words:
                    met_by.setdefault(word, set()).add(need)
        self.lengths: dict[str, set[int]] = {}  # of the beginnings, by their first letter
        for beginning in self.beginnings:
            self.lengths.setdefault(beginning[0], set()).add(len(beginning))
        self.dull: set[str] = set()  # words met that no need is met by
        self.known: dict[str, tuple[int, ...]] = {}  # the others → the needs they meet, by number
        self.numbered = list(self.filed.values())
        self.number = {need: at for at, need in enumerate(self.filed)}

    def tried(self, text: Said) -> dict[Hashable, list[_Term]]:
        """The terms that may match a text, by list."""
        found: dict[Hashable, list[_Term]] = {}
        for term in self.always:
            found.setdefault(term.key, []).append(term)
        small, words = text.small, text.words
        for number in self._met(words):
            for term in self.numbered[number]:
                for whole, begun in term.others:
                    if words.isdisjoint(whole) and not (begun and any(map(small.__contains__, begun))):
                        break
                else:
                    found.setdefault(term.key, []).append(term)
        return found

    def _met(self, words: frozenset[str]) -> set[int]:
        """The needs that the words of a text meet."""
        telling = words - self.dull
        try:
            return set().union(*map(self.known.__getitem__, telling))
        except KeyError:
            if len(self.known) + len(self.dull) > WORDS_KNOWN:
                self.known.clear()
                self.dull.clear()
            met = {word: self.known.get(word) or self._met_by(word) for word in telling}
            self.known.update((word, numbers) for word, numbers in met.items() if numbers)
            self.dull.update(word for word, numbers in met.items() if not numbers)
            return set().union(*met.values())

    def _met_by(self, word: str) -> tuple[int, ...]:
        met = set(self.words.get(word, ()))
        for length in self.lengths.get(word[0], ()):
            met.update(self.beginnings.get(word[:length], ()))
        return tuple(self.number[need] for need in met)


def _spans(terms: Iterable[_Term], text: Said) -> list[tuple[int, int]]:
    """Where any term matches, in order; of those that overlap the first and longest."""
    found = {span for term in terms for span in term.places(text)}
    kept, end = [], -1
    for span in sorted(found, key=lambda span: (span[0], -span[1])) if len(found) > 1 else found:
        if span[0] >= end:
            kept.append(span)
            end = span[1]
    return kept


class Terms:
    """A list of terms with its exceptions."""

    def __init__(self, terms: Iterable[str], unless: Iterable[str] = ()):
        self.terms, self.unless = tuple(terms), tuple(unless)

    @cached_property
    def _lists(self) -> "Lists":
        return Lists({"": self})

    def find(self, text: str | Said) -> list[Hit]:
        """Every hit in the order of the text, those that overlap an exception left out."""
        return dict(self._lists.find(text)).get("", [])


class Lists:
    """Several lists of terms that share one look at the words of a text."""

    def __init__(self, lists: Mapping[Hashable, Terms]):
        self._place = {key: place for place, key in enumerate(lists)}
        self._index = _Index(
            {(key, kind): getattr(terms, kind) for key, terms in lists.items() for kind in ("terms", "unless")}
        )

    def find(self, text: str | Said) -> Iterator[tuple[Hashable, list[Hit]]]:
        """The lists that have a hit, in their order, with the hits in the order of the text, less the exceptions."""
        seen = said(text)
        tried = self._index.tried(seen)
        for key in sorted((key for key, kind in tried if kind == "terms"), key=self._place.__getitem__):
            hits = [Hit(*span) for span in _spans(tried[key, "terms"], seen)]
            if hits and (key, "unless") in tried:
                masked = _spans(tried[key, "unless"], seen)
                hits = [hit for hit in hits if not any(hit.start < end and start < hit.end for start, end in masked)]
            if hits:
                yield key, hits
