"""Small invented clinics for the tests of the report; no real clinic, doctor or patient."""

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.months import months_between

MONTHS = months_between("2025-09", "2026-10")
SCORES = {"positive": 0.8, "negative": -0.8, "mixed": 0.0, "neutral": 0.0, None: None}


def review(review_id, date="2026-10-10", *, text="The staff were kind.", overall="positive", said=(), act=(), **more):
    """A review with what it says: `said` holds (theme, sentiment, evidence[, treatment]), `act` (reason, evidence)."""
    base = {"review_id": review_id, "date": date, "date_precision": "day", "location": "Hill Street", "source": "google", "rating": 5.0,
            "language": "en", "text": text, "overall": overall, "score": SCORES[overall], "confidence": 0.9, "received": [], "treatments": [],
            "file": "invented.jsonl", "row": 1, "flags": [], "twins": [], "escalate": [reason for reason, _ in act]}  # fmt: skip
    return base | more | {"said": said, "act": act}


def annotated(reviews) -> tables.Annotations:
    """The four tables of these reviews, as the pipeline makes them."""
    opinions, mentions, acts = [], [], []
    for one in reviews:
        for theme, sentiment, evidence, *treatment in one["said"]:
            start = one["text"].index(evidence)
            opinions.append({"review_id": one["review_id"], "theme": theme, "treatment": treatment[0] if treatment else None, "sentiment": sentiment,
                             "score": SCORES[sentiment], "confidence": 0.8, "evidence": evidence, "start": start, "end": start + len(evidence),
                             "found_by": "test"})  # fmt: skip
        mentions += [{"review_id": one["review_id"], "treatment": name, "received": True} for name in one["received"]]
        for reason, evidence in one["act"]:
            start = one["text"].index(evidence)
            acts.append({"review_id": one["review_id"], "reason": reason, "confidence": 0.9, "evidence": evidence, "start": start,
                         "end": start + len(evidence), "found_by": "test"})  # fmt: skip
    rows = [{name: value for name, value in one.items() if name not in ("said", "act")} for one in reviews]
    pairs = (
        (rows, tables.REVIEWS),
        (opinions, tables.OPINIONS),
        (mentions, tables.MENTIONS),
        (acts, tables.ESCALATIONS),
    )
    return tables.Annotations(*(tables.frame(part, schema) for part, schema in pairs))


def refused(rows=()) -> pd.DataFrame:
    return tables.frame(rows, tables.REJECTED)


def counted(annotations, rejected=0) -> dict:
    """The counts a run would report of these tables."""
    twins = int(annotations.reviews["duplicate_of"].notna().sum())
    every = len(annotations.reviews)
    return {"read": every + rejected, "accepted": every - twins, "duplicates": twins, "rejected": rejected}


def fourteen_months(seed=4, many=6, story=True) -> list[dict]:
    """About `many` reviews a month at three invented clinics; with `story`, parking at Dry Wells turns bad in June 2026 and
    scheduling at Ocean Walk improves from March. Everything else is drawn the same way in every month."""
    draw = np.random.default_rng(seed)
    out = []
    usual = {
        "staff": (0.08, 0.40),
        "efficacy": (0.06, 0.30),
        "scheduling": (0.10, 0.08),
        "parking": (0.05, 0.04),
        "cost": (0.10, 0.04),
    }
    for place in ("Hill Street", "Ocean Walk", "Dry Wells"):
        for month in MONTHS:
            for number in range(int(draw.poisson(many)) + 1):
                chances = dict(usual)
                if story and place == "Dry Wells" and month >= "2026-06":
                    chances["parking"] = (0.50, 0.02)
                if story and place == "Ocean Walk":
                    chances["scheduling"] = (0.40, 0.03) if month < "2026-03" else (0.03, 0.35)
                parts, said = ["We came on a weekday."], []
                for theme, (bad, good) in chances.items():
                    dice = draw.random()
                    if dice < bad + good:
                        sentiment = "negative" if dice < bad else "positive"
                        words = f"The {theme} was {'poor' if dice < bad else 'good'} this time."
                        parts.append(words)
                        said.append((theme, sentiment, words))
                bad = sum(one[1] == "negative" for one in said)
                overall = "negative" if bad * 2 > len(said) else "positive" if said else "neutral"
                had = [["tms"], ["ketamine"], ["spravato"], []][int(draw.integers(4))]
                out.append(
                    review(f"{place[:2]}-{month}-{number}", f"{month}-{1 + number % 28:02d}", text=" ".join(parts), overall=overall, said=said,
                           location=place, source=["google", "survey", "yelp"][int(draw.integers(3))], rating=float(draw.integers(1, 6)),
                           received=had, treatments=had)
                )  # fmt: skip
    return out
