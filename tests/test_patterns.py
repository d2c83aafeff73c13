"""No regular expression of ours can be made slow: each is timed on texts made against it, and grows with their length."""

import ast
import gc
import importlib
import pkgutil
import re
import signal
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hostile_texts import grown, pumps

import pipeline
from pipeline import clearance, deidentify, terms
from pipeline.clearance.flags import matched

FOLDER = Path(pipeline.__file__).parent
SHORT, LONG = 2_000, 8_000  # characters
AT_ONCE = 0.05  # seconds: less for LONG is no matter
GIVEN_UP = 0.4  # CPU seconds, where a hundredth is expected

HERE: set[str] = set()  # patterns written where they are used, tried at the beginning alone
# Those that do not grow with the text in all places but are never given a long one, and why.
BOUNDED: dict[str, str] = {
    "pipeline.read.page.PHONE": "asked of lines of at most 60 characters",
    "pipeline.read.plan.OTHER": "asked of the first 1,000 letters of a heading",
    "pipeline.read.ratings.LABELLED": "asked of ratings of at most 200 characters",
    "read/plan.py:heading_field#2": "asked of headings of at most 1,000 letters",
    "pipeline.segment.TURN": "its slow text, blank lines in a row, stands between sentences; tests/test_segment.py times clauses",
    "read/rows.py:_is_total": "asked of cells of at most 60 characters",
}


def in_the_program() -> dict[str, re.Pattern]:
    """Every pattern that a module holds, and every one written where it is used: where it stands → the pattern."""
    found: dict[str, re.Pattern] = {}
    for info in pkgutil.walk_packages([str(FOLDER)], "pipeline."):
        if ".train" in info.name or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            collect(f"{info.name}.{name}", value, found)
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function, node in [(one, node) for one in functions for node in ast.walk(one)]:
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and getattr(node.func.value, "id", "") == "re"
                and node.func.attr != "escape"
                and isinstance(next(iter(node.args), None), ast.Constant)
            ):
                where = f"{path.relative_to(FOLDER)}:{function.name}"
                count = sum(name.split("#")[0] == where for name in found)
                add(f"{where}#{count + 1}" if count else where, re.compile(node.args[0].value), found)
                if node.func.attr in ("match", "fullmatch"):
                    HERE.add(where)
    return found


def uses() -> dict[str, set[str]]:
    """By the name that a pattern goes by in the code (its last part): the methods called on it."""
    found: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in (
                "match",
                "fullmatch",
                "search",
                "finditer",
                "findall",
                "sub",
                "split",
            ):
                name = getattr(node.value, "id", None) or getattr(node.value, "attr", None)
                found.setdefault(name, set()).add(node.attr)
    return found


def anchored(where: str, known: dict[str, set[str]]) -> bool:
    """Whether a pattern is only ever tried at one place at a time."""
    if where in HERE:
        return True
    return bool(known.get(named(where))) and known[named(where)] <= {"match", "fullmatch"}


def named(where: str) -> str:
    """The name that a pattern goes by in the code."""
    return re.sub(r"\[.*", "", where.rpartition(".")[2])


def add(where: str, pattern: re.Pattern, found: dict) -> None:
    if pattern not in set(found.values()):
        found[where] = pattern


def collect(where: str, value, found: dict, depth: int = 0) -> None:
    """The patterns in a value, in what it holds, and in objects of ours."""
    if isinstance(value, re.Pattern):
        add(where, value, found)
    elif isinstance(value, deidentify.Expression):
        add(where, re.compile(value.source), found)
    elif isinstance(value, terms.Terms):
        for term in value.terms:
            add(f"{where}[{term}]", terms.compiled(term), found)
    elif depth < 5 and isinstance(value, (list, tuple, set, frozenset)):
        for at, one in enumerate(value):
            collect(f"{where}[{at}]", one, found, depth + 1)
    elif depth < 5 and isinstance(value, dict):
        for key, one in value.items():
            collect(f"{where}[{key}]", one, found, depth + 1)
    elif depth < 5 and type(value).__module__.startswith("pipeline") and hasattr(value, "__dict__"):
        collect(where, vars(value), found, depth + 1)


def of_the_rules() -> dict[str, re.Pattern]:
    """What is made of the data files when they are loaded, lists of terms aside."""
    found: dict[str, re.Pattern] = {}
    collect("deidentify", deidentify.rules(), found)
    collect("clearance", clearance.load_rules(), found)
    return found


def of_the_terms() -> dict[str, re.Pattern]:
    """Every term of every list in the data files, as it is looked for."""
    found: dict[str, re.Pattern] = {}

    def walk(where, value):
        if isinstance(value, str) and value.strip():
            with suppress(re.error):  # no term: a sentence about one, or a part that others are made of
                found[where] = re.compile(terms.pattern(value), re.IGNORECASE)
        elif isinstance(value, (list, dict)):
            for key, one in value.items() if isinstance(value, dict) else enumerate(value):
                if key not in ("hits", "misses", "means", "name", "why", "source", "words", "names", "quirks"):
                    walk(f"{where}.{key}", one)

    for path in sorted((FOLDER / "resources").glob("*.toml")):
        if path.stem not in ("names", "languages", "everyday", "identifiers", "thresholds"):
            walk(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    return found


class TooSlow(Exception):
    """The time is up."""


def alone(where: str, pattern: re.Pattern, known: dict[str, set[str]]):
    """What a pattern is timed by: looking for it everywhere in a text, or where it is only ever tried at one place, there."""
    here = anchored(where, known)
    asked = known.get(named(where)) or {"match", "fullmatch"}

    def look(text):
        for _ in () if here else pattern.finditer(text):
            pass
        pattern.match(text)
        if "fullmatch" in asked:
            pattern.fullmatch(text)

    return look


def in_use(where: str, _pattern: re.Pattern, _known: dict):
    """What a rule of the data files is timed by: the stage that has it, which gives it the part of a text it is about."""
    if where.startswith("deidentify"):
        return lambda text: deidentify.deidentify([text])
    of = clearance.load_rules()
    rule = next((one for key, one in of.rules.items() if f"[{key}]" in where), None)
    return (lambda text: matched(rule, text, of)) if rule else (lambda text: None)


def seconds(look, text: str) -> float:
    """CPU seconds to look through a text, GIVEN_UP at most."""

    def stop(_number, _frame):
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, GIVEN_UP)
    try:
        look(text)
    except TooSlow:
        return GIVEN_UP
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - start


def slow_ones(patterns: dict[str, re.Pattern], most: int, way=alone) -> tuple[dict[str, str], int]:
    """Those that take more than eight times as long for a text four times as long, and how many texts were tried."""
    slow, tries, known = {}, 0, uses()
    gc.disable()
    try:
        for where, pattern in patterns.items():
            if where in BOUNDED:
                continue
            look = way(where, pattern, known)
            for pump in pumps(pattern, most):
                tries += 1
                what = f"{pattern.pattern[:90]} on {pump}"
                if seconds(look, grown(pump, 30)) > AT_ONCE and seconds(look, grown(pump, 30)) > AT_ONCE:
                    slow[where] = f"slow at 30 letters: {what}"
                    break
                taken = seconds(look, grown(pump, LONG))
                if taken >= GIVEN_UP:  # the shorter text may have been given up as well, and tells nothing then
                    slow[where] = f"over {taken:.2f} s: {what}"
                    break
                if taken > AT_ONCE:
                    least = max(0.001, min(seconds(look, grown(pump, SHORT)) for _ in range(3)))
                    taken = min(taken, seconds(look, grown(pump, LONG)))
                    if taken > AT_ONCE and taken > 8 * least:
                        slow[where] = f"{taken:.2f} s, {taken / least:.0f} times as long: {what}"
                        break
    finally:
        gc.enable()
    return slow, tries


def told(slow: dict[str, str]) -> str:
    return "\n".join(f"{where}: {what}" for where, what in slow.items())


def test_no_pattern_of_the_program_is_slow(tried):
    """Every pattern in the code, against texts made from it, grows with the length of the text."""
    patterns = in_the_program()
    assert len(patterns) > 130
    assert set(BOUNDED) <= set(patterns), "an exception for a pattern that is gone"
    slow, tries = slow_ones(patterns, 5)
    assert not slow, told(slow)
    tried(tries, f"texts against {len(patterns):,} patterns in the code")


@pytest.mark.slow
def test_no_rule_of_the_data_files_is_slow(tried):
    """Texts made from every rule of identifiers.toml and clearance.toml, through the stage that has the rule."""
    patterns = of_the_rules()
    assert sum(where.startswith("deidentify") for where in patterns) > 100
    assert sum(where.startswith("clearance") for where in patterns) > 1000
    deidentify.deidentify(["My son John called me."])
    slow, tries = slow_ones(patterns, 6, in_use)
    assert not slow, told(slow)
    tried(tries, f"texts through the stages of {len(patterns):,} rules of the data files")


@pytest.mark.slow
def test_no_term_of_the_data_files_is_slow(tried):
    """The same for every single term of every list."""
    patterns = of_the_terms()
    assert len(patterns) > 2000
    slow, tries = slow_ones(patterns, 6)
    assert not slow, told(slow)
    tried(tries, f"texts against {len(patterns):,} terms of the data files")


def test_a_slow_pattern_would_be_found():
    """The test can fail: repetitions in a repetition, two beside each other, and blanks before an end that is not there."""
    slow, _ = slow_ones({str(at): re.compile(one) for at, one in enumerate((r"(a+)+b", r"\s+$", r"\d*\d*\d*x"))}, 12)
    assert len(slow) == 3


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("PATIENT_IDENTIFIER", "[" + "A" * 60),
        ("QUANT_EFFICACY", "gad-" * 5_000),
        ("", "stitches a" + " " * 20_000 + "a"),
        ("", ".a" * 10_000),
    ],
)
def test_texts_that_took_minutes(rule, text):
    """Capitals after a bracket, half an abbreviation again and again, a page of blanks, full stops and letters by turns: done at once."""
    of = clearance.load_rules()

    def look(text):
        if rule:
            matched(of.rules[rule], text, of)
        else:
            deidentify.deidentify([text])
            [terms.compiled(term).search(text) for term in ("(*|needed|got) stitches", "of * years is")]

    look("Kind.")
    assert seconds(look, text) < GIVEN_UP
