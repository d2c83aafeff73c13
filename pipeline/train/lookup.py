"""The encoder of `fast`: a table of word vectors and two layers, taught by `default` on much text and by the corpus itself.

The much text is the training authors' own sentences in other company: pieces of a review, sentences of several reviews,
reviews with a sentence more or less. In most of it some words have given way to their kin ("rude" to "harsh", but to "polite"
too), so that words are met that none of our authors uses. Nobody labelled it; `default` reads it, and the student learns its
chances (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"). Much text is what a small encoder needs: it knows
a small one by heart, and reads strangers no better for it.
"""

import math
import random
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.deidentify import deidentify
from pipeline.encoders import AT, CONDITIONED, OUTCOME_THEMES, SLOTS
from pipeline.segment import sentences
from pipeline.tables import REASONS, SENTIMENTS, TREATMENTS
from pipeline.tag import name_treatments
from pipeline.train.transformer import loss_of, shortest_first, targets_of

# of a word's vector; of a slot's; how many layers; words that a layer sees at once
DIM, WIDTH, LAYERS, NEAR = 96, 96, 2, 3
KNOWN = 256  # directions of what MiniLM knows of a word piece, from which a word's vector is drawn
EPOCHS, BATCH, SEED, RATE, WARM_UP, DECAY = 20, 64, 20261101, 3e-3, 0.05, 0.01
MIXED, MIXED_WITH_KIN = (
    90_000,
    160_000,
)  # texts made of other company, as written and with kin in the place of some words
SHARE = 30_000  # of those texts in an epoch
AT_ONCE = 512  # texts the teacher reads at once
JUDGED = ("presence", "sentiment", "overall", "escalate", "mention", "received", "outcome")
WORDS = (2, 45)  # of a sentence that may stand in other company
NEAREST, ALIKE, SWAPPED = 8, 0.45, 0.25  # kin of a word at most; their cosine at least; how many words give way
STAYS = re.compile(  # what holds a sentence together
    "the|and|for|was|are|with|that|this|they|them|you|your|have|had|has|not|but|his|her|she|him|who|what|when|then|than|there|their"
    "|been|from|were|all|can|will|would|could|did|does|our|out|its|into|just|about|over|very|too|also"
)
MARKS = 1000  # the first of MiniLM's pieces are marks and single letters


def in_other_company(texts, questions, many, order):
    """So many texts, and their questions, made of the sentences of `texts`: the same for the same random state."""
    parts = [[text[start:end] for start, end in sentences(text)] for text in texts]
    every = [part for own in parts for part in own if WORDS[0] <= len(part.split()) <= WORDS[1]]
    made, asked = [], []
    while len(made) < many:
        kind, which = order.random(), order.randrange(len(parts))
        own = list(parts[which])
        if not own:
            continue
        if kind < 0.45:  # a piece of one review
            first = order.randrange(len(own))
            own = own[first : first + order.choice([1, 1, 1, 2, 2, 3])]
        elif kind < 0.8:  # sentences of several
            own, which = order.sample(every, order.choice([1, 2, 2, 3, 3, 4])), None
        elif len(own) > 1 and order.random() < 0.6:  # a review without one of its sentences
            own.pop(order.randrange(len(own)))
        else:  # and with one of another's
            own.insert(order.randrange(len(own) + 1), order.choice(every))
        made.append(" ".join(own))
        asked.append(None if which is None else questions[which])
    return made, asked


class Kin:
    """Words and those nearest to them, by what MiniLM makes of each alone. `pieces`: its vocabulary, word → row of `alone`."""

    def __init__(self, pieces, alone):
        self.words = [word for word in pieces if word.isalpha() and word.isascii() and len(word) > 2]
        self.place = {word: at for at, word in enumerate(self.words)}
        vectors = alone[[pieces[word] for word in self.words]]
        vectors = vectors - vectors.mean(0)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    @cache  # noqa: B019  as many as there are words in the corpus, and gone with the training
    def of(self, word):
        """The nearest of a word, a list; empty for one that stays as it is."""
        if len(word) < 4 or STAYS.fullmatch(word) or word not in self.place:
            return []
        like = self.vectors @ self.vectors[self.place[word]]
        return [self.words[at] for at in np.argsort(-like)[1 : 1 + NEAREST] if like[at] > ALIKE]

    def instead(self, text, order):
        """A text in which some words have given way to their kin."""

        def swapped(found):
            word = found[0]
            if order.random() > SWAPPED or not (near := self.of(word.lower())):
                return word
            other = order.choice(near)
            return other.capitalize() if word[0].isupper() else other

        return re.sub(r"[A-Za-z]+", swapped, text)


def taught_by(teacher, pairs, items, lookup, taxonomy, encoder_folder, tell, epochs=EPOCHS):
    """The student's network, taught on the corpus (pairs, their items) and on what the teacher says of it and of texts made of it."""
    texts = [redaction.text for redaction in deidentify([pair.review["text"] for pair in pairs])]
    questions = [pair.review.get("question") for pair in pairs]
    within, alone = known_of(encoder_folder)
    kin = Kin(lookup.tokenizer.get_vocab(), alone)
    made, asked = in_other_company(texts, questions, MIXED, random.Random(SEED))
    order = random.Random(SEED + 1)
    more, asked_more = in_other_company(texts, questions, MIXED_WITH_KIN, order)
    made, asked = made + [kin.instead(text, order) for text in more], asked + asked_more
    tell(f"the teacher reads {len(texts) + len(made)} texts")
    chances = taught(teacher, texts, questions, taxonomy)
    mentions = [name_treatments(text, taxonomy) for text in made]
    pieces = cache(lookup.pieces)
    known = [(seen(window, pieces), goal, chance) for (window, goal), chance in zip(items, chances, strict=True)]
    others = [
        (seen(window, pieces), None, chance)
        for window, chance in zip(
            lookup.windows(made, asked, mentions), taught(teacher, made, asked, taxonomy), strict=True
        )
    ]
    return teach(known, others, word_vectors(within, alone), tell, epochs)


def taught(teacher, texts, questions, taxonomy):
    """What the teacher sees in some texts: a dict of chances a text."""
    mentions, found = [name_treatments(text, taxonomy) for text in texts], []
    for at in range(0, len(texts), AT_ONCE):
        part = slice(at, at + AT_ONCE)
        seen = teacher.read(texts[part], questions[part], mentions[part])
        for which, named in enumerate(mentions[part]):
            chances = {name: getattr(seen, name)[which].astype(np.float32) for name in JUDGED}
            found.append(chances | {"named": np.array([treatment in named for treatment in TREATMENTS], np.float32)})
    return found


def known_of(encoder_folder):
    """What MiniLM knows of each of its pieces, (pieces, 384) twice: its vector on the way in, and what comes out where the piece
    stands alone, which tells far better what is akin (Tulkens and van Dongen 2024, Model2Vec)."""
    import torch
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(encoder_folder).eval()
    begin, end = 101, 102  # [CLS], [SEP]
    out = []
    with torch.inference_mode():
        within = encoder.embeddings.word_embeddings.weight.detach()
        for pieces in torch.arange(len(within)).split(AT_ONCE):
            ids = torch.stack([torch.full_like(pieces, begin), pieces, torch.full_like(pieces, end)], 1)
            out.append(encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean(1))
    return within.numpy().copy(), torch.cat(out).numpy()


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

    class Student(nn.Module):
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
            self.theme, self.sentiment = nn.Linear(WIDTH, 8), nn.Linear(WIDTH, len(SENTIMENTS))
            self.own_sentiment = nn.Parameter(torch.zeros(8, len(SENTIMENTS), WIDTH))
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

    return Student()


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


def loss_of_chances(scores, chances):
    """How far a student is from what its teacher saw."""
    from torch.nn.functional import binary_cross_entropy_with_logits as yes_no

    def one_of(name, chance):
        return -(chance * scores[name].log_softmax(-1)).sum(-1)

    spoken, named = chances["presence"], chances["named"]
    loss = (
        4 * yes_no(scores["theme"], spoken)
        + 2 * (one_of("sentiment", chances["sentiment"]) * spoken).sum() / spoken.sum().clamp(min=1)
        + 1.5 * one_of("overall", chances["overall"]).mean()
        + yes_no(scores["escalate"], chances["escalate"])
        + 0.5 * yes_no(scores["mention"], chances["mention"])
    )
    if named.sum() > 0:
        received = yes_no(scores["received"], chances["received"], reduction="none")
        outcome = one_of("outcome", chances["outcome"].roll(-1, -1)).mean(
            -1
        )  # "absent" comes last in a network's own head
        loss = loss + ((0.7 * received + outcome) * named).sum() / named.sum()
    return loss


def teach(known, others, vectors, tell, epochs=EPOCHS):
    """The student's network. known: (Seen, target, chances) of the corpus; others: the same of windows nobody labelled, without
    a target. An epoch sees all that is known, and the next SHARE of the others."""
    import torch

    torch.manual_seed(SEED)
    order = random.Random(SEED)
    network = build_network(vectors)
    order.shuffle(others)
    share = min(SHARE, len(others))
    steps = epochs * math.ceil((len(known) + share) / BATCH)
    moved = list(network.moved.parameters())
    rest = [one for one in network.parameters() if one.requires_grad and one is not moved[0]]
    optimiser = torch.optim.AdamW([{"params": rest, "weight_decay": DECAY}, {"params": moved, "weight_decay": 0.0}], lr=RATE)  # fmt: skip
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (WARM_UP * steps), max(0.0, (steps - step) / (steps * (1 - WARM_UP))))
    )
    network.train()
    for epoch in range(epochs):
        first = epoch * share % max(1, len(others) - share)
        groups = shortest_first(known + others[first : first + share], BATCH, order)
        total = 0.0
        for group in groups:
            vectors, weights = network(*tensors([window for window, _, _ in group]))
            scores = network.scores(vectors)
            soft = {name: torch.from_numpy(np.stack([chance[name] for _, _, chance in group])) for name in group[0][2]}
            loss = loss_of_chances(scores, soft)
            marked = [at for at, (_, goal, _) in enumerate(group) if goal is not None]
            if marked:
                hard = targets_of([group[at][1] for at in marked], weights.shape[-1])
                loss = loss + loss_of({name: score[marked] for name, score in scores.items()}, weights[marked], hard) * len(marked) / len(group)  # fmt: skip
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            scheduler.step()
            total += float(loss.detach())
        tell(f"epoch {epoch + 1} of {epochs}: loss {total / len(groups):.3f}")
    return network.eval()


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
