"""Accuracy does not drop unseen: the shipped models on the authors nobody trained on, against tools/floors.toml."""

import tomllib
from pathlib import Path

import pytest

from pipeline import card, corpus
from pipeline.model import Model

PROJECT = Path(__file__).resolve().parent.parent
FLOORS = tomllib.loads((PROJECT / "tools" / "floors.toml").read_text(encoding="utf-8"))
MODELS = sorted(path.parent.name for path in (PROJECT / "models").glob("*/model.json"))


@pytest.fixture(scope="module", params=MODELS)
def shipped(request):
    return Model(PROJECT / "models" / request.param)


@pytest.fixture(scope="module")
def measured(shipped):
    return card.measured(shipped, corpus.split(PROJECT / "data" / "corpus")["held_out"])


def test_no_figure_is_below_its_floor(shipped, measured):
    """Each figure of each model on the held-out authors is at its floor or above."""
    floors = {name: floor for name, floor in FLOORS[shipped.name].items() if name != "calibration_error"}
    assert {name: measured["figures"][name][0] for name in floors if measured["figures"][name][0] < floors[name]} == {}


def test_the_card_says_what_is_measured(shipped, measured):
    """The figures in a model's card are those measured now, to the third digit or one beside it."""
    told = shipped.about["measured"]["figures"]
    assert {name: value[0] for name, value in told.items()} == pytest.approx(
        {name: value[0] for name, value in measured["figures"].items()}, abs=0.006
    )


def test_confidence_means_what_it_says(shipped, measured):
    """Expected calibration error on authors nobody trained on, overall and per theme: at its ceiling or below."""
    ceiling = FLOORS[shipped.name]["calibration_error"]
    assert {name: error for name, error in measured["calibration"].items() if error > ceiling} == {}


def test_the_models_take_little_room():
    """All that is shipped under models/ is 40 MB at most."""
    assert sum(path.stat().st_size for path in (PROJECT / "models").rglob("*") if path.is_file()) <= 40_000_000


def test_nobody_held_out_is_trained_on():
    """The three parts of the corpus share no review, and at least four authors are held out."""
    parts = corpus.split(PROJECT / "data" / "corpus")
    ids = {name: {pair.review["id"] for pair in pairs} for name, pairs in parts.items()}
    assert not (ids["train"] & ids["held_out"])
    assert not (ids["train"] & ids["calibration"])
    assert not (ids["calibration"] & ids["held_out"])
    assert len({review_id.rsplit("-", 1)[0] for review_id in ids["held_out"]}) >= 4
