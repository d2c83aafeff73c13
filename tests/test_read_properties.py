"""Property tests: no bytes make the reader fall, and of a generated export nothing is lost and nothing comes twice."""

import csv
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import tables
from pipeline.read import inspect, read

EXPORTS = Path(__file__).parent / "fixtures" / "exports"
SAMPLES = [path.read_bytes() for path in sorted(EXPORTS.rglob("*")) if path.is_file()]
FUZZ = int(os.environ.get("FUZZ", "0"))  # how many examples of each; make fuzz sets it, and draws others every time
few = settings(max_examples=FUZZ or 40, suppress_health_check=[HealthCheck.too_slow], derandomize=not FUZZ)

# Words as people type them, line ends, quotation marks and delimiters among them, and always some letters.
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\"',;|\t"), min_size=1, max_size=60
).map(lambda text: f"so {text} it was")


def batches_of(data: bytes, name: str = "x", size: int = 7) -> list:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return list(read([path], rows_per_batch=size))


def check(batches: list) -> None:
    """What holds for anything that is read: columns, counts, reasons, ratings and dates in their ranges."""
    for batch in batches:
        assert batch.read == len(batch.reviews) + len(batch.rejected)
        assert list(batch.reviews.columns) == tables.TYPED.names
        assert batch.reviews["text"].notna().all()
        assert batch.reviews["source"].notna().all()
        assert batch.reviews["rating"].dropna().between(1, 5).all()
        assert batch.reviews["date"].dropna().str.fullmatch(r"\d{4}-\d\d-\d\d").all()
        assert batch.rejected["reason"].str.len().min() > 3 if len(batch.rejected) else True
        assert batch.rejected["excerpt"].str.len().max() <= 80 if len(batch.rejected) else True


@few
@given(st.binary(max_size=2000))
def test_any_bytes(data):
    """Whatever lies in the folder, the reader answers with reviews or reasons."""
    check(batches_of(data))


@few
@given(st.sampled_from(SAMPLES), st.data())
def test_damaged_exports(sample, data):
    """An export cut off, with a piece missing or overwritten, gives reviews or reasons."""
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, min(len(sample), start + 200)))
    damaged = sample[:start] + data.draw(st.binary(max_size=20)) + sample[end:]
    if data.draw(st.booleans()):
        damaged = damaged[:start]
    check(batches_of(damaged))


@few
@given(st.data())
def test_damaged_archives(data):
    """A zip with bytes changed gives reviews or reasons."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", SAMPLES[0])
        archive.writestr("b.json", SAMPLES[1])
    damaged = bytearray(held.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    check(batches_of(bytes(damaged), "x.zip"))


@few
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["text", "rating", "date", "reviews", "starRating", "name", "comment", "createTime", "x.y"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=25,
    )
)
def test_any_json(value):
    """Any JSON document, and the same as a line among lines, gives reviews or reasons."""
    check(batches_of(json.dumps(value).encode()))
    check(batches_of((json.dumps(value) + '\n{"text": "a line"}\n').encode()))


@few
@given(
    st.lists(
        st.tuples(words, st.sampled_from(["1", "5", "", "4.5"]), st.sampled_from(["2026-01-31", "", "2 weeks ago"])),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(",;\t|"),
)
def test_nothing_lost_and_nothing_twice_in_a_table(rows, delimiter):
    """Every text of a table arrives once, as typed and in its order, with its stars; batches of any size."""
    typed = io.StringIO(newline="")
    writer = csv.writer(typed, delimiter=delimiter)
    writer.writerow(["id", "text", "rating", "date"])
    writer.writerows([f"r{number}", *row] for number, row in enumerate(rows))
    batches = batches_of(typed.getvalue().encode())
    check(batches)
    assert [text for batch in batches for text in batch.reviews["text"]] == [row[0] for row in rows]
    assert [identity for batch in batches for identity in batch.reviews["review_id"]] == [
        f"r{number}" for number in range(len(rows))
    ]
    assert [rating for batch in batches for rating in batch.reviews["rating"].fillna(0)] == [
        float(row[1] or 0) for row in rows
    ]


@few
@given(
    st.lists(
        st.one_of(words.map(lambda text: {"text": text}), st.just("{broken"), st.just({"text": "fine", "rating": 12})),
        min_size=1,
        max_size=30,
    )
)
def test_every_line_is_accounted_for(lines):
    """Of JSON lines each one is a review or a refusal with its line number."""
    lines = [{"text": "the first"}, *lines]
    batches = batches_of("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode())
    check(batches)
    rows = [row for batch in batches for table in (batch.reviews, batch.rejected) for row in table["row"]]
    assert sorted(rows) == list(range(1, len(lines) + 1))


@few
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(""), words), st.one_of(st.just(""), words), st.sampled_from(["", "Good", "Very poor"])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_every_answer_is_accounted_for(answers):
    """Of a survey each open answer is one review under its question, each respondent without one a single row."""
    typed = io.StringIO(newline="")
    writer = csv.writer(typed)
    writer.writerow(["ResponseId", "RecordedDate", "Finished", "Q1", "Q2_TEXT", "Q3_TEXT"])
    writer.writerow(
        ["Response ID", "Recorded Date", "Finished", "Overall, how was it?", "What was good?", "What was bad?"]
    )
    writer.writerow(
        [
            json.dumps({"ImportId": name})
            for name in ("_recordId", "recordedDate", "finished", "QID1", "QID2_TEXT", "QID3_TEXT")
        ]
    )
    writer.writerows(
        [f"R_{number}", "2026-05-01", "True", rating, good, bad] for number, (good, bad, rating) in enumerate(answers)
    )
    batches = batches_of(typed.getvalue().encode())
    check(batches)
    found = {
        identity: text
        for batch in batches
        for identity, text in zip(batch.reviews["review_id"], batch.reviews["text"], strict=True)
        if text
    }
    expected = {
        f"R_{number}:{key}": text
        for number, answer in enumerate(answers)
        for key, text in zip(("Q2_TEXT", "Q3_TEXT"), answer[:2], strict=True)
        if text
    }
    assert found == expected
    alone = sum(1 for good, bad, _ in answers if not good and not bad)
    assert sum(batch.read for batch in batches) == len(expected) + alone


def test_reading_twice_gives_the_same():
    """The same files give the same tables, in the same order."""
    first, second = (list(read([EXPORTS])) for _ in range(2))
    assert [batch.file for batch in first] == [batch.file for batch in second]
    assert all(
        a.reviews.equals(b.reviews) and a.rejected.equals(b.rejected) and a.notes == b.notes
        for a, b in zip(first, second, strict=True)
    )


@few
@given(st.sampled_from(SAMPLES), st.integers(0, 3000))
def test_inspect_never_falls(sample, cut):
    """What can be read can be inspected, and what cannot as well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(sample[:cut])
        found = inspect(path)
        assert found.counts["read"] == found.counts["reviews"] + sum(
            count for reason, count in found.counts.items() if reason not in ("read", "reviews")
        )
