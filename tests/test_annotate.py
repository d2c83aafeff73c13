"""The reading of a batch: evidence at its place, what is not read said so, and a theme of one's own."""

import pandas as pd
import pytest

from pipeline import taxonomy
from pipeline.annotate import annotate_batch
from pipeline.explain import prepared
from pipeline.tables import SENTIMENTS, THEMES, TREATMENTS

TEXTS = [
    "The techs were so kind, but parking is a nightmare and nobody ever called me back about my bill.",
    "Six weeks of TMS and I am cooking dinner again. Slight headache the first week, then nothing.",
    "El doctor fue muy amable. La espera es larga y no hay estacionamiento.",
    "I came on a Tuesday, my sister drove, and on the way home we talked about her garden. " * 50
    + "The restroom was dirty.",
    "😭😭",
    "",
    "Очень хорошая клиника, спасибо врачу и всем сестрам",
    "My son [NAME-1] did ketamine here; call me at [PHONE-1].",
]


@pytest.fixture(scope="module")
def annotations(model):
    reviews = pd.concat(
        [prepared(text)[0].assign(review_id=f"r{at}") for at, text in enumerate(TEXTS)], ignore_index=True
    )
    return annotate_batch(reviews, model, taxonomy.load())


def texts_of(annotations):
    return dict(zip(annotations.reviews["review_id"], annotations.reviews["text"], strict=True))


@pytest.mark.parametrize("name", ["opinions", "mentions", "escalations"])
def test_every_evidence_stands_at_its_place(annotations, name):
    """text[start:end] is the evidence, and it is never blank."""
    text = texts_of(annotations)
    rows = getattr(annotations, name)
    assert all(
        text[row.review_id][row.start : row.end] == row.evidence and row.evidence.strip() for row in rows.itertuples()
    )


def test_labels_are_those_of_the_taxonomy(annotations):
    """Themes, treatments, sentiments, scores and confidences keep to their ranges."""
    opinions = annotations.opinions
    assert set(opinions["theme"]) <= set(THEMES)
    assert set(opinions["treatment"].dropna()) <= set(TREATMENTS)
    assert set(opinions["sentiment"]) <= set(SENTIMENTS)
    assert opinions["score"].between(-1, 1).all()
    assert opinions["confidence"].between(0, 1).all()
    assert (opinions["found_by"] != "").all()


def test_a_verdict_belongs_to_a_treatment_that_was_had(annotations):
    """No treatment has a verdict that the review does not say was received."""
    had = {(row.review_id, row.treatment) for row in annotations.mentions.itertuples() if row.received}
    verdicts = annotations.opinions.dropna(subset=["treatment"])
    assert {(row.review_id, row.treatment) for row in verdicts.itertuples()} <= had


def test_no_words_and_other_languages_are_kept_and_not_scored(annotations):
    """A star-only review and a Russian one stay as rows without a sentiment; the Russian one says why."""
    rows = annotations.reviews.set_index("review_id")
    assert pd.isna(rows["overall"]["r5"])
    assert pd.isna(rows["overall"]["r6"])
    assert list(rows["flags"]["r6"]) == ["language not read"]


def test_what_stands_at_the_end_of_a_long_review_is_read(annotations):
    """Windows cover all of a text: the restroom after 800 words is found."""
    found = annotations.opinions[
        (annotations.opinions["review_id"] == "r3") & (annotations.opinions["theme"] == "facility")
    ]
    assert found["evidence"].str.contains("restroom").any()


def test_plain_opinions_are_read_as_a_person_would(annotations):
    """Kind techs, bad parking; it worked, with a passing headache."""
    said = {
        (row.review_id, row.theme): row.sentiment for row in annotations.opinions.itertuples() if pd.isna(row.treatment)
    }
    assert said["r0", "staff"] == "positive"
    assert said["r0", "parking"] == "negative"
    assert said["r1", "efficacy"] == "positive"
    assert said["r2", "staff"] == "positive"


def test_the_same_batch_in_other_company_is_read_the_same(model):
    """What a review says does not depend on the reviews beside it."""
    one = annotate_batch(prepared(TEXTS[0])[0], model, taxonomy.load()).opinions
    both = pd.concat(
        [prepared(text)[0].assign(review_id=str(at)) for at, text in enumerate(TEXTS[:4])], ignore_index=True
    )
    other = annotate_batch(both, model, taxonomy.load()).opinions
    other = other[other["review_id"] == "0"]
    assert (
        one[["theme", "sentiment", "start", "end"]].values.tolist()
        == other[["theme", "sentiment", "start", "end"]].values.tolist()
    )


def test_a_theme_of_ones_own_is_read_by_its_terms(model, tmp_path):
    """An entry in the taxonomy is enough: the clause that names it speaks."""
    from importlib.resources import files

    ours = (files("pipeline") / "resources" / "taxonomy.toml").read_text(encoding="utf-8")
    path = tmp_path / "taxonomy.toml"
    path.write_text(ours + '\n[theme.snacks]\nname = "Snacks"\nmeans = "Food."\nterms = ["snack*"]\n', encoding="utf-8")
    opinions = annotate_batch(prepared("Long wait. The snacks were delicious!")[0], model, taxonomy.load(path)).opinions
    row = opinions[opinions["theme"] == "snacks"].iloc[0]
    assert (row["evidence"], row["sentiment"], row["found_by"]) == ("The snacks were delicious!", "positive", "terms")
