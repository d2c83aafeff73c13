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


def timed(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def one_round(settings: Settings) -> dict[str, float]:
    """Seconds per stage of one run."""
    took = {}
    took["read, clean, de-identify, fold"], ingested = timed(lambda: ingest(settings.inputs))
    took["annotate"], annotations = timed(lambda: annotate(ingested.reviews, settings))
    counts = {"read": ingested.read, "accepted": 0, "duplicates": 0, "rejected": len(ingested.rejected)}
    counts["duplicates"] = int(annotations.reviews["duplicate_of"].notna().sum())
    counts["accepted"] = len(annotations.reviews) - counts["duplicates"]
    month = latest_month(annotations.reviews)
    settings.out.mkdir(exist_ok=True)
    took["tables"], _ = timed(lambda: store.write_annotations(settings.out, annotations))
    told = told_of(Model(settings.model), settings)
    took["report and testimonials"], _ = timed(
        lambda: write_outputs(settings.out, annotations, ingested.rejected, counts, month, None, told, read_kept(told))
    )
    return took


def main():
    texts = [pair.review for pairs in authors(PROJECT / "data" / "corpus").values() for pair in pairs]
    analyzer = vader()
    polarity = statistics.median(
        timed(lambda: [analyzer.polarity_scores(row["text"]) for row in texts])[0] for _ in range(ROUNDS)
    )
    lines = [
        "| stage | " + " | ".join(f"{workers} worker{'s' * (workers > 1)}, s" for workers in (1, 2)) + " |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in texts), encoding="utf-8")
        rounds = {
            workers: [
                one_round(Settings((path,), Path(folder) / "out", PROJECT / "models" / "default", workers=workers))
                for _ in range(ROUNDS)
            ]
            for workers in (1, 2)
        }
    medians = {
        workers: {stage: statistics.median(one[stage] for one in took) for stage in took[0]}
        for workers, took in rounds.items()
    }
    for stage in medians[1]:
        lines.append(f"| {stage} | {medians[1][stage]:.1f} | {medians[2][stage]:.1f} |")
    total = {workers: sum(stages.values()) for workers, stages in medians.items()}
    lines.append(f"| all | {total[1]:.1f} | {total[2]:.1f} |")
    lines.append(f"| reviews a second | {len(texts) / total[1]:.0f} | {len(texts) / total[2]:.0f} |")
    lines.append(
        f"| times VADER's seconds ({polarity:.1f} on one core) | {total[1] / polarity:.0f} | {total[2] / polarity:.0f} |"
    )
    page = PROJECT / "docs" / "bench.md"
    words = statistics.mean(len(row["text"].split()) for row in texts)
    page.write_text(
        f"# What a run takes\n\nMade by `make bench` on a machine with {os.cpu_count()} cores: {len(texts):,} reviews of {words:.0f} words on average, from a\n"
        f"file to the report, model `default`, the median of {ROUNDS} rounds.\n\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )
    print("\n".join(lines))
    print(page)


if __name__ == "__main__":
    main()
