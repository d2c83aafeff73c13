"""What people corrected becomes something to learn from, and no more than they said; what is taught besides."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented import annotated, review

from pipeline import taxonomy
from pipeline.corrections import text_hash
from pipeline.encoders import AT, OUTCOME_THEMES, Transformer
from pipeline.tables import CORRECTIONS, REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.train import lessons, only_windows
from pipeline.train.heads import examples, heads_of_themes, of_each_theme
from pipeline.train.made import SWAPPED, Kin, in_other_company
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


def test_the_head_of_sentiment_comes_apart_into_one_a_theme():
    """What is fitted with all themes at once gives each theme's own head the same scores."""
    dice = np.random.default_rng(3)
    vectors, themes = dice.normal(size=(40, 6)).astype(np.float32), np.arange(40) % len(THEMES)
    given = of_each_theme(vectors, themes)
    coef, intercept = dice.normal(size=(4, given.shape[1])), dice.normal(size=4)
    apart = heads_of_themes(coef, intercept)
    for vector, theme, scores in zip(vectors, themes, given @ coef.T + intercept, strict=True):
        own, own_intercept = apart[THEMES[theme]]
        assert np.allclose(own @ vector + own_intercept, scores)


def test_what_two_teachers_see_is_their_mean():
    """Name by name and number by number."""
    one, other = ([{"presence": np.array([first, 0.0]), "named": np.array([1.0])}] for first in (0.2, 0.6))
    (both,) = lessons.agreed(one, other)
    assert np.allclose(both["presence"], [0.4, 0.0])
    assert np.allclose(both["named"], [1.0])


@pytest.mark.parametrize(("many", "share"), [(10, 4), (3, 4), (4, 4), (0, 4)])
def test_every_epoch_has_its_share_and_all_is_seen_in_turn(many, share):
    """As many lessons as asked, or all there are; over the epochs every one comes."""
    others = list(range(many))
    seen = [lessons.share_of(others, epoch, share) for epoch in range(12)]
    assert {len(part) for part in seen} == {min(many, share)}
    assert set(others) == {one for part in seen for one in part}


def test_of_a_review_in_two_windows_nobody_knows_what_a_teacher_saw_in_which():
    """Only what stands in one window can be learnt from a teacher."""
    windows = list(Transformer(FOLDER).windows([SHORT, LONG, SHORT], [None] * 3, [{}] * 3))
    assert len(windows) > 3
    assert only_windows(windows) == {0, 2}


NEAR = {
    "rude": [1, 0.1, 0],
    "harsh": [0.9, 0.2, 0],
    "parking": [0, 1, 0.1],
    "garage": [0, 0.9, 0.3],
    "with": [0.1, 0, 1],
    "also": [0, 0.2, 1],
}
KIN = Kin({word: at for at, word in enumerate(NEAR)}, np.array(list(NEAR.values())))


def test_words_that_hold_a_sentence_together_have_no_kin():
    """Nor has a short word, or one that MiniLM does not know whole."""
    assert [KIN.of(word) for word in ("with", "also", "at", "copay")] == [[]] * 4
    assert KIN.of("rude") == ["harsh"]


def test_kin_take_the_place_of_some_words_and_nothing_else_changes():
    """About a quarter of the words that have kin give way, a capital stays one, and the same dice give the same text."""
    text = "Rude. " * 400 + "Parking with care, 5 stars!"
    made = KIN.instead(text, random.Random(1))
    assert made == KIN.instead(text, random.Random(1))
    assert made.replace("Harsh", "Rude").replace("Garage", "Parking") == text
    assert abs(made.count("Harsh") / 400 - SWAPPED) < 0.06


def test_texts_in_other_company_are_made_of_whole_sentences():
    """Nothing is cut: every sentence of a made text stands in one of the texts given; as many as asked, each with its question."""
    texts = ["It rained. The chair was soft. Nobody called.", "I slept well. Thanks."]
    made, asked = in_other_company(texts, ["What was good?", None], 50, random.Random(2))
    assert len(made) == len(asked) == 50
    parts = {f"{part}." for text in texts for part in text.rstrip(".").split(". ")}
    assert all({f"{part}." for part in text.rstrip(".").split(". ")} <= parts for text in made)
    assert set(asked) <= {"What was good?", None}
