"""Names and identifiers of patients and private persons: find → resolve → replace. Staff keep their names.

Rules, cues and exceptions are data: resources/identifiers.toml and resources/names.toml. A bare first name in a review
of a clinic is nearly always somebody who works there, so a name is a patient's only where something says so.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import repeat
from typing import NamedTuple
from unicodedata import normalize

from pipeline.edges import edge_words, plain_digits
from pipeline.terms import split_words

LEFT, RIGHT = 90, 110  # letters around a find that its exceptions may look at
CUE = 60  # letters before a listed name that a cue may take up
NEAR, FAR = 25, 100  # letters before a name in which the word before it is looked for, and looked for again


class Identifier(NamedTuple):
    """A place in a text, text[start:end], that identifies somebody who is not staff."""

    start: int
    end: int
    kind: str  # NAME, PHONE, EMAIL, ADDRESS, DATE, NUMBER, HANDLE
    found_by: str  # the rule's id


class Redaction(NamedTuple):
    """A text without its identifiers, and where in the text as typed each placeholder stands for what."""

    text: str
    placeholders: list[tuple[int, int, str]]  # start and end in the text as typed, "[NAME-1]"; sorted, apart


class Expression:
    """A regular expression, compiled when it is first tried: there are hundreds, and most texts need few."""

    def __init__(self, source: str):
        self.source = source

    def __getattr__(self, name: str):
        """search, match or finditer of the compiled expression, from then on an attribute like any other."""
        found = getattr(re.compile(self.source), name)
        setattr(self, name, found)
        return found


class Cue(NamedTuple):
    """One `when` of a name's rule: what stands before the name and what after, the words that can be next to it on
    either side (see edge_words), None where any may, and what must stand in the text at all."""

    before: Expression | None
    after: Expression | None
    words_before: frozenset[str] | None
    words_after: frozenset[str] | None
    holds: Expression | None


class NameRule(NamedTuple):
    """One [[name]] of identifiers.toml; what the keys mean is written there."""

    id: str
    when: tuple[Cue, ...]
    who: str
    lower: bool
    words: bool
    yields: bool
    near: bool
    kin: bool
    last: bool
    several: bool
    likely: bool
    holds: Expression | None
    needs: frozenset[str]
    unless: Expression | None


class OtherRule(NamedTuple):
    """One [[other]] of identifiers.toml."""

    id: str
    kind: str
    when: tuple[Expression, ...]
    holds: Expression | None
    needs: frozenset[str]
    typed: bool
    unless: Expression | None


class Beside(NamedTuple):
    """The cues of rules for listed names in capitals, filed under a word that must be next to the name."""

    before: dict[str, list[tuple[NameRule, Cue]]]
    after: dict[str, list[tuple[NameRule, Cue]]]
    always: list[tuple[NameRule, Cue]]


class Filed(NamedTuple):
    """Rules by each word of which they need one, those words, and the rules that need none."""

    by_word: dict[str, list]
    words: frozenset[str]
    always: list


class Rules(NamedTuple):
    """The two data files as rules."""

    names: tuple[NameRule, ...]
    beside: Beside
    sought: Filed  # the other rules for names, whose cues are looked for in the whole text
    others: tuple[OtherRule, ...]
    others_filed: Filed
    given: frozenset[str]
    begin_given: frozenset[str]  # the first words of those that are no words besides: D'Angelo begins with a D
    also_words: dict[str, bool]  # a name that is also a word → whether a capital in mid-sentence settles it
    openers: frozenset[str]  # those that sentences begin with
    surnames: frozenset[str]
    never: frozenset[str]
    no_name: frozenset[str]  # with which no name begins: those of them that are no given name, "I" and "A"
    cues: frozenset[str]  # words without which no rule for unlisted names can speak
    kin_words: frozenset[str]
    kin: Expression
    people: Expression  # group "kin" or group "staff"
    staff_before: Expression
    staff_after: Expression
    title: Expression
    certainty: dict[str, int]


# ------------------------------------------------------------------------------------------------------------ the text

_PLAIN = (("‘’ʼ`´", "'"), ("“”„«»", '"'), ("‐‑‒–—―−", "-"), ("\u00a0\u202f", " "))
_FOLD = {ord(mark): plain for marks, plain in _PLAIN for mark in marks}
_FOLD |= {ord("<"): " ", ord(">"): " "}  # they mark the find in exceptions
for _code in range(0xC0, 0x250):
    _plain = normalize("NFD", chr(_code))[0]
    if _plain.isascii():
        _FOLD[_code] = _plain.lower()

MARKS = {  # what a rule may need besides words, as it stands among the words of a text
    "digits": {"0"},
    "many_digits": {"00"},
    "hash": {"#"},
    "at_sign": {"@"},
    "slash": {"/"},
    "bracket": {"[", "(", "{"},
}
NO_INITIAL = frozenset("ai")  # words, in English and Spanish
KNOWN = ("known", "known full", "initial")  # what `who` says where a listed given name is needed
WORD = re.compile(r"\w+")
NAME_PART = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
TOKEN = re.compile(r"[^\W\d_]+(?:['’\-‐‑][^\W\d_]{2,})*")
PARTICLE = re.compile(r"(?i:de la|de los|de las|del|de|da|dos|van der|van den|van|von|bin|al|el|la|le|di|st\.)[ \t]+")
NO_NAME_GOES_ON = frozenset("cfghijkmnopqrtuwxyz")  # a small letter that no PARTICLE begins with
INITIAL = re.compile(r"[A-Z](?:\.|(?![\w'’.]))")
SUFFIX = re.compile(r",?[ \t]+(?:Jr\.?|JR\.?|Sr\.|SR\.|III|II|IV)(?!\w)")
STREET = re.compile(
    r"[ \t]+(?:blvd|boulevard|ave|avenue|st\b|street|rd\b|road|way|pkwy|parkway|canyon|valley|beach|springs|"
    r"mall|airport|hospital|medical|hotel)"
)
PLACE = re.compile(r"\b(?:san|santa|st\.?|saint|los|las|lake|fort|mount|mt\.?|port|el)[ \t]+\Z")
NEXT_OF_SEVERAL = re.compile(
    r"[ \t]*(?:,[ \t]*(?:and[ \t]+|y[ \t]+|&[ \t]*)?|[ \t]+and[ \t]+|[ \t]*&[ \t]*|[ \t]+[ye][ \t]+|/)(?:my[ \t]+)?"
)
CAPITALS_GO_ON = re.compile(
    r"[ \t]*(?:[,.;:!?)(-]|\Z|\n|(?:is|was|has|had|who|and|es|tiene|tenia|y|"
    r"cannot|can't|couldn't|did|didn't|does|doesn't|loves|loved|went|got|came|says|said|feels|felt|hasn't|isn't|wasn't|started|stopped)\b)"
)
NO_PERSON = re.compile(
    r"\b(?:from|in|at|near|on|into|via|through|take|takes|took|accepts?|have|has|the|an?|this|old|new|real|"
    r"de|en|el|la|los|un|una|with my|called)[ \t]+\Z"
)
SPELLED = re.compile(
    r"@|dot|punto|arroba|\Wat\W", re.IGNORECASE
)  # without one of these no text holds an e-mail address
DIGITS = re.compile(r"[0-9][0-9][0-9]")
MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]{0,4}){6}[0-9]|\+[0-9]")  # as many, and as close, as in any number of a phone
INSIDE = re.compile(r"[A-ZÀ-Þ](?<=[\w,;&-] .)[^\W\d_A-ZÀ-Þ]{3,}(?![\w-])")  # capitalised within a sentence
CAPITAL = re.compile(r"[A-ZÀ-Þ](?<!\A.)(?<!\n.)(?<![!?…] .)(?<![^rsA-Z]\. .)[^\W\d_]+")  # that no sentence begins with
PERSON_DOES = re.compile(
    r"'s\b|[ \t]+(?:(?:even|still|now|also|never|finally|really)[ \t]+)?"
    r"(?:is|was|has|had|did|went|got|can|\w{2,}s|\w{2,}ed|and i)\b"
)
OWN_KIN = r"\b(?:{possessed} (?:[\w-]+ ){0,2}?|(?:i'?m|i am|as) (?:an?|the|his|her|their) ){kin}"
BLANKS = re.compile(r"[ \t]{1,9}")
NEXT_WORD = re.compile(r"[ \t]+[^\W\d_][\w'’-]*\.?")
CAPITALISED = re.compile(r"[^\W\d_a-zʼ](?<![^\Wʼ].)\w*")  # or without cases
DIMINUTIVES = ("citos", "citas", "cito", "cita", "ito", "ita")
HONORIFICS = ("don", "dona")
PLACEHOLDER = re.compile(r"\[([A-Z]+)-(\d+)\]")


def fold(text: str) -> str:
    """Lower case, no accents, straight quotes, plain dashes; as long as `text`, so that places carry over."""
    low = text.lower()
    if low.isascii() and "<" not in low and ">" not in low and "`" not in low:
        return low
    if len(low) != len(text):  # İ and its like
        low = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    return low.translate(_FOLD)


# ------------------------------------------------------------------------------------------------------------ the data


def _expression(source: str, parts: dict[str, str]) -> str:
    """A pattern of the data file as a regular expression: {lists} and {fragments} put in, some blanks for a space."""
    source = re.sub(r"\{([a-z_]+)\}", lambda match: parts[match.group(1)], source)
    out, at, in_class = [], 0, False
    while at < len(source):
        piece = source[at : at + 2] if source[at] == "\\" else source[at]
        at += len(piece)
        if piece == " " and not in_class:
            follows = source[at : at + 1]
            if follows and follows in "?*+":
                at += 1
            piece = r"[ \t]{0,9}" if follows and follows in "?*" else r"[ \t]{1,9}"  # bounded: no text is slow
        elif piece == "[" and not in_class:
            in_class = True
            if source[at : at + 1] == "^":
                piece, at = "[^", at + 1
        elif piece == "]":
            in_class = False
        out.append(piece)
    return "".join(out)


def _either(terms: list[str]) -> str:
    """Any of the terms, the longest that fits. Written as a tree of letters: most words of a text are none at the first."""
    tree: dict = {}
    for term in sorted({fold(term) for term in terms}):
        branch = tree
        for letter in term:
            branch = branch.setdefault(letter, {})
        branch[""] = {}
    return _branches(tree) + r"(?!\w)"


def _branches(tree: dict) -> str:
    options = [re.escape(letter).replace(r"\ ", " ") + _branches(branch) for letter, branch in tree.items() if letter]
    either = f"(?:{'|'.join(options)})" if len(options) > 1 or (options and "" in tree) else "".join(options)
    return f"{either}?" if options and "" in tree else either


def _marked(expression: str) -> str:
    """<what identifies> as the group "it"."""
    before, it, after = re.split(r"<(?![=!])|>", expression)
    return f"{before}(?P<it>{it}){after}"


def _gate(term: str) -> str:
    """The word that must be in a text for `term` to be: its last one of three letters or more, or else its last."""
    words = WORD.findall(term)
    return next((word for word in reversed(words) if len(word) > 2), words[-1])


def _if_any(source: str) -> Expression | None:
    return Expression(source) if source else None


def _exceptions(sources: list[str], parts: dict[str, str]) -> Expression | None:
    return _if_any("|".join(_expression(source, parts).replace("<>", "<[^>]*>") for source in sources))


def _read(name: str) -> dict:
    return tomllib.loads(files("pipeline.resources").joinpath(name).read_text("utf-8"))


@cache
def rules() -> Rules:
    """names.toml and identifiers.toml, read once. A fault in them raises ValueError or KeyError, one in an expression
    re.error when that is first tried."""
    names, data = _read("names.toml"), _read("identifiers.toml")
    lists = data["lists"]
    parts = {key: _either(terms) for key, terms in lists.items()}
    for key, source in data["fragments"].items():
        parts[key] = re.sub(r"\{([a-z_]+)\}", lambda match: parts[match.group(1)], source)
    gates = {key: {_gate(fold(term)) for term in terms} for key, terms in lists.items()} | MARKS

    def needs(rule: dict) -> frozenset[str]:
        return frozenset().union(*(gates[key] for key in rule.get("needs", ())))

    def around(source: str | dict, rule: dict) -> Cue:
        cue = source if isinstance(source, dict) else {"cue": source}
        before, after = (_expression(side, parts) for side in cue["cue"].split("<>"))
        ending = "\\Z" if rule["who"] in KNOWN and not rule.get("lower") else r"(?=[^\W\d_])"
        return Cue(
            _if_any(f"(?:{before}){ending}" if before else ""),
            _if_any(after),
            edge_words(before, at_end=True) if before else None,
            edge_words(after, at_end=False) if after else None,
            _if_any(_expression(cue.get("holds", ""), parts)),
        )

    name_rules = tuple(
        NameRule(
            rule["id"],
            tuple(around(source, rule) for source in rule["when"]),
            rule["who"],
            *(rule.get(key, False) for key in ("lower", "words", "yields", "near", "kin", "last", "several", "likely")),
            _if_any(_expression(rule.get("holds", ""), parts)),
            needs(rule),
            _exceptions(rule.get("unless", []), parts),
        )
        for rule in data["name"]
    )
    other_rules = tuple(
        OtherRule(
            rule["id"],
            rule["kind"],
            tuple(Expression(_marked(_expression(source, parts))) for source in rule["when"]),
            _if_any(_expression(rule.get("holds", ""), parts)),
            needs(rule),
            rule.get("typed", False),
            _exceptions(rule.get("unless", []), parts),
        )
        for rule in data["other"]
    )
    words = {key: frozenset(fold(text).split()) for key, text in names["given"].items()}
    also_words = {
        word: group["mid_sentence"] for group in names["also_words"].values() for word in fold(group["names"]).split()
    }
    given = frozenset().union(*words.values(), also_words)
    never = frozenset(word for group in data["never"].values() for word in fold(group["words"]).split())
    never |= gates["kin"] | gates["many"] | gates["staff"]
    ends = "|".join(_expression(source, parts).replace("<>", "") for source in data["staff"]["before"])
    return Rules(
        name_rules,
        _beside(rule for rule in name_rules if rule.who in KNOWN and not rule.lower),
        _filed(rule for rule in name_rules if rule.who not in KNOWN or rule.lower),
        other_rules,
        _filed(other_rules),
        given,
        frozenset(WORD.match(name).group() for name in given) - also_words.keys(),
        also_words,
        frozenset().union(
            *(fold(group["names"]).split() for group in names["also_words"].values() if group.get("opens_sentences"))
        ),
        frozenset(fold(names["surnames"]["common"]).split()),
        never,
        frozenset(word for word in never if len(word) > 1 and not _is_given(word, given)) | NO_INITIAL,
        frozenset().union(*(rule.needs for rule in name_rules if rule.who != "known")),
        frozenset(gates["kin"] | gates["many"]),
        Expression(_expression(OWN_KIN, parts)),
        Expression(_expression("\\b(?:(?P<kin>{kin}|{close}|patient)|(?P<staff>{staff}))", parts)),
        Expression(f"(?:{ends})\\Z"),
        Expression("|".join(_expression(source, parts).replace("<>", "") for source in data["staff"]["after"])),
        Expression(_expression(r"\b(?:{staff},?|(?:dr|dra|lic|srta)\.) \Z", parts)),
        {rule.id: at for at, rule in enumerate((*name_rules, *other_rules))},
    )


def _filed(some_rules: Iterable) -> Filed:
    by_word, always = {}, []
    for rule in some_rules:
        for shelf in [by_word.setdefault(word, []) for word in rule.needs] or [always]:
            shelf.append(rule)
    return Filed(by_word, frozenset(by_word), always)


def _that_may_speak(filed: Filed, typed: "_Typed") -> list:
    """Those of the filed rules for which a text has a word that they need, each once, and those that need none."""
    spoken = {rule.id: rule for word in typed.words & filed.words for rule in filed.by_word[word]}
    return [*filed.always, *spoken.values()]


def _beside(name_rules: Iterable[NameRule]) -> Beside:
    beside = Beside({}, {}, [])
    for rule in name_rules:
        for cue in rule.when:
            if cue.words_before is None and cue.words_after is None:
                beside.always.append((rule, cue))
                continue
            shelf, words = (
                (beside.after, cue.words_after) if cue.words_before is None else (beside.before, cue.words_before)
            )
            for word in words:
                shelf.setdefault(word, []).append((rule, cue))
    return beside


# ------------------------------------------------------------------------------------------------------ reading a name


class _Name(NamedTuple):
    start: int
    end: int
    words: tuple[str, ...]  # folded


class _Typed(NamedTuple):
    """A text in the shapes that the rules look at."""

    text: str
    low: str
    words: set[
        str
    ]  # folded words of the text; "0": three digits in a row, "00": seven close together; a mark for itself
    likely: frozenset[str]  # unlisted words that the text treats as names


def _shape(word: str) -> str:
    if not word[0].isupper():
        return "lower"
    return "caps" if len(word) > 1 and word.isupper() else "title"


def _is_given(word: str, given: frozenset[str]) -> bool:
    if word in given or ("-" in word and word.split("-")[0] in given):
        return True
    for ending in DIMINUTIVES:  # Adriancito, Lupita
        if word.endswith(ending) and len(word) - len(ending) > 2:
            stem = word[: -len(ending)]
            return stem in given or stem + "o" in given or stem + "a" in given
    return False


def _in_a_title(text: str, at: int) -> bool:
    """Is every other word around this one capitalised too, so that a capital proves nothing?"""
    shapes = [_shape(token) for token in TOKEN.findall(text, max(0, at - 200), at + 200)]
    return shapes.count("title") > 0.6 * len(shapes) and len(shapes) > 5


def _opens_sentence(text: str, at: int) -> bool:
    before = text[max(0, at - 12) : at].rstrip(" \t\"'“”‘’(*")
    return not before or before[-1] in ".!?\n:…" or not (before[-1].isalnum() or before[-1] in ",;&/-–—")


def _name_at(typed: _Typed, at: int, rule: NameRule, of: Rules) -> _Name | None:
    """The name that begins at `at`, as far as it goes, or None where `rule` would not take it."""
    text, low = typed.text, typed.low
    token = TOKEN.match(text, at)
    if token is None or (at and text[at - 1] in "@#/_"):
        return None
    end, word = token.end(), low[at : token.end()]
    shape, is_word = _shape(token.group()), word in of.also_words
    given = len(word) > 1 and (_is_given(word, of.given) or (rule.likely and word in typed.likely))
    if len(word) == 1:  # J. R. Whitcomb
        if shape == "lower" or rule.who not in ("any", "full", "known or full") or word in NO_INITIAL:
            return None
        end += text[end : end + 1] == "."
    elif given:
        if shape == "lower" and (is_word or not rule.lower):
            return None
        if is_word and not rule.words:
            settled = of.also_words[word] and shape == "title" and not _opens_sentence(text, at)
            if not settled:
                return None
        if is_word and shape == "caps" and not CAPITALS_GO_ON.match(low, end):
            following = WORD.match(low, end + 1)
            if following is None or following.group() not in of.surnames:
                return None
    elif rule.who in KNOWN or shape != "title" or word in of.never or _in_a_title(text, at):
        return None
    words, end = _rest_of_name(typed, end, word, shape, of)
    full = len(words) > 1
    if not given and len(word) == 1 and len(words[-1]) == 1:
        return None
    if (rule.who in ("full", "known full") and not full) or (rule.who == "known or full" and not (given or full)):
        return None
    if rule.who == "initial" and not (len(words) == 2 and len(words[1]) == 1):
        return None
    return _Name(at, end, words)


def _rest_of_name(typed: _Typed, end: int, first: str, shape: str, of: Rules) -> tuple[tuple[str, ...], int]:
    """The words of the name whose first ends at `end`, and where the last one ends: initials, particles, surnames."""
    text, low = typed.text, typed.low
    words = [first]
    while len(words) < 4 and (gap := BLANKS.match(text, end)):
        at = gap.end()
        if shape != "lower" and text[at : at + 1] in NO_NAME_GOES_ON:
            break
        initial = INITIAL.match(text, at) if shape != "lower" else None
        if initial and initial.group() not in ("I", "A", "Y", "O"):
            words.append(low[at])
            end = initial.end()
            continue
        particle = PARTICLE.match(text, at)
        at = particle.end() if particle else at
        token = TOKEN.match(text, at)
        word = low[at : token.end()] if token else ""
        if len(word) < 2 or word in of.never:
            break
        listed = word in of.surnames or (word in of.given and word not in of.also_words)
        if _shape(token.group()) != shape and not (shape == "title" and token.group().isupper() and listed):
            break
        if shape != "title" and not listed:  # without a capital only a list can tell
            break
        words.append(word)
        end = token.end()
    suffix = SUFFIX.match(text, end) if len(words) > 1 else None
    return tuple(words), suffix.end() if suffix else end


# -------------------------------------------------------------------------------------------------- who is meant by it


def _places(typed: _Typed, word: str) -> Iterator[int]:
    """Where `word`, folded, stands as a word."""
    low, at = typed.low, -1
    while (at := low.find(word, at + 1)) >= 0:
        end = at + len(word)
        if (at == 0 or not (low[at - 1].isalnum() or low[at - 1] == "_")) and not low[end : end + 1].isalnum():
            yield at


def _as_staff(typed: _Typed, word: str, of: Rules) -> bool:
    """Does the text speak of `word` as somebody who works there (or as a pet) anywhere?"""
    for at in _places(typed, word):
        if of.staff_before.search(typed.low, max(0, at - CUE), at):
            return True
        end = at + len(word)
        surname = NEXT_WORD.match(typed.text, end)
        if of.staff_after.match(typed.low, end):
            return True
        if surname and surname.group().strip()[0].isupper() and of.staff_after.match(typed.low, surname.end()):
            return True
    return False


def _likely(text: str, low: str, of: Rules) -> frozenset[str]:
    """Words that no list knows, capitalised within a sentence and nowhere typed low: "hell with Benedikt"."""
    inside = list(INSIDE.finditer(text))
    if len(inside) > 0.1 * low.count(" ") + 6:  # Every Word Has One
        return frozenset()
    likely = []
    for match in inside:
        at, end = match.span()
        word = low[at:end]
        if word in of.never or word in of.given or word in text:
            continue
        if not NO_PERSON.search(low, max(0, at - 12), at):
            likely.append(word)
    return frozenset(likely)


def _near_kin(typed: _Typed, at: int, of: Rules) -> bool:
    last = None
    for match in of.people.finditer(typed.low, max(0, at - 160), at):
        last = match
    return last is not None and last.lastgroup == "kin"


def _excepted(unless: Expression | None, text: str, start: int, end: int) -> bool:
    if unless is None:
        return False
    return (
        unless.search(f"{text[max(0, start - LEFT) : start]}<{text[start:end]}>{text[end : end + RIGHT]}") is not None
    )


class _Roster(NamedTuple):
    """Who works there, folded: "Dr. Ana Ruiz, NP" → {ana}, {(ana, ruiz)}."""

    first: frozenset[str] = frozenset()
    whole: frozenset[tuple[str, ...]] = frozenset()


@lru_cache(maxsize=8)
def _roster(staff: frozenset[str]) -> _Roster:
    never = rules().never
    whole = {tuple(word for word in NAME_PART.findall(fold(entry)) if word not in never) for entry in staff}
    return _Roster(
        frozenset(words[0] for words in whole if words), frozenset(words for words in whole if len(words) > 1)
    )


# ------------------------------------------------------------------------------------------------------------- finding


def _names(typed: _Typed, roster: _Roster, of: Rules) -> Iterator[tuple[_Name, NameRule]]:
    """Every name that a cue shows to be a patient's or a private person's, with the rule that says so."""
    text, low = typed.text, typed.low
    listed, known = [], False
    for word in (typed.words & of.given) | typed.likely:
        capital = [at for at in _places(typed, word) if text[at].isupper()]
        if capital or word not in of.also_words:  # "hope" and "will" in lower case are no names
            known = True
        for at in capital:
            if not PLACE.search(low, max(0, at - 10), at) and not STREET.match(low, at + len(word)):
                listed.append((at, word))
    tail = max(0, len(low) - 140)
    ending = low[tail:]
    if not known:
        signed = "-" in ending or "~" in ending or "\n" in ending
        if (not signed and typed.words.isdisjoint(of.cues)) or not any(
            fold(word) not in of.never for word in CAPITAL.findall(text)
        ):
            return
    ends = {at + len(word) + 1 for at, word in listed}
    listed = sorted((at, word) for at, word in listed if at not in ends)  # the Trent of Marisol Trent begins no name

    staff: dict[str, bool] = {}

    def is_staff(first: str) -> bool:
        if first not in staff:
            staff[first] = first in roster.first or _as_staff(typed, first, of)
        return staff[first]

    kin: list[bool] = []  # whether the text speaks of "my son", once that was asked

    def has_kin() -> bool:
        if not kin:
            kin.append(of.kin.search(low) is not None)
        return kin[0]

    def may_speak(rule: NameRule) -> bool:
        return not rule.holds or rule.holds.search(low, tail if rule.last else 0) is not None

    def taken() -> Iterator[tuple[_Name | None, NameRule, Cue]]:
        """Where the cue before a name stands, if it has one."""
        for at, _ in listed:
            end = _end_of_name(typed, at, of)
            before, after = _words_beside(typed, at, end)
            for rule, cue in (
                *of.beside.always,
                *of.beside.before.get(before, ()),
                *of.beside.after.get(after, ()),
            ):
                if (rule.last and at < tail) or (cue.words_after is not None and after not in cue.words_after):
                    continue
                if (rule.needs and typed.words.isdisjoint(rule.needs)) or not may_speak(rule):
                    continue
                if cue.after is not None and not cue.after.match(low, end):
                    continue
                if cue.before is None or cue.before.search(low, max(0, at - CUE), at):
                    yield _name_at(typed, at, rule, of), rule, cue
        sought = [
            rule for rule in _that_may_speak(of.sought, typed) if (known or rule.who not in KNOWN) and may_speak(rule)
        ]
        places = _name_places(typed, of) if sought else []
        before, ends = _words_before(typed, places), {}
        for rule in sought if places else ():
            for cue in rule.when:
                if cue.holds and not cue.holds.search(low):
                    continue
                if cue.before is None:
                    ends = ends or {at: _end_of_name(typed, at, of) for at in places}
                    ending = [at for at, end in ends.items() if cue.after.match(low, end)]
                    for name in _apart(_name_at(typed, at, rule, of) for at in ending):
                        yield name, rule, cue
                elif before is None or cue.words_before is None or not cue.words_before.isdisjoint(before):
                    for match in cue.before.finditer(low, tail if rule.last else 0):
                        yield _name_at(typed, match.end(), rule, of), rule, cue

    for name, rule, cue in taken():
        if name is None or (cue.after is not None and not cue.after.match(low, name.end)):
            continue
        if rule.kin and not has_kin():
            continue
        if name.words in roster.whole or _excepted(rule.unless, low, name.start, name.end):
            continue
        if rule.near and not _near_kin(typed, name.start, of):
            continue
        if rule.yields and is_staff(name.words[0]):
            continue
        if rule.yields and rule.who in KNOWN and not rule.lower and all(is_staff(word) for _, word in listed):
            continue
        yield name, rule
        while rule.several and (gap := NEXT_OF_SEVERAL.match(low, name.end)):
            following = _name_at(typed, gap.end(), rule._replace(who="known"), of)
            if following is None:
                break
            name = following
            yield name, rule


def _end_of_name(typed: _Typed, at: int, of: Rules) -> int:
    """Where the name that begins at `at` ends, whoever takes it for one."""
    token = TOKEN.match(typed.text, at)
    if token is None:
        return at
    initial = token.end() - at == 1 and typed.text[token.end() : token.end() + 1] == "."
    return _rest_of_name(typed, token.end() + initial, token.group(), _shape(token.group()), of)[1]


def _words_beside(typed: _Typed, start: int, end: int) -> tuple[str, str]:
    """The words before `start` and after `end`, "" for none."""
    before, after = WORD.findall(typed.low, max(0, start - CUE), start), WORD.search(typed.low, end)
    return plain_digits(before[-1]) if before else "", plain_digits(after.group()) if after else ""


def _name_places(typed: _Typed, of: Rules) -> list[int]:
    """Where a name could begin that a cue in the text might mean."""
    text, low, no_name, places = typed.text, typed.low, of.no_name, []
    for match in CAPITALISED.finditer(text):
        at, end = match.span()
        if low[end : end + 1] in ("'", "-"):
            end = TOKEN.match(text, at, at + NEAR).end()  # no word of no_name is nearly as long
        if low[at:end] not in no_name and text[at].isupper():
            places.append(at)
    small = typed.words & of.begin_given
    if "ito" in low or "ita" in low:
        small |= {word for word in typed.words if word.endswith(DIMINUTIVES)}
    for word in small:
        places += _places(typed, word)
    return sorted(places)


def _apart(names: Iterable[_Name | None]) -> Iterator[_Name]:
    """The names that do not begin within the one before."""
    end = 0
    for name in names:
        if name is not None and name.start >= end:
            yield name
            end = name.end


def _words_before(typed: _Typed, places: Sequence[int]) -> frozenset[str] | None:
    """The words before some places, "" for none; None where one of them is far off."""
    found = set()
    for at in places:
        words = WORD.findall(typed.low, max(0, at - NEAR), at)
        if len(words) < 2 and at > NEAR:  # the one may be cut
            words = WORD.findall(typed.low, max(0, at - FAR), at)
            if len(words) < 2 and at > FAR:
                return None
        found.add(plain_digits(words[-1]) if words else "")
    return frozenset(found)


def _again(typed: _Typed, names: Sequence[tuple[str, ...]], lower: bool, of: Rules) -> Iterator[_Name]:
    """Every other place where one of these people is named: whole, by first name or by surname."""
    flags = (lower, True, False, False, False, False, False, False)
    take = NameRule("name.again", (), "any", *flags, None, frozenset(), None)
    for words in names:
        if words[0] in HONORIFICS and len(words) > 1:
            words = words[1:]
        for nth, word in enumerate(words):
            if len(word) < (3 if nth else 2):
                continue
            if nth and (word in of.given or word in of.never):  # a surname that would be anybody's first name
                continue
            for at in _places(typed, word):
                end = at + len(word)
                shape = _shape(typed.text[at:end])
                if shape == "lower" and (not lower or word in of.also_words or not word.isalpha()):
                    continue
                if word in of.also_words and shape == "caps" and not CAPITALS_GO_ON.match(typed.low, end):
                    continue
                first_of_all = word in of.openers and shape == "title" and _opens_sentence(typed.text, at)
                if first_of_all and not PERSON_DOES.match(typed.low, end):
                    continue
                if of.title.search(typed.low, max(0, at - 30), at) or PLACE.search(typed.low, max(0, at - 10), at):
                    continue
                whole = _name_at(typed, at, take, of) if nth == 0 and shape != "lower" else None
                if whole is None or not set(whole.words) & set(words[1:]):
                    whole = _Name(at, end, (word,))
                yield whole


def _typed(text: str, of: Rules) -> _Typed:
    low = fold(text)
    words = set(split_words(low))
    words.update(filter(text.__contains__, "#@/[({"))
    if DIGITS.search(text):
        words.update(("0", "00") if MANY_DIGITS.search(text) else ("0",))
    likely = frozenset() if words.isdisjoint(of.kin_words) else _likely(text, low, of)
    return _Typed(text, low, words, likely)


def _others(typed: _Typed, of: Rules) -> Iterator[Identifier]:
    """Everything but names."""
    for rule in _that_may_speak(of.others_filed, typed):
        subject = typed.text if rule.typed else typed.low
        if rule.holds and not rule.holds.search(subject):
            continue
        for pattern in rule.when:
            for match in pattern.finditer(subject):
                start, end = match.span("it")
                if not _excepted(rule.unless, subject, start, end):
                    yield Identifier(start, end, rule.kind, rule.id)


def reaches(text: str) -> bool:
    """Whether a short text, such as an id, is or holds somebody's e-mail address or phone number."""
    if not MANY_DIGITS.search(text) and not SPELLED.search(text):
        return False
    of = rules()
    return any(found.kind in ("EMAIL", "PHONE") for found in _others(_typed(text, of), of))


def find(text: str, author: str | None = None, staff: Collection[str] = ()) -> list[Identifier]:
    """Every identifier of a patient or private person in `text`, in any order, overlaps and all.

    `author` is the reviewer's display name as exported: where the text repeats it, it is a patient's.
    `staff` is a roster: a whole name on it is never found, a first name on it only where a cue such as "my son"
    claims it.
    """
    of = rules()
    typed = _typed(text, of)
    found = list(_others(typed, of))
    roster = _roster(frozenset(staff)) if staff else _Roster()
    people = list(_names(typed, roster, of))
    found += [Identifier(name.start, name.end, "NAME", rule.id) for name, rule in people]
    if people:
        spoken = list(dict.fromkeys(name.words for name, _ in people))
        lower = any(_shape(text[name.start : name.end]) == "lower" for name, _ in people) or text == text.lower()
        found += [Identifier(name.start, name.end, "NAME", "name.again") for name in _again(typed, spoken, lower, of)]
    if author:
        found += _of_author(typed, author, roster, of)
    return found


def _of_author(typed: _Typed, author: str, roster: _Roster, of: Rules) -> Iterator[Identifier]:
    """Where the text repeats the reviewer's own name."""
    shown = fold(author).strip()
    if re.search(r"[\d_]", shown) and len(shown) > 3:  # a screen name
        for match in re.finditer(rf"(?<!\w){re.escape(shown)}(?!\w)", typed.low):
            yield Identifier(*match.span(), "HANDLE", "author")
        return
    words = tuple(NAME_PART.findall(shown))
    if not words or words in roster.whole or words[0] in of.never or typed.words.isdisjoint(WORD.findall(shown)):
        return
    if len(words) > 1:
        surname = rf"(?:{re.escape(words[-1])}|{words[-1][0]}\b\.?)"
        for match in re.finditer(rf"(?<!\w){re.escape(words[0])}[ \t]+(?:\w\.?[ \t]+)?{surname}(?!\w)", typed.low):
            if typed.text[match.start()].isupper():
                yield Identifier(*match.span(), "NAME", "author")
    first = words[0]
    if not _is_given(first, of.given) or first in of.also_words or first in roster.first or _as_staff(typed, first, of):
        words = ("", *words[1:])  # a screen name of one word, or somebody who works there
    for name in _again(typed, [words], False, of):
        yield Identifier(name.start, name.end, "NAME", "author")


# ----------------------------------------------------------------------------------------------------------- resolving


def resolve(identifiers: Collection[Identifier]) -> list[Identifier]:
    """The same places without overlaps, in the order of the text.

    Of those that overlap, the longest gives the kind, at the same length the most certain (the first in
    identifiers.toml); it takes in all of the others, so that nothing found is left standing.
    """
    certainty = rules().certainty
    out: list[Identifier] = []
    strongest: list[tuple[int, int]] = []
    for one in sorted(identifiers, key=lambda one: (one.start, -one.end, certainty.get(one.found_by, 999), one.kind)):
        strength = (one.end - one.start, -certainty.get(one.found_by, 999))
        if out and one.start < out[-1].end:
            last = out[-1]
            best = one if strength > strongest[-1] else last
            out[-1] = Identifier(last.start, max(last.end, one.end), best.kind, best.found_by)
            strongest[-1] = max(strength, strongest[-1])
        else:
            out.append(one)
            strongest.append(strength)
    return out


# ----------------------------------------------------------------------------------------------------------- replacing


def _same_person(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    short, long = sorted((one, other), key=len)
    if short[0] == long[0]:
        pairs = zip(short[1:], long[1:], strict=False)
        return all(a == b or (a[0] == b[0] and 1 in (len(a), len(b))) for a, b in pairs)
    return len(short) == 1 and short[0] in long[1:]


def replace(text: str, identifiers: Collection[Identifier]) -> Redaction:
    """`text` with a numbered placeholder for each identifier; the same person, number or address keeps its number.

    `identifiers` must be resolved: sorted, apart, within the text (ValueError otherwise).
    """
    if not identifiers:
        return Redaction(text, [])
    taken: dict[str, int] = {}
    for kind, number in PLACEHOLDER.findall(text):  # an export that was redacted before
        taken[kind] = max(taken.get(kind, 0), int(number))
    people: list[tuple[tuple[str, ...], str]] = []
    seen: dict[tuple[str, str], str] = {}
    longest_first = sorted((one for one in identifiers if one.kind == "NAME"), key=lambda one: one.start - one.end)
    whole = [tuple(WORD.findall(fold(text[one.start : one.end]))) for one in longest_first]
    pieces, placeholders, at = [], [], 0
    for one in identifiers:
        if not at <= one.start < one.end <= len(text):
            raise ValueError("identifiers overlap, are unsorted or lie outside the text; resolve() them first")
        what = fold(text[one.start : one.end])
        label = None
        if one.kind == "NAME":
            words = tuple(WORD.findall(what)) or (what,)
            words = next((longer for longer in whole if _same_person(words, longer)), words)
            label = next((label for person, label in people if _same_person(words, person)), None)
        else:
            what = re.sub(r"[\W_]+", "", what)
            label = seen.get((one.kind, what))
        if label is None:
            taken[one.kind] = taken.get(one.kind, 0) + 1
            label = f"[{one.kind}-{taken[one.kind]}]"
            if one.kind == "NAME":
                people.append((words, label))
            else:
                seen[one.kind, what] = label
        pieces += (text[at : one.start], label)
        placeholders.append((one.start, one.end, label))
        at = one.end
    return Redaction("".join((*pieces, text[at:])), placeholders)


def typed_span(redaction: Redaction, start: int, end: int) -> tuple[int, int]:
    """Where [start:end] of the redacted text stands in the text as typed; a placeholder touched is taken in whole."""
    sizes = ((len(label), typed_end - at) for at, typed_end, label in redaction.placeholders)
    return _carry(start, end, sizes, _redacted_starts(redaction))


def redacted_span(redaction: Redaction, start: int, end: int) -> tuple[int, int]:
    """Where [start:end] of the text as typed stands in the redacted text; what is replaced is taken in whole."""
    sizes = ((typed_end - at, len(label)) for at, typed_end, label in redaction.placeholders)
    return _carry(start, end, sizes, (at for at, _, _ in redaction.placeholders))


def _redacted_starts(redaction: Redaction) -> Iterator[int]:
    shift = 0
    for at, end, label in redaction.placeholders:
        yield at + shift
        shift += len(label) - (end - at)


def _carry(start: int, end: int, sizes, starts) -> tuple[int, int]:
    """A span of one text in the other: pieces begin at `starts` in the one, `sizes` are theirs in both."""
    shift, first, last = 0, None, None
    for (here, there), at in zip(sizes, starts, strict=True):
        if first is None and start < at + here:
            first = at + shift if start > at else start + shift
        if last is None and end <= at:
            last = end + shift
        elif last is None and end < at + here:
            last = at + shift + there
        shift += there - here
    return (start + shift if first is None else first), (end + shift if last is None else last)


def deidentify(
    texts: Sequence[str], authors: Sequence[str | None] | None = None, staff: Collection[str] = ()
) -> list[Redaction]:
    """One Redaction per text, in their order. `authors`, where given, is as long as `texts`."""
    staff = frozenset(staff)
    return [
        replace(text, resolve(found)) if (found := find(text, author, staff)) else Redaction(text, [])
        for text, author in zip(texts, repeat(None, len(texts)) if authors is None else authors, strict=True)
    ]
