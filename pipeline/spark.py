"""The same work on many machines: Spark takes the reviews from Parquet, reads them wherever it likes, and leaves Parquet.

Everything that driver and workers share lies in a folder that all of them see: reviews in, the model and the taxonomy,
annotations out. A file of reviews is a task. Spark repeats a task whose worker died and keeps of every task one result;
that each review came back once and in its place is seen from its number. Of what a worker says nothing is let through but
a Fault or the kind of an error: the errors of libraries quote what they were given.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import store, tables
from pipeline.faults import Fault
from pipeline.summary import tally

# of run.ROWS_PER_BATCH reviews: some ten seconds of work for `default`, which is what a dead worker costs
PARTS_PER_TASK = 16
BATCH = 512  # rows that go to Python, or come from Parquet, at once
ONE_FILE = str(2**30)  # so much a file is said to cost that none shares a task with another
PATIENCE = 5  # seconds to wait for a master's port
TOLD = "reviews-fault: "  # what stands before a line that may be told
NUMBER = pa.field("number", pa.int64())

# One row per review: its number, and its rows of each of the four tables. The last of a task bears the counts of all of it.
TALLY = pa.schema(
    [(f"counted_{name}", pa.list_(pa.struct(list(schema)))) for name, schema in tally.SCHEMAS._asdict().items()]
)
WIRE = pa.schema(
    [NUMBER, *((name, pa.list_(pa.struct(list(schema)))) for name, schema in tables.SCHEMAS.items()), *TALLY]
)
Counted = tuple[Callable[[tables.Annotations], tally.Tally], Callable[[tally.Tally], None]]


class SparkError(Fault):
    """Spark is not there, cannot be reached, or gave up; the message says what mends it."""


class Refused(Exception):
    """What a worker may say aloud: Spark writes it into its logs and hands it to the driver."""


def each(
    parts: Iterable[pa.Table], work: Callable[[pa.Table, Path], tables.Annotations], given: Iterable[Path], *, out: Path,
    storage: Path, master: str | None, counted: Counted | None = None,
) -> Iterator[tables.Annotations]:  # fmt: skip
    """`work` on every part, results in the order of the parts.

    counted: what the workers count of what they have read, and what takes the counts, a task's at a time. work(part, folder): a function of a module that the workers have too; the folder holds copies of what is `given`.
    `storage`: a folder that all workers see. `master`: None where the surroundings say which Spark (spark-submit).
    """
    with exchange(storage, out) as folder:
        (folder / "given").mkdir(mode=0o700)
        for path in given:
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / "given" / path.name)
        sizes = handed_over(parts, folder / "reviews")
        if sum(sizes):
            with session(master) as spark:
                count = counted and counted[0]
                run(spark, folder, partial(read, work=work, folder=str(folder / "given"), count=count))
        rows = brought_back(folder / "read") if sum(sizes) else iter(())
        yield from in_parts(rows if counted is None else told_of(rows, counted[1]), sizes)


@contextmanager
def exchange(storage: Path, out: Path) -> Iterator[Path]:
    """A folder for one run into `out`, gone when the block ends; what a killed run into `out` left is cleared first."""
    mine = storage.resolve() / f"reviews-{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:12]}"
    try:
        shutil.rmtree(mine, ignore_errors=True)
        mine.mkdir(mode=0o700)
        # another name each time: a worker that outlives a run must not take the model of one for that of another
        yield Path(tempfile.mkdtemp(dir=mine))
    except OSError as error:
        raise SparkError(
            f"{storage}: {error.strerror or 'cannot be used'}; name with --storage a folder that you and all workers may write to"
        ) from None
    finally:
        shutil.rmtree(mine, ignore_errors=True)


def handed_over(parts: Iterable[pa.Table], folder: Path) -> list[int]:
    """The parts as Parquet, PARTS_PER_TASK a file, their rows numbered from 0; how many rows each part has."""
    folder.mkdir(mode=0o700)
    sizes: list[int] = []
    files = 0
    parts = iter(parts)
    while some := list(islice(parts, PARTS_PER_TASK)):
        first = sum(sizes)
        sizes += map(len, some)
        whole = pa.concat_tables(some).combine_chunks()
        if len(whole):
            numbers = pa.array(np.arange(first, first + len(whole)))
            with store.writing(folder / f"{files:06}.parquet", whole.schema.insert(0, NUMBER)) as write:
                write(whole.add_column(0, NUMBER, numbers))
            files += 1
    return sizes


def read(
    batches: Iterable[pa.RecordBatch], work: Callable, folder: str, count: Callable | None = None
) -> Iterator[pa.RecordBatch]:
    """What a task does, in a worker: reviews with their numbers → WIRE."""
    try:
        held, sums = None, tally.empty()
        for batch in batches:
            reviews = pa.Table.from_batches([batch])
            columns = reviews.column_names[1:]
            schema = pa.schema([tables.REVIEWS.field(name) for name in columns])
            found = work(reviews.select(columns).cast(schema), Path(folder))
            if count:
                sums = tally.total([sums, count(found)])
            if held is not None:
                yield from held.to_batches()
            held = wired(found, reviews[NUMBER.name])
        if held is not None:
            yield from (with_counts(held, sums) if count else held).to_batches()
    except Fault as fault:
        raise Refused(f"{TOLD}{' '.join(str(fault).split())}") from None
    except Exception as error:
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        raise Refused(f"{TOLD}a fault of the program, please report it: {type(error).__name__} at {where}") from None


def wired(found: tables.Annotations, numbers: pa.ChunkedArray) -> pa.Table:
    """WIRE of some Annotations (Arrow's tables), whose rows are in the order of the reviews."""
    ids = found.reviews["review_id"].combine_chunks()
    columns = [numbers]
    for table, field in zip(found, list(WIRE)[1 : 1 + len(found)], strict=True):
        of = pc.index_in(table["review_id"], ids).to_numpy()
        assert (np.diff(of) >= 0).all(), "rows stand in the order of their reviews"
        ends = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=len(ids)))]).astype(np.int32)
        columns.append(pa.ListArray.from_arrays(ends, structs(table)).cast(field.type))
    columns += [pa.nulls(len(numbers), field.type) for field in TALLY]
    return pa.table(columns, schema=WIRE)


def with_counts(rows: pa.Table, sums: tally.Tally) -> pa.Table:
    """The rows (WIRE), the last of them with the counts."""
    for field, table in zip(TALLY, sums, strict=True):
        ends = pa.array([*[None] * (len(rows) - 1), 0, len(table)], pa.int32())
        lists = pa.ListArray.from_arrays(ends, structs(table)).cast(field.type)
        rows = rows.set_column(rows.schema.get_field_index(field.name), field, lists)
    return rows


def told_of(rows: Iterable[pa.Table], take: Callable[[tally.Tally], None]) -> Iterator[pa.Table]:
    """The rows (WIRE) as they come, what is counted in them handed over."""
    for block in rows:
        lists = [block[field.name].combine_chunks() for field in TALLY]
        if any(len(each.drop_null()) for each in lists):
            pairs = zip(lists, tally.SCHEMAS, strict=True)
            take(tally.Tally(*(pa.Table.from_struct_array(each.flatten()).cast(schema) for each, schema in pairs)))
        yield block


def structs(table: pa.Table) -> pa.StructArray:
    rows = table.combine_chunks().to_struct_array()
    return rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows


def unwired(rows: pa.Table) -> tables.Annotations:
    """The four tables (Arrow's) of rows of WIRE."""
    found = []
    for name, schema in tables.SCHEMAS.items():
        lists = rows[name].combine_chunks()
        found.append(pa.Table.from_struct_array(lists.flatten()).cast(schema))
    return tables.Annotations(*found)


def brought_back(folder: Path) -> Iterator[pa.Table]:
    """The rows (WIRE) that Spark wrote, BATCH or fewer at once, in the order of their numbers, none missing and none twice."""
    files = []
    for path in folder.glob("*.parquet"):
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows:
                files.append((next(file.iter_batches(1, columns=[NUMBER.name]))[0][0].as_py(), path))
    done = 0
    for _, path in sorted(files):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                numbers = batch.column(0).to_numpy()
                if (numbers != np.arange(done, done + len(numbers))).any():
                    raise SparkError(
                        "what the workers left has reviews missing or twice; nothing was changed. Run it again"
                    )
                done += len(numbers)
                yield pa.Table.from_batches([batch])


def in_parts(rows: Iterator[pa.Table], sizes: Iterable[int]) -> Iterator[tables.Annotations]:
    """Rows of WIRE as parts of the sizes asked for."""
    held = WIRE.empty_table()
    for size in sizes:
        while len(held) < size:
            if (more := next(rows, None)) is None:
                raise SparkError(
                    "the workers left fewer reviews than they were given; nothing was changed. Run it again"
                )
            held = pa.concat_tables([held, more.cast(WIRE)])
        yield unwired(held[:size])
        held = held[size:]


def run(spark, folder: Path, task: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]) -> None:
    """folder/reviews → folder/read, by Spark. Raises SparkError where it gives up."""
    from pyspark.sql.pandas.types import from_arrow_schema

    conf = {
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
        "spark.sql.files.openCostInBytes": ONE_FILE,
        "spark.sql.files.maxPartitionBytes": ONE_FILE,
    }
    schema = pq.read_schema(next((folder / "reviews").iterdir()))
    try:
        for name, value in conf.items():
            spark.conf.set(name, value)
        reviews = spark.read.schema(from_arrow_schema(schema)).parquet((folder / "reviews").as_uri())
        reviews.mapInArrow(task, from_arrow_schema(WIRE)).write.parquet((folder / "read").as_uri())
    except Exception as error:
        raise SparkError(f"{told(error)}; nothing was changed") from None


def told(error: Exception) -> str:
    """Why Spark gave up, without a word that it quotes."""
    if said := re.search(rf"{TOLD}(.*)", str(error)):
        return f"a worker of Spark: {said[1].strip()}"
    if lacking := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", str(error)):
        return f"the workers of Spark lack the module {lacking[1]}; install there what is installed here (see docs/spark.md)"
    if "FileNotFound" in str(error) or "PATH_NOT_FOUND" in str(error):
        return "the workers of Spark do not see the reviews; name with --storage a folder that all of them see"
    return f"Spark gave up ({type(error).__name__}); set REVIEWS_TRACEBACK=1 to see its log"


def is_local(master: str) -> bool:
    """Spark on this machine alone."""
    return master.startswith("local")


@contextmanager
def session(master: str | None):
    """A Spark to work with: the one at `master`, ended with the block, or the one that the surroundings give.

    Its own log goes nowhere, or with REVIEWS_TRACEBACK=1 to the terminal.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas 3, which is not let into the seam
            from pyspark import SparkConf, SparkContext
            from pyspark.java_gateway import launch_gateway
            from pyspark.sql import SparkSession
    except ImportError:
        raise SparkError("--engine spark needs PySpark; type: pip install 'clinic-reviews[spark]'") from None
    if master is None or master.startswith("sc://"):
        builder = SparkSession.builder
        with started(master):
            spark = (builder.remote(master) if master else builder.appName("reviews")).getOrCreate()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield spark
        return
    reachable(master)
    if not java():
        raise SparkError(
            "--engine spark needs Java 17 or newer; install it (Debian: apt install openjdk-17-jre-headless) or set JAVA_HOME"
        )
    conf = {"spark.master": master, "spark.app.name": "reviews", "spark.ui.showConsoleProgress": "false"}
    if is_local(master):
        conf |= {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # no address of the network is needed, nor a name for it
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    aloud = bool(os.environ.get("REVIEWS_TRACEBACK"))
    hush = {} if aloud else {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with started(master):
            conf = SparkConf().setAll(list(conf.items()))
            gateway = None if SparkContext._gateway else launch_gateway(conf, hush)
            spark = SparkSession(SparkContext(conf=conf, gateway=gateway))
        try:
            yield spark
        finally:
            spark.stop()


@contextmanager
def started(master: str | None):
    """Errors of a Spark that does not start, told in a line."""
    try:
        yield
    except Exception as error:
        why = re.sub(r"\s+", " ", str(getattr(error, "java_exception", None) or error))[:200]
        raise SparkError(
            f"{master or 'Spark'}: Spark could not be started ({why}); nothing was changed. Set REVIEWS_TRACEBACK=1 to see its log"
        ) from None


def java() -> str | None:
    """The Java that Spark would start."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")


def reachable(master: str) -> None:
    """Raises SparkError where nobody listens at spark://host:port[,host:port]: Spark itself would try for a minute."""
    if not master.startswith("spark://"):
        return
    for place in master.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), PATIENCE):
                return
        except (OSError, ValueError):
            continue
    raise SparkError(f"{master}: nobody answers there; start the master, or write it as spark://host:7077")
