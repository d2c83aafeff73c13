"""The encoder that looks up: a table of word vectors and two layers that see each word's neighbours.

A word's vector is drawn from what MiniLM knows of its pieces, and moved by what is taught.
"""

import math
import random
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.encoders import AT, CONDITIONED, OUTCOME_THEMES, SLOTS
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS
from pipeline.train import lessons
from pipeline.train.lessons import Lesson

# of a word's vector; of a slot's; how many layers; words that a layer sees at once
DIM, WIDTH, LAYERS, NEAR = 96, 96, 2, 3
KNOWN = 256  # directions of what MiniLM knows of a word piece, from which a word's vector is drawn
EPOCHS, BATCH, RATE, WARM_UP, DECAY = 20, 64, 3e-3, 0.05, 0.01
SHARE = 30_000  # of the texts that only a teacher has read, in an epoch
MARKS = 1000  # the first of MiniLM's pieces are marks and single letters


def word_vectors(within, alone):
    """Both along their KNOWN strongest directions: (pieces, KNOWN)."""
    import torch

    both = torch.cat(
        [(side - side[MARKS:].mean(0)) / side[MARKS:].std() for side in map(torch.from_numpy, (within, alone))], 1
    )
    vectors = both @ torch.linalg.svd(both[MARKS:], full_matrices=False)[2][:KNOWN].T
    return vectors / vectors.std() * 0.5


def build_network(vectors):
    """The network of encoders.Lookup with plain linear heads that only training uses. `vectors`: see word_vectors.

    A word's vector is drawn from what MiniLM knows of it, the same way for all, and moved a little where it was met: words
    that the training never met stay akin to those it did.
    """
    import torch
    from torch import nn

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.known = nn.EmbeddingBag.from_pretrained(vectors, freeze=True, mode="mean")
            self.drawn = nn.Linear(KNOWN, DIM, bias=False)
            self.moved = nn.EmbeddingBag(len(vectors), DIM, mode="mean")
            with torch.no_grad():
                self.drawn.weight.copy_(torch.eye(DIM, KNOWN))
                self.moved.weight.zero_()
            self.near = nn.ModuleList(nn.Conv1d(DIM, DIM, NEAR, padding=NEAR // 2) for _ in range(LAYERS))
            self.queries = nn.Parameter(torch.randn(len(SLOTS), DIM) * 0.1)
            self.key, self.value = nn.Linear(2 * DIM, DIM, bias=False), nn.Linear(2 * DIM, WIDTH)
            self.about = nn.Linear(2 * DIM, DIM)
            self.drop, self.drop_word = nn.Dropout(0.2), nn.Dropout(0.1)
            which = torch.zeros(len(SLOTS), len(TREATMENTS))
            for at, treatment in enumerate(TREATMENTS):
                which[CONDITIONED[treatment], at] = 1
            self.register_buffer("which", which)
            self.theme, self.sentiment = nn.Linear(WIDTH, len(THEMES)), nn.Linear(WIDTH, len(SENTIMENTS))
            self.own_sentiment = nn.Parameter(torch.zeros(len(THEMES), len(SENTIMENTS), WIDTH))
            self.overall = nn.Linear(WIDTH, len(SENTIMENTS))
            self.escalate = nn.Linear(WIDTH, len(REASONS))
            self.mention, self.received = nn.Linear(WIDTH, len(TREATMENTS)), nn.Linear(WIDTH, 1)
            self.outcome = nn.ModuleList(nn.Linear(WIDTH, len(SENTIMENTS) + 1) for _ in OUTCOME_THEMES)

        def forward(self, pieces, begins, mask, readable, mentioned):
            said = self.drawn(self.known(pieces, begins)) + self.moved(pieces, begins)
            said = self.drop_word(said.view(*mask.shape, -1) * mask[..., None])
            states = said
            for near in self.near:
                states = torch.relu(near(states.transpose(1, 2)).transpose(1, 2)) * mask[..., None]
            states = torch.cat([said, states], -1)
            named = mentioned @ states / mentioned.sum(-1, keepdim=True).clamp(min=1)
            asked = self.queries + self.which @ self.about(named)
            scores = asked @ self.key(states).transpose(1, 2) / math.sqrt(DIM) + (1 - readable)[:, None, :] * -1e4
            weights = scores.softmax(-1)
            return torch.tanh(self.value(weights @ states)), weights

        def scores(self, vectors):
            vectors = self.drop(vectors)
            own = lambda linear, part: (part * linear.weight).sum(-1) + linear.bias  # noqa: E731  slot i with its own row i
            themes = vectors[:, : len(self.own_sentiment)]
            outcomes = vectors[:, AT[f"outcome:{TREATMENTS[0]}:{OUTCOME_THEMES[0]}"] :]
            outcomes = outcomes.reshape(len(vectors), len(TREATMENTS), len(OUTCOME_THEMES), -1)
            at = {kind: AT[f"{kind}:{keys[0]}"] for kind, keys in (("escalate", REASONS), ("mention", TREATMENTS), ("received", TREATMENTS))}  # fmt: skip
            return {
                "theme": own(self.theme, themes),
                "sentiment": self.sentiment(themes) + torch.einsum("btd,tcd->btc", themes, self.own_sentiment),
                "overall": self.overall(vectors[:, AT["overall"]]),
                "escalate": own(self.escalate, vectors[:, at["escalate"] : at["escalate"] + len(REASONS)]),
                "mention": own(self.mention, vectors[:, at["mention"] : at["mention"] + len(TREATMENTS)]),
                "received": self.received(vectors[:, at["received"] : at["received"] + len(TREATMENTS)])[..., 0],
                "outcome": torch.stack([head(outcomes[:, :, at]) for at, head in enumerate(self.outcome)], dim=2),
            }

    return Reader()


class Seen(NamedTuple):
    """A window as the network takes it: the pieces of all its words, how many each has, and what Window says of them."""

    ids: range
    pieces: np.ndarray
    many: np.ndarray
    readable: np.ndarray
    mentioned: np.ndarray


def seen(window, pieces):
    each = [pieces(word) for word in window.ids]
    return Seen(
        range(len(each)),
        np.array([piece for own in each for piece in own], np.int32),
        np.array([len(own) for own in each], np.int16),
        np.array(window.readable, bool),
        window.mentioned.astype(np.int8),
    )


def tensors(windows):
    """The network's inputs for some windows (Seen)."""
    import torch

    width = max(len(window.ids) for window in windows)
    many, pieces = np.ones((len(windows), width), np.int64), []
    mask = np.zeros((len(windows), width), np.float32)
    readable, mentioned = mask.copy(), np.zeros((len(windows), len(TREATMENTS), width), np.float32)
    for row, window in enumerate(windows):
        length = len(window.ids)
        many[row, :length], mask[row, :length] = window.many, 1
        readable[row, :length], mentioned[row, :, :length] = window.readable, window.mentioned
        pieces += [window.pieces, np.zeros(width - length, np.int32)]
    many = many.ravel()
    arrays = (np.concatenate(pieces).astype(np.int64), np.cumsum(many) - many, mask, readable, mentioned)
    return tuple(map(torch.from_numpy, arrays))


def taught(known, others, vectors, lookup, tell, epochs=EPOCHS):
    """The network. known: lessons of the corpus; others: of texts that only a teacher has read; an epoch sees SHARE of them.
    vectors: of word_vectors."""
    import torch

    torch.manual_seed(lessons.SEED)
    pieces = cache(lookup.pieces)
    known, others = (
        [Lesson(seen(one.window, pieces), one.goal, one.chances) for one in some] for some in (known, others)
    )
    random.Random(lessons.SEED).shuffle(others)
    network = build_network(vectors)
    moved = list(network.moved.parameters())
    rest = [one for one in network.parameters() if one.requires_grad and one is not moved[0]]
    optimiser = torch.optim.AdamW([{"params": rest, "weight_decay": DECAY}, {"params": moved, "weight_decay": 0.0}], lr=RATE)  # fmt: skip

    def of_epoch(epoch, _order):
        return known + lessons.share_of(others, epoch, SHARE)

    many = len(known) + min(SHARE, len(others))
    given = {"epochs": epochs, "batch": BATCH, "warm_up": WARM_UP, "tell": tell}
    return lessons.teach(network, of_epoch, many, tensors, optimiser, **given)


def export(network, folder: Path):
    """lookup.npz, as encoders.Lookup describes it."""
    import torch

    with torch.no_grad():
        key, about = network.key.weight, network.about.weight
        conditioned = network.which.sum(1, keepdim=True)
        table = network.drawn(network.known.weight) + network.moved.weight
        scale = table.abs().amax(0) / 127
        arrays = {
            "table": (table / scale).round().to(torch.int8),
            "scale": scale,
            # (out, in, words) → words side by side, as they stand in the text
            "near": torch.stack([near.weight.permute(2, 1, 0).reshape(NEAR * DIM, DIM) for near in network.near]),
            "near_bias": torch.stack([near.bias for near in network.near]),
            "look": ((network.queries + conditioned * network.about.bias) @ key).T / math.sqrt(DIM),
            "about": about.T @ key / math.sqrt(DIM),
            "value": network.value.weight.T,
            "value_bias": network.value.bias,
        }
    np.savez(folder / "lookup.npz", **{name: array.detach().contiguous().numpy() for name, array in arrays.items()})
