"""The reading of one batch: de-identified reviews → Annotations, each tag with its evidence and who found it.

Rules name treatments and raise safety signals; the model judges themes, sentiment, verdicts and whether a treatment was
had. Where both could speak the rule does, and `found_by` says so; their scores are never added up. What a rule finds to
be an advert or about another business is neutral, without opinions and flagged, but never where somebody may be in danger.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.clean import READ_LANGUAGES
from pipeline.encoders import AT, OUTCOME_THEMES, SLOTS
from pipeline.model import Model, Reading
from pipeline.segment import Clause, clauses
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.tag import Signal, bare_answer, name_treatments, off_topic, safety_signals
from pipeline.taxonomy import Label, Taxonomy
from pipeline.terms import Hit, Said, said

POSITIVE, NEGATIVE = SENTIMENTS.index("positive"), SENTIMENTS.index("negative")
UNSURE = 0.5  # below this confidence the overall sentiment is a guess, and the report says "cannot tell"


class Opinion(NamedTuple):
    """A row of OPINIONS to be."""

    theme: str
    treatment: str | None
    sentiment: str
    score: float
    confidence: float
    place: Clause
    found_by: str


class Mention(NamedTuple):
    """A row of MENTIONS to be."""

    treatment: str
    received: bool
    confidence: float
    place: Clause | Hit
    found_by: str


class Escalation(NamedTuple):
    """A row of ESCALATIONS to be."""

    reason: str
    confidence: float
    place: Clause | Signal
    found_by: str


class Read(NamedTuple):
    """One review as understood, with the flags of its text."""

    overall: str | None
    score: float | None
    confidence: float | None
    opinions: list[Opinion]
    mentions: list[Mention]
    escalations: list[Escalation]
    flags: tuple[str, ...] = ()


NOTHING = Read(None, None, None, [], [], [])
Places = dict[tuple[int, int], Clause]  # (review, slot) → the clause where the slot looked most


class Likely(NamedTuple):
    """Where the model is sure enough to speak, for a batch: yes or no in the shape of the Reading."""

    presence: np.ndarray
    mention: np.ndarray
    escalate: np.ndarray
    outcome: np.ndarray


def likely_of(reading: Reading, thresholds) -> Likely:
    """A reading against the model's thresholds."""
    return Likely(
        reading.presence >= np.array([thresholds[f"theme:{theme}"] for theme in THEMES], np.float32),
        reading.mention >= np.float32(thresholds["mention"]),
        reading.escalate >= np.array([thresholds[f"escalate:{reason}"] for reason in REASONS], np.float32),
        reading.outcome[..., 0] < np.float32(1 - thresholds["outcome"]),
    )


def places_of(likely: Likely, reading: Reading, texts: Sequence[str]) -> Places:
    """The evidence for all that is likely: of the clauses of the review the one where the slot looked most."""
    asked = np.zeros((len(texts), len(SLOTS)), bool)
    for kind, keys in (("theme", likely.presence), ("mention", likely.mention), ("escalate", likely.escalate)):
        first = next(at for at, slot in enumerate(SLOTS) if slot.startswith(kind))
        asked[:, first : first + keys.shape[1]] = keys
    asked[:, AT[f"outcome:{TREATMENTS[0]}:{OUTCOME_THEMES[0]}"] :] = likely.outcome.reshape(len(texts), -1)
    spans = [
        clauses(text) if any_asked else [Clause(0, 1)]
        for text, any_asked in zip(texts, asked.any(axis=1).tolist(), strict=True)
    ]
    return strongest(asked, reading, spans)


def strongest(asked, reading: Reading, spans: Sequence[Sequence[Clause]]) -> Places:
    """Of each review's clauses the one where a slot looked most, of equals the first. `asked`: (reviews, slots), yes or no."""
    review, slot = np.nonzero(asked)
    if not len(review):
        return {}
    every = [span for own in spans for span in own]
    clauses_of, tokens_of = np.array([len(own) for own in spans]), np.diff(reading.first)
    first = np.cumsum(clauses_of) - clauses_of  # of each review's clauses
    # the texts of a batch as one line: what stands in a review is moved behind all that stands in the one before it
    width = 1 + max(int(reading.offsets.max()), max(span.end for span in every))
    starts = np.array([span.start for span in every]) + np.repeat(np.arange(len(spans)), clauses_of) * width
    middle = reading.offsets.sum(axis=1) / 2 + np.repeat(np.arange(len(spans)), tokens_of) * width
    clause = np.maximum(np.searchsorted(starts, middle, side="right") - 1, np.repeat(first, tokens_of))  # of each token
    # every question with a copy of its review's tokens and clauses
    tokens_asked, clauses_asked = tokens_of[review], clauses_of[review]
    asking = np.repeat(np.arange(len(review)), tokens_asked)
    token = np.arange(len(asking)) + (reading.first[review] - np.cumsum(tokens_asked) + tokens_asked)[asking]
    begin = np.cumsum(clauses_asked) - clauses_asked
    looked = reading.weights[slot[asking], token] * (reading.offsets[token, 1] > reading.offsets[token, 0])
    place = clause[token] + (begin - first[review])[asking]
    mass = np.bincount(place, weights=looked, minlength=clauses_asked.sum())
    most = np.flatnonzero(mass == np.repeat(np.maximum.reduceat(mass, begin), clauses_asked))
    chosen = most[np.searchsorted(most, begin)] - begin + first[review]
    pairs = zip(review.tolist(), slot.tolist(), strict=True)
    return {pair: every[which] for pair, which in zip(pairs, chosen.tolist(), strict=True)}


def told(chances, presence=1.0):
    """Likeliest sentiment, score and confidence of many things, a list each. `chances`: a probability per sentiment."""
    return (
        [SENTIMENTS[which] for which in chances.argmax(axis=1).tolist()],
        np.round((chances[:, POSITIVE] - chances[:, NEGATIVE]).astype(float), 4).tolist(),
        np.round((presence * chances.max(axis=1)).astype(float), 4).tolist(),
    )


def aspects_of(reading: Reading, likely: Likely, places: Places, found_by: str) -> list[list[Opinion]]:
    """What each review says of each theme."""
    found = [[] for _ in likely.presence]
    said = told(reading.sentiment[likely.presence], reading.presence[likely.presence])
    for (at, which), *judged in zip(np.argwhere(likely.presence).tolist(), *said, strict=True):
        found[at].append(Opinion(THEMES[which], None, *judged, places[at, which], found_by))
    return found


def outcomes_of(reading: Reading, likely: Likely, places: Places, found_by: str) -> list[list[Opinion]]:
    """What each review says of each treatment's efficacy and side effects, asked of it by name."""
    found = [[] for _ in likely.outcome]
    chances = reading.outcome[likely.outcome]
    said = told(chances[:, 1:] / chances[:, 1:].sum(axis=1, keepdims=True), 1 - chances[:, 0])
    for (at, of, what), *judged in zip(np.argwhere(likely.outcome).tolist(), *said, strict=True):
        treatment, theme = TREATMENTS[of], OUTCOME_THEMES[what]
        place = places[at, AT[f"outcome:{treatment}:{theme}"]]
        found[at].append(Opinion(theme, treatment, *judged, place, found_by))
    return found


def mentions_of(at: int, named, reading: Reading, likely: Likely, places: Places, found_by: str) -> list[Mention]:
    """The treatments a review speaks of: by their terms, or where none is named by an unmistakable description."""
    found = []
    for which, treatment in enumerate(TREATMENTS):
        if treatment in named:
            place, finder, sure = named[treatment][0], "terms", 1.0
        elif likely.mention[at, which]:
            place, finder, sure = places[at, AT[f"mention:{treatment}"]], found_by, reading.mention[at, which]
        else:
            continue
        received = float(reading.received[at, which])
        confidence = round(float(sure * max(received, 1 - received)), 4)
        found.append(Mention(treatment, received >= 0.5, confidence, place, finder))
    return found


def verdicts(mentions: list[Mention], aspects: list[Opinion], outcomes: list[Opinion]) -> list[Opinion]:
    """Each received treatment's own verdict.

    With one treatment had and no other named, what is said of efficacy and side effects is said of it. Otherwise the
    model is asked of each treatment by name, and where the text does not tie an outcome to one there is none.
    """
    had = {mention.treatment for mention in mentions if mention.received}
    if len(had) == 1 and len(mentions) == 1:
        treatment = mentions[0].treatment
        return [
            aspect._replace(treatment=treatment, found_by="only treatment")
            for aspect in aspects
            if aspect.theme in OUTCOME_THEMES
        ]
    return [outcome for outcome in outcomes if outcome.treatment in had]


def escalations_of(at: int, text: Said, reading: Reading, likely: Likely, places: Places, found_by: str):
    """The reasons to act on a review: a rule's, or the model's where no rule speaks."""
    signals = {signal.reason: signal for signal in safety_signals(text)}
    found = []
    for which, reason in enumerate(REASONS):
        if reason in signals:
            signal, sure = signals[reason], max(0.5, float(reading.escalate[at, which]))
            found.append(Escalation(reason, round(sure, 4), signal, signal.found_by))
        elif likely.escalate[at, which]:
            sure = round(float(reading.escalate[at, which]), 4)
            found.append(Escalation(reason, sure, places[at, AT[f"escalate:{reason}"]], found_by))
    return found


def own_themes_of(shown: Said, own: dict[str, Label]) -> list[tuple[str, Clause]]:
    """Every theme a clinic added whose terms a text holds, with the first clause that does."""
    named = [(key, hits[0].start) for key, label in own.items() if (hits := label.found.find(shown))]
    spans = clauses(shown.text) if named else []
    return [(key, next((span for span in spans if span.start <= start < span.end), spans[0])) for key, start in named]


def read_texts(texts: Sequence[str], questions: Sequence[str | None], model: Model, taxonomy: Taxonomy) -> list[Read]:
    """One Read per text, none of them blank."""
    if not texts:
        return []
    shown, own, found_by = [said(text) for text in texts], taxonomy.own_themes, model.name
    names = [name_treatments(text, taxonomy) for text in shown]
    reading = model.read(texts, questions, names)
    likely = likely_of(reading, model.thresholds)
    places = places_of(likely, reading, texts)
    aspects = aspects_of(reading, likely, places, found_by)
    outcomes = outcomes_of(reading, likely, places, found_by)
    found = []
    asked_again = []  # clauses of a clinic's own themes: read by themselves for their sentiment
    for at, (text, question, *overall) in enumerate(zip(texts, questions, *told(reading.overall), strict=True)):
        if answered := bare_answer(text, question):
            found.append(Read(answered, {"positive": 1.0, "negative": -1.0}.get(answered, 0.0), 1.0, [], [], []))
            continue
        escalations = escalations_of(at, shown[at], reading, likely, places, found_by)
        mentions = mentions_of(at, names[at], reading, likely, places, found_by)
        if not escalations and (stray := off_topic(shown[at], question)):
            named = [
                mention._replace(received=False, confidence=1.0) for mention in mentions if mention.found_by == "terms"
            ]
            found.append(Read("neutral", 0.0, 1.0, [], named, [], (stray.flag,)))
            continue
        asked_again += [(at, theme, place) for theme, place in (own_themes_of(shown[at], own) if own else ())]
        opinions = aspects[at] + verdicts(mentions, aspects[at], outcomes[at])
        found.append(Read(*overall, opinions, mentions, escalations))
    if asked_again:
        pieces = [texts[at][place.start : place.end] for at, _, place in asked_again]
        again = told(model.read(pieces, [None] * len(pieces), [{}] * len(pieces)).overall)
        for (at, theme, place), *judged in zip(asked_again, *again, strict=True):
            found[at].opinions.append(Opinion(theme, None, *judged, place, "terms"))
    return found


def rows_of(kind: str, ids: Sequence[str], texts: Sequence[str], read: Sequence[Read]) -> dict[str, list]:
    """The columns of OPINIONS, MENTIONS or ESCALATIONS, each with its evidence."""
    rows = [
        (review_id, text[row.place.start : row.place.end], row)
        for review_id, text, one in zip(ids, texts, read, strict=True)
        for row in getattr(one, kind)
    ]
    fields = {"opinions": Opinion, "mentions": Mention, "escalations": Escalation}[kind]._fields
    columns = {name: [row[at] for _, _, row in rows] for at, name in enumerate(fields)}
    places = columns.pop("place")
    return columns | {
        "review_id": [review_id for review_id, _, _ in rows],
        "evidence": [evidence for _, evidence, _ in rows],
        "start": [place.start for place in places],
        "end": [place.end for place in places],
    }


def annotate_batch(reviews: pd.DataFrame, model: Model, taxonomy: Taxonomy) -> tables.Annotations:
    """De-identified reviews (review_id, text, question, language and whatever else) → Annotations.

    A star-only review and one in a language no model was taught stay, with nothing marked.
    """
    texts, languages = reviews["text"].tolist(), reviews["language"].tolist()
    readable = [bool(text.strip()) and code in READ_LANGUAGES for text, code in zip(texts, languages, strict=True)]
    questions = [question if isinstance(question, str) else None for question in reviews["question"].tolist()]
    wanted = [at for at, yes in enumerate(readable) if yes]
    read = [NOTHING] * len(reviews)
    for at, result in zip(
        wanted, read_texts([texts[at] for at in wanted], [questions[at] for at in wanted], model, taxonomy), strict=True
    ):
        read[at] = result
    ids = reviews["review_id"].tolist()

    found = {
        "overall": [result.overall for result in read],
        "score": [result.score for result in read],
        "confidence": [result.confidence for result in read],
        "treatments": [[row.treatment for row in result.mentions] for result in read],
        "received": [[row.treatment for row in result.mentions if row.received] for result in read],
        "themes": [
            list(dict.fromkeys(row.theme for row in result.opinions if row.treatment is None)) for result in read
        ],
        "escalate": [[row.reason for row in result.escalations] for result in read],
        "flags": [
            [
                *flags,
                *result.flags,
                *(["language not read"] if text.strip() and not yes else []),
                *(["unsure"] if result.confidence is not None and result.confidence < UNSURE else []),
            ]
            for flags, text, yes, result in zip(reviews["flags"].tolist(), texts, readable, read, strict=True)
        ],
    }
    kept = {name: reviews[name] for name in tables.REVIEWS.names if name in reviews.columns}
    return tables.Annotations(
        tables.frame(kept | found, tables.REVIEWS),
        tables.frame(rows_of("opinions", ids, texts, read), tables.OPINIONS),
        tables.frame(rows_of("mentions", ids, texts, read), tables.MENTIONS),
        tables.frame(rows_of("escalations", ids, texts, read), tables.ESCALATIONS),
    )
