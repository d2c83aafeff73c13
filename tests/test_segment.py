"""Sentences and clauses with their places."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import segment
from pipeline.segment import clauses, sentences

WHOLE = [
    "Dr. Shah was kind.",
    "The well-known place on 3rd St. is fine",
    "5 p.m. works for me",
    "I paid $1,140.50 e.g. twice",
]
PARTED = [
    ("Great nurses, but awful parking.", ["Great nurses", "but awful parking."]),
    ("I waited; nobody came", ["I waited", "nobody came"]),
    ("Loved it! Hated the bill.", ["Loved it!", "Hated the bill."]),
    ("Pros:\n- quiet\n- clean", ["Pros:", "- quiet", "- clean"]),
    ("Buen doctor, pero mucha espera.", ["Buen doctor", "pero mucha espera."]),
    ("no pain — just taps", ["no pain", "just taps"]),
]


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_one_clause_stays_one(text):
    """Abbreviations, numbers and hyphens end nothing."""
    assert [text[start:end] for start, end in clauses(text)] == [text]


@pytest.mark.parametrize(("text", "expected"), PARTED)
def test_a_turn_begins_a_new_clause(text, expected):
    """Contrast, semicolons, dashes, line breaks and full stops part opinions."""
    assert [text[start:end] for start, end in clauses(text)] == expected


SENTENCES = [
    ("Thank you Dr. L!!!", 1),
    ("I love it!!! 😊", 1),
    ("Kind people, all of them. 👍 ❤️", 1),
    ('He said "ready?", walked out, and came back.', 1),
    ("1. kind people", 1),
    ("Dr. Quince is kind. We left at 7 p.m. on Monday.", 2),
    ("phq 22 to 6. enough said", 2),
    ("It never worked. It didn't. TMS did.", 3),
    ("Last day 😢 I'll miss my techs", 2),
    ("Con paciencia... Me explicó todo", 2),
    ("We met at St. John's. Nobody rushed us.", 2),
]


@pytest.mark.parametrize(("text", "count"), SENTENCES)
def test_sentences_end_as_patients_write_them(text, count):
    """Exclamation marks, emoji, quoted questions and titles part nothing; figures, contractions and trailing dots may."""
    assert len(sentences(text)) == count


@given(st.text(max_size=300))
def test_clauses_cover_every_word_in_order(text):
    """Spans lie in the text, in order, without overlap, and no letter is lost between them but turns' own marks."""
    spans = clauses(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    covered = {at for start, end in spans for at in range(start, end)}
    assert all(at in covered for at, character in enumerate(text) if character.isalnum())


def test_nothing_gives_nothing():
    """Blank text has no sentences."""
    assert sentences(" \n ") == []
    assert clauses("") == []


@pytest.fixture(scope="module")
def punkt():
    """NLTK's Punkt, told our abbreviations and taught nothing."""
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = segment.ABBREVIATIONS
    return PunktSentenceTokenizer(parameters)


PIECES = [
    *(
        "a",
        "I",
        "Dr",
        "dr.",
        "etc",
        "no",
        "p.m",
        "22",
        "3.5",
        "-4",
        "Great",
        "well-known",
        "didn't",
        "é",
        "[NAME-1]",
        "1.",
    ),
    *(".", ".", ".", "!", "?", "..", "...", "…", " ", " ", " ", " ", "\t", '"', "'", "’", "“", "(", ")", ",", ", "),
    *(";", ":", "-", "--", " - ", "—", "•", "😊", "❤️", "$", "#", "&", "@", "*", "`", "[", "}"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=400)
def test_a_line_parts_where_punkt_parts_it(punkt, line):
    """Our few rules are what Punkt comes to with these abbreviations and nothing learned: the same spans on any line."""
    ours = [span for span in segment._parted(line) if span[0] < span[1]]
    assert ours == [span for span in punkt.span_tokenize(line) if span[0] < span[1]]


@pytest.mark.parametrize(
    "piece", [". ", ".", "! ", "1. ", "dr. ", "’. ", "but ", ", and ", " - ", "\n", " ", "😊 ", "(1. ", "• "]
)
def test_time_grows_with_the_text_and_not_faster(piece, cost):
    """No text makes sentences slow: four times the text takes nowhere near sixteen times as long."""
    short, long = (f"a {piece * (length // len(piece))} b" for length in (10_000, 40_000))
    assert cost(clauses, long) < 0.05 + 8 * cost(clauses, short)
