"""The heads that ship: scikit-learn logistic regressions on the frozen vectors, calibrated on authors nothing was fitted on."""

from itertools import pairwise

import numpy as np

from pipeline import model as models
from pipeline.encoders import AT, OUTCOME_THEMES
from pipeline.faults import Fault
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS

C = {
    "theme": 0.02,
    "sentiment": 0.001,
    "overall": 0.01,
    "escalate": 0.02,
    "mention": 0.02,
    "received": 0.02,
    "outcome": 0.01,
}
OWN = 2.0  # how far a theme's own head of sentiment may be from what all themes share


def fitted(vectors, labels, strength):
    """The coefficients and intercepts of a logistic regression."""
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=strength, max_iter=3000).fit(vectors, labels)
    return regression.coef_, regression.intercept_


def calibrated(scores, labels):
    """The scale of some scores (n, classes; one column for two classes) and the offsets that fit the calibration authors best.

    Vector scaling with one scale for all classes: Guo et al. 2017, "On Calibration of Modern Neural Networks"; Platt
    scaling for two classes. The offsets undo what the corpus has more of than an ordinary month, mixed reviews above all.
    """
    from scipy.optimize import minimize

    if scores.shape[1] == 1:

        def cost(point):
            return np.logaddexp(0, -(2 * labels - 1) * (np.exp(point[0]) * scores[:, 0] + point[1])).sum() + 0.5 * (
                point[0] ** 2 + point[1] ** 2
            )

    else:

        def cost(point):
            scaled = scores * np.exp(point[0]) + point[1:]
            return (
                -(scaled[np.arange(len(labels)), labels] - np.logaddexp.reduce(scaled, axis=1)).sum()
                + (point[1:] ** 2).sum()
            )

    best = minimize(cost, np.zeros(1 + scores.shape[1]), method="L-BFGS-B").x
    return np.exp(best[0]), best[1:]


def of_each_theme(vectors, themes):
    """A vector for the head of sentiment: what all themes share, which theme it is, and what is that theme's own."""
    which = np.eye(len(THEMES), dtype=np.float32)[themes]
    own = (vectors[:, None] * which[:, :, None]).reshape(len(vectors), -1)
    return np.concatenate([vectors, which, OWN * own], axis=1)


def heads_of_themes(coef, intercept):
    """The head of sentiment as one per theme: (coef, intercept) by theme."""
    width = (coef.shape[1] - len(THEMES)) // (1 + len(THEMES))
    shared, which, own = np.split(coef, [width, width + len(THEMES)], axis=1)
    own = OWN * own.reshape(len(coef), len(THEMES), width)
    return {theme: (shared + own[:, at], intercept + which[:, at]) for at, theme in enumerate(THEMES)}


def examples(vectors, goals):
    """Head → (vectors, labels, classes), every question the gold answers."""
    stack = {key: np.stack([goal[key] for goal in goals]) for key in goals[0] if key != "evidence"}
    found = {}
    for at, theme in enumerate(THEMES):
        asked = stack["theme"][:, at] >= 0
        found[f"theme:{theme}"] = vectors[asked, at], stack["theme"][asked, at].astype(int), 2
    row, at = np.nonzero(stack["sentiment"] >= 0)
    found["sentiment"] = of_each_theme(vectors[row, at], at), stack["sentiment"][row, at], len(SENTIMENTS)
    asked = stack["overall"] >= 0
    found["overall"] = vectors[asked, AT["overall"]], stack["overall"][asked], len(SENTIMENTS)
    for kind, keys in (("escalate", REASONS), ("mention", TREATMENTS)):
        for at, key in enumerate(keys):
            asked = stack[kind][:, at] >= 0
            found[f"{kind}:{key}"] = vectors[asked, AT[f"{kind}:{key}"]], stack[kind][asked, at].astype(int), 2
    row, at = np.nonzero(stack["received"] >= 0)
    found["received"] = vectors[row, AT[f"received:{TREATMENTS[0]}"] + at], stack["received"][row, at].astype(int), 2
    for which, theme in enumerate(OUTCOME_THEMES):
        row, at = np.nonzero(stack["outcome"][:, :, which] >= 0)
        slots = np.array([AT[f"outcome:{key}:{theme}"] for key in TREATMENTS])[at]
        label = (stack["outcome"][row, at, which] + 1) % (len(SENTIMENTS) + 1)
        found[f"outcome:{theme}"] = vectors[row, slots], label, len(SENTIMENTS) + 1
    return found


def fit_heads(reader, train_items, calibration_items):
    """Fit every head on the training authors' vectors as the shipped encoder gives them, calibrate on others.

    What two encoders see side by side is judged apart, and the scores are averaged: one head for both would lean on the encoder
    that knows the corpus best by heart. Raises Fault where the corpus lacks a class.
    """
    vectors, goals = (
        [reader.encoder.encode([window for window, _ in items])[0] for items in (train_items, calibration_items)],
        [[goal for _, goal in items] for items in (train_items, calibration_items)],
    )
    parts = [slice(*ends) for ends in pairwise(np.cumsum([0, *reader.encoder.widths]))]
    judged: dict[str, list] = {}  # by head, of every part: coef, intercept, scores of the calibration authors
    truth = {}
    for part in parts:
        learn, check = (examples(of[..., part], goal) for of, goal in zip(vectors, goals, strict=True))
        for head, (given, labels, classes) in learn.items():
            if len(there := np.unique(labels)) < classes:
                raise Fault(f"head {head}: the corpus shows only {len(there)} of {classes} classes")
            coef, intercept = fitted(given, labels, C[head.split(":")[0]])
            judged.setdefault(head, []).append((coef, intercept, check[head][0] @ coef.T + intercept))
            truth[head] = check[head][1]
    heads = {}
    for head, each in judged.items():
        scale, offsets = calibrated(np.mean([scores for *_, scores in each], axis=0), truth[head])
        scaled = [(coef * scale / len(each), (intercept * scale + offsets) / len(each)) for coef, intercept, _ in each]
        if head == "sentiment":
            several = [heads_of_themes(*one) for one in scaled]
            found = {f"sentiment:{theme}": [one[theme] for one in several] for theme in THEMES}
        else:
            found = {head: scaled}
        for name, whole in found.items():
            heads[f"{name}/coef"] = np.concatenate([coef for coef, _ in whole], axis=1).astype(np.float32)
            heads[f"{name}/intercept"] = np.sum([intercept for _, intercept in whole], axis=0).astype(np.float32)
    return heads


def thresholds_on(reader, items):
    """The probability from which a label counts: the one that gives the best F over all themes, reasons and verdicts.

    One threshold a family, not one a label: a few hundred reviews tell no more than that. A missed escalation costs more
    than a false one, so there recall counts twice (F2).
    """
    found = examples(reader.encoder.encode([window for window, _ in items])[0], [goal for _, goal in items])

    def best(heads, positive, beta):
        truth = np.concatenate([positive(found[head][1]) for head in heads])
        scores = [reader.judge(head, found[head][0]) for head in heads]
        chance = np.concatenate(
            [models.sigmoid(score) if score.ndim == 1 else 1 - models.softmax(score)[:, 0] for score in scores]
        )
        grid = np.arange(0.2, 0.81, 0.02)
        said = chance[None] >= grid[:, None]
        tp, fp, fn = (said & truth).sum(1), (said & ~truth).sum(1), (~said & truth).sum(1)
        value = (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)
        # the middle of the plateau: neighbours that do as well say the peak is no accident
        smooth = np.convolve(value, np.ones(5) / 5, mode="same")
        smooth[:2] = smooth[-2:] = 0
        return round(float(grid[smooth.argmax()]), 2)

    theme = best([f"theme:{theme}" for theme in THEMES], lambda label: label == 1, 1)
    escalate = best([f"escalate:{reason}" for reason in REASONS], lambda label: label == 1, 2)
    outcome = best([f"outcome:{theme}" for theme in OUTCOME_THEMES], lambda label: label > 0, 1)
    return {
        **{f"theme:{key}": theme for key in THEMES},
        **{f"escalate:{key}": escalate for key in REASONS},
        "outcome": outcome,
        "mention": 0.9,  # where no word names a treatment only an unmistakable description counts
    }
