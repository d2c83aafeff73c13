"""Typed reviews → clean text: repaired where a machine broke it, with its language, and its twins folded.

Repair is ftfy's and touches only damage (mojibake, HTML entities, control characters); what a patient typed, capitals,
typos and curly quotes included, stays.
"""

import hashlib
import re
from functools import cache

import ftfy
import pandas as pd

from pipeline.tables import values

READ_LANGUAGES = ("en", "es")  # what the models were taught; anything else is kept and counted, and not scored
REPAIR = ftfy.TextFixerConfig(
    unescape_html="auto",
    uncurl_quotes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    fix_line_breaks=True,
    normalization=None,
)
# A text shorter than this says too little about its language; it is taken for the clinic's own unless a word tells.
SHORT = 20
SPANISH = re.compile(
    r"\b(?:el|la|los|las|una?|y|de|del|que|muy|pero|con|por|para|mi|me|es|son|está|estoy|todo|todos|bien|buen[oa]s?|mal[oa]?s?|gracias|"
    r"excelente|servicio|trato|doctora?|personal|atención|atencion|ayud\w+|nada|mejor\w*|tratamiento|siempre|recomiend\w+|no)\b|[¿¡ñ]",
    re.IGNORECASE,
)
ENGLISH = re.compile(
    r"\b(?:the|and|is|are|was|were|it|i|my|to|of|for|with|this|that|they|have|had|very|great|good|not|so|but|you|we|great|staff|best|"
    r"no|place|me|all|at|in|on|be|thank\w*)\b",
    re.IGNORECASE,
)
NEAR_DAYS = 2  # twins on two sites are posted within this many days of each other
ALIKE = 92  # per cent of characters that agree, for twins whose wording differs by a slip (rapidfuzz ratio)
COPIED_WORDS = 8  # so many words in a row are no stock phrase any more
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
IDENTITY = ("review_id", "source", "location", "date", "rating", "question", "author_key", "words_key")
FEWEST_WORDS = 4  # two people may both write "Great place!"


def repair(text: str) -> str:
    """The text with machine damage undone; unchanged where there is none."""
    if text.isascii() and "&" not in text and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
        return text
    return ftfy.fix_text(text, REPAIR)


@cache
def _detector():
    from lingua import Language, LanguageDetectorBuilder

    known = (
        "ENGLISH SPANISH FRENCH GERMAN ITALIAN PORTUGUESE DUTCH POLISH RUSSIAN UKRAINIAN ARMENIAN PERSIAN ARABIC HEBREW HINDI "
        "CHINESE JAPANESE KOREAN VIETNAMESE TAGALOG"
    )
    languages = [getattr(Language, name) for name in known.split()]
    return LanguageDetectorBuilder.from_languages(*languages).with_preloaded_language_models().build()


def language(text: str) -> str:
    """ISO 639-1 code of the text. Where there is too little to tell, English."""
    letters = sum(character.isalpha() for character in text)
    if not letters:
        return "en"
    english, spanish = len(ENGLISH.findall(text)), len(SPANISH.findall(text))
    words = max(1, len(text.split()))
    if english >= 3 and english > 3 * spanish:
        return "en"
    # Portuguese and Italian share many short words with Spanish, so a longer text is looked at properly
    surely = words < 6 or re.search(r"[ñ¿¡]|\b(?:el|los|las|y|muy|pero|está|estoy)\b", text, re.IGNORECASE)
    if spanish >= 3 and spanish > 3 * english and surely:
        return "es"
    if (letters < SHORT or words < 3) and (text.isascii() or english >= spanish):
        latin = sum("a" <= character.lower() <= "ɏ" for character in text if character.isalpha())
        if latin > letters / 2:
            return "es" if spanish > english else "en"
    confidences = _detector().compute_language_confidence_values(text)
    best = confidences[0]
    code = best.language.iso_code_639_1.name.lower()
    if code not in READ_LANGUAGES and best.value < 0.75 and text.isascii():
        return "es" if spanish > english else "en"  # slang and typos look foreign to a model of tidy text
    return code


def places(locations: pd.Series) -> pd.Series:
    """The clinic's place alone where a listing puts the firm's name before it.

    "Harbor Clinics - Reno" becomes "Reno" where another source says "Reno", or where the same firm has another place too.
    """
    named = {name for name in values(locations) if name}
    parts = {name: re.split(r"\s+[-–—|:]\s+", name.strip(), maxsplit=1) for name in named}
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


def normalised(text: str) -> str:
    """What is left when case, punctuation and blanks do not matter."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def key(*parts) -> str:
    """A short fingerprint of some values, the same on every machine."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=12).hexdigest()


def clean(typed: pd.DataFrame) -> pd.DataFrame:
    """One row per typed review, with `text` repaired, `language`, an id for every row and the keys that twins share.

    Adds: repaired (flag), language, review_id where the source gave none, words_key (same words), author_key (same
    person), so that names need not be kept to fold twins.
    """
    table = typed.copy()
    as_typed = [text or "" for text in values(typed["text"])]
    texts = [repair(text) for text in as_typed]
    table["repaired"] = [new != old for new, old in zip(texts, as_typed, strict=True)]
    table["text"] = texts
    table["language"] = [language(text) for text in texts]
    words = [normalised(text) for text in texts]
    table["words"] = [len(text.split()) for text in words]
    table["words_key"] = [key(text) for text in words]
    authors = [normalised(author or "") for author in values(typed["author"])]
    table["author_key"] = [key(author) if author and author not in NOBODY else None for author in authors]
    table["own_id"] = [bool(given) for given in values(typed["review_id"])]
    identity = zip(*(values(table[name]) for name in IDENTITY), strict=True)
    table["review_id"] = [given or f"r-{key(*rest)[:12]}" for given, *rest in identity]
    return table


def fold_twins(table: pd.DataFrame) -> pd.Series:
    """For every row (unique index), the index of the row it is a twin of, or <NA> where it stands for itself.

    Twins are: rows with one id of one source that agree in words, author or day, or of which one is an edit (the newest
    edit stands, else the first); the same words (four or more) within two days, by one author, or from another file or
    source where an author is not named; near-identical words by one author within two days. Answers to different
    questions and different stars are never twins, nor are star-only rows but by id.
    """
    from rapidfuzz.fuzz import ratio

    of = {
        name: values(table[name])
        for name in ("author_key", "question", "rating", "file", "source", "words_key", "text", "edited_at")
    }
    day = [None if pd.isna(date) else date for date in pd.to_datetime(table["date"], errors="coerce")]
    at = {label: position for position, label in enumerate(table.index)}
    stands: dict[int, int] = {}

    def agree(name, one, other):
        return None in (of[name][one], of[name][other]) or of[name][one] == of[name][other]

    def days_apart(one, other):
        return abs((day[one] - day[other]).days) if day[one] is not None and day[other] is not None else None

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

    for _, group in table[table["own_id"]].groupby(["source", "review_id"], sort=False):
        if len(group) > 1:
            places = [at[label] for label in group.index]
            survivor = max(places, key=lambda place: (of["edited_at"][place] or "", -place))
            for place in places:
                same = of["words_key"][place] == of["words_key"][survivor] or days_apart(place, survivor) == 0
                known = of["author_key"][place] is not None and of["author_key"][place] == of["author_key"][survivor]
                if place != survivor and (same or known or of["edited_at"][survivor]):
                    stands[place] = survivor

    worded = table[table["words"] >= FEWEST_WORDS]
    for _, group in worded.groupby("words_key", sort=False):
        places = [at[label] for label in group.index if at[label] not in stands]
        for position, later in enumerate(places[1:], 1):
            earlier = next(
                (place for place in places[:position][:MOST_COMPARED] if place not in stands and twins(place, later)),
                None,
            )
            if earlier is not None:
                stands[later] = earlier

    for _, group in worded[worded["author_key"].notna()].groupby("author_key", sort=False):
        places = sorted(
            (at[label] for label in group.index if at[label] not in stands and day[at[label]] is not None),
            key=lambda place: day[place],
        )
        for position, later in enumerate(places[1:], 1):
            for earlier in reversed(places[max(0, position - MOST_COMPARED) : position]):
                if days_apart(earlier, later) > NEAR_DAYS:
                    break
                if (
                    earlier not in stands
                    and twins(earlier, later)
                    and ratio(of["text"][earlier], of["text"][later]) >= ALIKE
                ):
                    first, second = sorted((earlier, later))
                    stands[second] = first
                    break

    def root(place):
        while place in stands:
            place = stands[place]
        return place

    labels = list(table.index)
    return pd.Series(
        [labels[root(place)] if place in stands else pd.NA for place in range(len(labels))],
        index=table.index,
        dtype="object",
    )


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
    from scipy.stats import poisson

    flagged = pd.Series(False, index=table.index)
    dated = table[twin_of.isna() & (table["date_precision"] == "day").fillna(False) & table["date"].notna()]
    days = pd.to_datetime(dated["date"], errors="coerce")
    for _, group in days.dropna().groupby([dated["location"].fillna(""), dated["source"]], sort=False):
        ordered = group.sort_values(kind="stable")
        number = ordered.map(pd.Timestamp.toordinal).to_numpy(dtype=int)
        span = number[-1] - number[0] + 1
        if len(number) < 2 * BURST_LEAST or span < 10 * BURST_DAYS:
            continue  # too little to know what is usual
        ends = number.searchsorted(number + BURST_DAYS)
        counts = ends - range(len(number))
        chance = poisson.sf(counts - 1, BURST_DAYS * len(number) / span) * span
        for first in ((counts >= BURST_LEAST) & (chance < BURST_CHANCE)).nonzero()[0]:
            flagged[ordered.index[first : ends[first]]] = True
    return flagged
