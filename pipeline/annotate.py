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
from pipeline.model import AT, OUTCOME_THEMES, Model, Reading
from pipeline.segment import Clause, clauses
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.tag import bare_answer, name_treatments, off_topic, safety_signals
from pipeline.taxonomy import Taxonomy

POSITIVE, NEGATIVE = SENTIMENTS.index("positive"), SENTIMENTS.index("negative")
UNSURE = 0.5  # below this confidence the overall sentiment is a guess, and the report says "cannot tell"


class Read(NamedTuple):
    """One review as understood: rows for the four tables, without its review_id, and the flags of its text."""

    overall: str | None
    score: float | None
    confidence: float | None
    opinions: list[dict]
    mentions: list[dict]
    escalations: list[dict]
    flags: tuple[str, ...] = ()


NOTHING = Read(None, None, None, [], [], [])


def strongest(spans: Sequence[Clause], reading: Reading, slot: str) -> Clause | None:
    """The clause where a slot looked most."""
    if not spans:
        return None
    weights = reading.weights[AT[slot]]
    middle = reading.offsets.mean(axis=1)
    real = reading.offsets[:, 1] > reading.offsets[:, 0]
    starts = np.array([span.start for span in spans])
    where = np.clip(np.searchsorted(starts, middle, side="right") - 1, 0, len(spans) - 1)
    mass = np.bincount(where[real], weights=weights[real], minlength=len(spans))
    return spans[int(mass.argmax())]


def opinion(theme, treatment, chances, presence, place, text, found_by):
    """A row of OPINIONS. `chances`: a probability per sentiment."""
    best = int(np.argmax(chances))
    return {
        "theme": theme,
        "treatment": treatment,
        "sentiment": SENTIMENTS[best],
        "score": round(float(chances[POSITIVE] - chances[NEGATIVE]), 4),
        "confidence": round(float(presence * chances[best]), 4),
        "evidence": text[place.start : place.end],
        "start": place.start,
        "end": place.end,
        "found_by": found_by,
    }


def treatments_of(text, named, reading, spans, model):
    """A row of MENTIONS per treatment: by its terms, or where none is named by an unmistakable description."""
    rows = []
    for at, treatment in enumerate(TREATMENTS):
        if treatment in named:
            place, found_by, sure = named[treatment][0], "terms", 1.0
        elif reading.mention[at] >= model.thresholds["mention"]:
            place, found_by, sure = strongest(spans, reading, f"mention:{treatment}"), model.name, reading.mention[at]
        else:
            continue
        received = float(reading.received[at])
        rows.append(
            {
                "treatment": treatment,
                "received": received >= 0.5,
                "confidence": round(float(sure * max(received, 1 - received)), 4),
                "evidence": text[place.start : place.end],
                "start": place.start,
                "end": place.end,
                "found_by": found_by,
            }
        )
    return rows


def verdicts(text, mentions, aspects, reading, spans, model):
    """Each received treatment's own verdict: rows of OPINIONS with a treatment.

    With one treatment had and no other named, what is said of efficacy and side effects is said of it. Otherwise the
    model is asked of each treatment by name, and where the text does not tie an outcome to one there is no row.
    """
    had = [row["treatment"] for row in mentions if row["received"]]
    rows = []
    if len(had) == 1 and len(mentions) == 1:
        for row in aspects:
            if row["theme"] in OUTCOME_THEMES:
                rows.append({**row, "treatment": had[0], "found_by": "only treatment"})
        return rows
    for treatment in had:
        for what, theme in enumerate(OUTCOME_THEMES):
            chances = reading.outcome[TREATMENTS.index(treatment), what]
            if chances[0] < 1 - model.thresholds["outcome"]:
                place = strongest(spans, reading, f"outcome:{treatment}:{theme}")
                rows.append(
                    opinion(theme, treatment, chances[1:] / chances[1:].sum(), 1 - chances[0], place, text, model.name)
                )
    return rows


def escalations_of(text, reading, spans, model):
    """A row of ESCALATIONS per reason: a rule's, or the model's where no rule speaks."""
    signals = {signal.reason: signal for signal in safety_signals(text)}
    rows = []
    for at, reason in enumerate(REASONS):
        if reason in signals:
            place, found_by, sure = signals[reason], signals[reason].found_by, max(0.5, float(reading.escalate[at]))
        elif reading.escalate[at] >= model.thresholds[f"escalate:{reason}"]:
            place, found_by, sure = (
                strongest(spans, reading, f"escalate:{reason}"),
                model.name,
                float(reading.escalate[at]),
            )
        else:
            continue
        rows.append(
            {
                "reason": reason,
                "confidence": round(sure, 4),
                "evidence": text[place.start : place.end],
                "start": place.start,
                "end": place.end,
                "found_by": found_by,
            }
        )
    return rows


def own_themes_of(text, taxonomy, spans):
    """(theme, clause) for every theme a clinic added whose terms a clause holds; the first clause speaks."""
    for key, label in taxonomy.own_themes.items():
        hits = label.found.find(text)
        if hits:
            yield key, next((span for span in spans if span.start <= hits[0].start < span.end), spans[0])


def read_texts(texts: Sequence[str], questions: Sequence[str | None], model: Model, taxonomy: Taxonomy) -> list[Read]:
    """One Read per text."""
    named = [name_treatments(text, taxonomy) for text in texts]
    found = []
    asked_again = []  # clauses of a clinic's own themes: read by themselves for their sentiment
    for at, (text, reading) in enumerate(zip(texts, model.read(texts, questions, named), strict=True)):
        spans = clauses(text)
        if not spans:
            found.append(NOTHING)
            continue
        if answered := bare_answer(text, questions[at]):
            found.append(Read(answered, {"positive": 1.0, "negative": -1.0}.get(answered, 0.0), 1.0, [], [], []))
            continue
        escalations = escalations_of(text, reading, spans, model)
        stray = off_topic(text, questions[at])
        if stray and not escalations:
            named_only = [
                {**row, "received": False, "confidence": 1.0}
                for row in treatments_of(text, named[at], reading, spans, model)
                if row["found_by"] == "terms"
            ]
            found.append(Read("neutral", 0.0, 1.0, [], named_only, [], (stray.flag,)))
            continue
        aspects = [
            opinion(
                theme,
                None,
                reading.sentiment[which],
                reading.presence[which],
                strongest(spans, reading, f"theme:{theme}"),
                text,
                model.name,
            )
            for which, theme in enumerate(THEMES)
            if reading.presence[which] >= model.thresholds[f"theme:{theme}"]
        ]
        mentions = treatments_of(text, named[at], reading, spans, model)
        chances = reading.overall
        asked_again += [(at, theme, place) for theme, place in own_themes_of(text, taxonomy, spans)]
        found.append(
            Read(
                SENTIMENTS[int(chances.argmax())],
                round(float(chances[POSITIVE] - chances[NEGATIVE]), 4),
                round(float(chances.max()), 4),
                aspects + verdicts(text, mentions, aspects, reading, spans, model),
                mentions,
                escalations,
            )
        )
    if asked_again:
        pieces = [texts[at][place.start : place.end] for at, _, place in asked_again]
        readings = model.read(pieces, [None] * len(pieces), [{}] * len(pieces))
        for (at, theme, place), reading in zip(asked_again, readings, strict=True):
            found[at].opinions.append(opinion(theme, None, reading.overall, 1.0, place, texts[at], "terms"))
    return found


def annotate_batch(reviews: pd.DataFrame, model: Model, taxonomy: Taxonomy) -> tables.Annotations:
    """De-identified reviews (review_id, text, question, language and whatever else) → Annotations.

    A star-only review and one in a language no model was taught stay, with nothing marked.
    """
    readable = [
        bool(text.strip()) and code in READ_LANGUAGES
        for text, code in zip(reviews["text"], reviews["language"], strict=True)
    ]
    questions = [question if isinstance(question, str) else None for question in reviews["question"]]
    wanted = [at for at, yes in enumerate(readable) if yes]
    texts = reviews["text"].tolist()
    read = [NOTHING] * len(reviews)
    for at, result in zip(
        wanted, read_texts([texts[at] for at in wanted], [questions[at] for at in wanted], model, taxonomy), strict=True
    ):
        read[at] = result
    ids = reviews["review_id"].tolist()

    def rows(name):
        return [
            {"review_id": review_id, **row}
            for review_id, result in zip(ids, read, strict=True)
            for row in getattr(result, name)
        ]

    annotated = reviews.assign(
        overall=[result.overall for result in read],
        score=[result.score for result in read],
        confidence=[result.confidence for result in read],
        treatments=[[row["treatment"] for row in result.mentions] for result in read],
        received=[[row["treatment"] for row in result.mentions if row["received"]] for result in read],
        themes=[
            list(dict.fromkeys(row["theme"] for row in result.opinions if row["treatment"] is None)) for result in read
        ],
        escalate=[[row["reason"] for row in result.escalations] for result in read],
        flags=[
            [
                *flags,
                *result.flags,
                *(["language not read"] if text.strip() and not yes else []),
                *(["unsure"] if result.confidence is not None and result.confidence < UNSURE else []),
            ]
            for flags, text, yes, result in zip(reviews["flags"], texts, readable, read, strict=True)
        ],
    )
    return tables.Annotations(
        tables.frame(annotated, tables.REVIEWS),
        tables.frame(rows("opinions"), tables.OPINIONS),
        tables.frame(rows("mentions"), tables.MENTIONS),
        tables.frame(rows("escalations"), tables.ESCALATIONS),
    )
