"""What the rules object to in one quote: the words of the passage and of its review, and the record around them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import pandas as pd

from pipeline.clearance import consents
from pipeline.clearance.consents import day, even, plain
from pipeline.clearance.rules import SEVERITIES, NameLists, Rule, Rules, Setting, load_rules
from pipeline.segment import sentences
from pipeline.terms import Hit

STATUSES = ("cleared", "needs review", "blocked")
CLAUSE_END = re.compile(
    r"[.!?;\n]|\b(?:but|however|though|although|except|until|only|just|pero|aunque)\b", re.IGNORECASE
)


class Flag(NamedTuple):
    """One objection to a quote."""

    rule: str
    severity: str  # block, review, note
    words: tuple  # what triggered it, as it stands there
    where: str  # passage, review, form (another answer of the same form), record
    reason: str
    source: str


class Answer(NamedTuple):
    """What the same person wrote to another question of the form: it is part of their review."""

    review: Mapping  # a row of tables.REVIEWS
    opinions: Sequence = ()
    escalations: Sequence = ()


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def matched(
    rule: Rule, text: str, rules: Rules, treatments=(), staff: frozenset = frozenset(), met: Mapping | None = None
) -> list[Hit]:
    """Where the words of one rule stand in a text.

    treatments: those the tagger found, and word lists met elsewhere in the form, for rules that need one. staff: what `staff_words` made of the clinic's roster. met:
    what `rules.met` found in the text, where several rules are tried.
    """
    met = rules.met(text) if met is None else met
    if any(need not in treatments and ("words", need) not in met for need in rule.needs):
        return []
    hits = [*met.get(("finder", rule.name), ())]
    if ("words", "depression") not in met and "depression" not in treatments:
        hits += met.get(("alone", rule.name), ())
    if rule.names:
        spared = met.get(("spared", rule.name), ())
        hits += [
            hit for hit in _names(rule.names, text, staff) if not any(hit.start < end and start < hit.end for start, end in spared)
        ]  # fmt: skip
    if rule.not_after is not None:
        hits = [hit for hit in hits if not _taken_back(rule.not_after, text, hit.start)]
    return sorted(set(hits))


def _taken_back(before: re.Pattern, text: str, start: int) -> bool:
    """Does a negation stand shortly before, within the clause?"""
    lead = text[max(0, start - 90) : start]
    ends = list(CLAUSE_END.finditer(lead))
    return before.search(lead[ends[-1].end() :] if ends else lead) is not None


WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def staff_words(names) -> frozenset:
    """The words by which a text may call the clinic's people, small: "Dr. Imelda Varga" → imelda, varga."""
    words = {word.lower() for name in names for word in WORD.findall(name)}
    parts = {part for word in words for part in word.split("-")}
    return frozenset(word for word in words | parts if len(word) > 2 and word not in TITLES)


TITLES = {"dra", "drs", "mrs", "miss", "doctor", "doctora", "nurse", "phd", "pmhnp", "lmft", "lcsw", "msw"}


def _names(lists: NameLists, text: str, staff: frozenset) -> list[Hit]:
    """Words that look like somebody's first name: staff of ours, a name the list knows, a capital within a sentence, or
    a word no list knows that opens a sentence and does what people do ("Thuy explains …")."""
    openings = {start for start, _ in sentences(text)}
    no_capitals = not any(letter.isupper() for letter in text)
    hits = []
    for match in WORD.finditer(text):
        word = match.group()
        stem = re.sub(r"['’]s$", "", word).lower()
        large = word[0].isupper()
        at_start = match.start() in openings or not re.search(r"[\w,;)\]&]\s*$", text[: match.start()][-3:])
        doubtful = stem in lists.also_words or stem in lists.capitals
        ours = stem in staff and (not doubtful or (large and not at_start))
        known = stem in lists.first_names and (stem not in lists.also_words or (large and not at_start))
        unlisted = large and not word.isupper() and len(stem) > 2 and stem not in lists.capitals
        capital = unlisted and not at_start
        opens = unlisted and at_start and stem not in lists.ordinary and lists.does.match(text, match.end())
        if ours or (known and (large or no_capitals)) or ((capital or opens) and not re.match(r"i['’]", stem)):
            hits.append(Hit(match.start(), match.end()))
    return hits


def leans(text: str, earlier: Hit, later: Hit, rules: Rules) -> bool:
    """May two neighbouring sentences not be parted? The later one turns, limits or answers the earlier one."""
    rule, opener, closer = rules.rules["TRUNCATION"], text[earlier.start : earlier.end], text[later.start : later.end]
    return bool(
        opener.rstrip("\"'”’)").endswith(("?", ":", "...", "…"))
        or rule.opening.match(closer)
        or rule.hedges.find(closer)
        or (len(opener) < 60 and rule.hedges.find(opener))
        or rule.beginnings.find(opener)
        or _echoes(opener, closer)
    )


def _echoes(opener: str, closer: str) -> bool:
    """Is a sentence no more than a word or two of the one before it, said again ("I ironed a shirt. Ironed!")?"""
    said, before = WORD.findall(closer.lower()), set(WORD.findall(opener.lower()))
    return 0 < len(said) < 4 and before.issuperset(said)


# ── The record ───────────────────────────────────────────────────────────────────────────────────────────────────────


def flags(
    quote: str, review: Mapping, opinions, escalations, consent: Mapping | None, on: date, setting: Setting | None,
    start: int, end: int, *, rules: Rules | None = None, staff: frozenset = frozenset(), form: Iterable[Answer] = (),
    shifts: Iterable[Mapping] = (),
) -> list[Flag]:  # fmt: skip
    """Every objection to publishing `quote`, worst first.

    review: a row of tables.REVIEWS. opinions, escalations: the rows of that review (a table or dicts). consent: its row of the
    ledger. on: the day to judge by. start, end: where the quote stands in the review's text. staff: what
    `staff_words` made of the names of the clinic's own people. form: what the same person answered to other questions.
    shifts: the Summary's `changed`.
    """
    rules = rules or load_rules()
    setting = setting or rules.setting
    review = _plain(review)
    opinions, escalations = _records(opinions), _records(escalations)
    form = [Answer(_plain(one.review), _records(one.opinions), _records(one.escalations)) for one in form]
    text = review.get("text") or ""
    found = _word_flags(quote, Answer(review, opinions, escalations), form, setting, start, end, rules, staff)
    for name, severity, words, detail in (
        *consents.objections(review, consent, on, setting, quote),
        *_text_flags(quote, text, review, form, start, end, rules),
        *_rest_flags(review, opinions, form, start, end),
        *_age_flags(review, on, setting),
        *_shift_flags(review, opinions, start, end, shifts),
    ):
        rule = rules.rules[name]
        found.append(
            Flag(
                name,
                severity or _severity(rule, review, setting),
                tuple(words),
                "record",
                detail or rule.reason,
                rule.source,
            )
        )
    order = list(rules.rules)
    return sorted(found, key=lambda flag: (SEVERITIES.index(flag.severity), order.index(flag.rule), flag.where))


def status(found: list[Flag]) -> str:
    """blocked, where any flag blocks; needs review, where any asks for a person; else cleared (a person still approves)."""
    severities = {flag.severity for flag in found}
    return "blocked" if "block" in severities else "needs review" if "review" in severities else "cleared"


def speaks_of_results(text: str, rules: Rules, met: Mapping | None = None) -> bool:
    """Does a passage name a drug, or say what treatment did? Then the typical result must stand beside it. met: see matched."""
    met = rules.met(text) if met is None else met
    return any(rule.outcome and matched(rule, text, rules, met=met) for rule in rules.rules.values())


def reply_flags(reply: str, rules: Rules | None = None) -> list[Flag]:
    """Does our own published answer to a review give away that somebody is a patient? One flag a rule."""
    rules = rules or load_rules()
    found, met = [], rules.met(reply)
    for rule in rules.rules.values():
        if rule.checks == "reply" and (hits := matched(rule, reply, rules, met=met)):
            found.append(Flag(rule.name, rule.severity, _words(reply, hits), "record", rule.reason, rule.source))
    return found


def _severity(rule: Rule, review: Mapping, setting: Setting) -> str:
    severities = [rule.severity]
    if setting.strict and rule.strict:
        severities.append(rule.strict)
    place = setting.locations.get(review.get("location"))
    severities += [
        severity for state, severity in rule.states.items() if state in ({place} if place else setting.states)
    ]
    return min(severities, key=SEVERITIES.index)


def _words(text: str, hits) -> tuple:
    return tuple(dict.fromkeys(even(text[start:end]) for start, end in hits))


def _word_flags(quote, own: Answer, form: list[Answer], setting, start, end, rules, staff) -> list[Flag]:
    found, review, text = [], own.review, own.review.get("text") or ""
    sheets = [(one, rules.met(one.review.get("text") or "")) for one in (own, *form)]  # what one person wrote
    treatments = {name for one, _ in sheets for key in ("treatments", "received") for name in one.review.get(key) or ()}
    treatments |= {name for _, met in sheets for kind, name in met if kind == "words"}
    met_in_quote = None if text[start:end] == quote else rules.met(quote)  # a changed quote is read for itself too
    for rule in rules.rules.values():
        if rule.checks != "words":
            continue
        usual = _severity(rule, review, setting)
        spans = {}  # (where, severity) → words
        for sheet, met in sheets:
            for where, severity, words in _on_sheet(rule, sheet, met, usual, rules, treatments, staff):
                place = "form" if sheet is not own else where if isinstance(where, str) else _where(where, start, end)
                spans.setdefault((place, severity), []).append(words)
        if met_in_quote is not None:
            severity = _weighed(rule, usual, sheets[0][1])
            for hit in matched(rule, quote, rules, treatments, staff, met_in_quote):
                spans.setdefault(("passage", severity), []).append(even(quote[hit.start : hit.end]))
        seen = set()
        for (where, level), words in sorted(spans.items(), key=lambda item: (SEVERITIES.index(item[0][1]), item[0][0])):
            fresh = tuple(word for word in dict.fromkeys(words) if word not in seen)
            seen.update(fresh)
            if fresh:
                found.append(Flag(rule.name, level, fresh, where, rule.reason, rule.source))
    marks = [mark for mark in review.get("flags") or () if "copied" in mark or "burst" in mark]
    if marks and "AUTHENTICITY" in rules.rules:
        rule = rules.rules["AUTHENTICITY"]
        found.append(Flag(rule.name, rule.severity, tuple(marks), "record", rule.reason, rule.source))
    return found


def _on_sheet(rule: Rule, sheet: Answer, met, usual: str, rules: Rules, treatments, staff):
    """What fires a rule in one text: (span or "review", severity, words), by words, by the model and by the safety screen."""
    text = sheet.review.get("text") or ""
    for hit in matched(rule, text, rules, treatments, staff, met):
        yield hit, _weighed(rule, usual, met), even(text[hit.start : hit.end])
    judged = rule.opinions
    for row in sheet.opinions if judged else ():
        if (
            row.get("theme") == judged["theme"]
            and row.get("sentiment") in judged["sentiments"]
            and judged.get("treatment") in (None, row.get("treatment"))
        ):
            yield (row["start"], row["end"]), judged.get("severity", usual), _said(row)
    for row in sheet.escalations:
        if row.get("reason") in rule.escalations:
            yield (row["start"], row["end"]), "block", even(row.get("evidence") or "")
    for reason in sheet.review.get("escalate") or ():
        if reason in rule.escalations and not any(row.get("reason") == reason for row in sheet.escalations):
            yield "review", "block", reason.replace("_", " ")


def _weighed(rule: Rule, usual: str, met: Mapping) -> str:
    """The severity of a rule in a text whose words make it worse or milder."""
    if ("blocks", rule.name) in met:
        return "block"
    return "review" if ("reviews", rule.name) in met else usual


def _where(span, start: int, end: int) -> str:
    return "passage" if span[0] < end and start < span[1] else "review"


def _said(row) -> str:
    return even(row.get("evidence") or f"{row['theme'].replace('_', ' ')}: {row['sentiment']}, as a person found")


def _text_flags(quote, text, review, form, start, end, rules):
    """16 CFR 255.1(b): the exact words, nothing left out that turns them, and in the writer's own language."""
    marks = review.get("flags") or ()
    if even(text[start:end]) != even(quote) or not quote.strip():
        yield "TEXT_EDITED", None, (), None
    if any("truncated" in mark for mark in marks):
        yield "TRUNCATION", None, (), "The source cuts its texts: what follows is not known."
    rule, spans = rules.rules["TRUNCATION"], sentences(text)
    inside = [place for place, span in enumerate(spans) if span.start < end and start < span.end]
    if inside:
        first, last = inside[0], inside[-1]
        if start > spans[first].start or end < spans[last].end:
            yield "TRUNCATION", None, (), "Starts or ends inside a sentence."
        for earlier, later, cut in ((first - 1, first, first - 1), (last, last + 1, last + 1)):
            if earlier >= 0 and later < len(spans) and leans(text, spans[earlier], spans[later], rules):
                piece = text[spans[cut].start : spans[cut].end]
                yield (
                    "TRUNCATION",
                    None,
                    (_short(piece),),
                    "Leaves out the neighbouring sentence that turns or limits it.",
                )
    question = review.get("question")
    if question and (len(quote.split()) < 7 or rule.answers.match(quote)):
        yield (
            "TRUNCATION",
            "review",
            (_short(question),),
            "Answers a survey's question: without it the words may mean something else.",
        )
    for one in form:
        if rule.turns.match(one.review.get("text") or ""):
            yield (
                "TRUNCATION",
                "review",
                (_short(one.review["text"]),),
                "Leaves out another answer of the form, which turns or limits it.",
            )
    if any("translated" in mark for mark in marks):
        yield "TRANSLATED", None, (), None
    language = review.get("language")
    if language not in (None, "", "en") or any("unread" in mark for mark in marks):
        yield "LANGUAGE", None, (str(language or "unread"),), None


def _short(text: str) -> str:
    text = even(text)
    return text if len(text) <= 80 else text[:77].rsplit(" ", 1)[0] + " […]"


def _rest_flags(review, opinions, form, start, end):
    """16 CFR 255.1(b): not out of context. What the whole review, with all answers of its form, says against the passage."""
    rating, overall = review.get("rating"), review.get("overall")
    name = "REST_CONTRADICTS"
    if rating is not None and rating <= 3:
        yield name, "block", (f"{rating:g} of 5 stars",), "The reviewer gave three stars or fewer."
    if overall in ("negative", "mixed"):
        yield name, "block", (f"overall {overall}",), "The review as a whole is no praise."
    elif overall != "positive":
        yield name, "review", (f"overall {overall or 'not read'}",), "The review as a whole takes no clear side."
    if review.get("recommended") is False:
        yield name, "block", ("does not recommend",), "The reviewer does not recommend the clinic."
    praised = {
        row["theme"]
        for row in opinions
        if row["sentiment"] == "positive" and _where((row["start"], row["end"]), start, end) == "passage"
    }
    elsewhere = [row for one in form for row in one.opinions]
    fine = {
        row["theme"]
        for row in (*opinions, *elsewhere)
        if row["sentiment"] == "positive" and row.get("treatment") is None
    }
    elsewhere += [row for row in opinions if _where((row["start"], row["end"]), start, end) == "review"]
    against = [
        row for row in elsewhere
        if row["sentiment"] in ("negative", "mixed")
        and (row.get("treatment") is None or row["theme"] not in fine)  # "elsewhere it failed" is no word against this clinic
    ]  # fmt: skip
    themes = {row["theme"] for row in against}
    words = tuple(dict.fromkeys(map(_said, against)))
    if themes & praised:
        yield name, "block", words, "Elsewhere the review finds fault with the very thing the passage praises."
    elif len(themes) > 1:
        yield name, "block", words, "Elsewhere the review finds fault with several things."
    elif themes:
        yield name, "review", words, "Elsewhere the review finds fault with something else."
    elif blame := [one.review["text"] for one in form if one.review.get("overall") in ("negative", "mixed")]:
        yield name, "review", tuple(map(_short, blame)), "Another answer of the form is no praise."


def _shift_flags(review, opinions, start, end, shifts):
    """16 CFR 255.1: what an endorsement praises must still be so. Praise older than a lasting shift for the worse may not be."""
    for shift in shifts:
        if shift["state"] != "concern" or shift["location"] != review.get("location"):
            continue
        praise = [
            row
            for row in opinions
            if row["theme"] == shift["theme"]
            and row["sentiment"] != "negative"
            and _where((row["start"], row["end"]), start, end) == "passage"
        ]
        # of the months in which the shift may have begun the last one: before it the praise may be of the better days
        if praise and (review.get("date") or "")[:7] < shift["between"][1]:
            words = tuple(dict.fromkeys(map(_said, praise)))
            yield (
                "CHANGED_SINCE",
                None,
                words,
                f"{shift['title']} ({shift['figures']}): what is praised may no longer be so.",
            )


def _age_flags(review, on, setting):
    written = day(review.get("date"))
    if written is None:
        yield "STALE", None, ("no date",), None
    elif (on.year - written.year) * 12 + on.month - written.month > setting.stale_after_months:
        yield "STALE", None, (written.isoformat(),), None
    source = str(review.get("source") or "unknown").casefold()
    if source in setting.platforms and source not in setting.platform_permission:
        yield "PLATFORM_TERMS", None, (source,), None


def _records(rows) -> list[dict]:
    if rows is None:
        return []
    if isinstance(rows, pd.DataFrame):
        rows = rows.to_dict("records")
    return [_plain(row) for row in rows]


def _plain(row: Mapping) -> dict:
    return {key: plain(value) for key, value in row.items()}
