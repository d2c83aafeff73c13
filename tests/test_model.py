"""A model is plain data, and a wrong one is refused before any work is done."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import taxonomy
from pipeline.encoders import SLOTS, Lookup
from pipeline.model import JUDGED, Model, ModelError, sha256
from pipeline.tables import THEMES
from pipeline.tag import name_treatments

SHIPPED = Path(__file__).resolve().parent.parent / "models" / "default"


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(SHIPPED, tmp_path / "default"))


def changed(folder, **what):
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | what))


def test_a_missing_model_is_told_with_those_there_are(copied):
    """The message names the models that could be used."""
    with pytest.raises(ModelError, match="there is default"):
        Model(copied.parent / "defualt")


def test_a_file_that_was_changed_is_refused(copied):
    """One byte more in the heads and the hash tells."""
    with open(copied / "heads.npz", "ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"heads\.npz is not the file"):
        Model(copied)


def test_a_file_that_is_gone_is_told(copied):
    """A model folder without its encoder names the encoder."""
    (copied / "encoder.onnx").unlink()
    with pytest.raises(ModelError, match=r"encoder\.onnx is missing"):
        Model(copied)


@pytest.mark.parametrize("what", [{"taught": {"themes": [*THEMES, "pets"]}}, {"format": 99}])
def test_a_model_of_another_taxonomy_or_format_is_refused(copied, what):
    """What it was taught must be what the pipeline reads."""
    changed(copied, **what)
    with pytest.raises(ModelError, match="make train"):
        Model(copied)


def test_a_broken_description_is_refused_in_a_line(copied):
    """model.json cut in half gives the mend."""
    (copied / "model.json").write_text('{"format": 1,')
    with pytest.raises(ModelError, match="cannot be read"):
        Model(copied)


class Attack:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("ran-when-loaded"),))


def as_pickle(path):
    path.write_bytes(pickle.dumps({"parking/coef": Attack()}))


def as_array_of_objects(path):
    np.savez(path, **{"parking/coef": np.array([Attack()], dtype=object)})


@pytest.mark.parametrize("put", [as_pickle, as_array_of_objects])
@pytest.mark.parametrize(("name", "file"), [("default", "heads.npz"), ("fast", "heads.npz"), ("fast", "lookup.npz")])
def test_a_pickle_put_in_place_is_not_loaded(tmp_path, monkeypatch, put, name, file):
    """Even where its hash was written into model.json, so that nothing looks amiss: refused in a line, and nothing has run."""
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(SHIPPED.parent / name, tmp_path / name))
    put(folder / file)
    with pytest.raises(ModelError, match="is not the file"):
        Model(folder)
    about = json.loads((folder / "model.json").read_text())
    changed(folder, sha256=about["sha256"] | {file: sha256(folder / file)})
    with pytest.raises(ModelError, match="plain arrays"):
        Model(folder).read(["Parking is bad."], [None], [{}])
    assert not (tmp_path / "ran-when-loaded").exists()


@pytest.mark.parametrize("names", [{"../../elsewhere.npz": "0"}, {"/etc/hostname": "0"}, {}])
def test_a_model_names_no_file_but_its_own(copied, names):
    """model.json cannot point at a file elsewhere, nor leave one out that is to be checked."""
    changed(copied, sha256=names)
    with pytest.raises(ModelError, match="half built"):
        Model(copied)


def test_nothing_in_a_model_folder_can_run_code():
    """Weights are ONNX and plain arrays; no pickle anywhere."""
    folder = SHIPPED.parent
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".onnx", ".json", ".npz", ".md"}
    for path in folder.rglob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert {arrays[name].dtype for name in arrays.files} <= {np.dtype(np.float32), np.dtype(np.int8)}


def test_two_encoders_read_the_same_review_side_by_side(model):
    """A vector of `default` holds what each encoder alone gives; of a review in several windows the second reads it whole."""
    pair = model.encoder
    texts = ["They were kind.", "The wait was long and nobody told us why. " * 60, "Parking is bad."]
    given = (texts, [None] * 3, [{}] * 3)
    windows = list(pair.windows(*given))
    assert [window.review for window in windows].count(1) > 1
    vectors, weights = pair.encode(windows)
    first, own_weights = pair.transformer.encode(list(pair.transformer.windows(*given)))
    second, _ = pair.lookup.encode(list(pair.lookup.windows(*given)))
    assert vectors.shape[2] == sum(pair.widths)
    assert (vectors[:, :, : pair.widths[0]] == first).all()
    assert (vectors[:, :, pair.widths[0] :] == second[[window.review for window in windows]]).all()
    assert (weights == own_weights).all()


def test_probabilities_are_probabilities(model):
    """Shapes and sums as the Reading promises."""
    reading = model.read(["They were kind and it worked.", "Parking is bad."], [None] * 2, [{}] * 2)
    assert reading.presence.shape == (2, 8)
    assert reading.outcome.shape == (2, 3, 2, 5)
    assert reading.weights.shape == (len(SLOTS), len(reading.offsets))
    assert reading.first[-1] == len(reading.offsets)
    for chances in (reading.sentiment, reading.overall, reading.outcome):
        assert np.allclose(chances.sum(axis=-1), 1, atol=1e-5)


def test_a_question_turns_an_answer(model):
    """The same words under two questions are read differently."""
    one, other = model.read(["Nothing"] * 2, ["What could we improve?", "What did we do well?"], [{}, {}]).overall
    assert one[0] > other[0]


@pytest.mark.parametrize("name", ["default", "fast"])
def test_a_review_reads_the_same_in_any_company(name):
    """To the last digit, alone or among others: so the size of a batch, and who reads the rest, changes nothing."""
    model = Model(SHIPPED.parent / name)
    texts = [
        "Kind techs.",
        "Nice people. " * 400 + "The restroom was dirty.",
        "Parking is awful.",
        "TMS worked, ketamine no",
    ]
    questions = [None, None, "What could we improve?", None]
    among = model.read(texts * 9, questions * 9, [{}] * 36)
    for at, (text, question) in enumerate(zip(texts, questions, strict=True)):
        alone = model.read([text], [question], [{}])
        for judged in JUDGED:
            assert np.array_equal(getattr(among, judged)[at], getattr(alone, judged)[0]), (at, judged)
        tokens = slice(among.first[at], among.first[at + 1])
        assert np.array_equal(among.weights[:, tokens], alone.weights)
        assert np.array_equal(among.offsets[tokens], alone.offsets)


def test_the_lookup_reads_the_same_whatever_it_remembers_and_however_many_come_at_once(monkeypatch):
    """One review by itself, and all of them by a model that forgets every word at once, give the same chances."""
    texts = [
        *(
            "Kind techs.",
            "TMS gave me my life back, ketamine did nothing.",
            "!",
            "Me ayudaron mucho con el estacionamiento.",
        ),
        *("Spravato twice a week. " * 30, "Nothing", "ÉTÉ à la clinique", "No parking, rude desk, TMS helped"),
    ]
    questions = [None, "How was it?", None, None, None, "What could we improve?", None, None]
    mentions = [name_treatments(text, taxonomy.load()) for text in texts]
    whole = Model(SHIPPED.with_name("fast")).read(texts, questions, mentions)
    monkeypatch.setattr(Lookup, "AT_ONCE", 1)
    monkeypatch.setattr(Lookup, "MOST_WORDS", 3)
    forgetful = Model(SHIPPED.with_name("fast"))
    for at, one in enumerate(zip(texts, questions, mentions, strict=True)):
        alone = forgetful.read(*([part] for part in one))
        tokens = slice(whole.first[at], whole.first[at + 1])
        for name in JUDGED:
            assert np.allclose(getattr(whole, name)[at], getattr(alone, name)[0], atol=1e-6), (at, name)
        assert np.allclose(whole.weights[:, tokens], alone.weights, atol=1e-6)
        assert np.array_equal(whole.offsets[tokens], alone.offsets)
        asked = whole.offsets[tokens, 1] == 0  # the question's words
        assert np.allclose(alone.weights.sum(axis=1), 1, atol=1e-5)
        assert not alone.weights[:, asked].any()
