"""make corpus: what the corpus holds, by author and by theme × sentiment, and how much of it repeats itself.

A template leaves frames behind: the same words with one swapped. So each sentence of six words or more is stripped of one
word at a time, and the share of sentences that meet another review's sentence in such a frame is printed, with the
stretches of eight words that stand in more than one review.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

from pipeline.corpus import authors, read_jsonl, split
from pipeline.evaluate import measure
from pipeline.segment import sentences
from pipeline.tables import REASONS, SENTIMENTS, THEMES, TREATMENTS

CORPUS = Path(__file__).resolve().parent.parent / "data" / "corpus"
SHORTEST, STRETCH = 6, 8  # words


def words(text):
    return re.findall(r"[\w']+", text.lower())


def frames(texts):
    """(sentences looked at, those that another review has too but for a word, examples)."""
    seen, looked = defaultdict(set), []
    for review, text in enumerate(texts):
        for start, end in sentences(text):
            sentence = words(text[start:end])
            if len(sentence) >= SHORTEST:
                holes = [" ".join([*sentence[:at], "…", *sentence[at + 1 :]]) for at in range(len(sentence))]
                looked.append((review, holes))
                for hole in holes:
                    seen[hole].add(review)
    met = [next((hole for hole in holes if len(seen[hole]) > 1), None) for _, holes in looked]
    return len(looked), Counter(hole for hole in met if hole)


def stretches(texts):
    """Runs of eight words → in how many reviews, for those in more than one."""
    held = Counter()
    for text in texts:
        run = words(text)
        held.update({" ".join(run[at : at + STRETCH]) for at in range(len(run) - STRETCH + 1)})
    return Counter({run: count for run, count in held.items() if count > 1})


def agreement(pairs):
    """How far a second reader, blind to the labels, agrees with the authors."""
    second = {row["id"]: row for row in read_jsonl(CORPUS / "second_reader.labels.jsonl")}
    gold = [pair.gold for pair in pairs if pair.gold["id"] in second]
    print(f"\na second reader, blind, on {len(gold)} of them: " + ", ".join(
        f"{figure.name.replace('_', ' ')} {figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})"
        for figure in measure(gold, second)
        if figure.name in ("theme_f1", "aspect_f1", "outcome_f1", "received_accuracy", "overall_accuracy", "escalate_recall", "pii_recall")
    ))  # fmt: skip


def main():
    by_author = authors(CORPUS)
    part = {pair.review["id"]: name for name, pairs in split(CORPUS).items() for pair in pairs}
    pairs = [pair for both in by_author.values() for pair in both]
    texts = [pair.review["text"] for pair in pairs]
    lengths = [len(text.split()) for text in texts]
    print(
        f"{len(pairs)} reviews by {len(by_author)} authors; {median(lengths):.0f} words in the middle, {max(lengths)} at most"
    )
    print(
        f"languages {dict(Counter(pair.gold['language'] for pair in pairs))}; with a survey's question {sum('question' in pair.review for pair in pairs)}\n"
    )
    print(f"{'author':26s} {'part':12s} reviews  words  " + "  ".join(SENTIMENTS))
    for author, both in by_author.items():
        count = Counter(pair.gold["overall"] for pair in both)
        length = median(len(pair.review["text"].split()) for pair in both)
        print(
            f"{author:26s} {part[both[0].review['id']]:12s} {len(both):7d}  {length:5.0f}  "
            + "  ".join(f"{count[name]:{len(name)}d}" for name in SENTIMENTS)
        )
    aspects = Counter((row["theme"], row["sentiment"]) for pair in pairs for row in pair.gold["aspects"])
    print(f"\n{'theme':14s} " + "  ".join(SENTIMENTS))
    for theme in THEMES:
        print(f"{theme:14s} " + "  ".join(f"{aspects[theme, name]:{len(name)}d}" for name in SENTIMENTS))
    received = Counter((row["name"], row["received"]) for pair in pairs for row in pair.gold["treatments"])
    print(
        "\ntreatments: "
        + ", ".join(f"{name} had {received[name, True]}, named only {received[name, False]}" for name in TREATMENTS)
    )
    print(
        "verdicts:   "
        + ", ".join(
            f"{name} {count}"
            for name, count in Counter(
                row["sentiment"] for pair in pairs for row in pair.gold["outcomes"]
            ).most_common()
        )
    )
    reasons = Counter(reason for pair in pairs for reason in pair.gold["escalate"])
    print("escalate:   " + ", ".join(f"{reason} {reasons[reason]}" for reason in REASONS))
    looked, met = frames(texts)
    print(
        f"\nsentences of {SHORTEST} words or more: {looked}; the same as another review's but for a word at most: {sum(met.values())} ({sum(met.values()) / looked:.1%})"
    )
    for hole, count in met.most_common(8):
        print(f"  {count:3d}  {hole}")
    agreement(pairs)
    shared = stretches(texts)
    print(f"stretches of {STRETCH} words in more than one review: {len(shared)}")
    for run, count in shared.most_common(8):
        print(f"  {count:3d}  {run}")


if __name__ == "__main__":
    main()
