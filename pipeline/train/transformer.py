"""The encoder that attends: four of MiniLM's six layers, taught on whole reviews and written as int8 ONNX.

Teaching it also where the evidence stands makes its attentions worth showing.
"""

import math
import random

import numpy as np

from pipeline.encoders import AT, CONDITIONED, OUTCOME_THEMES, SLOTS, Window, padded
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.train import lessons
from pipeline.train.lessons import Lesson

EPOCHS, BATCH = 8, 16
RATE, HEAD_RATE, WARM_UP, DECAY = 1e-4, 1e-3, 0.1, 0.01
LAYERS = (0, 1, 3, 5)  # of the six: a third less to compute, which is what 150 reviews a second cost
JOINED = 0.25  # joined reviews per review of the corpus, fresh in every epoch
SHARE = 8_000  # of the texts that only a teacher has read, in an epoch


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


def taught(known, more, others, encoder_folder, tell, epochs=EPOCHS):
    """The network. known: lessons of the corpus. more(random): further windows with goals, fresh for an epoch. others: lessons
    of texts that only a teacher has read, maybe none; an epoch sees SHARE of them."""
    import torch

    torch.manual_seed(lessons.SEED)
    random.Random(lessons.SEED).shuffle(others)
    network = build_network(encoder_folder)
    inner = list(network.encoder.parameters())
    within = {id(parameter) for parameter in inner}
    outer = [parameter for parameter in network.parameters() if id(parameter) not in within]
    optimiser = torch.optim.AdamW(
        [{"params": inner, "lr": RATE}, {"params": outer, "lr": HEAD_RATE}], weight_decay=DECAY
    )

    def of_epoch(epoch, order):
        fresh = [Lesson(window, goal, None) for window, goal in more(order)]
        return known + fresh + lessons.share_of(others, epoch, SHARE)

    many = len(known) * (1 + JOINED) + min(SHARE, len(others))
    given = {"epochs": epochs, "batch": BATCH, "warm_up": WARM_UP, "tell": tell}
    return lessons.teach(network, of_epoch, many, inputs, optimiser, **given)


def inputs(windows):
    """The network's tensors for some windows."""
    import torch

    return tuple(map(torch.from_numpy, padded(windows).values()))


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
