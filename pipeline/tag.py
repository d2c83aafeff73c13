"""Which treatments a text names, what in it must be seen today, and whether it is no patient's: the rules, and who spoke.

Treatments are found by the taxonomy's terms. Safety is found by resources/safety.toml: cues, with the words that take
them back (a denial, a history, a warning, another person's, a figure of speech) beside them. Where no rule speaks, the
model may; the two are never added up, and `found_by` says which it was. Adverts and other businesses are found by
resources/off_topic.toml, and only there.
"""

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from pipeline.segment import sentences
from pipeline.taxonomy import Taxonomy
from pipeline.terms import Hit, Lists, Said, Terms, said

WORDS_AHEAD = (
    6  # how far a denial reaches: "no headache, nausea or chest pain" does, "no idea where to park, then …" not
)
WORDS_AFTER = 6
OFF_TOPIC = "off topic"
SENTENCES_AROUND = (1, 3)  # before and after the cue's own: where a rule's `needs` may stand
TURN = re.compile(  # where a denial stops reaching
    r"[;:()—\n]|\b(?:but|pero|until|hasta)\b"
    r"|,\s+(?:and\s+|then\s+|so\s+|y\s+)?(?=(?:i|he|she|we|they|it|my|his|her|the|me|lo|la|le|mi|se)\b)",
    re.IGNORECASE,
)


class Signal(NamedTuple):
    """A reason to act today, where it stands (text[start:end]), and the rule that found it."""

    reason: str
    start: int
    end: int
    found_by: str


class TakesBack(NamedTuple):
    """One list of safety.toml that takes a cue back: words shortly ahead of it, shortly after it, or in its sentence."""

    ahead: Terms
    after: Terms
    sentence: Terms


class SafetyRule(NamedTuple):
    """One rule of safety.toml: one harm."""

    key: str
    reason: str
    found: Terms
    needs: Terms | None  # what must stand near the cue as well
    yields_to: str | None  # a reason that, once found, tells the same event better
    takes_back: tuple[TakesBack, ...]


def name_treatments(text: str | Said, taxonomy: Taxonomy) -> dict[str, list[Hit]]:
    """Treatment → every place that names it, for the treatments named at all."""
    return dict(taxonomy.named.find(text))


@cache
def _answers():
    """The bare answers of resources/answers.toml, and what finds a question for faults and one for merits."""
    entries = tomllib.loads((files("pipeline") / "resources" / "answers.toml").read_text(encoding="utf-8"))
    return frozenset(entries["nothing"]), Terms(entries["asks"]["fault"]), Terms(entries["asks"]["merit"])


def bare_answer(text: str, question: str | None) -> str | None:
    """The overall sentiment of "Nothing" and the like, told by the question; None where the text says more."""
    nothing, fault, merit = _answers()
    if not question or " ".join(re.findall(r"[\w']+", text.lower().replace("’", "'"))) not in nothing:
        return None
    return "positive" if fault.find(question) else "negative" if merit.find(question) else "neutral"


def spelled_out(terms: list[str], words: dict[str, str]) -> list[str]:
    """The terms with {name} replaced by the group of that name in safety.toml's [words]."""
    return [re.sub(r"\{([a-z]+)\}", lambda name: words[name[1]], term) for term in terms]


def _found(entry: dict, terms: str, words: dict[str, str]) -> Terms:
    """The terms of an entry, less its exceptions (`unless`: lists of terms, each with its why)."""
    exceptions = [term for exception in entry.get("unless", []) for term in exception["terms"]]
    return Terms(spelled_out(entry.get(terms, []), words), spelled_out(exceptions, words))


@cache
def safety_rules() -> tuple[SafetyRule, ...]:
    """The rules of resources/safety.toml in the order of the file."""
    source = files("pipeline") / "resources" / "safety.toml"
    entries = tomllib.loads(source.read_text(encoding="utf-8"))
    words = entries["words"]
    shared = {
        key: TakesBack(*(_found(entry, where, words) for where in TakesBack._fields))
        for key, entry in entries["takes_back"].items()
    }
    rules = entries["rule"]
    return tuple(
        SafetyRule(
            key,
            rule["reason"],
            _found(rules[rule["terms_of"]] if "terms_of" in rule else rule, "terms", words),
            Terms(spelled_out(rule["needs"], words)) if "needs" in rule else None,
            rule.get("yields_to"),
            tuple(shared[name] for name in rule.get("takes_back", [])),
        )
        for key, rule in rules.items()
    )


@cache
def _cues() -> Lists:
    """The cues of every rule of safety.toml, by its place in the file, and of all rules of off_topic.toml together."""
    return Lists({at: rule.found for at, rule in enumerate(safety_rules())} | {OFF_TOPIC: off_topic_rules().any_cue})


@lru_cache(maxsize=1)
def _cues_in(shown: Said) -> dict[int | str, list[Hit]]:
    """The cues in a text. Whether somebody may be in danger and whether it is on topic are asked of one text in turn."""
    return dict(_cues().find(shown))


def _last_words(text: str, start: int, hit: Hit) -> str:
    """What stands shortly ahead of a cue in its sentence, from the last turn on."""
    for turn in TURN.finditer(text, start, hit.end):
        if turn.end() > hit.start:
            break
        start = turn.end()
    return " ".join(text[start : hit.start].split()[-WORDS_AHEAD:])


def _stands(rule: SafetyRule, text: str, hit: Hit, spans) -> bool:
    """Whether nothing takes the cue back and what it needs is near."""
    at = next((at for at, (start, end) in enumerate(spans) if start <= hit.start < end), 0)
    start, end = spans[at]
    if rule.needs:
        before, after = SENTENCES_AROUND
        nearby = text[spans[max(0, at - before)].start : spans[min(len(spans) - 1, at + after)].end]
        if not rule.needs.find(nearby):
            return False
    ahead = said(_last_words(text, start, hit))
    after = said(" ".join(text[hit.end : max(end, hit.end)].split()[:WORDS_AFTER]))
    sentence = said(text[start:end])
    return not any(
        words.ahead.find(ahead) or words.after.find(after) or words.sentence.find(sentence) for words in rule.takes_back
    )


def safety_signals(shown: str | Said) -> list[Signal]:
    """At most one signal per reason, in the order of the text: the first place of the first rule that stands."""
    found, spans = {}, None
    shown = said(shown)
    text = shown.text
    for at, hits in _cues_in(shown).items():
        if at == OFF_TOPIC:
            continue
        rule = safety_rules()[at]
        if rule.reason in found or rule.yields_to in found:
            continue
        spans = spans or sentences(text)
        for hit in hits:
            if _stands(rule, text, hit, spans):
                found[rule.reason] = Signal(rule.reason, hit.start, hit.end, f"rule {rule.key}")
                break
    return sorted(found.values(), key=lambda signal: signal.start)


class OffTopic(NamedTuple):
    """Why a text is no patient's ("advert", "another business"), where that stands (text[start:end]), and the rule."""

    flag: str
    start: int
    end: int
    found_by: str


class OffTopicRule(NamedTuple):
    """One rule of off_topic.toml: one kind of advert or of business."""

    key: str
    flag: str
    alone: Terms
    cue: Terms
    needs: Terms  # what must stand elsewhere in the text as well as the cue
    silent_where: tuple[Terms, ...]
    answers: bool  # whether it also reads the answer to a question


class OffTopicRules(NamedTuple):
    """The rules of off_topic.toml in the order of the file."""

    rules: tuple[OffTopicRule, ...]
    any_cue: Terms  # every cue of every rule: most texts have none, and are let go at once


@cache
def off_topic_rules() -> OffTopicRules:
    """What resources/off_topic.toml says."""
    source = files("pipeline") / "resources" / "off_topic.toml"
    entries = tomllib.loads(source.read_text(encoding="utf-8"))
    words = {name: f"({'|'.join(group)})" for name, group in entries["words"].items()}
    topics = {key: _found(topic, "terms", words) for key, topic in entries["topic"].items()}
    rules = entries["rule"].items()
    cues = [term for _, rule in rules for name in ("alone", "terms") for term in rule.get(name, [])]
    return OffTopicRules(
        tuple(
            OffTopicRule(
                key,
                rule["flag"],
                *(_found(rule, name, words) for name in ("alone", "terms", "needs")),
                tuple(topics[name] for name in rule["silent_where"]),
                rule.get("answers", False),
            )
            for key, rule in rules
        ),
        Terms(spelled_out(cues, words)),
    )


def _cue_of(rule: OffTopicRule, shown: Said) -> Hit | None:
    """The place by which a rule would speak: what is enough alone, or a cue that something else bears out."""
    if enough := rule.alone.find(shown):
        return enough[0]
    if not (cues := rule.cue.find(shown)):
        return None
    text = shown.text
    others = [(hit, text[hit.start : hit.end].lower()) for hit in rule.needs.find(shown)]
    for cue in cues:
        word = text[cue.start : cue.end].lower()
        # the same thing said twice ("tacos … best tacos") is said once
        if any(word not in other and other not in word for hit, other in others):
            return cue
    return None


def off_topic(text: str | Said, question: str | None = None) -> OffTopic | None:
    """What says that a text is an advert or about another business; None where a patient may be speaking."""
    shown = said(text)
    if OFF_TOPIC not in _cues_in(shown):
        return None
    for rule in off_topic_rules().rules:
        if question and not rule.answers:
            continue
        if (cue := _cue_of(rule, shown)) and not any(topic.find(shown) for topic in rule.silent_where):
            return OffTopic(rule.flag, cue.start, cue.end, f"rule {rule.key}")
    return None
