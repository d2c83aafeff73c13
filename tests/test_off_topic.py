"""Adverts and other businesses: the rules of resources/off_topic.toml against tests/cases/off_topic.jsonl, and the rules."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import taxonomy
from pipeline.annotate import annotate_batch
from pipeline.explain import console, explain, prepared
from pipeline.tag import off_topic, off_topic_rules, safety_signals, spelled_out
from pipeline.terms import compile_terms, needed

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "off_topic.jsonl").read_text(encoding="utf-8").splitlines()
]
SPOKEN = [row for row in CASES if row["expected"]]
ENTRIES = tomllib.loads((files("pipeline") / "resources" / "off_topic.toml").read_text(encoding="utf-8"))
WORDS = {name: f"({'|'.join(group)})" for name, group in ENTRIES["words"].items()}
LISTS = [
    (f"{kind}.{key}", entry) for kind in ("topic", "rule") for key, entry in ENTRIES[kind].items()
]  # what holds terms
FLAGS = {"advert", "another business"}


def name(row):
    return row["text"][:60]


@pytest.mark.parametrize("row", CASES, ids=name)
def test_a_text_is_flagged_as_expected(row):
    """Every case is flagged by the name it should be; the first ones are a patient's and are not flagged."""
    found = off_topic(row["text"])
    assert (found and found.flag) == row["expected"], found


@pytest.mark.parametrize("row", SPOKEN, ids=name)
def test_the_rule_that_spoke_is_named_with_its_words(row):
    """text[start:end] is words of the text, and found_by a rule of the file that bears the flag."""
    found = off_topic(row["text"])
    words = row["text"][found.start : found.end]
    kind, key = found.found_by.split()
    assert words.strip() == words != ""
    assert (kind, ENTRIES["rule"][key]["flag"]) == ("rule", row["expected"])


@pytest.mark.parametrize("row", SPOKEN, ids=name)
def test_a_patient_who_speaks_of_treatment_is_never_flagged(row):
    """Whatever else a text says, one sentence of the writer's own treatment silences every rule."""
    assert off_topic(row["text"] + " I had my TMS sessions and they helped me.") is None
    assert off_topic("Gracias a la ketamina, ahora me siento otra vez yo misma, me ayudaron. " + row["text"]) is None


def test_the_cases_say_why_and_begin_with_what_must_not_be_flagged():
    """At least 150 texts that are a patient's come first; every case has its why; no text stands twice."""
    silent = [row["expected"] is None for row in CASES]
    assert sum(silent) >= 150
    assert silent == sorted(silent, reverse=True)
    assert all(row["why"] for row in CASES)
    assert {row["expected"] for row in SPOKEN} == FLAGS
    assert len({row["text"] for row in CASES}) == len(CASES)


def test_every_rule_speaks_in_a_case():
    """No rule stands in the file that no case has seen speak."""
    seen = {off_topic(row["text"]).found_by for row in SPOKEN}
    assert {f"rule {key}" for key in ENTRIES["rule"]} == seen


def test_only_known_keys_stand_in_the_file_and_all_that_stands_is_used():
    """A misspelt key, a topic that silences nothing and a group that no term names would be without effect."""
    assert set(ENTRIES) == {"words", "topic", "rule"}
    for topic in ENTRIES["topic"].values():
        assert set(topic) <= {"why", "terms", "unless"}
        assert topic["why"].strip()
    for rule in ENTRIES["rule"].values():
        assert set(rule) <= {"flag", "alone", "terms", "needs", "unless", "silent_where", "answers"}
        assert rule["flag"] in FLAGS
        assert rule["silent_where"]
        assert bool(rule.get("terms")) == bool(rule.get("needs"))
    assert {topic for rule in ENTRIES["rule"].values() for topic in rule["silent_where"]} == set(ENTRIES["topic"])
    text = json.dumps([ENTRIES["topic"], ENTRIES["rule"]])
    assert [group for group in WORDS if f"{{{group}}}" not in text] == []


@pytest.mark.parametrize(("where", "entry"), LISTS, ids=[where for where, _ in LISTS])
def test_every_term_compiles_and_every_exception_says_why(where, entry):
    """Terms compile, match something, stand once, and name groups that exist; exceptions say why."""
    lists = {key: entry[key] for key in ("alone", "terms", "needs") if key in entry}
    for exception in entry.get("unless", []):
        assert exception["why"].strip()
        assert exception["terms"]
        lists[exception["why"]] = exception["terms"]
    for key, terms in lists.items():
        assert sorted(set(terms)) == sorted(terms), (where, key)
        for term in spelled_out(terms, WORDS):
            assert term == term.strip(), (where, term)
            assert not compile_terms([term]).fullmatch(""), (where, term)
            if not term.startswith("re:"):  # in the terms' own language these match themselves, not what was meant
                assert not any(mark in term for mark in ("\\", " )*", "[", "+", "{")), (where, term)


def test_every_cue_is_filed_under_a_word():
    """A cue without a word that it needs would be tried on every text."""
    for rule in ENTRIES["rule"].values():
        for term in spelled_out([*rule.get("alone", []), *rule.get("terms", [])], WORDS):
            assert needed(term), term


def test_the_answer_to_a_question_is_a_patients():
    """Only a patient is asked what was good, so food in an answer is no other business; an advert is one anywhere."""
    praise, question = "Best tacos in town, cash only, get the horchata.", "What did you like best?"
    assert off_topic(praise).flag == "another business"
    assert off_topic(praise, question) is None
    assert off_topic("We buy houses in any condition, cash in a week.", question).flag == "advert"


def test_the_same_word_twice_is_one_word():
    """A trade's word repeated bears nothing out."""
    assert off_topic("Best tacos. Best tacos, best tacos.") is None


def test_blank_text_is_not_flagged():
    """Nothing is said of nothing."""
    assert off_topic("") is off_topic(" \n") is off_topic("…!") is None


@given(st.lists(st.sampled_from([row["text"] for row in CASES]), max_size=3).map("\n".join) | st.text(max_size=200))
def test_any_text_is_read(text):
    """No text breaks the rules, and what they point at lies in it."""
    found = off_topic(text)
    assert found is None or (found.flag in FLAGS and 0 <= found.start < found.end <= len(text))


STRAY = "Best al pastor in Reseda, get the horchata, cash only."
ADVERT = "We offer rides to Spravato appointments anywhere in the valley, message us for rates."
DANGER = "Best al pastor in Reseda, cash only. I have a plan to kill myself tonight."


@pytest.fixture(scope="module")
def annotations(model):
    import pandas as pd

    texts = [STRAY, ADVERT, DANGER, "The techs were kind and parking is easy."]
    tables = [prepared(text)[0].assign(review_id=f"r{at}") for at, text in enumerate(texts)]
    return annotate_batch(pd.concat(tables, ignore_index=True), model, taxonomy.load())


def test_a_stray_review_is_kept_neutral_without_opinions_and_flagged(annotations):
    """The row stays; what the model made of it does not, but a treatment that an advert names is named, and not had."""
    rows = annotations.reviews.set_index("review_id")
    for key, flag in (("r0", "another business"), ("r1", "advert")):
        assert (rows["overall"][key], rows["score"][key], list(rows["flags"][key])) == ("neutral", 0.0, [flag])
        assert list(rows["themes"][key]) == list(rows["escalate"][key]) == list(rows["received"][key]) == []
    assert list(rows["treatments"]["r1"]) == ["spravato"]
    assert not set(annotations.opinions["review_id"]) & {"r0", "r1"}
    assert list(rows["flags"]["r3"]) == []
    assert "r3" in set(annotations.opinions["review_id"])


def test_a_safety_signal_wins_over_the_flag(annotations):
    """Somebody in danger is read as anybody is, whatever else the text praises."""
    row = annotations.reviews.set_index("review_id").loc["r2"]
    assert [signal.reason for signal in safety_signals(DANGER)] == ["crisis"]
    assert off_topic(DANGER)
    assert list(row["escalate"]) == ["crisis"]
    assert not FLAGS & set(row["flags"])


def test_the_terminal_says_which_rule_spoke(model):
    """`reviews explain` names the flag, the rule and its words."""
    shown = console()
    with shown.capture() as printed:
        shown.print(explain(STRAY, model, taxonomy.load()))
    assert 'another business  by rule eatery: "Best al pastor"' in printed.get()


def test_rules_stand_in_the_order_of_the_file():
    """The first rule that stands speaks, so the order is the file's."""
    assert [rule.key for rule in off_topic_rules().rules] == list(ENTRIES["rule"])
