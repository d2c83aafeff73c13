"""The words at the edges of regular expressions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.edges import edge_words, plain_digits

UNCLEAR = [(r"\bmy ?\w+ ", True), (r" \w+ly", False), (r" (?:died|passed)", False), (r"[^a]+ ", True), (r"\s*", False)]
CLEAR = [
    (r"\b(?:my|our) ", True, {"my", "our"}),
    (r"\b(?:i'm|i am|im)[ \t]{1,9}", True, {"m", "am", "im"}),
    (r" (?:fell (?:in|out)|needs? (?:a|help))\b", False, {"fell", "need", "needs"}),
    (r"'s (?:own )?mood\b", False, {"s"}),
    (r"nin[oa]s? ", False, set()),  # would touch the word before it
    (r"\bnin[oa] ", True, {"nino", "nina"}),
    (r"\b(?:aged )?\d{1,2},? ", True, {"0"}),
    (r"\b\d\d(?:yo)? ", True, {"0", "0yo"}),
    (r"\A\W*", True, {""}),
    (r"(?:^|[.!?\n] ?)(?:hi|hello)[, ]+", True, {"hi", "hello"}),
    (r",? here(?=[,.!]| and |$)", False, {"here"}),
    (r" (?:he|she)(?!\w)", False, {"he", "she"}),
    (r" (?:very )*well\b", False, {"very", "well"}),
]


@pytest.mark.parametrize(("expression", "at_end"), UNCLEAR)
def test_what_cannot_be_told_is_said_so(expression, at_end):
    """Words of unknown letters, and words that may go on, give None."""
    assert edge_words(expression, at_end) is None


@pytest.mark.parametrize(("expression", "at_end", "words"), CLEAR)
def test_the_words_at_an_edge_are_told(expression, at_end, words):
    """Alternatives, what may be left out, and digits are followed to the first gap."""
    assert edge_words(expression, at_end) == words


@given(
    st.lists(st.sampled_from(["my", "our", " ", ",", "12", "yo", "hi", "aged", "-", "\n", "i'm"]), max_size=9).map(
        "".join
    )
)
def test_whatever_matches_has_its_word_there(text):
    """Where an expression fits up to the beginning of a word, the word before is one that was told."""
    for expression, at_end, words in CLEAR:
        if at_end:
            for place in re.finditer(r"\b(?=\w)|\Z", text):
                if re.search(f"(?:{expression})\\Z", text[: place.start()]):
                    before = re.findall(r"\w+", text[: place.start()])
                    assert plain_digits((before or [""])[-1]) in words
