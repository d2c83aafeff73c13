"""The rules of clearance.toml: what one is, and how the file is read and checked."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pipeline.faults import Fault
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.terms import Hit, Lists, Terms, pattern

SEVERITIES = ("block", "review", "note")  # worst first


class ClearanceError(Fault):
    """The rules cannot be used; the message lists every fault."""


class Setting(NamedTuple):
    """What the clinic decides. The defaults stand in clearance.toml; `rules.setting._replace(strict=True)` changes one."""

    states: frozenset  # whose advertising rules hold where a review's place is unknown
    locations: dict  # place → state
    strict: bool
    stale_after_months: int
    platforms: frozenset  # sources whose terms limit reuse
    platform_permission: frozenset  # those of them that permitted it
    channel: str  # where the quotes go; "" where undecided
    consent_margin_days: int
    typical_results: str


class NameLists(NamedTuple):
    """What STAFF_NAMED knows of words and names, all small."""

    capitals: frozenset  # written large, and no names
    first_names: frozenset
    also_words: frozenset  # first names that are ordinary words too
    ordinary: frozenset  # words that open a sentence before such a verb and are no names
    does: re.Pattern  # what stands after a person's name


class Rule(NamedTuple):
    """One entry of clearance.toml."""

    name: str
    severity: str
    strict: str | None
    states: dict  # state → severity
    reason: str
    source: str  # the citations, readable
    checks: str  # words, record, reply
    finder: Terms
    spared: Terms  # the exceptions of `finder`, for what is found by other means than words
    alone: Terms  # counts only where no depression is spoken of
    not_after: re.Pattern | None
    needs: tuple
    blocks: Terms
    reviews: Terms
    opinions: dict | None
    escalations: tuple
    outcome: bool  # its words make a quote one about results, which needs the typical-results line beside it
    names: NameLists | None
    opening: re.Pattern | None  # TRUNCATION: how a sentence opens that belongs to the one before
    hedges: Terms
    beginnings: (
        Terms  # TRUNCATION: a doubt or a bad start, without which the next sentence promises more than was meant
    )
    turns: re.Pattern | None  # TRUNCATION: how an answer opens that turns or limits another answer of the form
    answers: re.Pattern | None
    misses: tuple
    hits: tuple


class Rules(NamedTuple):
    """clearance.toml, read and checked."""

    setting: Setting
    rules: dict  # name → Rule, in the file's order
    words: dict  # name → Terms
    lists: Lists  # all of the above: (kind, name) → Terms; kind is "words", or what a rule calls the list
    first: Lists  # those of them that tell whether a passage praises, and whether it is one about results

    def met(self, text: str) -> dict[tuple[str, str], list[Hit]]:
        """Where the terms of each list stand in a text, in one look; a list that is not met is left out."""
        return dict(self.lists.find(text))

    def glimpsed(self, text: str) -> dict[tuple[str, str], list[Hit]]:
        """As `met`, of `first` alone: many passages are looked at that no board will show."""
        return dict(self.first.find(text))


# The rules that the code applies to the record; the file must hold their reasons and severities.
RECORD_RULES = (
    *("CONSENT_MISSING", "CONSENT_INVALID", "TRANSLATED", "LANGUAGE", "TEXT_EDITED", "TRUNCATION"),
    *("REST_CONTRADICTS", "CHANGED_SINCE", "STALE", "PLATFORM_TERMS", "SELECTION"),
)
NEEDED_WORDS = {
    "depression": "`alone` needs it",
    "praise": "a passage without praise is no quote",
    "thin": "what says nothing of its own comes last",
    "filler": "a contrary view on the same matter is told by the other words",
}
LISTS = ("finder", "spared", "alone", "blocks", "reviews")  # of a rule, looked for in every text that is judged
KEYS = {
    *("severity", "strict", "states", "reason", "source", "checks", "terms", "unless", "alone", "not_after", "needs"),
    *("blocks", "reviews", "opinions", "escalations", "capitals", "first_names", "also_words", "hedges", "answers"),
    *("beginnings", "turns"),
    *("misses", "hits", "outcome", "ordinary", "does"),
}


def load_rules(path: str | Path | None = None) -> Rules:
    """The rules of `path`, or of the package. Raises ClearanceError that lists every fault of the file, a line each."""
    if path is None:
        return _packaged()
    return _parsed(Path(path).read_text(encoding="utf-8"), str(path))


@cache
def _packaged() -> Rules:
    resource = files("pipeline") / "resources" / "clearance.toml"
    return _parsed(resource.read_text(encoding="utf-8"), "clearance.toml", checked=False)


def _parsed(text: str, name: str, checked: bool = True) -> Rules:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClearanceError(f"{name}: not TOML: {error}") from None
    faults = [*_unreadable(document)] if checked else []
    cited, words = document.get("sources", {}), {}
    for key, entry in document.get("words", {}).items():
        words[key] = Terms(entry.get("terms", ()), entry.get("unless", ()))
    setting = _setting(document.get("setting", {}), faults)
    rules = {}
    for key, entry in document.get("rule", {}).items():
        rules[key] = _rule(key, entry, cited, words, faults)
    for key in RECORD_RULES:
        if key not in rules:
            faults.append(f"[rule.{key}] is missing: the code applies it")
        elif rules[key].checks != "record":
            faults.append(f'[rule.{key}] needs checks = "record"')
    faults += [f"[words.{key}] is missing: {why}" for key, why in NEEDED_WORDS.items() if key not in words]
    if faults:
        raise ClearanceError("\n".join(f"{name}: {fault}" for fault in faults))
    lists = {("words", key): terms for key, terms in words.items()}
    lists |= {(kind, key): getattr(rule, kind) for key, rule in rules.items() for kind in LISTS}
    results = {(kind, key) for key, rule in rules.items() if rule.outcome for kind in LISTS}
    first = {place: terms for place, terms in lists.items() if place[0] == "words" or place in results}
    return Rules(setting, rules, words, Lists(lists), Lists(first))


TERMS = (
    "terms",
    "unless",
    "alone",
    "not_after",
    "blocks",
    "reviews",
    "hedges",
    "beginnings",
    "turns",
    "answers",
    "does",
)  # keys that hold terms


def _unreadable(document: Mapping) -> Iterator[str]:
    """A fault for every term that is no pattern. It takes half a second, which the package's own file is spared."""
    for kind in ("words", "rule"):
        for key, entry in document.get(kind, {}).items():
            for term in dict.fromkeys(term for name in TERMS for term in entry.get(name, ())):
                try:
                    re.compile(pattern(term))
                except (re.error, AssertionError, TypeError, AttributeError):
                    yield f"[{kind}.{key}]: the term {term!r} cannot be read; see pipeline/terms.py for how one is written"


def _opening(terms) -> re.Pattern | None:
    """How a sentence begins: one of the terms, after quotation marks or dashes."""
    if not terms:
        return None
    try:
        return re.compile(r"[\s\"'“‘(\-–—…]*(?:" + "|".join(pattern(term) for term in terms) + ")", re.IGNORECASE)
    except (re.error, AssertionError):
        return None


def _setting(entry: Mapping, faults: list) -> Setting:
    wanted = {
        "states": list, "locations": dict, "strict": bool, "stale_after_months": int, "platforms": list,
        "platform_permission": list, "channel": str, "consent_margin_days": int, "typical_results": str,
    }  # fmt: skip
    found = {}
    for key, kind in wanted.items():
        found[key] = entry.get(key, kind())
        if key not in entry:
            faults.append(f"[setting]: {key} is missing")
        elif type(entry[key]) is not kind:
            faults.append(f"[setting]: {key} must be {_KINDS[kind]}")
            found[key] = kind()
    faults += [f"[setting]: unknown key {key}" for key in entry if key not in wanted]
    for key in ("states", "platforms", "platform_permission"):
        found[key] = frozenset(found[key])
    return Setting(**found)


_KINDS = {list: "a list", dict: "a table", bool: "true or false", int: "a whole number", str: "a text"}


def _rule(name: str, entry: Mapping, cited: Mapping, words: Mapping, faults: list) -> Rule:
    place = f"[rule.{name}]"
    faults += [f"{place}: unknown key {key}" for key in entry if key not in KEYS]
    for key in ("severity", "reason", "source"):
        if not entry.get(key):
            faults.append(f"{place}: {key} is missing")
    states = entry.get("states", {})
    judged = entry.get("opinions") or {}
    for severity in (entry.get("severity"), entry.get("strict"), judged.get("severity"), *states.values()):
        if severity is not None and severity not in SEVERITIES:
            faults.append(f"{place}: severity {severity!r} is none of {', '.join(SEVERITIES)}")
    for key in entry.get("source", ()):
        if key not in cited:
            faults.append(f"{place}: source {key!r} is not listed under [sources]")
    for key in entry.get("needs", ()):
        if key not in words:
            faults.append(f"{place}: needs {key!r}, which is not listed under [words]")
    for reason in entry.get("escalations", ()):
        if reason not in REASONS:
            faults.append(f"{place}: escalation {reason!r} is none of {', '.join(REASONS)}")
    if judged:
        if judged.get("theme") not in THEMES:
            faults.append(f"{place}: opinions: theme {judged.get('theme')!r} is none of {', '.join(THEMES)}")
        if not set(judged.get("sentiments", ("?",))) <= set(SENTIMENTS):
            faults.append(f"{place}: opinions: sentiments must be some of {', '.join(SENTIMENTS)}")
        if judged.get("treatment") not in (None, *TREATMENTS):
            faults.append(f"{place}: opinions: treatment {judged['treatment']!r} is none of {', '.join(TREATMENTS)}")
    checks = entry.get("checks", "words")
    if checks not in ("words", "record", "reply"):
        faults.append(f'{place}: checks {checks!r} is neither "record" nor "reply"')
    if checks != "record" and not (entry.get("terms") and entry.get("misses") and entry.get("hits")):
        faults.append(f"{place}: a rule that reads words needs terms, misses and hits")
    unless = entry.get("unless", ())
    before = entry.get("not_after", ())
    names = None
    if "capitals" in entry:
        lists = [frozenset(word.lower() for word in entry.get(key, ())) for key in NameLists._fields[:-1]]
        names = NameLists(*lists, _does(entry.get("does", ())))
    return Rule(
        name=name,
        severity=entry.get("severity", "block"),
        strict=entry.get("strict"),
        states=states,
        reason=entry.get("reason", ""),
        source="; ".join(cited.get(key, key) for key in entry.get("source", ())),
        checks=checks,
        finder=Terms(() if name == "TRUNCATION" else entry.get("terms", ()), unless),
        spared=Terms(unless if names else ()),
        alone=Terms(entry.get("alone", ()), unless),
        not_after=_before(before) if before else None,
        needs=tuple(entry.get("needs", ())),
        blocks=Terms(entry.get("blocks", ())),
        reviews=Terms(entry.get("reviews", ())),
        opinions=entry.get("opinions"),
        escalations=tuple(entry.get("escalations", ())),
        outcome=entry.get("outcome", False),
        names=names,
        opening=_opening(entry.get("terms", ())) if name == "TRUNCATION" else None,
        hedges=Terms(entry.get("hedges", ())),
        beginnings=Terms(entry.get("beginnings", ())),
        turns=_opening(entry.get("turns", ["re:(?!)"])),
        answers=_opening(entry.get("answers", ())),
        misses=tuple(entry.get("misses", ())),
        hits=tuple(entry.get("hits", ())),
    )


def _does(terms) -> re.Pattern:
    try:
        return re.compile(r"\s+(?:" + "|".join(pattern(term) for term in terms or ["re:(?!)"]) + ")", re.IGNORECASE)
    except (re.error, AssertionError):
        return re.compile(r"(?!)")


def _before(terms) -> re.Pattern | None:
    try:
        return re.compile(
            "(?:" + "|".join(pattern(term) for term in terms) + r")(?:[\s,/]+[^\s,/]+){0,4}[\s,/]*$", re.IGNORECASE
        )
    except (re.error, AssertionError):
        return None
