"""The words that a regular expression can begin or end with, so that it is tried only beside one of them.

Reads the plain part of Python's syntax that our data files are written in. Where it cannot follow (a word of unknown
letters) it says so, and the expression must be tried everywhere. Any digits in a row are "0".
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

MOST = 2_000  # words of one edge; more are not worth a look
PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:<?[=!]|P<\w+>|[a-z-]*:))?|\)|\||(?:[?*+]|\{\d*(?:,\d*)?\})[?+]?|.", re.S
)


class _Unclear(Exception):
    """The edge cannot be told."""


class _Node(NamedTuple):
    """`what`: letters (one of them), "gap" (no part of a word), "bound" (of a word), "brink" (of the text), "word" (part of
    one), "any" (unknown), or alternatives, each a list of nodes."""

    what: object
    least: int = 1
    often: bool = False


def edge_words(expression: str, at_end: bool) -> frozenset[str] | None:
    """Every word that can stand first (or with `at_end` last) in a match that does not begin (or end) within a word.

    "" stands for the beginning or end of the text. None where the words cannot be told.
    """
    try:
        alternatives, _ = _read(PIECE.findall(expression), 0)
        still_open, done = _walk([_Node(alternatives)], {None}, at_end)
        if still_open:
            return None
        return frozenset(word[::-1] for word in done) if at_end else frozenset(done)
    except _Unclear:
        return None


def plain_digits(word: str) -> str:
    """A word as edge_words writes it."""
    return word if word.isalpha() else re.sub(r"\d+", "0", word)


def _read(pieces: list[str], at: int) -> tuple[list[list[_Node]], int]:
    """Alternatives up to the closing parenthesis, each a list of nodes; and where that is."""
    alternatives: list[list[_Node]] = [[]]
    while at < len(pieces) and pieces[at] != ")":
        piece, nodes = pieces[at], alternatives[-1]
        at += 1
        if piece == "|":
            alternatives.append([])
        elif piece[0] in "?*+{" and (len(piece) > 1 or piece != "{") and nodes:
            least = 0 if piece[0] in "?*" else 1 if piece[0] == "+" else int(re.match(r"\d*", piece[1:])[0] or 0)
            once = piece[0] == "?" or (piece[0] == "{" and re.fullmatch(r"\{[01]?,?1\}.?", piece))
            nodes[-1] = nodes[-1]._replace(least=least, often=not once)
        elif piece[0] == "(":
            inner, at = _read(pieces, at)
            at += 1
            if piece in ("(?=", "(?!", "(?<=", "(?<!"):
                if (piece == "(?!" and inner == [[_Node("word")]]) or (piece == "(?=" and all(map(_apart, inner))):
                    nodes.append(_Node("bound"))
            else:
                nodes.append(_Node(inner))
        else:
            nodes.append(_Node(_letters(piece)))
    return alternatives, at


def _apart(nodes: list[_Node]) -> bool:
    """Whether what these nodes match cannot go on with a word."""
    first = next((node for node in nodes if node.least), None)
    before = nodes[: nodes.index(first)] if first else nodes
    return bool(first) and all(node.what in ("gap", "bound", "brink") for node in [*before, first])


@cache
def _letters(piece: str) -> object:
    """What one character of the expression stands for."""
    if piece[0] == "[":
        inside = re.findall(r"\\.|.-.|.", piece[1:-1], re.S)
        if inside[0] == "^":
            return "any"
        parts = ["gap" if one in ".^$|?*+(){" else _letters(one) for one in inside]
        letters = "".join(part for part in parts if part not in ("gap", "word", "any"))
        kinds = [kind for kind in ("gap", "word", "any", letters) if kind and kind in (*parts, letters)]
        return kinds[0] if len(kinds) == 1 else [[_Node(kind)] for kind in kinds]
    if piece == r"\b":
        return "bound"
    if piece in (r"\A", r"\Z", "^", "$"):
        return "brink"
    if piece in (r"\d", "0-9", "1-9", "2-9", "3-9", "5-9"):
        return "0"
    if piece == r"\w" or (len(piece) == 3 and piece[0] + piece[2] in ("az", "AZ")):
        return "word"
    if piece in (r"\S", r"\D", r"\B", ".") or len(piece) == 3:
        return "any"
    if piece in (r"\s", r"\W", r"\n", r"\t"):
        return "gap"
    letter = "0" if piece[-1].isdigit() else piece[-1]
    return letter if letter.isalnum() else "word" if letter == "_" else "gap"


def _walk(nodes: Iterable[_Node], begun: set, backwards: bool) -> tuple[set, set[str]]:
    """(words still open, words complete) after the nodes. `begun`: None at the very edge, where a letter would touch the
    word beside the match, "" after a gap."""
    done: set[str] = set()
    for node in reversed(list(nodes)) if backwards else nodes:
        before, now = begun, set() if node.least else set(begun)
        while True:
            after, complete = _step(node.what, before, backwards)
            done |= complete
            fresh = after - now
            now |= after
            if len(now) + len(done) > MOST:
                raise _Unclear
            if not node.often or not fresh:
                break
            before = fresh
        begun = now
        if not begun:
            break
    return begun, done


def _step(what: object, begun: set, backwards: bool) -> tuple[set, set[str]]:
    if isinstance(what, list):
        walked = [_walk(nodes, begun, backwards) for nodes in what]
        return set().union(*(now for now, _ in walked)), set().union(*(done for _, done in walked))
    words = {word for word in begun if word}
    if what == "gap":
        return ({""} if begun - words else set()), words
    if what == "bound":
        return begun - words, words
    if what == "brink":
        return set(), {word or "" for word in begun}
    if what == "any" or (what == "word" and begun != {None}):
        raise _Unclear
    if what == "word":
        return set(), set()
    grown = {word + letter for word in begun - {None} for letter in what}
    return {word[:-1] if word.endswith("00") else word for word in grown}, set()
