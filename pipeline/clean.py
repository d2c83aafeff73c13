"""Typed reviews → clean text: repaired where a machine broke it, with its language, and its twins folded.

Repair is ftfy's and touches only damage (mojibake, HTML entities, control characters); what a patient typed, capitals,
typos and curly quotes included, stays.
"""

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.tables import values
from pipeline.terms import split_words

READ_LANGUAGES = ("en", "es")  # what the models were taught; anything else is kept and counted, and not scored
REPAIR = {
    "unescape_html": "auto",
    "uncurl_quotes": False,
    "fix_latin_ligatures": False,
    "fix_character_width": False,
    "fix_line_breaks": True,
    "normalization": None,
}
SHORT = 20  # letters: a shorter text says too little of its language, and is the clinic's own unless a word tells
TELLING = 3  # so many words of a language, and so many times as many as of the other, settle it
SPANISH_ALONE = frozenset(
    ["el", "los", "las", "y", "muy", "pero", "está", "estoy"]
)  # no Portuguese or Italian has them
FOREIGN = re.compile(r"[^\W\d_a-záéíóúüñªº]")  # a letter that neither English nor Spanish is written with
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
BREAK = re.compile(r"(?:<br\s*/?>|</(?:p|div|li)\s*>)[ \t]*\n?", re.I)
TAG = re.compile(r"</?(?:br|p|div|span|b|i|em|strong|u|a|ul|ol|li|font|small|blockquote)(?:\s[^<>]*)?/?>", re.I)
# What nobody types: a form feed, and marks that turn the direction of what follows, other people's words too.
TURNING = re.compile(r"[\x0c\u202a-\u202e\u2066-\u2069]")
# Nothing in it for ftfy to do: mojibake is two letters side by side that are not ASCII, or one that is not among these.
SOUND = re.compile(
    r"[\t\n -%'-~]*(?:(?:[áéíóúüñÁÉÍÓÚÜÑ¿¡‘’“”–—…](?![^\x00-\x7f])|[\U0001f300-\U0001f64f\U0001f900-\U0001f9ff])[\t\n -%'-~]*)*"
)
NEAR_DAYS = 2  # twins on two sites are posted within this many days of each other
ALIKE = 92  # per cent of characters that agree, for twins whose wording differs by a slip (rapidfuzz ratio)
COPIED_WORDS = 8  # so many words in a row are no stock phrase any more
TEXTS_AT_ONCE = 20_000  # texts in memory while twins are told
BURST_DAYS, BURST_LEAST, BURST_CHANCE = 3, 6, 0.01
MOST_COMPARED = 50  # rows a row is compared with: a thousand "A Google User" of one day are not one person
NOBODY = frozenset(
    [
        "a google user",
        "google user",
        "anonymous",
        "anonymous user",
        "anónimo",
        "anonimo",
        "facebook user",
        "yelp user",
        "guest",
        "patient",
        "n a",
    ]
)
IDENTITY = ("source", "location", "date", "rating", "question", "author_key", "words_key")
FEWEST_WORDS = 4  # two people may both write "Great place!"


def repair(text: str) -> str:
    """The text with machine damage undone; unchanged where there is none."""
    text = _untagged(text)
    sound = "&" not in text and (not CONTROL.search(text) if text.isascii() else SOUND.fullmatch(text))
    return text if sound else mended(text)


def mended(text: str) -> str:
    """The text as ftfy mends it, without the tags that come out of its entities and the marks that nobody types."""
    import ftfy

    return TURNING.sub("", _untagged(ftfy.fix_text(text, **REPAIR)))


def _untagged(text: str) -> str:
    """Without the tags that a web page leaves in a text, the end of a line or paragraph kept. "<3" is no tag."""
    if "<" not in text or not TAG.search(text):
        return text
    return "\n".join(line.rstrip(" \t") for line in TAG.sub("", BREAK.sub("\n", text)).strip("\n").split("\n"))


class Vocabulary(NamedTuple):
    """The words of languages.toml, which says what each is for."""

    english: frozenset[str]
    spanish: frozenset[str]
    english_alone: frozenset[str]  # those that are not Spanish too, and more
    spanish_alone: frozenset[str]
    elsewhere: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    data = tomllib.loads(files("pipeline.resources").joinpath("languages.toml").read_text("utf-8"))
    lists = {(name, kind): frozenset(words.split()) for name, of in data.items() for kind, words in of.items()}
    english, spanish = lists["english", "tells"], lists["spanish", "tells"]
    return Vocabulary(
        english,
        spanish,
        (english | lists["english", "more"]) - spanish,
        (spanish | lists["spanish", "more"]) - english - lists["spanish", "english_too"],
        frozenset().union(*(words for (name, _), words in lists.items() if name == "elsewhere")),
    )


@cache
def _detector(of_two: bool):
    """English or Spanish, or any of twenty languages, by letters in threes alone: they are ready at once and small, where
    longer runs take a second and 200 MB in every process."""
    from lingua import Language, LanguageDetectorBuilder

    known = "ENGLISH SPANISH"
    if not of_two:
        known += (
            " FRENCH GERMAN ITALIAN PORTUGUESE DUTCH POLISH RUSSIAN UKRAINIAN ARMENIAN PERSIAN ARABIC HEBREW HINDI "
            "CHINESE JAPANESE KOREAN VIETNAMESE TAGALOG"
        )
    languages = (getattr(Language, name) for name in known.split())
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()


def language(text: str, words: Sequence[str] | None = None) -> str:
    """ISO 639-1 code of the text. Where there is too little to tell, English. `words`: its words without case, if they are at hand."""
    words = split_words(text.casefold()) if words is None else words
    known = vocabulary()
    english, spanish = sum(map(known.english.__contains__, words)), sum(map(known.spanish.__contains__, words))
    if not text.isascii():
        spanish += sum(map(text.count, "ñÑ¿¡"))
    if english >= TELLING and english > TELLING * spanish:
        return "en"
    letters = sum(map(str.isalpha, text))
    if not letters:
        return "en"
    count = max(1, len(text.split()))
    # Portuguese and Italian share many short words with Spanish, so a longer text is looked at properly
    surely = count < 6 or not SPANISH_ALONE.isdisjoint(words) or any(map(text.count, "ñÑ¿¡"))
    if spanish >= TELLING and spanish > TELLING * english and surely:
        return "es"
    if (letters < SHORT or count < 3) and (text.isascii() or english >= spanish):
        latin = sum("a" <= character.lower() <= "ɏ" for character in text if character.isalpha())
        if latin > letters / 2:
            return "es" if spanish > english else "en"
    foreign = not known.elsewhere.isdisjoint(words) or (not text.isascii() and FOREIGN.search(text.casefold()))
    if not foreign:
        few, many = sorted(
            (sum(map(alone.__contains__, words)), code)
            for alone, code in ((known.english_alone, "en"), (known.spanish_alone, "es"))
        )
        if many[0] > 1 and many[0] > TELLING * few[0]:
            return many[1]
    best = _detector(not foreign).compute_language_confidence_values(text)[0]
    code = best.language.iso_code_639_1.name.lower()
    if code not in READ_LANGUAGES and best.value < 0.75 and text.isascii():
        return "es" if spanish > english else "en"  # slang and typos look foreign to a model of tidy text
    return code


def places(locations: pd.Series) -> pd.Series:
    """The clinic's place alone where a listing puts the firm's name before it.

    "Harbor Clinics - Reno" becomes "Reno" where another source says "Reno", or where the same firm has another place too.
    """
    named = {name for name in values(locations) if name}
    parts = {name: re.split(r"(?<!\s)\s+[-–—|:]\s+", name.strip(), maxsplit=1) for name in named}
    firms: dict[str, set[str]] = {}
    for first, *rest in parts.values():
        firms.setdefault(first.casefold(), set()).update(rest)
    plain = {name.casefold(): name.strip() for name in sorted(named) if len(parts[name]) == 1}
    short = {}
    for name, (first, *rest) in parts.items():
        alone = bool(rest) and (rest[0].casefold() in plain or len(firms[first.casefold()]) > 1)
        short[name] = (
            plain.get(rest[0].casefold(), rest[0]) if alone else plain.get(name.strip().casefold(), name.strip())
        )
    return locations.astype("str").where(locations.notna()).map(lambda name: short.get(name, name), na_action="ignore")


def key(*parts) -> str:
    """A short fingerprint of some values, the same on every machine."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest()


@lru_cache(maxsize=10_000)
def _author_key(author: str | None) -> str | None:
    name = " ".join(split_words((author or "").casefold()))
    return key(name) if name and name not in NOBODY else None


def clean(typed: pd.DataFrame) -> pd.DataFrame:
    """One row per typed review, with `text` repaired, `language`, an id for every row and the keys that twins share.

    Adds: repaired (flag), language, review_id where the source gave none, words_key (same words), author_key (same
    person), so that names need not be kept to fold twins.
    """
    table = typed.copy(deep=False)
    as_typed = [text or "" for text in values(typed["text"])]
    texts = [repair(text) for text in as_typed]
    words = [split_words(text.casefold()) for text in texts]
    table["repaired"] = [new != old for new, old in zip(texts, as_typed, strict=True)]
    table["text"] = texts
    table["language"] = [language(text, said) for text, said in zip(texts, words, strict=True)]
    table["words"] = [len(said) for said in words]
    table["words_key"] = [key(" ".join(said)) for said in words]
    table["author_key"] = [_author_key(author) for author in values(typed["author"])]
    ids = values(typed["review_id"])
    table["own_id"] = [bool(given) for given in ids]
    lacking = [place for place, given in enumerate(ids) if not given]
    identity = zip(*(values(table[name].iloc[lacking]) for name in IDENTITY), strict=True)
    for place, parts in zip(lacking, identity, strict=True):
        ids[place] = f"r-{key(*parts)[:12]}"
    table["review_id"] = ids
    return table


def fold_twins(table: pd.DataFrame, texts_of: Callable[[list], list[str]] | None = None) -> pd.Series:
    """For every row (unique index), the index of the row it is a twin of, or <NA> where it stands for itself.

    Twins are: rows with one id of one source that agree in words, author or day, or of which one is an edit (the newest
    edit stands, else the first); the same words (four or more) within two days, by one author, or from another file or
    source where an author is not named; near-identical words by one author within two days. Answers to different
    questions and different stars are never twins, nor are star-only rows but by id.

    `table`: tables.KEYS. `texts_of`: the texts of the rows of some index labels, asked only for rows that one author
    wrote within two days, author by author, about TEXTS_AT_ONCE together; without it, they are table["text"].
    """
    from rapidfuzz.fuzz import ratio

    days = pd.to_datetime(table["date"], errors="coerce").to_numpy(dtype="datetime64[D]")
    worded = (table["words"] >= FEWEST_WORDS).to_numpy(dtype=bool)
    one_id = _shared(table, ["source", "review_id"], table["own_id"].to_numpy(dtype=bool))
    one_text = _shared(table, ["words_key"], worded)
    one_author = _soon_again(table["author_key"], days, worded)
    # Nearly every row shares nothing with any other: what follows looks at the few that do
    some = (one_id | one_text | one_author).nonzero()[0]
    one_id, one_text, one_author = (shared[some].nonzero()[0].tolist() for shared in (one_id, one_text, one_author))
    of = {
        name: values(table[name].iloc[some])
        for name in ("author_key", "question", "rating", "file", "source", "review_id", "words_key", "edited_at")
    }
    day = [None if np.isnat(date) else int(date.astype(int)) for date in days[some]]
    labels = table.index[some].tolist()
    texts_of = texts_of or (lambda written: values(table["text"].loc[written]))
    stands: dict[int, int] = {}

    def agree(name, one, other):
        return None in (of[name][one], of[name][other]) or of[name][one] == of[name][other]

    def days_apart(one, other):
        return abs(day[one] - day[other]) if day[one] is not None and day[other] is not None else None

    def one_person(one, other):
        authors = of["author_key"][one], of["author_key"][other]
        if None not in authors:
            return authors[0] == authors[1]
        elsewhere = of["source"][one] != of["source"][other] or of["file"][one] != of["file"][other]
        return elsewhere and days_apart(one, other) is not None

    def twins(one, other):
        apart = days_apart(one, other)
        return (
            agree("question", one, other)
            and agree("rating", one, other)
            and one_person(one, other)
            and (apart is None or apart <= NEAR_DAYS)
        )

    for group in _groups(one_id, of["source"], of["review_id"]):
        survivor = max(group, key=lambda place: (of["edited_at"][place] or "", -place))
        for place in group:
            same = of["words_key"][place] == of["words_key"][survivor] or days_apart(place, survivor) == 0
            known = of["author_key"][place] is not None and of["author_key"][place] == of["author_key"][survivor]
            if place != survivor and (same or known or of["edited_at"][survivor]):
                stands[place] = survivor

    for group in _groups(one_text, of["words_key"]):
        group = [place for place in group if place not in stands]
        for position, later in enumerate(group[1:], 1):
            earlier = next(
                (place for place in group[:position][:MOST_COMPARED] if place not in stands and twins(place, later)),
                None,
            )
            if earlier is not None:
                stands[later] = earlier

    for group, text in _with_texts(_groups(one_author, of["author_key"]), labels, texts_of):
        group = sorted((place for place in group if place not in stands), key=lambda place: day[place])
        for position, later in enumerate(group[1:], 1):
            for earlier in reversed(group[max(0, position - MOST_COMPARED) : position]):
                if days_apart(earlier, later) > NEAR_DAYS:
                    break
                if earlier not in stands and twins(earlier, later) and ratio(text[earlier], text[later]) >= ALIKE:
                    first, second = sorted((earlier, later))
                    stands[second] = first
                    break

    twin_of = pd.Series(pd.NA, index=table.index, dtype="object")
    for place in stands:
        root = place
        while root in stands:
            root = stands[root]
        twin_of[labels[place]] = labels[root]
    return twin_of


def _groups(places: list[int], *columns: list) -> list[list[int]]:
    """Places that agree in the columns, together, in their order."""
    found: dict[tuple, list[int]] = {}
    for place in places:
        found.setdefault(tuple(column[place] for column in columns), []).append(place)
    return list(found.values())


def _with_texts(
    groups: list[list[int]], labels: list, texts_of: Callable
) -> Iterator[tuple[list[int], dict[int, str]]]:
    """Each group with the text of every place in it: those of many small groups are fetched together."""
    ends = np.cumsum([len(group) for group in groups])
    for _, several in groupby(zip(groups, (ends // TEXTS_AT_ONCE).tolist(), strict=True), key=lambda pair: pair[1]):
        some = [group for group, _ in several]
        places = [place for group in some for place in group]
        text = dict(zip(places, texts_of([labels[place] for place in places]), strict=True))
        yield from ((group, text) for group in some)


def _shared(table: pd.DataFrame, by: list[str], among: np.ndarray) -> np.ndarray:
    """For every row, whether it is among some of which another one agrees in the columns."""
    found = np.zeros(len(table), dtype=bool)
    found[among] = table.loc[among, by].duplicated(keep=False)
    return found


def _soon_again(authors: pd.Series, days: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For every row, whether it is among some of which its author wrote another one within NEAR_DAYS."""
    code, _ = pd.factorize(authors)  # -1: not named
    among = (among & (code >= 0) & ~np.isnat(days)).nonzero()[0]
    among = among[np.lexsort((days[among], code[among]))]
    near = (np.diff(code[among]) == 0) & (np.diff(days[among]).astype(int) <= NEAR_DAYS)
    found = np.zeros(len(authors), dtype=bool)
    found[among[1:][near]] = found[among[:-1][near]] = True
    return found


def copied(table: pd.DataFrame, twin_of: pd.Series) -> pd.Series:
    """For every row, whether its words (eight or more) stand under several authors' names: pasted, bought, or a campaign."""
    alone = table[twin_of.isna() & (table["words"] >= COPIED_WORDS) & table["author_key"].notna()]
    authors = alone.groupby("words_key")["author_key"].nunique()
    return table["words_key"].isin(authors[authors > 1].index) & twin_of.isna() & (table["words"] >= COPIED_WORDS)


def bursts(table: pd.DataFrame, twin_of: pd.Series) -> pd.Series:
    """For every row, whether its place and source got far more reviews within three days than they usually do.

    A window of BURST_DAYS is a burst where a Poisson count at the place's own mean rate would reach it with a chance below
    BURST_CHANCE, divided by how many windows were looked at (Bonferroni), and it holds at least BURST_LEAST reviews.
    """
    flagged = pd.Series(False, index=table.index)
    dated = table[twin_of.isna() & (table["date_precision"] == "day").fillna(False) & table["date"].notna()]
    days = pd.to_datetime(dated["date"], errors="coerce")
    for _, group in days.dropna().groupby([dated["location"].astype(object).fillna(""), dated["source"]], sort=False):
        ordered = group.sort_values(kind="stable")
        number = ordered.to_numpy(dtype="datetime64[D]").astype(int)
        span = number[-1] - number[0] + 1
        if len(number) < 2 * BURST_LEAST or span < 10 * BURST_DAYS:
            continue  # too little to know what is usual
        ends = number.searchsorted(number + BURST_DAYS)
        counts = ends - range(len(number))
        usual = BURST_DAYS * len(number) / span
        many = {count for count in set(counts.tolist()) if count >= BURST_LEAST}
        bursting = [count for count in many if chance_of(count, usual) * span < BURST_CHANCE]
        begun = np.isin(counts, bursting)
        inside = np.bincount(begun.nonzero()[0], minlength=len(number) + 1)
        inside -= np.bincount(ends[begun], minlength=len(number) + 1)
        flagged[ordered.index[inside.cumsum()[:-1] > 0]] = True
    return flagged


def chance_of(least: int, mean: float) -> float:
    """The chance that a Poisson count of a mean comes to `least` or more: the terms of its tail, added up."""
    if least <= mean:
        return 1 - sum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(least))
    term = total = math.exp(-mean + least * math.log(mean) - math.lgamma(least + 1))
    while term > total * 1e-17:
        least += 1
        term *= mean / least
        total += term
    return total
