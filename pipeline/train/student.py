"""The encoder of `fast`: a table of word vectors and two layers, taught by `default` on much text and by the corpus itself.

The much text is the training authors' own sentences in other company: pieces of a review, sentences of several reviews,
reviews with a sentence more or less. Nobody labelled them; `default` reads them, and the student learns its chances
(Hinton et al. 2015, "Distilling the Knowledge in a Neural Network").
"""

import math
import random
from pathlib import Path

import numpy as np

from pipeline.deidentify import deidentify
from pipeline.encoders import AT, CONDITIONED, OUTCOME_THEMES, SLOTS
from pipeline.segment import sentences
from pipeline.tables import REASONS, SENTIMENTS, TREATMENTS
from pipeline.tag import name_treatments
from pipeline.train.transformer import loss_of, shortest_first, targets_of

DIM, WIDTH, LAYERS, NEAR = (
    96,
    96,
    2,
    3,
)  # of a word's vector; of a slot's; how many layers; words that a layer sees at once
EPOCHS, BATCH, SEED, RATE, WARM_UP, DECAY = 24, 32, 20261101, 2e-3, 0.05, 0.01
MIXED = 60_000  # texts made of other company
AT_ONCE = 512  # texts the teacher reads at once
JUDGED = ("presence", "sentiment", "overall", "escalate", "mention", "received", "outcome")
WORDS = (2, 45)  # of a sentence that may stand in other company


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


def taught_by(teacher, pairs, items, lookup, taxonomy, encoder_folder, tell, epochs=EPOCHS):
    """The student's network, taught on the corpus (pairs, their items) and on what the teacher says of it and of texts made of it."""
    texts = [redaction.text for redaction in deidentify([pair.review["text"] for pair in pairs])]
    questions = [pair.review.get("question") for pair in pairs]
    made, asked = in_other_company(texts, questions, MIXED, random.Random(SEED))
    tell(f"the teacher reads {len(texts) + len(made)} texts")
    chances = taught(teacher, texts, questions, taxonomy)
    mentions = [name_treatments(text, taxonomy) for text in made]
    others = list(lookup.windows(made, asked, mentions))
    return teach(items, chances, others, taught(teacher, made, asked, taxonomy), lookup, encoder_folder, tell, epochs)


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


def word_vectors(encoder_folder):
    """MiniLM's own word pieces along their DIM strongest directions: a student that knows which words are akin."""
    import torch
    from transformers import AutoModel

    pieces = AutoModel.from_pretrained(encoder_folder).embeddings.word_embeddings.weight.detach()
    whole = pieces[1000:]  # the first thousand are marks and single letters
    pieces = (pieces - whole.mean(0)) / whole.std()
    directions = torch.linalg.svd(whole - whole.mean(0), full_matrices=False)[2][:DIM]
    vectors = pieces @ directions.T
    return vectors / vectors.std() * 0.5


def build_network(vectors):
    """The network of encoders.Lookup with plain linear heads that only training uses. `vectors`: (pieces, DIM)."""
    import torch
    from torch import nn

    class Student(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.EmbeddingBag.from_pretrained(vectors, freeze=False, mode="mean")
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
            said = self.drop_word(self.table(pieces, begins).view(*mask.shape, -1) * mask[..., None])
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


def tensors(windows, lookup):
    """The network's inputs for some windows."""
    import torch

    width = max(len(window.ids) for window in windows)
    pieces, begins = [], []
    mask = np.zeros((len(windows), width), np.float32)
    readable, mentioned = mask.copy(), np.zeros((len(windows), len(TREATMENTS), width), np.float32)
    for row, window in enumerate(windows):
        length = len(window.ids)
        mask[row, :length], readable[row, :length], mentioned[row, :, :length] = 1, window.readable, window.mentioned
        for word in [*window.ids, *[None] * (width - length)]:
            begins.append(len(pieces))
            pieces += lookup.pieces(word) if word else [0]
    return (
        torch.tensor(pieces),
        torch.tensor(begins),
        *(torch.from_numpy(array) for array in (mask, readable, mentioned)),
    )


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


def teach(items, chances, others, other_chances, lookup, encoder_folder, tell, epochs=EPOCHS):
    """The student's network. items: (window, target) of the corpus with the teacher's `chances`; others: windows nobody labelled,
    with the teacher's `other_chances`. An epoch sees every item, and as many others as let each be seen about twice in all.
    """
    import torch

    torch.manual_seed(SEED)
    order = random.Random(SEED)
    network = build_network(word_vectors(encoder_folder))
    known = [(window, goal, chance) for (window, goal), chance in zip(items, chances, strict=True)]
    fresh = [(window, None, chance) for window, chance in zip(others, other_chances, strict=True)]
    share = 2 * len(fresh) // epochs
    steps = epochs * math.ceil((len(known) + share) / BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (WARM_UP * steps), max(0.0, (steps - step) / (steps * (1 - WARM_UP))))
    )
    network.train()
    for epoch in range(epochs):
        first = epoch * share % max(1, len(fresh))
        groups = shortest_first(known + (fresh + fresh)[first : first + share], BATCH, order)
        total = 0.0
        for group in groups:
            vectors, weights = network(*tensors([window for window, _, _ in group], lookup))
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
        table = network.table.weight
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
