"""How a written term finds words, and how an exception keeps it from doing so."""

import re
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import terms
from pipeline.terms import Lists, Terms, compiled, needed, pattern, said

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


RESOURCES = files("pipeline") / "resources"


def terms_in(entry):
    """Every list of terms of a data file, {words} spelled out."""
    if isinstance(entry, dict):
        for value in entry.values():
            yield from terms_in(value)
    elif isinstance(entry, list) and entry and all(isinstance(item, str) for item in entry):
        yield [re.sub(r"\{([a-z]+)\}", lambda name: WORDS.get(name[1], name[0]), item) for item in entry if item]
    elif isinstance(entry, list):
        for value in entry:
            yield from terms_in(value)


SAFETY = tomllib.loads((RESOURCES / "safety.toml").read_text("utf-8"))
WORDS = SAFETY["words"]
LISTS = [
    *terms_in([SAFETY["rule"], SAFETY["takes_back"]]),
    *terms_in(tomllib.loads((RESOURCES / "taxonomy.toml").read_text("utf-8"))),
]
TERMS = sorted({term for terms in LISTS for term in terms})
PIECES = sorted({word for term in TERMS for word in re.findall(r"\w+", term)}) + [
    " ",
    " ",
    " ",
    "'",
    ".",
    ", ",
    "-",
    "\n",
]


def spans(term, text):
    """Where a term matches when it is simply tried."""
    return [match.span() for match in compiled(term).finditer(text)]


@given(st.sampled_from(TERMS), st.lists(st.sampled_from(PIECES), max_size=30), st.data())
def test_no_hit_is_lost_by_the_words_a_term_is_filed_under(term, pieces, data):
    """A term finds in a text what its pattern alone finds there, whatever words it is filed under and tried at."""
    own = re.findall(r"\w+|[ '.-]", term)
    at = data.draw(st.integers(0, len(pieces)))
    text = "".join([*pieces[:at], *data.draw(st.lists(st.sampled_from(own), max_size=12)), *pieces[at:]])
    assert [tuple(hit) for hit in Terms([term]).find(text)] == spans(term, text)


FILED = [
    (["(explain|listen)(s|ed)"], "she listens and explained", ["listens", "explained"]),
    (["(un)kind"], "unkind", ["unkind"]),
    (["neighbo?r"], "a neighbr, a neighbor", ["neighbr", "neighbor"]),
    (["(very )?bad"], "very bad, bad", ["very bad", "bad"]),
    (["dr.? shah"], "dr shah, dr. shah", ["dr shah", "dr. shah"]),
    ([r"re:\bfoo\s?bar\b"], "foobar, foo bar", ["foobar", "foo bar"]),
    ([r"re:talks?\b"], "smalltalk talks", ["talk", "talks"]),
    ([r"re:\b(?:a|b)(?:\d{1,2}|x)?\.?c"], "a.c b12c axc", ["a.c", "b12c", "axc"]),
    ([r"re:\bone|two"], "onerous twofold", ["one", "two"]),
    ([r"re:(?<!no )pain(?! free)"], "no pain, pain free, painful", ["pain"]),
]


@pytest.mark.parametrize(("terms", "text", "expected"), FILED)
def test_a_part_of_a_word_is_not_filed_as_a_word(terms, text, expected):
    """What may be lacking, joined to other letters, or only looked at is no word that a text must hold."""
    assert [text[hit.start : hit.end] for hit in Terms(terms).find(text)] == expected


def test_almost_no_term_is_tried_on_every_text():
    """The lists run on every review: terms that no word can be told for are few, and none is a safety cue."""
    rules = [term for rule in SAFETY["rule"].values() for terms in terms_in(rule.get("terms", [])) for term in terms]
    assert [term for term in rules if not needed(term)] == []
    assert sum(not needed(term) for term in TERMS) <= 3


def test_lists_found_together_are_found_as_each_alone():
    """One look for many lists finds what each would find, in their order, exceptions left out."""
    lists = {"parking": Terms(["park*"], ["parked my *"]), "staff": Terms(["nurse*"]), "none": Terms([])}
    text = "The nurses parked my doubts; parking was fine"
    assert dict(Lists(lists).find(text)) == {key: hits for key, terms in lists.items() if (hits := terms.find(text))}
    assert [key for key, _ in Lists(lists).find(text)] == ["parking", "staff"]


HOSTILE = ["told ", "a", "t. ", "park", "i'm ", "(", "no one ", "-", " ", "2000 ", "read said "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_text_and_not_faster(piece, cost):
    """No text makes the lists slow: four times the text takes nowhere near sixteen times as long."""
    lists = Lists({at: Terms(terms) for at, terms in enumerate(LISTS)})
    short, long = (piece * (length // len(piece)) for length in (2000, 8000))
    assert cost(lambda text: list(lists.find(text)), long) < 0.05 + 8 * cost(lambda text: list(lists.find(text)), short)


def test_a_text_made_ready_once_is_found_in_as_the_text_itself():
    """Many lists can be shown one Said; letters whose small form is longer move no hit."""
    lists = Lists({"cars": Terms(["park*"], ["parked my *"]), "desks": Terms(["front desk"])})
    for text in ("Parking at the FRONT DESK", "İ parked my doubts, the front-desk İ parking", "nothing"):
        assert list(lists.find(said(text))) == list(lists.find(text))
        assert said(said(text)) == said(text)


def test_what_words_mean_to_a_list_can_be_forgotten(monkeypatch):
    """A list that remembers next to nothing finds what one that remembers all does."""
    lists = {"cars": Terms(["park*", "(no|never) spot"]), "desks": Terms(["front desk", "recep*"])}
    texts = ["parking", "never a spot, never spot", "the front desk parks", "quiet words", "reception"] * 2
    expected = [list(Lists(lists).find(text)) for text in texts]
    monkeypatch.setattr(terms, "WORDS_KNOWN", 1)
    forgetful = Lists(lists)
    assert [list(forgetful.find(text)) for text in texts] == expected
