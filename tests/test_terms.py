"""How a written term finds words, and how an exception keeps it from doing so."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.terms import Terms, pattern

MISSED = [
    (["park*"], [], "a spark of hope"),
    (["park*"], ["parked my *"], "I parked my doubts at the door"),
    (["K"], [], "ok then, it was k"),
    (["call* .. back"], [], "They called. Nobody came back"),
    (["call* .. back"], [], "called me on a very long and rainy day back then"),
    (["front desk"], [], "the frontdesks"),
]
FOUND = [
    (["park*"], [], "Parking!", ["Parking"]),
    (["front desk"], [], "the front-desk and the FRONT\nDESK", ["front-desk", "FRONT\nDESK"]),
    (["K"], [], "four sessions of K", ["K"]),
    (["can't recommend"], [], "I can’t recommend, cant recommend", ["can’t recommend", "cant recommend"]),
    (["call* .. back"], [], "they never called me back", ["called me back"]),
    (["(no|zero) pain"], [], "Zero pain, no pain", ["Zero pain", "no pain"]),
    (["park*"], ["parked my *"], "I parked my doubts and the parking was fine", ["parking"]),
]


@pytest.mark.parametrize(("terms", "unless", "text"), MISSED)
def test_what_must_not_match_does_not(terms, unless, text):
    """Parts of other words, other senses and words of another sentence are not hits."""
    assert Terms(terms, unless).find(text) == []


@pytest.mark.parametrize(("terms", "unless", "text", "expected"), FOUND)
def test_what_must_match_does(terms, unless, text, expected):
    """A term is found however it is spaced, hyphenated, capitalised or apostrophised."""
    assert [text[hit.start : hit.end] for hit in Terms(terms, unless).find(text)] == expected


def test_an_empty_list_finds_nothing():
    """A list without terms is allowed and finds nothing."""
    assert Terms([]).find("anything") == []


@given(st.text(alphabet="abc .*|?()'K-", min_size=1, max_size=12), st.text(max_size=60))
def test_no_text_breaks_the_matcher(term, text):
    """Whatever a term that compiles meets, every hit lies within the text and in order."""
    try:
        re.compile(pattern(term))
    except re.error:  # a term that is no pattern is refused by the taxonomy, with its name
        return
    hits = Terms([term]).find(text)
    assert all(0 <= hit.start <= hit.end <= len(text) for hit in hits)
    assert hits == sorted(hits)


def test_a_regular_expression_is_taken_as_it_is():
    """`re:` is for what no list of words can say."""
    assert pattern(r"re:\bt\.m\.s\b") == r"\bt\.m\.s\b"
