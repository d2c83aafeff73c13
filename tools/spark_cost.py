"""make spark-cost: what a hundred million reviews would cost on Spark, reckoned from what a thousand cost here.

The reviews are the corpus's own. CPU seconds of one process, the median of three runs: what a worker does to a review (read
from Parquet, annotated, written in the form it goes back in), and what the driver does to it before and after. The page
shows every figure that was measured and every product made of it. Spark's own Java is not in it, nor is its storage.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import run, spark, store, summary
from pipeline.corpus import authors

PROJECT = Path(__file__).resolve().parent.parent
ROUNDS = 3
REVIEWS = {"default": 512, "fast": 2_048}
WANTED = 100_000_000
GIGABYTE = 10**9


def cpu(call):
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def one_round(file: Path, model: Path, place: Path) -> dict[str, float]:
    """CPU seconds, and bytes held, of all reviews of a file."""
    out = place / "out"
    out.mkdir()
    took = {}
    took["read"], ingested = cpu(lambda: run.ingest([file], place / "staged.parquet"))
    took["hand over"], sizes = cpu(lambda: spark.handed_over(ingested.blocks(), place / "reviews"))
    (place / "read").mkdir()
    counting = run.Counting(summary.Scope(run.month_of_report(ingested.staged.column("date"), None)), [])
    took["work"], _ = cpu(lambda: worked(place, model, counting.scope))
    rows = spark.told_of(spark.brought_back(place / "read"), counting.add)
    took["collect"], _ = cpu(lambda: store.write_parts(out, spark.in_parts(rows, sizes)))
    took["held"] = ingested.across.nbytes + sum(table.nbytes for found in counting.found for table in found)
    return took


def worked(place: Path, model: Path, scope: summary.Scope) -> None:
    """What the workers do, by this process: every file of reviews to a file of annotations, and their counts."""
    work = partial(run._work, model_folder=model, taxonomy_file=None, made={"of": model})
    for path in sorted((place / "reviews").iterdir()):
        batches = pq.ParquetFile(path).iter_batches(spark.BATCH)
        found = spark.read(batches, lambda part, _folder: work(part), ".", partial(run._tallied, scope=scope))
        pq.write_table(pa.Table.from_batches(found, spark.WIRE), place / "read" / path.name)


def page(measured: dict[str, tuple[dict[str, float], float]], cores: int, price: float) -> list[str]:
    """Lines of Markdown. `measured`: of each model the figures of one review, and how many words it has."""
    lines = [
        f"# What {WANTED:,} reviews would cost on Spark",
        "",
        f"Made by `make spark-cost` on a machine with {os.cpu_count()} cores, busy or not: CPU seconds of one process, the median of {ROUNDS} runs,",
        f"and what follows from them for {cores:,} cores at {price} a core-hour (`python tools/spark_cost.py --cores … --price …`: put your own).",
        "Spark's own Java, its start and the storage are not in it; nobody has run this many.",
    ]
    for name, (one, words) in measured.items():
        hours = one["work"] * WANTED / 3600
        driver = {stage: one[stage] * WANTED / 3600 for stage in ("read", "hand over", "collect")}
        lines += [
            "",
            f"## `{name}`, from {REVIEWS[name]:,} reviews of {words:.0f} words on average",
            "",
            f"- On the workers: {one['work'] * 1000:.2f} ms of a core a review, {1 / one['work']:,.0f} reviews a second and core.",
            f"  {one['work'] * 1000:.2f} ms × {WANTED:,} / 3,600,000 = {hours:,.0f} core-hours;"
            f" on {cores:,} cores {hours:,.0f} / {cores:,} = {hours / cores:.1f} hours;"
            f" {hours:,.0f} × {price} = {hours * price:,.0f} to pay for cores.",
            f"- On the driver, one process: {', '.join(f'{stage} {one[stage] * 1000:.2f} ms' for stage in driver)} a review:"
            f" × {WANTED:,} / 3,600,000 = {' + '.join(f'{value:,.0f}' for value in driver.values())} = {sum(driver.values()):,.0f} hours.",
            f"- In the driver's memory, ids, places, flags and counts: {one['held']:,.0f} bytes a review × {WANTED:,} = {one['held'] * WANTED / GIGABYTE:,.0f} GB.",
        ]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cores", type=int, default=256, help="of the cluster; default %(default)s")
    parser.add_argument(
        "--price", type=float, default=0.05, help="of a core-hour, in your currency; default %(default)s"
    )
    asked = parser.parse_args()
    texts = [pair.review for pairs in authors(PROJECT / "data" / "corpus").values() for pair in pairs]
    measured = {}
    for name, count in REVIEWS.items():
        rows = [texts[at % len(texts)] | {"id": f"{at}"} for at in range(count)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "reviews.jsonl"
            file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            rounds = []
            for at in range(ROUNDS):
                place = Path(folder) / str(at)
                place.mkdir()
                rounds.append(one_round(file, PROJECT / "models" / name, place))
        one = {stage: statistics.median(took[stage] for took in rounds) / count for stage in rounds[0]}
        measured[name] = one, sum(len(row["text"].split()) for row in rows) / count
    lines = page(measured, asked.cores, asked.price)
    print("\n".join(lines))
    (PROJECT / "docs" / "spark-cost.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
