"""What turns the words of a review into vectors: one a question ("slot"), and where in the text the slot looked.

    Transformer   encoder.onnx, int8, with its tokenizer: understands most, for everyday use
    Lookup        lookup.npz, a table of word vectors and two layers that see each word's neighbours: for backfills of millions
    Pair          both, side by side

All take windows of reviews and give back vectors (windows, slots, width) and weights (slots, tokens of all windows).
"""

import re
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

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
# The variable that pipeline/__init__.py sets comes too late where somebody imported numpy before or set it otherwise. More
# threads would work for a product this small without end, and may round it another way.
threadpool_limits(1, "blas")


class Window(NamedTuple):
    """One stretch of one review as an encoder takes it."""

    review: int
    ids: list  # numbers of pieces, or the words themselves
    types: list[int]
    readable: Sequence[bool]  # the words of the review and the first token, not the question
    offsets: Sequence[tuple[int, int]]
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

    @property
    def widths(self) -> tuple[int, ...]:
        """How wide a vector is, one number per encoder whose heads are fitted apart."""
        return (self.session.get_outputs()[0].shape[-1],)

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

    def encode(self, items: Sequence[Window]) -> tuple[np.ndarray, np.ndarray]:
        """One window at a time: the int8 scale of a batch spans the whole batch, so that a review's reading would depend on
        its neighbours; and on a CPU one at a time is the faster way too.
        """
        seen = [self.session.run(None, padded([window])) for window in items]
        return np.concatenate([vectors for vectors, _ in seen]), np.concatenate([own[0] for _, own in seen], axis=1)


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
    WORD = re.compile(r"(\w+|[^\w\s])")
    MOST_WORDS = 50_000  # remembered, at 1.5 KB each; a longer vocabulary begins anew
    AT_ONCE = 32  # windows: as many as a processor's own cache holds the states of
    UNKNOWN = "[UNK]"
    PARTED = "[SEP]"  # stands between a survey's question and the answer
    BLANK = ""  # stands between reviews; row 0, of zeros

    def __init__(self, folder: Path):
        self.folder = folder
        self.known: dict[str, int] = {self.BLANK: 0}  # word as typed → row of self.vectors

    @cached_property
    def tokenizer(self):
        return read_tokenizer(self.folder)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        return {name: array.astype(np.float32) for name, array in read_arrays(self.folder / "lookup.npz").items()}

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.arrays["value"].shape[1],)

    @cached_property
    def near(self) -> np.ndarray:
        """(layers, 3, d, d): what the word before, the word itself and the word after give to a layer."""
        layers, _, width = self.arrays["near"].shape
        return self.arrays["near"].reshape(layers, 3, width, width)

    @cached_property
    def vectors(self) -> np.ndarray:
        """(4, words, d): of each word met its vector, and what that gives to the first layer of the word after it, of
        its own and of the word before it."""
        return np.zeros((4, 4096, self.arrays["table"].shape[1]), np.float32)

    def rows(self, words: Sequence[str]) -> np.ndarray:
        """Where the vectors of words stand. A word that is met for the first time is the mean of its pieces."""
        new = sorted(set(words).difference(self.known))
        if new and len(self.known) + len(new) > self.MOST_WORDS:
            self.known = {self.BLANK: 0}
            new = sorted({*words} - {self.BLANK})
        if new:
            first = len(self.known)
            while first + len(new) > self.vectors.shape[1]:
                self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)], axis=1)
            pieces = [self.pieces(word) for word in new]
            many = np.array([len(own) for own in pieces])
            every = self.arrays["table"][list(chain.from_iterable(pieces))]
            vectors = np.add.reduceat(every, np.cumsum(many) - many) / many[:, None].astype(np.float32)
            vectors *= self.arrays["scale"]
            place = slice(first, first + len(new))
            self.vectors[0, place] = vectors
            self.vectors[1:, place] = np.matmul(vectors[:, None, None], self.near[0])[:, :, 0].swapaxes(
                0, 1
            )  # each alone
            self.vectors[2, place] += self.arrays["near_bias"][0]
            self.known.update(zip(new, range(first, first + len(new)), strict=True))
        return np.fromiter(map(self.known.__getitem__, words), np.intp, len(words))

    def pieces(self, word: str) -> list[int]:
        """The rows of the table that a word is made of."""
        small = word if word in (self.UNKNOWN, self.PARTED) else word.lower()
        found = self.tokenizer.encode(small, add_special_tokens=False).ids
        return found or [self.tokenizer.token_to_id(self.UNKNOWN)]

    def windows(self, texts, questions, mentions) -> Iterator[Window]:
        """One window a review, however long. `mentions`: per review, treatment → places where it is named."""
        leads = {
            question: self.WORD.findall(question)[:LONGEST_QUESTION] + [self.PARTED]
            for question in {*questions} - {None, ""}
        }
        for review, (text, question) in enumerate(zip(texts, questions, strict=True)):
            lead = leads.get(question, [])
            parts = self.WORD.split(text)  # what is between words and a word by turns
            said = parts[1::2] or [self.UNKNOWN]
            edges = np.fromiter(map(len, parts), np.int64, len(parts)).cumsum()
            places = edges[:-1].reshape(-1, 2) if len(parts) > 1 else np.zeros((1, 2), np.int64)
            offsets = np.concatenate([np.zeros((len(lead), 2), np.int64), places]) if lead else places
            yield Window(
                review,
                lead + said,
                [],
                np.arange(len(offsets)) >= len(lead),
                offsets,
                mentioned_in(mentions[review], places, len(lead), len(offsets)),
            )

    def encode(self, items: Sequence[Window]) -> tuple[np.ndarray, np.ndarray]:
        """Some windows at a time, as one line of words with a blank before each window and at the end."""
        parts = [self.looked(items[at : at + self.AT_ONCE]) for at in range(0, len(items), self.AT_ONCE)]
        pooled, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        return np.tanh(pooled @ self.arrays["value"] + self.arrays["value_bias"]), weights.T

    def looked(self, items: Sequence[Window]) -> tuple[np.ndarray, np.ndarray]:
        """What the slots see in some windows (windows, slots, 2·d), and their weights (tokens, slots)."""
        many = np.array([len(window.ids) for window in items])
        begins = np.cumsum(many + 1) - many
        line = self.rows([*chain.from_iterable((self.BLANK, *window.ids) for window in items), self.BLANK])
        token = line > 0
        ends = [0, *(begins + many).tolist(), len(line)]
        states = self.states(line, ends)
        scores = by_window(states, self.arrays["look"], ends)
        self.ask_of_treatments(items, begins, states, scores)
        readable = np.zeros(len(line), bool)
        readable[token] = np.concatenate([window.readable for window in items])
        scores[~readable] = -np.inf
        each = np.repeat(np.arange(len(items)), many + 1)  # the window of every token and of the blank before it
        scores, starts = scores[:-1], begins - 1
        powers = np.exp(scores - np.maximum.reduceat(scores, starts)[each])
        weights = powers / np.add.reduceat(powers, starts)[each]
        pooled = np.empty((len(items), len(SLOTS), states.shape[1]), np.float32)
        for at, (begin, end) in enumerate(zip(begins.tolist(), (begins + many).tolist(), strict=True)):
            np.matmul(weights[begin:end].T, states[begin:end], out=pooled[at])
        return pooled, weights[token[:-1]]

    def states(self, line: np.ndarray, ends: Sequence[int]) -> np.ndarray:
        """(words, 2·d): every word of a line as it stands alone, and as it stands beside others. ends: of its windows."""
        said, before, here, after = (given.take(line, axis=0) for given in self.vectors)
        parted, beside = line == 0, here
        beside[1:] += before[:-1]
        beside[:-1] += after[1:]
        for layer, near in enumerate(self.near):
            if layer:
                given = by_window(beside, np.concatenate(near, axis=1), ends)
                before, here, after = np.split(given, 3, axis=1)
                beside = here + self.arrays["near_bias"][layer]
                beside[1:] += before[:-1]
                beside[:-1] += after[1:]
            np.maximum(beside, 0, out=beside)
            beside[parted] = 0
        return np.concatenate([said, beside], axis=1)

    def ask_of_treatments(self, items: Sequence[Window], begins, states: np.ndarray, scores: np.ndarray) -> None:
        """Adds to the scores of the slots asked of a treatment what its own words add to the question."""
        named = np.concatenate([window.mentioned for window in items], axis=1)
        times = np.add.reduceat(named, begins - np.arange(1, len(items) + 1), axis=1)
        asked = [
            (slice(begins[at], begins[at] + len(items[at].ids)), TREATMENTS[which], items[at].mentioned[which])
            for which, at in np.argwhere(times).tolist()
        ]
        if asked:
            words = np.stack([marks @ states[place] for place, _, marks in asked]) / times[times > 0][:, None]
            for (place, treatment, _), word in zip(asked, words, strict=True):
                scores[place, CONDITIONED[treatment]] += (states[place] @ (word @ self.arrays["about"]))[:, None]


class Paired(NamedTuple):
    """A transformer's window, and the whole review as a lookup takes it. Places are those of the transformer's tokens."""

    review: int
    offsets: Sequence[tuple[int, int]]
    window: Window
    beside: Window


class Pair:
    """A transformer and a lookup that read the same review: their vectors side by side, the places that the transformer saw.

    They err apart, so that what both see is surer than what either does.
    """

    FILES = ("encoder.onnx", "lookup.npz", "tokenizer.json")

    def __init__(self, folder: Path):
        self.transformer, self.lookup = Transformer(folder), Lookup(folder)

    @property
    def widths(self) -> tuple[int, ...]:
        return (*self.transformer.widths, *self.lookup.widths)

    def windows(self, texts, questions, mentions) -> Iterator[Paired]:
        """The transformer's windows, each beside the lookup's of its review."""
        beside = list(self.lookup.windows(texts, questions, mentions))
        for window in self.transformer.windows(texts, questions, mentions):
            yield Paired(window.review, window.offsets, window, beside[window.review])

    def encode(self, items: Sequence[Paired]) -> tuple[np.ndarray, np.ndarray]:
        """(windows, slots, both widths), and the transformer's weights."""
        vectors, weights = self.transformer.encode([item.window for item in items])
        reviews = {item.review: item.beside for item in items}
        others, _ = self.lookup.encode(list(reviews.values()))
        place = {review: at for at, review in enumerate(reviews)}
        return np.concatenate([vectors, others[[place[item.review] for item in items]]], axis=2), weights


ENCODERS = {"transformer": Transformer, "lookup": Lookup, "pair": Pair}
