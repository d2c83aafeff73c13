"""Reviews and what a careful reader marked in them → what a network sees and what it should have said, as numbers."""

from collections import Counter

import numpy as np

from pipeline.deidentify import deidentify, redacted_span
from pipeline.encoders import AT, OUTCOME_THEMES, SLOTS
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.tag import name_treatments

ABSENT = len(SENTIMENTS)  # in a network's own head; the shipped outcome head puts it first


def prepared(pairs, windows, taxonomy):
    """Reviews as training sees them: de-identified, windowed, with targets. One item per window of a review."""
    texts = [pair.review["text"] for pair in pairs]
    redactions = deidentify(texts)
    clean = [redaction.text for redaction in redactions]
    mentions = [name_treatments(text, taxonomy) for text in clean]
    questions = [pair.review.get("question") for pair in pairs]
    items = list(windows(clean, questions, mentions))
    many = Counter(window.review for window in items)
    return [
        (window, target(pairs[window.review], redactions[window.review], window, many[window.review] == 1))
        for window in items
    ]


def marked(pair, redaction, window, evidence):
    """Which tokens of a window stand in the evidence of a label."""
    hits = np.zeros(len(window.offsets), bool)
    start = pair.review["text"].find(evidence) if evidence else -1
    if start >= 0:
        start, end = redacted_span(redaction, start, start + len(evidence))
        hits = np.array([a < end and start < b for a, b in window.offsets])
    return hits


def target(pair, redaction, window, whole=False):
    """What a careful reader marked, as numbers. −1: not asked (nobody can learn from it). whole: the window is all of it."""
    gold = pair.gold
    evidence = np.zeros((len(SLOTS), len(window.offsets)), np.float32)
    theme, sentiment = np.zeros(len(THEMES), np.float32), np.full(len(THEMES), -1)
    for row in gold["aspects"]:
        at = THEMES.index(row["theme"])
        hits = marked(pair, redaction, window, row["evidence"])
        evidence[at] = hits
        # in a window without the evidence the theme may still be spoken of: leave it open there
        here = hits.any() or (whole and row["evidence"] is None)
        theme[at], sentiment[at] = (1, SENTIMENTS.index(row["sentiment"])) if here else (-1, -1)
    mention, received = np.zeros(len(TREATMENTS), np.float32), np.full(len(TREATMENTS), -1.0, np.float32)
    outcome = np.full((len(TREATMENTS), len(OUTCOME_THEMES)), -1)
    for row in gold["treatments"]:
        at = TREATMENTS.index(row["name"])
        mention[at], received[at] = 1, float(row["received"])
        if row["received"]:
            outcome[at] = ABSENT
    for row in gold["outcomes"]:
        at, what = TREATMENTS.index(row["treatment"]), OUTCOME_THEMES.index(row["theme"])
        hits = marked(pair, redaction, window, row["evidence"])
        evidence[AT[f"outcome:{row['treatment']}:{row['theme']}"]] = hits
        here = hits.any() or (whole and row["evidence"] is None)
        outcome[at, what] = SENTIMENTS.index(row["sentiment"]) if here else -1
    goal = {
        "theme": theme,
        "sentiment": sentiment,
        "overall": SENTIMENTS.index(gold["overall"]) if gold["overall"] else -1,
        "escalate": np.array([float(reason in gold["escalate"]) for reason in REASONS], np.float32),
        "mention": mention,
        "received": received,
        "outcome": outcome,
        "evidence": evidence,
    }
    return goal if gold.get("asked") is None else only_asked(goal, gold["asked"])


def only_asked(goal, asked):
    """A target of which only some (what, which) are known, the rest not asked."""
    for name, what, keys in (
        ("theme", "theme", THEMES),
        ("escalate", "escalation", REASONS),
        ("mention", "treatment", TREATMENTS),
    ):
        for at, key in enumerate(keys):
            if (what, key) not in asked:
                goal[name][at] = -1
    for at, treatment in enumerate(TREATMENTS):
        for which, theme in enumerate(OUTCOME_THEMES):
            if ("verdict", f"{treatment} {theme}") not in asked:
                goal["outcome"][at, which] = -1
    return goal
