"""A model of `models/`: an encoder that reads a review once, and scikit-learn heads on what it saw.

A model folder holds
    encoder.onnx, lookup.npz     one or both: the encoder (see encoders.py): words in, one vector per question we ask of a review out (a "slot")
    tokenizer.json               how a text, or a word nobody met before, becomes pieces
    heads.npz                    the coefficients of the logistic regressions, plain arrays
    model.json                   what it was taught, its thresholds, its measured figures, and the SHA-256 of the files above
Nothing in it can run code when loaded.

A slot is one question: is parking spoken of, how did ketamine work. Each has an attention of its own over the words, so
that the vector a head judges comes of the words shown as evidence: with two encoders, of those that the transformer looked at.
"""

import hashlib
import json
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.encoders import AT, ENCODERS, OUTCOME_THEMES, ModelError, read_arrays
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS

FORMAT = 3


class Reading(NamedTuple):
    """What the model saw in n reviews. Probabilities are calibrated.

    presence (n, 8) by THEMES; sentiment (n, 8, 4) by SENTIMENTS; overall (n, 4); escalate (n, 3) by REASONS; mention and
    received (n, 3) by TREATMENTS; outcome (n, 3, 2, 5): absent, then SENTIMENTS; weights (slots, tokens): where each slot
    looked; offsets (tokens, 2): where each token stands in its text; first (n + 1): where each review's tokens begin.
    """

    presence: np.ndarray
    sentiment: np.ndarray
    overall: np.ndarray
    escalate: np.ndarray
    mention: np.ndarray
    received: np.ndarray
    outcome: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    first: np.ndarray


JUDGED = Reading._fields[:7]  # what is judged of a review as a whole


def softmax(scores):
    """Along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def sha256(path: Path) -> str:
    """Of a file, without holding it in memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Model:
    """A loaded model. `Model(folder)` checks the hashes and what it was taught; `read` reads reviews.

    `finished=False` is for training, which needs the encoder before there are heads and thresholds.
    """

    def __init__(self, folder: Path, *, finished: bool = True):
        self.folder = Path(folder)
        try:
            self.about = json.loads((self.folder / "model.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            there = sorted(path.parent.name for path in self.folder.parent.glob("*/model.json"))
            raise ModelError(
                f"{self.folder}: no such model; there is {', '.join(there) or 'none: run make train'}"
            ) from None
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{self.folder}/model.json cannot be read: {error}; run make train to build it anew"
            ) from error
        about = self.about if isinstance(self.about, dict) else {}
        if about.get("format") != FORMAT or str(about.get("encoder")) not in ENCODERS:
            raise ModelError(f"{self.folder} was built for another version of the pipeline; run make train")
        taught = {
            "themes": list(THEMES),
            "treatments": list(TREATMENTS),
            "sentiments": list(SENTIMENTS),
            "reasons": list(REASONS),
        }
        if any(self.about.get("taught", {}).get(key) != value for key, value in taught.items()):
            raise ModelError(f"{self.folder} was taught another taxonomy than this pipeline reads; run make train")
        self.encoder = ENCODERS[self.about["encoder"]](self.folder)
        if finished and (self.about.get("sha256", {}).keys() != self.files or "thresholds" not in self.about):
            raise ModelError(f"{self.folder} is only half built; run make train")
        for name, expected in self.about["sha256"].items():
            path = self.folder / name
            if not path.is_file():
                raise ModelError(f"{path} is missing; restore the file or run make train")
            if sha256(path) != expected:
                raise ModelError(f"{path} is not the file this model was built with; restore it or run make train")

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def version(self) -> str:
        """Tells one teaching of a model from another: the beginning of a hash of its files' hashes."""
        return hashlib.sha256(json.dumps(self.about["sha256"], sort_keys=True).encode()).hexdigest()[:12]

    @property
    def thresholds(self) -> dict[str, float]:
        """Probability from which a label counts, per question; set on the calibration authors."""
        return self.about["thresholds"]

    @property
    def files(self) -> set[str]:
        """What stands in the folder beside model.json."""
        return {*self.encoder.FILES, "heads.npz"}

    @cached_property
    def heads(self):
        return read_arrays(self.folder / "heads.npz")

    def judge(self, head, vectors):
        """Scores of one head: vectors (…, width) → (…, classes), or (…,) for a yes-or-no head. einsum and not @, which rounds
        by how many rows there are: see encoders.by_window."""
        scores = np.einsum("...k,ck->...c", vectors, self.heads[f"{head}/coef"]) + self.heads[f"{head}/intercept"]
        return scores[..., 0] if scores.shape[-1] == 1 else scores

    def read(self, texts, questions, mentions) -> Reading:
        """What is in some texts, at least one. `questions`: what a survey asked, or None. `mentions`: treatment → places, by rule."""
        items = list(self.encoder.windows(texts, questions, mentions))
        vectors, weights = self.encoder.encode(items)
        themes = vectors[:, : len(THEMES)]
        presence = sigmoid(
            np.stack([self.judge(f"theme:{theme}", themes[:, at]) for at, theme in enumerate(THEMES)], axis=1)
        )
        sentiment = softmax(
            np.stack([self.judge(f"sentiment:{theme}", themes[:, at]) for at, theme in enumerate(THEMES)], axis=1)
        )
        overall = softmax(self.judge("overall", vectors[:, AT["overall"]]))
        yes = {
            kind: sigmoid(
                np.stack([self.judge(f"{kind}:{key}", vectors[:, AT[f"{kind}:{key}"]]) for key in keys], axis=1)
            )
            for kind, keys in (("escalate", REASONS), ("mention", TREATMENTS))
        }
        received = sigmoid(
            np.stack([self.judge("received", vectors[:, AT[f"received:{key}"]]) for key in TREATMENTS], axis=1)
        )
        outcome = np.stack(
            [
                np.stack(
                    [
                        softmax(self.judge(f"outcome:{theme}", vectors[:, AT[f"outcome:{key}:{theme}"]]))
                        for theme in OUTCOME_THEMES
                    ],
                    axis=1,
                )
                for key in TREATMENTS
            ],
            axis=1,
        )
        offsets = np.concatenate([window.offsets for window in items])
        ends = np.cumsum([len(window.offsets) for window in items])
        seen = Reading(
            *(presence, sentiment, overall, yes["escalate"], yes["mention"], received, outcome),
            weights,
            offsets,
            np.concatenate([[0], ends]),
        )
        return seen if len(items) == len(texts) else joined(seen, np.array([window.review for window in items]))


def joined(seen: Reading, review) -> Reading:
    """A reading of windows as one of reviews: what any window found is there, the surest speaks for the rest.

    `review`: which each window is of, in order.
    """
    begin = np.flatnonzero(np.diff(review, prepend=-1))  # every review's first window
    weights = seen.weights.copy()
    whole = seen._replace(**{name: getattr(seen, name)[begin] for name in JUDGED}, weights=weights)
    for at, (one, other) in enumerate(pairwise([*begin, len(review)])):
        if other - one > 1:
            parts = Reading(
                *(getattr(seen, name)[one:other] for name in JUDGED), None, None, seen.first[one : other + 1]
            )
            judged, share = joined_one(parts)
            for name, values in judged.items():
                getattr(whole, name)[at] = values
            for part, (start, end) in enumerate(pairwise(parts.first)):
                weights[:, start:end] *= share[part][:, None]
    return whole._replace(first=seen.first[[*begin, len(review)]])


def joined_one(parts: Reading):
    """The windows of one long review: its judgements by name, and what share each window's weights have, slot by slot."""
    lengths = np.diff(parts.first).astype(np.float32)

    def surest(values, doubt):
        return values[np.argmin(doubt, axis=0), np.arange(doubt.shape[1])]

    absent = parts.outcome[..., 0].reshape(len(lengths), -1)
    outcomes = surest(parts.outcome.reshape(len(lengths), -1, 1 + len(SENTIMENTS)), absent)
    # a slot looks where it was surest: each window's weights count as much as what it found there
    sure = np.concatenate(
        [
            parts.presence,
            np.broadcast_to(lengths[:, None] / lengths.sum(), (len(lengths), 1)),
            parts.escalate,
            parts.mention,
            parts.received,
            1 - absent,
        ],
        axis=1,
    )
    judged = {name: getattr(parts, name).max(axis=0) for name in ("presence", "escalate", "mention", "received")} | {
        "sentiment": surest(parts.sentiment, 1 - parts.presence),
        "overall": np.average(parts.overall, axis=0, weights=lengths),
        "outcome": outcomes.reshape(parts.outcome.shape[1:]),
    }
    return judged, (sure == sure.max(axis=0)).astype(np.float32)
