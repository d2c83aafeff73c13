"""Much text that nobody labelled, made of the training authors' own: sentences in other company, and words that gave way to kin.

Pieces of a review, sentences of several reviews, reviews with a sentence more or less. In most of it some words have given way to
their kin ("rude" to "harsh", but to "polite" too), so that words are met that none of our authors uses.
"""

import random
import re
import tomllib
from functools import cache
from importlib.resources import files

import numpy as np

from pipeline.segment import sentences

SEED = 20261101
MIXED, MIXED_WITH_KIN = 90_000, 160_000  # texts in other company, as written and with kin in the place of some words
WORDS = (2, 45)  # of a sentence that may stand in other company
NEAREST, ALIKE, SWAPPED = 8, 0.45, 0.25  # kin of a word at most; their cosine at least; how many words give way
AT_ONCE = 512  # pieces that MiniLM reads at once


def much_text(texts, questions, kin):
    """Texts made of some, and the question each answers or None; the same for the same texts."""
    made, asked = in_other_company(texts, questions, MIXED, random.Random(SEED))
    order = random.Random(SEED + 1)
    more, asked_more = in_other_company(texts, questions, MIXED_WITH_KIN, order)
    return made + [kin.instead(text, order) for text in more], asked + asked_more


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


@cache
def words_that_stay() -> frozenset[str]:
    """What resources/kin.toml says."""
    return frozenset(tomllib.loads((files("pipeline") / "resources" / "kin.toml").read_text(encoding="utf-8"))["stays"].split())  # fmt: skip


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
        if len(word) < 4 or word in words_that_stay() or word not in self.place:
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
