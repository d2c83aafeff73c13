"""What people corrected becomes something to learn from, and no more than they said."""

from pathlib import Path

import numpy as np
import pandas as pd
from invented import annotated, review

from pipeline import taxonomy
from pipeline.corrections import text_hash
from pipeline.encoders import AT, OUTCOME_THEMES, Transformer
from pipeline.tables import CORRECTIONS, REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.train.heads import examples
from pipeline.train.pairs import corrected_pairs
from pipeline.train.targets import prepared

FOLDER = Path(__file__).resolve().parent.parent / "models" / "default"
SHORT = "The staff were kind. TMS helped me a lot."
LONG = "The staff were kind. " * 120
REVIEWS = annotated([
    review("read", text=SHORT), review("part", text=SHORT.replace("kind", "rude")), review("long", text=LONG),
    review("polish", text="Wszystko dobrze", language="pl"), review("known", text="Nobody should learn from this."),
]).reviews  # fmt: skip
TEXT = dict(zip(REVIEWS["review_id"], REVIEWS["text"], strict=True))


def table(*rows):
    made = [
        dict(
            zip(("review_id", "what", "which", "now"), row, strict=True),
            was="none",
            model="m1",
            text_hash=text_hash(TEXT[row[0]]),
        )
        for row in rows
    ]
    return pd.DataFrame(made, columns=CORRECTIONS.names).astype(object)


def goals(*rows):
    """The targets of the pairs made of these corrections, a list a review."""
    pairs = corrected_pairs(REVIEWS, table(*rows), ["Nobody should learn from THIS!"])
    found: dict[str, list] = {}
    for window, goal in prepared(pairs, Transformer(FOLDER).windows, taxonomy.load()):
        found.setdefault(pairs[window.review].review["id"], []).append(goal)
    return found


WHOLE = [
    ("read", "read", "", "yes"), ("read", "overall", "", "positive"), ("read", "theme", "staff", "positive"),
    ("read", "theme", "cost", "none"), ("read", "treatment", "tms", "received"), ("read", "verdict", "tms efficacy", "positive"),
]  # fmt: skip


def test_a_review_read_through_is_a_whole_annotation():
    """Every question is asked: what was marked is there, everything else is not."""
    goal = goals(*WHOLE)["read"][0]
    assert goal["theme"].tolist() == [float(theme == "staff") for theme in THEMES]
    assert goal["overall"] == SENTIMENTS.index("positive")
    assert goal["escalate"].tolist() == [0] * len(REASONS)
    assert goal["mention"].tolist() == [1, 0, 0]
    assert goal["outcome"][0].tolist() == [SENTIMENTS.index("positive"), len(SENTIMENTS)]
    assert not goal["evidence"].any()


def test_of_any_other_review_only_what_was_corrected_is_asked():
    """One theme corrected: nothing can be learnt of the other themes, the overall sentiment, or what is to be acted on."""
    goal = goals(("part", "theme", "staff", "negative"), ("part", "escalation", "crisis", "none"))["part"][0]
    assert goal["theme"].tolist() == [1.0 if theme == "staff" else -1.0 for theme in THEMES]
    assert goal["sentiment"][THEMES.index("staff")] == SENTIMENTS.index("negative")
    assert goal["overall"] == -1
    assert goal["escalate"].tolist() == [0.0 if reason == "crisis" else -1.0 for reason in REASONS]
    assert (goal["mention"] == -1).all()
    assert (goal["outcome"] == -1).all()


def test_in_a_long_review_nobody_knows_which_part_says_it():
    """More than one window: a theme without a place is left open, a theme that is not there is nowhere."""
    parts = goals(("long", "theme", "staff", "positive"), ("long", "theme", "cost", "none"))["long"]
    assert len(parts) > 1
    assert {goal["theme"][THEMES.index("staff")] for goal in parts} == {-1.0}
    assert {goal["theme"][THEMES.index("cost")] for goal in parts} == {0.0}


def test_what_is_measured_on_is_not_learnt_from():
    """A review with the words of the calibration or held-out authors is left out, and one in a language nobody reads."""
    assert goals(("known", "overall", "", "positive"), ("polish", "overall", "", "positive")) == {}


def test_heads_see_only_what_was_asked():
    """No head is fitted on a label that nobody gave."""
    made = goals(*WHOLE, ("part", "theme", "staff", "negative"))
    every = [goal for parts in made.values() for goal in parts]
    vectors = np.zeros((len(every), len(AT), 4), np.float32)
    found = examples(vectors, every)
    assert all((labels >= 0).all() for _, labels, _ in found.values())
    assert len(found["theme:staff"][1]) == 2
    assert len(found["overall"][1]) == len(found["theme:cost"][1]) == 1
    assert len(found[f"mention:{TREATMENTS[0]}"][1]) == 1
    assert len(found[f"outcome:{OUTCOME_THEMES[0]}"][1]) == 1
