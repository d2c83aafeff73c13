"""The same run on Spark: two real worker processes with executors of their own, some of them killed, and the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from invented import annotated, fourteen_months
from test_atomic import digest

from pipeline import spark, tables
from pipeline.faults import Fault
from pipeline.run import _tallied
from pipeline.summary import tally

PROJECT = Path(__file__).resolve().parent.parent
LACKING = [name for name, there in (("pyspark", find_spec("pyspark")), ("Java", spark.java())) if not there]
on_spark = pytest.mark.skipif(
    bool(LACKING) and not os.environ.get("CI"), reason=f"{' and '.join(LACKING)} not installed: see docs/spark.md"
)
CLUSTER = "local-cluster[2,1,1024]"  # two workers with a core each
WORKER = "pyspark.daemon"
EXECUTOR = "CoarseGrainedExecutorBackend"
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # a Java that starts sooner and runs slower
SAYINGS = (
    "TMS gave me my life back. The techs were so kind.",
    "Waited an hour and nobody returned my calls. Parking is awful.",
    "Ketamine helped, but it is expensive and the nausea was bad.",
    "",
    "I don't want to be here anymore and I have a plan.",
    "El personal fue muy amable. Spravato no me hizo nada.",
    "Nul \x00 and right-to-left \u202e and a smile \U0001f642.",
)
# the command, with so few reviews a part and parts a task that there are many tasks
COMMAND = """
import sys
from pipeline import run, spark
run.ROWS_PER_BATCH, spark.PARTS_PER_TASK = 3, 1
from pipeline.cli import main
main(sys.argv[1:])
"""


def rows(many):
    """Reviews that differ, some of them twins."""
    for at in range(many):
        saying = SAYINGS[at % len(SAYINGS)]
        yield {
            "id": f"r{at}",
            "source": ("google", "yelp")[at % 2],
            "location": ("Reno", "Elko")[at % 2],
            "date": f"2026-{9 + at % 2:02}-{1 + at % 28:02}",
            "rating": 1 + at % 5,
            "text": saying and f"{saying} Visit {at // 2} it was.",
        }


def reviews(*arguments, **more):
    """The command, started."""
    environment = {name: value for name, value in os.environ.items() if name != "REVIEWS_TRACEBACK"}
    paths = os.pathsep.join(filter(None, (str(PROJECT), environment.get("PYTHONPATH"))))
    environment |= {"PYTHONPATH": paths, "JAVA_TOOL_OPTIONS": BRIEF} | more
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments), "--model", PROJECT / "models" / "fast"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Thirty reviews and four survey forms of two answers, and what the local engine makes of them."""
    folder = tmp_path_factory.mktemp("spark")
    raw = folder / "raw"
    raw.mkdir()
    (raw / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(30)), encoding="utf-8")
    forms = [f"R{at},2026-10-0{at},Reno,4,The nurses were kind to {at}.,Parking {at} was awful." for at in range(1, 5)]
    head = "Response ID,Date,Clinic,Rating,What did we do well?,What could we do better?"
    (raw / "survey.csv").write_text("\n".join([head, *forms]) + "\n", encoding="utf-8")
    said = reviews("run", raw, "--out", folder / "local", "--workers", 1).communicate()
    assert (folder / "local" / "manifest.json").exists(), said
    return folder, raw


def descendants(root: int) -> dict[int, str]:
    """The command lines of the processes that a process started, and of theirs."""
    parents, lines = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            lines[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended since
            continue
    found, new = {}, {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        found |= {pid: lines[pid] for pid in new}
    return found


@on_spark
def test_spark_gives_the_same_bytes(scene):
    """Every file under the output, from two workers with a dozen tasks, forms in several; nothing of Spark on the terminal,
    nothing left behind."""
    folder, file = scene
    done = reviews("run", file, "--out", folder / "same", "--engine", "spark", "--master", CLUSTER)
    said, complaint = done.communicate(timeout=600)
    assert (done.returncode, complaint) == (0, "")
    assert said.startswith("read             38\n")
    assert digest(folder / "same") == digest(folder / "local")
    assert not list(folder.glob("reviews-*"))
    assert not list(folder.glob("*/reviews-*"))


@on_spark
def test_a_killed_worker_loses_nothing(scene):
    """kill -9 for the first Python worker that has a task, and for an executor when the first task has been done: the same
    bytes. The storage is a folder of its own, and is empty afterwards."""
    folder, file = scene
    storage = folder / "storage"
    storage.mkdir()
    done = reviews(
        "run", file, "--out", folder / "killed", "--quiet",
        "--engine", "spark", "--master", CLUSTER, "--storage", storage,
    )  # fmt: skip
    killed = []
    while len(killed) < 2 and done.poll() is None:
        wanted = EXECUTOR if killed else WORKER
        victims = [pid for pid, line in descendants(done.pid).items() if wanted in line]
        if killed and not list(storage.glob("*/*/read/_temporary/0/task_*")):
            victims = []
        elif not killed:  # a daemon that begets the workers
            victims = [worker for daemon in victims for worker in descendants(daemon)]
        if victims:
            os.kill(max(victims), signal.SIGKILL)
            killed.append(wanted)
        time.sleep(0.02)
    said = done.communicate(timeout=600)
    assert killed == [WORKER, EXECUTOR], said
    assert (done.returncode, *said) == (0, "", "")
    assert digest(folder / "killed") == digest(folder / "local")
    assert not list(storage.iterdir())


def fails(*arguments, **more) -> str:
    """What the command says when it fails."""
    done = reviews(*arguments, **more)
    _, said = done.communicate(timeout=600)
    assert done.returncode == 1, said
    assert "Traceback" not in said
    return said


@on_spark
def test_no_java_is_told(scene, tmp_path):
    """One line with what to install; no output."""
    _, file = scene
    said = fails(
        "run", file, "--out", tmp_path / "out", "--engine", "spark", "--master", "local[1]", JAVA_HOME=str(tmp_path)
    )
    assert "openjdk-17-jre-headless" in said
    assert not (tmp_path / "out").exists()


@on_spark
def test_a_master_that_does_not_answer_is_told(scene, tmp_path):
    """At once, and not after the minute for which Spark tries."""
    _, file = scene
    begun = time.monotonic()
    said = fails("run", file, "--out", tmp_path / "out", "--engine", "spark", "--master", "spark://127.0.0.1:9")
    assert "spark://127.0.0.1:9: nobody answers" in said
    assert time.monotonic() - begun < 60


def test_no_pyspark_is_told(scene, tmp_path):
    """One line with what to type; no output. A module of that name that cannot be imported stands for none."""
    _, file = scene
    (tmp_path / "pyspark.py").write_text("raise ImportError('none here')\n")
    paths = os.pathsep.join(filter(None, (str(PROJECT), str(tmp_path), os.environ.get("PYTHONPATH"))))
    command = ["run", file, "--out", tmp_path / "out", "--engine", "spark", "--master", "local[1]"]
    assert "pip install 'clinic-reviews[spark]'" in fails(*command, PYTHONPATH=paths)
    assert not (tmp_path / "out").exists()


def test_a_master_is_for_spark_alone(scene, tmp_path):
    """--master without --engine spark is a slip, and told as one."""
    _, file = scene
    done = reviews("run", file, "--out", tmp_path / "out", "--master", "local[1]")
    assert "are for --engine spark" in done.communicate(timeout=600)[1]
    assert done.returncode == 2


def some(ids, mentioned):
    """Annotations of some reviews, with a mention for each that is named."""
    found = {name: schema.empty_table() for name, schema in tables.SCHEMAS.items()}
    reviews = [{"review_id": review_id, "text": "Quiet.", "flags": ["advert"]} for review_id in ids]
    mentions = [{"review_id": review_id, "treatment": "tms", "start": 0} for review_id in mentioned]
    found["reviews"] = pa.Table.from_pylist(reviews, schema=tables.REVIEWS)
    found["mentions"] = pa.Table.from_pylist(mentions, schema=tables.MENTIONS)
    return tables.Annotations(**found)


def test_parts_come_back_as_they_were():
    """Whatever the batches on the wire were: reviews with no row, or several, in a table; parts with no review."""
    whole = some("abcdef", "bbdf")
    wire = spark.wired(whole, pa.chunked_array([np.arange(6)]))
    assert wire.schema.equals(spark.WIRE)
    for batch in (1, 4, 6):
        pieces = (wire[at : at + batch] for at in range(0, 6, batch))
        parts = list(spark.in_parts(pieces, [0, 2, 0, 3, 1]))
        assert parts[1] == some("ab", "bb")
        assert parts[3] == some("cde", "d")
        assert [len(part.reviews) for part in parts] == [0, 2, 0, 3, 1]


def test_the_counts_of_a_task_come_with_its_last_review():
    """Whatever the batches: what the workers counted, no more than once, and not what only the driver knows."""
    whole = tables.in_arrow(annotated(fourteen_months(many=1)))
    many = len(whole.reviews)
    counted = partial(_tallied, scope=tally.Scope("2026-10"))
    reviews = whole.reviews.select(["review_id"]).add_column(0, spark.NUMBER, pa.array(np.arange(many)))

    def work(part, _folder):
        ids = part["review_id"].combine_chunks()
        return tables.Annotations(*(table.filter(pc.is_in(table["review_id"], ids)) for table in whole))

    for rows in (7, many):
        tasks = [spark.read(reviews[at : at + rows].to_batches(), work, ".", counted) for at in range(0, many, rows)]
        taken = []
        blocks = [pa.Table.from_batches(list(task), spark.WIRE) for task in tasks]
        assert list(spark.told_of(blocks, taken.append)) == blocks
        assert len(taken) == len(tasks)
        assert tally.total(taken) == counted(whole)


def test_every_part_is_handed_over(tmp_path, monkeypatch):
    """In files of so many parts, each row with its number; a part without rows keeps its place, a file without is not written."""
    monkeypatch.setattr(spark, "PARTS_PER_TASK", 2)
    sizes = [3, 0, 2, 1, 0, 0, 4]
    schema = pa.schema([("text", pa.string())])
    parts = [pa.table({"text": [f"{part}.{row}" for row in range(size)]}, schema) for part, size in enumerate(sizes)]
    assert spark.handed_over(iter(parts), tmp_path / "reviews") == sizes
    files = [pq.read_table(path) for path in sorted((tmp_path / "reviews").iterdir())]
    assert [len(file) for file in files] == [3, 3, 4]
    whole = pa.concat_tables(files)
    assert whole["number"].to_pylist() == list(range(10))
    assert whole["text"].to_pylist() == pa.concat_tables(parts)["text"].to_pylist()


def test_a_review_lost_or_doubled_on_the_way_is_told(tmp_path):
    """A hole or a number twice in what the workers left ends the run."""
    wire = spark.wired(some("abc", "b"), pa.chunked_array([np.arange(3)]))
    for wrong in ([0, 2], [0, 1, 1, 2], [1, 2]):
        pq.write_table(wire.take(wrong), tmp_path / "part-0.parquet")
        with pytest.raises(Fault, match="missing or twice"):
            list(spark.brought_back(tmp_path))
    with pytest.raises(Fault, match="fewer"):
        list(spark.in_parts(iter([wire]), [4]))


def work_that_quotes(part, _folder):
    raise ValueError(part["text"][0].as_py())


def work_of_another_program(_part, _folder):
    raise Fault("it has other than the driver: program")


def test_a_worker_quotes_no_review():
    """An error in a task, which goes into Spark's log and to the driver, tells its kind and place alone; a Fault is told."""
    batch = pa.RecordBatch.from_pydict({"number": [0], "text": ["My private words"]})
    with pytest.raises(spark.Refused) as refused:
        list(spark.read([batch], work_that_quotes, "."))
    assert "ValueError at test_spark.py:" in str(refused.value)
    assert "private" not in "".join(map(str, (refused.value, refused.value.__cause__)))
    assert refused.value.__suppress_context__
    with pytest.raises(spark.Refused, match=r"other than the driver: program") as refused:
        list(spark.read([batch], work_of_another_program, "."))
    assert "other than the driver: program" in spark.told(refused.value)


def test_storage_of_a_killed_run_is_cleared(tmp_path):
    """The folder of a run is private, is another each time, and what one left is gone with the next."""
    left = []
    for _ in range(2):
        exchange = spark.exchange(tmp_path, tmp_path / "out")
        folder = exchange.__enter__()
        assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
        assert all(not other.exists() for other in left)
        (folder / "x").write_text("x")
        left.append(folder)
    exchange.__exit__(None, None, None)
    assert not list(tmp_path.iterdir())
    shutil.rmtree(tmp_path)
    with pytest.raises(Fault, match="--storage"), spark.exchange(tmp_path, tmp_path / "out"):
        pass
