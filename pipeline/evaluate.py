"""Annotations against what careful readers marked: every figure with a bootstrap interval, and the misses to learn from."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

EMPTY = {"overall": None, "treatments": [], "aspects": [], "outcomes": [], "escalate": [], "pii": [], "language": None}
FIGURES = (
    "overall_accuracy",
    "overall_macro_f1",
    "polarity_accuracy",
    "treatment_f1",
    "received_accuracy",
    "theme_f1",
    "theme_precision",
    "theme_recall",
    "theme_macro_f1",
    "aspect_sentiment",
    "aspect_f1",
    "outcome_f1",
    "outcome_found_f1",
    "escalate_recall",
    "escalate_precision",
    "pii_recall",
    "pii_false_per_100_reviews",
    "language_accuracy",
    "evidence_overlap",
)


class Figure(NamedTuple):
    """One measured figure with its 95 % bootstrap interval (percentiles over reviews)."""

    name: str
    value: float
    low: float
    high: float


def f1(tp: float, fp: float, fn: float) -> float:
    """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing was found."""
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def share(hits: float, of: float) -> float:
    return hits / of if of else 1.0


def words(text: str) -> set[str]:
    return {word.strip(".,!?;:\"'()").lower() for word in text.split()} - {""}


def compared(gold: Mapping, predicted: Mapping) -> dict[str, float]:
    """What one review adds to the counts behind every figure."""
    tally: dict[str, float] = defaultdict(float)
    predicted = {**EMPTY, **predicted}
    tally["reviews"] = 1
    tally["language ok"] = gold["language"] == predicted["language"]
    tally["overall ok"] = gold["overall"] == predicted["overall"]
    for label in {gold["overall"], predicted["overall"]} - {None}:
        kind = "fn" if label != predicted["overall"] else "fp" if label != gold["overall"] else "tp"
        tally[f"overall={label} {kind}"] = 1
    if gold["overall"] in ("positive", "negative"):
        tally["polar"] = 1
        tally["polar ok"] = tally["overall ok"]

    def overlap(name: str, one: set, other: set):
        tally[f"{name} tp"] += len(one & other)
        tally[f"{name} fp"] += len(other - one)
        tally[f"{name} fn"] += len(one - other)

    received = [{row["name"]: bool(row.get("received")) for row in side["treatments"]} for side in (gold, predicted)]
    overlap("treatment", set(received[0]), set(received[1]))
    for name in received[0].keys() & received[1].keys():
        tally["received"] += 1
        tally["received ok"] += received[0][name] == received[1][name]
    aspects = [{row["theme"]: row for row in side["aspects"]} for side in (gold, predicted)]
    overlap("theme", set(aspects[0]), set(aspects[1]))
    for theme in aspects[0].keys() | aspects[1].keys():
        kind = "fn" if theme not in aspects[1] else "fp" if theme not in aspects[0] else "tp"
        tally[f"theme={theme} {kind}"] += 1
    overlap("aspect", *({(theme, row["sentiment"]) for theme, row in side.items()} for side in aspects))
    for theme in aspects[0].keys() & aspects[1].keys():
        one, other = aspects[0][theme], aspects[1][theme]
        tally["found"] += 1
        tally["found ok"] += one["sentiment"] == other["sentiment"]
        tally["found shown"] += bool(words(one.get("evidence") or "") & words(other.get("evidence") or ""))
    verdicts = [side.get("outcomes", []) for side in (gold, predicted)]
    overlap("outcome", *({(row["treatment"], row["theme"], row["sentiment"]) for row in side} for side in verdicts))
    overlap("outcome found", *({(row["treatment"], row["theme"]) for row in side} for side in verdicts))
    overlap("escalate", set(gold["escalate"]), set(predicted["escalate"]))
    tally["pii"] = len(gold["pii"])
    tally["pii ok"] = sum(any(told in found for found in predicted["pii"]) for told in gold["pii"])
    tally["pii extra"] = sum(
        not any(told in found or found in told for told in gold["pii"]) for found in predicted["pii"]
    )
    return tally


def macro(total: Callable[[str], float], name: str, labels: Iterable[str]) -> float:
    """Mean F1 over the labels that gold holds."""
    counts = [[total(f"{name}={label} {kind}") for kind in ("tp", "fp", "fn")] for label in labels]
    scores = [f1(*count) for count in counts if count[0] + count[2]]
    return share(sum(scores), len(scores))


def figures_of(total: Callable[[str], float], labels: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The figures from summed counts."""

    def of(name):
        return f1(total(f"{name} tp"), total(f"{name} fp"), total(f"{name} fn"))

    reviews = total("reviews")
    return {
        "overall_accuracy": share(total("overall ok"), reviews),
        "overall_macro_f1": macro(total, "overall", labels["overall"]),
        "polarity_accuracy": share(total("polar ok"), total("polar")),
        "treatment_f1": of("treatment"),
        "received_accuracy": share(total("received ok"), total("received")),
        "theme_f1": of("theme"),
        "theme_precision": share(total("theme tp"), total("theme tp") + total("theme fp")),
        "theme_recall": share(total("theme tp"), total("theme tp") + total("theme fn")),
        "theme_macro_f1": macro(total, "theme", labels["theme"]),
        "aspect_sentiment": share(total("found ok"), total("found")),
        "aspect_f1": of("aspect"),
        "outcome_f1": of("outcome"),
        "outcome_found_f1": of("outcome found"),
        "escalate_recall": share(total("escalate tp"), total("escalate tp") + total("escalate fn")),
        "escalate_precision": share(total("escalate tp"), total("escalate tp") + total("escalate fp")),
        "pii_recall": share(total("pii ok"), total("pii")),
        "pii_false_per_100_reviews": 100 * share(total("pii extra"), reviews) if reviews else 0.0,
        "language_accuracy": share(total("language ok"), reviews),
        "evidence_overlap": share(total("found shown"), total("found")),
    }


def measure(
    gold: Sequence[Mapping], predicted: Mapping[str, Mapping], *, resamples: int = 1000, seed: int = 7
) -> list[Figure]:
    """Every figure over some annotated reviews. A review without a prediction counts as an empty one."""
    tallies = [compared(row, predicted.get(row["id"], {})) for row in gold]
    keys = sorted({key for tally in tallies for key in tally})
    at = {key: index for index, key in enumerate(keys)}
    matrix = np.array([[tally.get(key, 0.0) for key in keys] for tally in tallies])
    labels = {
        "overall": sorted({key.split("=")[1].rsplit(" ", 1)[0] for key in keys if key.startswith("overall=")}),
        "theme": sorted({key.split("=")[1].rsplit(" ", 1)[0] for key in keys if key.startswith("theme=")}),
    }

    def figures(sums):
        return figures_of(lambda key: float(sums[at[key]]) if key in at else 0.0, labels)

    measured = figures(matrix.sum(axis=0))
    random = np.random.default_rng(seed)
    drawn = (
        [figures(matrix[random.integers(0, len(matrix), len(matrix))].sum(axis=0)) for _ in range(resamples)]
        if len(matrix)
        else []
    )
    return [
        Figure(
            name,
            measured[name],
            *(np.percentile([one[name] for one in drawn], [2.5, 97.5]) if drawn else (measured[name],) * 2),
        )
        for name in FIGURES
    ]


def by(
    gold: Sequence[Mapping], predicted: Mapping[str, Mapping], group: Callable[[Mapping], Iterable[str]]
) -> dict[str, list[Figure]]:
    """The figures per group; a review counts in every group it belongs to."""
    groups: dict[str, list] = defaultdict(list)
    for row in gold:
        for name in group(row):
            groups[name].append(row)
    return {name: measure(rows, predicted, resamples=200) for name, rows in sorted(groups.items())}


def calibration(gold: Sequence[Mapping], predicted: Mapping[str, Mapping], bins: int = 10) -> dict[str, float]:
    """Expected calibration error of the overall sentiment, and of a theme with its sentiment where one was found.

    ECE (Naeini et al. 2015): reviews in bins of equal width by confidence, the gap between mean confidence and share right
    in each, weighted by how many are in it. 0 is a confidence that means what it says.
    """
    judged: dict[str, list[tuple[float, bool]]] = {"overall": [], "theme with sentiment": []}
    for review in gold:
        said = predicted.get(review["id"], {})
        if said.get("confidence") is not None:
            judged["overall"].append((said["confidence"], said["overall"] == review["overall"]))
        told = {(row["theme"], row["sentiment"]) for row in review["aspects"]}
        judged["theme with sentiment"] += [
            (row["confidence"], (row["theme"], row["sentiment"]) in told) for row in said.get("aspects", [])
        ]
    return {name: expected_error(pairs, bins) for name, pairs in judged.items()}


def expected_error(pairs: Sequence[tuple[float, bool]], bins: int) -> float:
    """The weighted gap over bins of (confidence, right); 0 where there is nothing."""
    if not pairs:
        return 0.0
    confidence, right = (np.array(column, float) for column in zip(*pairs, strict=True))
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[which == at].mean() - right[which == at].mean()) * (which == at).mean()
        for at in np.unique(which)
    ]
    return float(sum(gaps))


def theme_table(gold: Sequence[Mapping], predicted: Mapping[str, Mapping]) -> list[dict]:
    """One row per theme: n in gold, how many were found, precision, recall, F1, and of those found the share with the right sentiment."""
    rows = []
    for theme in sorted({row["theme"] for review in gold for row in review["aspects"]}):
        tp = fp = fn = right = 0
        for review in gold:
            told = {row["theme"]: row["sentiment"] for row in review["aspects"]}
            said = {row["theme"]: row["sentiment"] for row in {**EMPTY, **predicted.get(review["id"], {})}["aspects"]}
            tp += theme in told and theme in said
            fp += theme not in told and theme in said
            fn += theme in told and theme not in said
            right += theme in told and said.get(theme) == told[theme]
        rows.append(
            {
                "theme": theme,
                "n": tp + fn,
                "found": tp + fp,
                "precision": share(tp, tp + fp),
                "recall": share(tp, tp + fn),
                "f1": f1(tp, fp, fn),
                "sentiment": share(right, tp),
            }
        )
    return rows


def misses(gold: Sequence[Mapping], predicted: Mapping[str, Mapping]) -> list[dict]:
    """One row per disagreement: id, what was asked, what a reader marked, what was read."""
    rows = []
    for review in gold:
        said = {**EMPTY, **predicted.get(review["id"], {})}
        if review["overall"] != said["overall"]:
            rows.append({"id": review["id"], "asked": "overall", "marked": review["overall"], "read": said["overall"]})
        told, read = ({row["theme"]: row["sentiment"] for row in side["aspects"]} for side in (review, said))
        for theme in sorted(told.keys() | read.keys()):
            if told.get(theme) != read.get(theme):
                rows.append(
                    {"id": review["id"], "asked": theme, "marked": told.get(theme, "—"), "read": read.get(theme, "—")}
                )
        told, read = ({row["name"]: row["received"] for row in side["treatments"]} for side in (review, said))
        for name in sorted(told.keys() | read.keys()):
            if told.get(name) != read.get(name):
                rows.append(
                    {
                        "id": review["id"],
                        "asked": f"{name} received",
                        "marked": told.get(name, "—"),
                        "read": read.get(name, "—"),
                    }
                )
        told, read = (
            {(row["treatment"], row["theme"]): row["sentiment"] for row in side.get("outcomes", [])}
            for side in (review, said)
        )
        for name in sorted(told.keys() | read.keys()):
            if told.get(name) != read.get(name):
                rows.append(
                    {
                        "id": review["id"],
                        "asked": " ".join(name),
                        "marked": told.get(name, "—"),
                        "read": read.get(name, "—"),
                    }
                )
        for reason in sorted(set(review["escalate"]) ^ set(said["escalate"])):
            marked = reason in review["escalate"]
            rows.append(
                {
                    "id": review["id"],
                    "asked": reason,
                    "marked": "yes" if marked else "—",
                    "read": "—" if marked else "yes",
                }
            )
    return rows
