"""Typed reviews → clean reviews without identifiers. Whatever reads what was typed, reads it through here.

Every function takes a batch and gives a batch; nothing of one colours the next.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from pipeline.clean import clean, key
from pipeline.deidentify import Redaction, deidentify, reaches
from pipeline.tables import REJECTED, values


class Prepared(NamedTuple):
    """A batch, ready to be annotated, and what it takes to say a place of it in words as typed."""

    reviews: pd.DataFrame  # what clean gives, de-identified and without its author
    repaired: list[str]  # the texts before identifiers were taken out
    redactions: list[Redaction]  # of those texts


def prepare(typed: pd.DataFrame, staff: Sequence[str] = ()) -> Prepared:
    """One row per typed review (TYPED), in order. `staff`: names that stay."""
    table = clean(typed)
    repaired = table["text"].tolist()
    redactions = deidentify(repaired, values(table["author"]), staff)
    questions = [_asked(question) if question else None for question in values(table["question"])]
    texts = [redaction.text for redaction in redactions]
    forms = [form and nameless(form) for form in values(table["respondent"])]
    reviews = table.drop(columns=["author"]).assign(text=texts, question=questions, respondent=forms)
    return Prepared(reviews, repaired, redactions)


def nameless(given: str) -> str:
    """An id as exported; one made from it where it is an e-mail address or a phone number."""
    return f"r-{key(given)[:12]}" if reaches(given) else given


@lru_cache(maxsize=10_000)
def _asked(question: str) -> str:
    """A question without identifiers. A survey asks the same of everybody."""
    return deidentify([question])[0].text


def prepare_refused(refused: pd.DataFrame, staff: Sequence[str] = ()) -> pd.DataFrame:
    """Refused rows (REFUSED) as they may be stored (REJECTED)."""
    excerpts = [excerpt or "" for excerpt in values(refused["excerpt"])]
    redactions = deidentify(excerpts, values(refused["author"]), staff)
    return refused.assign(excerpt=[redaction.text for redaction in redactions])[REJECTED.names]
