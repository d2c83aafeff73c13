"""The figures: what they mean, and that they agree with the scorer people use."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.evaluate import measure, misses, theme_table
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS

SCORER = Path(__file__).resolve().parents[2] / "shared" / "evaluation" / "score.py"


def annotation(review_id, overall="positive", aspects=(), treatments=(), outcomes=(), escalate=(), pii=()):
    return {
        "id": review_id,
        "language": "en",
        "overall": overall,
        "treatments": [{"name": name, "received": received} for name, received in treatments],
        "aspects": [
            {"theme": theme, "sentiment": sentiment, "evidence": evidence} for theme, sentiment, evidence in aspects
        ],
        "outcomes": [
            {"treatment": name, "theme": theme, "sentiment": sentiment, "evidence": ""}
            for name, theme, sentiment in outcomes
        ],
        "escalate": list(escalate),
        "pii": list(pii),
    }


def figures(gold, predicted):
    return {figure.name: figure for figure in measure(gold, {row["id"]: row for row in predicted}, resamples=50)}


def test_a_perfect_reading_scores_one_everywhere():
    """Gold against itself is 1, with no false identifiers."""
    gold = [
        annotation("a", aspects=[("staff", "positive", "kind")], treatments=[("tms", True)]),
        annotation("b", "negative"),
    ]
    measured = figures(gold, gold)
    assert all(figure.value == 1 for name, figure in measured.items() if name != "pii_false_per_100_reviews")
    assert measured["pii_false_per_100_reviews"].value == 0


def test_nothing_read_finds_nothing():
    """An empty prediction has recall 0 and accuracy 0, not a crash."""
    gold = [annotation("a", aspects=[("staff", "positive", "kind")], escalate=["crisis"])]
    measured = figures(gold, [])
    assert (
        measured["theme_recall"].value == measured["overall_accuracy"].value == measured["escalate_recall"].value == 0
    )


def test_theme_with_the_wrong_sentiment_counts_for_the_theme_alone():
    """Theme F1 1, aspect F1 0."""
    measured = figures(
        [annotation("a", aspects=[("cost", "negative", "dear")])],
        [annotation("a", aspects=[("cost", "positive", "dear")])],
    )
    assert (measured["theme_f1"].value, measured["aspect_f1"].value) == (1, 0)


def test_the_interval_holds_the_figure_and_narrows_with_more_reviews():
    """A bootstrap interval of 400 reviews is narrower than one of 20."""
    rng = random.Random(1)

    def width(many):
        gold = [annotation(str(at)) for at in range(many)]
        read = [annotation(str(at), rng.choice(["positive", "negative"])) for at in range(many)]
        figure = figures(gold, read)["overall_accuracy"]
        assert figure.low <= figure.value <= figure.high
        return figure.high - figure.low

    assert width(400) < width(20)


def test_misses_name_what_was_marked_and_what_was_read():
    """Each disagreement is a row that a person can look up."""
    rows = misses(
        [annotation("a", aspects=[("cost", "negative", "dear")])], {"a": annotation("a", "mixed", escalate=["crisis"])}
    )
    assert {(row["asked"], row["marked"], row["read"]) for row in rows} == {
        ("overall", "positive", "mixed"),
        ("cost", "negative", "—"),
        ("crisis", "—", "yes"),
    }
    assert theme_table([annotation("a", aspects=[("cost", "negative", "dear")])], {})[0]["recall"] == 0


def drawn(rng, review_id):
    """A random annotation; words overlap now and then."""
    words = ["kind", "late", "dear", "quiet room", "life back"]
    return annotation(
        review_id,
        rng.choice(SENTIMENTS),
        [(theme, rng.choice(SENTIMENTS), rng.choice(words)) for theme in THEMES if rng.random() < 0.4],
        [(name, rng.random() < 0.6) for name in TREATMENTS if rng.random() < 0.5],
        [(name, "efficacy", rng.choice(SENTIMENTS)) for name in TREATMENTS if rng.random() < 0.4],
        [reason for reason in REASONS if rng.random() < 0.2],
        [rng.choice(["Ann Lee", "Ann", "555-0100"]) for _ in range(rng.randint(0, 2))],
    )


def test_every_figure_agrees_with_the_scorer(tmp_path):
    """On 200 random pairs of annotations every shared figure is the scorer's to the last digit."""
    if not SCORER.exists():
        pytest.skip(f"the scorer is not at {SCORER}")
    rng = random.Random(7)
    gold, predicted = ([drawn(rng, str(at)) for at in range(200)] for _ in range(2))
    files = []
    for name, rows in (("gold", gold), ("predicted", predicted[:190])):
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told = json.loads(
        subprocess.run([sys.executable, SCORER, *files, "--json"], capture_output=True, check=True, text=True).stdout
    )
    measured = figures(gold, predicted[:190])
    for name, figure in measured.items():
        assert figure.value == pytest.approx(told[name], abs=1e-12), name
