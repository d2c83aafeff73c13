"""make bench: what a whole run takes, stage by stage, beside what NLTK's VADER needs for the polarity of the same texts.

The reviews are the corpus's own, read from a file as an export would be. Wall-clock seconds, the median of three runs.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from peers import vader

from pipeline import store
from pipeline.corpus import authors
from pipeline.model import Model
from pipeline.run import Settings, annotate, ingest, latest_month, read_kept, told_of, write_outputs

PROJECT = Path(__file__).resolve().parent.parent
ROUNDS = 3
REVIEWS = {"default": 1_000, "fast": 3_000}


def timed(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def written(folder: Path, parts):
    """The tables on the disk and as the report takes them."""
    store.write_parts(folder, parts)
    return store.read_tables(folder, folder)


def one_round(settings: Settings) -> dict[str, float]:
    """Seconds per stage of one run."""
    took = {}
    settings.out.mkdir(exist_ok=True)
    staged = settings.out / "staged.parquet"
    took["read, clean, de-identify, fold"], ingested = timed(lambda: ingest(settings.inputs, staged))
    took["annotate"], parts = timed(lambda: list(annotate(ingested, settings)))
    took["tables"], annotations = timed(lambda: written(settings.out, parts))
    counts = {"read": ingested.read, "accepted": 0, "duplicates": 0, "rejected": len(ingested.rejected)}
    counts["duplicates"] = int(annotations.reviews["duplicate_of"].notna().sum())
    counts["accepted"] = len(annotations.reviews) - counts["duplicates"]
    month = latest_month(annotations.reviews)
    told = told_of(Model(settings.model), settings)
    took["report and testimonials"], _ = timed(
        lambda: write_outputs(settings.out, annotations, ingested.rejected, counts, month, None, told, read_kept(told))
    )
    return took


def many(reviews: list[dict], count: int) -> list[dict]:
    """So many reviews, each an own one: the corpus over and over, under other ids and on other days."""
    return [
        {
            **reviews[at % len(reviews)],
            "id": f"{at}",
            "date": f"{2024 + at % 3}-{at // 3 % 12 + 1:02}-{at // 36 % 28 + 1:02}",
        }
        for at in range(count)
    ]


def table(name: str, reviews: list[dict], analyzer) -> list[str]:
    """Lines of Markdown: what a run of these reviews takes with a model, and how that compares with VADER alone."""
    polarity = statistics.median(
        timed(lambda: [analyzer.polarity_scores(row["text"]) for row in reviews])[0] for _ in range(ROUNDS)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in reviews), encoding="utf-8")
        medians = {}
        for workers in (1, 2):
            settings = Settings((path,), Path(folder) / "out", PROJECT / "models" / name, workers=workers)
            rounds = [one_round(settings) for _ in range(ROUNDS)]
            medians[workers] = {stage: statistics.median(took[stage] for took in rounds) for stage in rounds[0]}
    total = {workers: sum(stages.values()) for workers, stages in medians.items()}
    words = sum(len(row["text"].split()) for row in reviews) / len(reviews)
    return [
        f"## `{name}`: {len(reviews):,} reviews of {words:.0f} words on average",
        "",
        "| stage | 1 worker, s | 2 workers, s |",
        "|---|---|---|",
        *(f"| {stage} | {medians[1][stage]:.1f} | {medians[2][stage]:.1f} |" for stage in medians[1]),
        f"| all | {total[1]:.1f} | {total[2]:.1f} |",
        f"| reviews a second | {len(reviews) / total[1]:,.0f} | {len(reviews) / total[2]:,.0f} |",
        f"| times as fast as VADER's polarity alone, on one core ({polarity:.1f} s) | {polarity / total[1]:.2f} | {polarity / total[2]:.2f} |",
        "",
    ]


def main():
    texts = [pair.review for pairs in authors(PROJECT / "data" / "corpus").values() for pair in pairs]
    analyzer = vader()
    lines = [
        "# What a run takes",
        "",
        f"Made by `make bench` on a machine with {os.cpu_count()} cores: from a file to the report, seconds by the clock, the median of {ROUNDS} runs.",
        "",
    ]
    for name, count in REVIEWS.items():
        lines += table(name, many(texts, count), analyzer)
        print("\n".join(lines[-11:]), flush=True)
    page = PROJECT / "docs" / "bench.md"
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
