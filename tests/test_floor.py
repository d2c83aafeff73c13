"""Accuracy does not drop unseen: the shipped model on the authors nobody trained on, against tools/floors.toml."""

import tomllib
from pathlib import Path

import pytest

from pipeline import card, corpus

PROJECT = Path(__file__).resolve().parent.parent
FLOORS = tomllib.loads((PROJECT / "tools" / "floors.toml").read_text(encoding="utf-8"))["held_out"]


@pytest.fixture(scope="module")
def measured(model):
    return card.measured(model, corpus.split(PROJECT / "data" / "corpus")["held_out"])


@pytest.mark.parametrize("figure", FLOORS)
def test_no_figure_is_below_its_floor(measured, figure):
    """Each figure on the held-out authors is at its floor or above."""
    assert measured["figures"][figure][0] >= FLOORS[figure]


def test_the_card_says_what_is_measured(model, measured):
    """The figures in the model's card are those measured now, to the third digit or one beside it."""
    told = model.about["measured"]["figures"]
    assert {name: value[0] for name, value in told.items()} == pytest.approx(
        {name: value[0] for name, value in measured["figures"].items()}, abs=0.006
    )


def test_nobody_held_out_is_trained_on():
    """The three parts of the corpus share no review, and at least four authors are held out."""
    parts = corpus.split(PROJECT / "data" / "corpus")
    ids = {name: {pair.review["id"] for pair in pairs} for name, pairs in parts.items()}
    assert not (ids["train"] & ids["held_out"])
    assert not (ids["train"] & ids["calibration"])
    assert not (ids["calibration"] & ids["held_out"])
    assert len({review_id.rsplit("-", 1)[0] for review_id in ids["held_out"]}) >= 4
