"""What turns the words of a review into vectors: one a question ("slot"), and where in the text the slot looked.

    Transformer   encoder.onnx, int8, with its tokenizer: understands most, for everyday use
    Lookup        lookup.npz, a table of word vectors and two layers that see each word's neighbours: for backfills of millions

Both take windows of reviews and give back vectors (windows, slots, width) and, per window, weights (slots, tokens).
"""

import re
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.faults import Fault
from pipeline.tables import REASONS, THEMES, TREATMENTS

OUTCOME_THEMES = ("efficacy", "side_effects")
SLOTS = (
    tuple(f"theme:{theme}" for theme in THEMES)
    + ("overall",)
    + tuple(f"escalate:{reason}" for reason in REASONS)
    + tuple(f"mention:{treatment}" for treatment in TREATMENTS)
    + tuple(f"received:{treatment}" for treatment in TREATMENTS)
    + tuple(f"outcome:{treatment}:{theme}" for treatment in TREATMENTS for theme in OUTCOME_THEMES)
)
AT = {slot: index for index, slot in enumerate(SLOTS)}
CONDITIONED = {  # slots asked of one treatment
    treatment: [
        AT[slot] for slot in SLOTS if slot.startswith(("received:", "outcome:")) and slot.split(":")[1] == treatment
    ]
    for treatment in TREATMENTS
}
LONGEST_QUESTION = 40  # tokens of a survey's question that are read


class Window(NamedTuple):
    """One stretch of one review as an encoder takes it."""

    review: int
    ids: list[int]
    types: list[int]
    readable: list[bool]  # the words of the review and the first token, not the question
    offsets: list[tuple[int, int]]
    mentioned: np.ndarray  # (3, tokens): the words that name each treatment


def mentioned_in(hits: Mapping, places: Sequence[tuple[int, int]], lead: int, width: int) -> np.ndarray:
    """(3, width): which tokens name each treatment. `places`: the tokens in order, which stand behind `lead` others."""
    found = np.zeros((len(TREATMENTS), width), np.float32)
    for treatment, named in hits.items():
        for hit in named:
            begun = bisect_left(places, hit.end, key=itemgetter(0))
            ended = bisect_right(places, hit.start, key=itemgetter(1))
            found[TREATMENTS.index(treatment), lead + ended : lead + begun] = 1
    return found


def padded(batch: Sequence[Window]) -> dict[str, np.ndarray]:
    """A transformer's inputs for some windows: five arrays of the same width."""
    width = max(len(window.ids) for window in batch)
    ids = np.zeros((len(batch), width), np.int64)
    types, mask, readable = ids.copy(), ids.copy(), np.zeros((len(batch), width), np.float32)
    mentioned = np.zeros((len(batch), len(TREATMENTS), width), np.float32)
    for row, window in enumerate(batch):
        length = len(window.ids)
        ids[row, :length], types[row, :length], mask[row, :length] = window.ids, window.types, 1
        readable[row, :length] = window.readable
        mentioned[row, :, :length] = window.mentioned
    return {
        "input_ids": ids,
        "token_type_ids": types,
        "attention_mask": mask,
        "readable": readable,
        "mentioned": mentioned,
    }


class ModelError(Fault):
    """The model cannot be used; the message says why and what mends it."""


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, plain numbers. Anything else, a pickle above all, raises ModelError and is not loaded."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} holds something else than plain arrays; run make train to build it anew") from error


def read_tokenizer(folder: Path):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


class Transformer:
    """A few layers of attention over word pieces."""

    FILES = ("encoder.onnx", "tokenizer.json")
    LONGEST = 320  # tokens read at once; a longer review is read in windows
    OVERLAP = 64  # tokens shared by neighbouring windows, so that no opinion is cut in two
    THREADS = 1  # a worker is a process of its own; more threads in one help little and cost repeatability

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def tokenizer(self):
        return read_tokenizer(self.folder)

    @cached_property
    def session(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.THREADS
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            str(self.folder / "encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def windows(self, texts, questions, mentions) -> Iterator[Window]:
        """The windows of a batch of reviews, in order. `mentions`: per review, treatment → places where it is named."""
        begin, end = self.tokenizer.token_to_id("[CLS]"), self.tokenizer.token_to_id("[SEP]")
        asked = {
            question: self.tokenizer.encode(question, add_special_tokens=False).ids[:LONGEST_QUESTION]
            for question in {*questions} - {None, ""}
        }
        for review, (encoding, question) in enumerate(
            zip(self.tokenizer.encode_batch(list(texts), add_special_tokens=False), questions, strict=True)
        ):
            lead = [begin, *asked[question], end] if question in asked else [begin]
            room = self.LONGEST - len(lead) - 1
            ids, spans = encoding.ids, encoding.offsets
            for first in range(0, max(1, len(ids) - self.OVERLAP), room - self.OVERLAP):
                part, places = ids[first : first + room], spans[first : first + room]
                offsets = [(0, 0)] * len(lead) + places + [(0, 0)]
                yield Window(
                    review,
                    [*lead, *part, end],
                    [0] * len(lead) + [int(len(lead) > 1)] * (len(part) + 1),
                    [True] + [False] * (len(lead) - 1) + [True] * len(part) + [False],
                    offsets,
                    mentioned_in(mentions[review], places, len(lead), len(offsets)),
                )

    def encode(self, items: Sequence[Window]) -> tuple[np.ndarray, list[np.ndarray]]:
        """One window at a time: the int8 scale of a batch spans the whole batch, so that a review's reading would depend on
        its neighbours; and on a CPU one at a time is the faster way too.
        """
        seen = [self.session.run(None, padded([window])) for window in items]
        return np.concatenate([vectors for vectors, _ in seen]), [weights[0] for _, weights in seen]


def by_window(rows: np.ndarray, by: np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """rows @ by, a window at a time. A product of many rows is rounded by how many there are, so that the last digit of a
    review's scores would depend on its neighbours: on the size of a batch, and on what else is read.
    """
    found = np.zeros((len(rows), by.shape[1]), np.float32)
    for start, end in pairwise(ends):
        np.matmul(rows[start:end], by, out=found[start:end])
    return found


class Lookup:
    """A vector per word, two layers that each see a word and the ones beside it, and the slots' attentions.

    lookup.npz: `table` (pieces, d) int8 with `scale` (d,); `near` (layers, 3·d, d) and `near_bias` (layers, d); `look`
    (2·d, slots): what a slot looks for; `about` (2·d, 2·d) and `about_bias` (2·d,): what a treatment's own words add to
    that; `value` (2·d, width) and `value_bias` (width,). d: width of a word's vector.
    """

    FILES = ("lookup.npz", "tokenizer.json")
    WORD = re.compile(r"\w+|[^\w\s]")
    MOST_WORDS = 200_000  # remembered; a longer vocabulary begins anew
    UNKNOWN = "[UNK]"
    PARTED = "[SEP]"  # stands between a survey's question and the answer

    def __init__(self, folder: Path):
        self.folder = folder
        self.known: dict[str, int] = {}  # word → row of self.vectors

    @cached_property
    def tokenizer(self):
        return read_tokenizer(self.folder)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        return {name: array.astype(np.float32) for name, array in read_arrays(self.folder / "lookup.npz").items()}

    @cached_property
    def vectors(self) -> np.ndarray:
        """A row per word met; row 0, of zeros, stands between reviews."""
        return np.zeros((4096, self.arrays["table"].shape[1]), np.float32)

    def row(self, word: str) -> int:
        """Where a word's vector stands: the mean of its pieces."""
        if word not in self.known:
            at = len(self.known) + 1
            if at == len(self.vectors):
                self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
            pieces = self.pieces(word)
            self.vectors[at] = self.arrays["table"][pieces].mean(axis=0) * self.arrays["scale"]
            self.known[word] = at
        return self.known[word]

    def pieces(self, word: str) -> list[int]:
        """The rows of the table that a word is made of."""
        found = self.tokenizer.encode(word, add_special_tokens=False).ids
        return found or [self.tokenizer.token_to_id(self.UNKNOWN)]

    def windows(self, texts, questions, mentions) -> Iterator[Window]:
        """One window a review, however long. `mentions`: per review, treatment → places where it is named."""
        words = {
            question: [word.lower() for word in self.WORD.findall(question)][:LONGEST_QUESTION] + [self.PARTED]
            for question in {*questions} - {None, ""}
        }
        for review, (text, question) in enumerate(zip(texts, questions, strict=True)):
            lead = words.get(question, [])
            found = list(self.WORD.finditer(text))
            places = [match.span() for match in found] or [(0, 0)]
            said = [match.group().lower() for match in found] or [self.UNKNOWN]
            yield Window(
                review,
                [*lead, *said],
                [],
                [False] * len(lead) + [True] * len(said),
                [(0, 0)] * len(lead) + places,
                mentioned_in(mentions[review], places, len(lead), len(lead) + len(said)),
            )

    def encode(self, items: Sequence[Window]) -> tuple[np.ndarray, list[np.ndarray]]:
        """All windows as one line of words with a blank between them."""
        arrays = self.arrays
        if len(self.known) >= self.MOST_WORDS:  # here, and not amid a line whose words stand in the vectors already
            self.known.clear()
        line, ends = [0], [1]
        for window in items:
            line += [self.row(word) for word in window.ids]
            line.append(0)
            ends.append(len(line))
        line = np.array(line)
        word = line > 0
        states = said = self.vectors[line]
        for near, bias in zip(arrays["near"], arrays["near_bias"], strict=True):
            beside = np.concatenate([np.roll(states, 1, axis=0), states, np.roll(states, -1, axis=0)], axis=1)
            states = np.maximum(by_window(beside, near, ends) + bias, 0) * word[:, None]
        states = np.concatenate([said, states], axis=1)
        scores = by_window(states, arrays["look"], ends)
        pooled, weights, start = np.zeros((len(items), len(SLOTS), states.shape[1]), np.float32), [], 1
        for at, window in enumerate(items):
            end = start + len(window.ids)
            own, looked = states[start:end], scores[start:end].T
            if window.mentioned.any():
                looked = self.asked_of_treatments(window, own, looked)
            first = window.readable.index(True)
            powers = np.exp(looked[:, first:] - looked[:, first:].max(axis=1, keepdims=True))
            weight = np.zeros(looked.shape, np.float32)
            weight[:, first:] = powers / powers.sum(axis=1, keepdims=True)
            pooled[at] = weight @ own
            weights.append(weight)
            start = end + 1
        return np.tanh(pooled @ arrays["value"] + arrays["value_bias"]), weights

    def asked_of_treatments(self, window: Window, states: np.ndarray, looked: np.ndarray) -> np.ndarray:
        """The scores of the slots asked of a treatment, with what its own words add to the question."""
        looked = looked.copy()
        for at, treatment in enumerate(TREATMENTS):
            named = window.mentioned[at].astype(bool)
            if named.any():
                looked[CONDITIONED[treatment]] += states @ (states[named].mean(axis=0) @ self.arrays["about"])
        return looked


ENCODERS = {"transformer": Transformer, "lookup": Lookup}
