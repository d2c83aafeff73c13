"""Safety signals: the rules of resources/safety.toml against tests/cases/safety.jsonl, and the rules themselves."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tables import REASONS
from pipeline.tag import TakesBack, bare_answer, safety_rules, safety_signals, spelled_out
from pipeline.terms import compile_terms

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "safety.jsonl").read_text(encoding="utf-8").splitlines()
]
RULES = tomllib.loads((files("pipeline") / "resources" / "safety.toml").read_text(encoding="utf-8"))
ENTRIES = [(f"{kind}.{key}", entry) for kind in ("takes_back", "rule") for key, entry in RULES[kind].items()]
LISTS = ("terms", "needs", *TakesBack._fields)


def case(row):
    """One row of the cases as a pytest parameter; a known failure that starts to pass is a failure too."""
    marks = pytest.mark.xfail(strict=True, reason=row["why"]) if row.get("known_failure") else ()
    return pytest.param(row["text"], row["expected"], marks=marks, id=row["text"][:60])


@pytest.mark.parametrize(("text", "expected"), [case(row) for row in CASES])
def test_a_text_raises_the_reasons_expected_and_no_other(text, expected):
    """Every case raises exactly its reasons; the first cases raise none."""
    assert sorted(signal.reason for signal in safety_signals(text)) == sorted(expected)


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["text"][:60])
def test_a_signal_lies_at_its_offsets_and_names_its_rule(row):
    """text[start:end] is words of the text, signals come in the order of the text, and found_by is a rule of the file."""
    signals = safety_signals(row["text"])
    assert [signal.start for signal in signals] == sorted(signal.start for signal in signals)
    for signal in signals:
        evidence = row["text"][signal.start : signal.end]
        assert evidence
        assert evidence == evidence.strip()
        kind, key = signal.found_by.split()
        assert kind == "rule"
        assert RULES["rule"][key]["reason"] == signal.reason


def test_the_cases_say_why_and_begin_with_what_must_not_fire():
    """At least 75 cases that must not fire come first; every case has its why; no text stands twice."""
    silent = [row["expected"] == [] for row in CASES if not row.get("known_failure")]
    assert sum(silent) >= 75
    assert silent == sorted(silent, reverse=True)
    assert all(row["why"] and set(row["expected"]) <= set(REASONS) for row in CASES)
    assert len({row["text"] for row in CASES}) == len(CASES)


def test_every_rule_has_a_case():
    """No rule stands in the file that no case has ever seen fire."""
    seen = {signal.found_by for row in CASES for signal in safety_signals(row["text"])}
    assert {f"rule {key}" for key in RULES["rule"]} - seen == set()


@pytest.mark.parametrize(("name", "entry"), ENTRIES, ids=[name for name, _ in ENTRIES])
def test_every_term_compiles_and_every_exception_says_why(name, entry):
    """Terms compile and do not match nothing; none is written twice in a list; exceptions and take-backs say why."""
    lists = {key: entry[key] for key in LISTS if key in entry}
    for exception in entry.get("unless", []):
        assert exception["why"].strip(), name
        assert exception["terms"], name
        lists[exception["why"]] = exception["terms"]
    assert lists or "terms_of" in entry
    for key, terms in lists.items():
        assert len(set(terms)) == len(terms), (name, key)
        for term in terms:
            assert term == term.strip(), (name, term)
            assert not compile_terms(spelled_out([term], RULES["words"])).fullmatch(""), (name, term)
            if not term.startswith("re:"):  # in the terms' own language these match themselves, not what was meant
                assert not any(mark in term for mark in ("\\", " )*", "[", "+")), (name, term)
    if name.startswith("takes_back"):
        assert entry["why"].strip()
    else:
        assert entry["reason"] in REASONS
        assert set(entry.get("takes_back", [])) <= set(RULES["takes_back"])


def test_only_known_keys_stand_in_the_file():
    """A misspelt key would be silently without effect."""
    allowed = {"takes_back": {"why", "unless", *TakesBack._fields}}
    allowed["rule"] = {"reason", "terms", "terms_of", "unless", "needs", "takes_back", "yields_to"}
    assert set(RULES) == {"words", *allowed}
    for name, entry in ENTRIES:
        assert set(entry) <= allowed[name.split(".")[0]], name


def test_every_shared_word_is_used():
    """A group of [words] that no term names is dead."""
    text = json.dumps([RULES["rule"], RULES["takes_back"]])
    assert [name for name in RULES["words"] if f"{{{name}}}" not in text] == []


def test_every_list_that_takes_back_is_used():
    """A list no rule names would be read as if it counted."""
    assert set(RULES["takes_back"]) == {name for rule in RULES["rule"].values() for name in rule.get("takes_back", [])}


def test_rules_come_in_the_order_of_urgency():
    """Crisis first, then misconduct, then adverse events, as REASONS has them; what yields stands behind."""
    order = [REASONS.index(rule.reason) for rule in safety_rules()]
    assert order == sorted(order)
    for rule in safety_rules():
        assert rule.yields_to is None or REASONS.index(rule.yields_to) < REASONS.index(rule.reason)


def test_a_denial_reaches_no_further_than_its_clause():
    """The harm in the second half stands although the first half denies another."""
    assert [s.reason for s in safety_signals("I never had a headache, but I had a seizure on day two.")] == [
        "adverse_event"
    ]
    assert safety_signals("I never had a headache or a seizure.") == []


def test_a_hospital_stay_in_a_crisis_is_told_by_the_crisis():
    """One event, one escalation: the hospital rule yields where the text is a crisis."""
    text = "I told the nurse I was suicidal and nobody called me. I ended up in the hospital that night."
    assert [signal.reason for signal in safety_signals(text)] == ["crisis"]


def test_nothing_raises_nothing():
    """Blank text and bare punctuation are no reason to act."""
    assert safety_signals("") == safety_signals(" \n") == safety_signals("...!") == []


@given(st.lists(st.sampled_from([row["text"] for row in CASES]), max_size=3).map("\n".join) | st.text(max_size=200))
def test_any_text_is_read(text):
    """No text breaks the rules; each reason comes at most once and lies in the text."""
    signals = safety_signals(text)
    assert len({signal.reason for signal in signals}) == len(signals)
    assert all(0 <= signal.start < signal.end <= len(text) for signal in signals)


ANSWERS = [
    ("Nothing", None, None),
    ("Nothing helped me", "What could we improve?", None),
    ("No parking", "What could we improve?", None),
    ("Parking", "What was good?", None),
    ("no", "Any other comments?", "neutral"),
    ("Nothing.", "What could we do better?", "positive"),
    ("nada!", "¿Qué podríamos mejorar?", "positive"),
    ("Can’t think of anything", "What did you like least?", "positive"),
    ("None", "What was good about your visit?", "negative"),
    ("nada", "¿Qué hicimos bien?", "negative"),
]


@pytest.mark.parametrize(("text", "question", "overall"), ANSWERS)
def test_a_bare_answer_is_read_by_its_question(text, question, overall):
    """ "Nothing" praises, blames or says nothing, as was asked; an answer that says more is not for this rule."""
    assert bare_answer(text, question) == overall
