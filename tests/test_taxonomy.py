"""The file a clinic may edit: what it finds, and how its faults are told."""

import tomllib
from importlib.resources import files

import pytest

from pipeline import taxonomy

OURS = (files("pipeline") / "resources" / "taxonomy.toml").read_text(encoding="utf-8")
ENTRIES = tomllib.loads(OURS)
CASES = [
    (key, kind, text)
    for kind in ("misses", "hits")
    for key, entry in ENTRIES["treatment"].items()
    for text in entry[kind]
]


def written(tmp_path, text):
    path = tmp_path / "taxonomy.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("treatment", "kind", "text"), CASES)
def test_each_treatment_finds_its_hits_and_nothing_of_its_misses(treatment, kind, text):
    """The sentences beside the terms hold: look-alikes stay out, spellings and descriptions come in."""
    assert bool(taxonomy.load().treatments[treatment].found.find(text)) == (kind == "hits")


def test_a_clinic_adds_a_theme_with_one_entry(tmp_path):
    """A theme of one's own is read by its terms; nothing else is to be changed."""
    path = written(
        tmp_path,
        OURS + '\n[theme.snacks]\nname = "Snacks"\nmeans = "Food and drink."\nterms = ["snack*"]\nhits = ["Snacks!"]\n',
    )
    assert set(taxonomy.load(path).own_themes) == {"snacks"}


def test_every_fault_of_a_file_is_told_at_once(tmp_path):
    """Four faults give four lines, each with its entry."""
    text = OURS + (
        '\n[theme.snacks]\nname = "Snacks"\nterms = ["snack*"]\n'
        '\n[theme.pets]\nname = "Pets"\nmeans = "Animals."\nterms = ["dog"]\nhits = ["cat"]\nmisses = ["hot dog"]\n'
        '\n[treatment.ect]\nname = "ECT"\nmeans = "Shock."\nterms = ["ect"]\n'
    )
    with pytest.raises(taxonomy.TaxonomyError) as told:
        taxonomy.load(written(tmp_path, text))
    message = str(told.value)
    for part in (
        "[theme.snacks] lacks 'means'",
        "does not find its own hit: 'cat'",
        "finds what it is to miss: 'hot dog'",
        "[treatment.ect]",
    ):
        assert part in message


def test_a_theme_the_model_reads_cannot_be_left_out(tmp_path):
    """Without [theme.parking] the file is refused, by name."""
    with pytest.raises(taxonomy.TaxonomyError, match=r"\[theme.parking\] is missing"):
        taxonomy.load(written(tmp_path, OURS.replace("[theme.parking]", "[theme.car_park]")))


def test_a_file_that_is_no_toml_is_refused_in_a_line(tmp_path):
    """The message names the file."""
    with pytest.raises(taxonomy.TaxonomyError, match="cannot be read"):
        taxonomy.load(written(tmp_path, "theme = ["))
