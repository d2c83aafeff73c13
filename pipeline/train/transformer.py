"""The encoder of `default`: four of MiniLM's six layers, taught on whole reviews and written as int8 ONNX.

Teaching it also where the evidence stands makes its attentions worth showing.
"""

import math
import random

import numpy as np

from pipeline.encoders import AT, CONDITIONED, OUTCOME_THEMES, SLOTS, Window, padded
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS

EPOCHS, BATCH, SEED = 8, 16, 20261101
RATE, HEAD_RATE, WARM_UP, DECAY = 1e-4, 1e-3, 0.1, 0.01
LAYERS = (0, 1, 3, 5)  # of the six: a third less to compute, which is what 150 reviews a second cost
JOINED = 0.25  # joined reviews per review of the corpus, fresh in every epoch
EVIDENCE_WEIGHT = 0.5  # how much the place of the evidence counts beside the label


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
            for at, treatment in enumerate(TREATMENTS):
                which[CONDITIONED[treatment], at] = 1
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


def shortest_first(items, batch, order):
    """Items, each beginning with a window, in groups of so many: neighbours of like length share one, groups come in any order."""
    items = list(items)
    order.shuffle(items)
    stretches = [
        sorted(items[at : at + batch * 20], key=lambda item: len(item[0].ids))
        for at in range(0, len(items), batch * 20)
    ]
    groups = [stretch[at : at + batch] for stretch in stretches for at in range(0, len(stretch), batch)]
    order.shuffle(groups)
    return groups


def targets_of(goals, width):
    """The targets of some windows as tensors, evidence padded to so many tokens."""
    import torch

    targets = {
        key: torch.from_numpy(np.stack([goal[key] for goal in goals]))
        for key in goals[0]
        if key not in ("overall", "evidence")
    }
    targets["overall"] = torch.tensor([goal["overall"] for goal in goals])
    evidence = np.zeros((len(goals), len(SLOTS), width), np.float32)
    for row, goal in enumerate(goals):
        evidence[row, :, : goal["evidence"].shape[1]] = goal["evidence"]
    targets["evidence"] = torch.from_numpy(evidence)
    return targets


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
        groups = shortest_first(items + more(order), BATCH, order)
        total = 0.0
        for group in groups:
            inputs = padded([window for window, _ in group])
            vectors, weights = network(**{name: torch.from_numpy(array) for name, array in inputs.items()})
            targets = targets_of([goal for _, goal in group], weights.shape[-1])
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

    example = {key: torch.from_numpy(value) for key, value in padded([_example_window()] * 2).items()}
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
    return Window(
        0,
        list(range(100, 100 + length)),
        [0] * length,
        [True] * length,
        [(0, 0)] * length,
        np.ones((len(TREATMENTS), length), np.float32),
    )
