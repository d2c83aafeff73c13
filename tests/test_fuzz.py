"""A target for each reader that tests/test_read_properties.py has none for, and for annotate. `make fuzz` runs both files for long.

Whatever comes in, a command ends with a result or with a fault that is told in a line; nothing else is raised.
"""

import csv
import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_read_properties import batches_of, check

from pipeline import taxonomy
from pipeline.annotate import annotate_batch
from pipeline.faults import Fault
from pipeline.model import Model
from pipeline.prepare import prepare
from pipeline.read.corrections import read_corrections
from pipeline.read.ledgers import read_changes, read_closed, read_consents
from pipeline.read.mapping import load_mapping
from pipeline.read.roster import read_roster
from pipeline.run import annotations_of
from pipeline.tables import SENTIMENTS, THEMES, TYPED, frame

MODELS = Path(__file__).resolve().parent.parent / "models"
FUZZ = int(os.environ.get("FUZZ", "0"))
settled = settings(
    max_examples=FUZZ or 10,
    deadline=None,
    derandomize=not FUZZ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
NAMES = {theme: theme for theme in THEMES}
PIECES = [
    "The techs were so kind", "TMS", "ketamine", "Spravato", "Parking is awful", "I have a plan", "my son John Smith", "702-555-0148",
    "a@example.org", "[NAME-1]", "didnâ€™t", "&amp;", "&lt;script&gt;", "\x1b[31m", "\x00", "\u202e", "\u2028", "\ufeff", "😭", "é\u0301", "İ",
    "ﬁ", "muy amable", "Очень", "好", ".", "!!!", "...", ", but ", "\n\n", "\t", " ", '"', "(", "Dr.", "5/5", "\u200d", "ß", "\U0010ffff",
]  # fmt: skip
typed = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=12
).map("".join)
cells = (
    st.sampled_from(["", "text", "date", "rating", "review_id", "what", "now", "2026-10-02", "5", "=1+1", "theme", "b"])
    | typed
)


@pytest.fixture(autouse=True)
def _told(tried):
    tried(settled.max_examples, "examples of each kind")


@pytest.fixture(scope="module")
def fast():
    return Model(MODELS / "fast")


def as_csv(rows) -> bytes:
    made = io.StringIO(newline="")
    csv.writer(made).writerows(rows)
    return made.getvalue().encode("utf-8", "surrogatepass")


@settled
@given(
    st.lists(
        st.tuples(typed, st.sampled_from([None, "", "What could we improve?", "Nothing?"]), st.none() | typed),
        min_size=1,
        max_size=3,
    )
)
def test_annotate_any_text(fast, reviews):
    """Any text gives labels of the taxonomy, with evidence at its place, in the text as stored and in the text as typed."""
    rows = [
        {
            "file": "f",
            "row": at,
            "review_id": str(at),
            "source": "s",
            "text": text,
            "question": question,
            "author": author,
        }
        for at, (text, question, author) in enumerate(reviews)
    ]
    table = frame(rows, TYPED)
    prepared = prepare(table)
    found = annotate_batch(prepared.reviews.assign(flags=[[] for _ in rows]), fast, taxonomy.load())
    stored = dict(zip(found.reviews["review_id"], found.reviews["text"], strict=True))
    for part in (found.opinions, found.mentions, found.escalations):
        for row in part.itertuples():
            assert stored[row.review_id][row.start : row.end] == row.evidence
    assert set(found.opinions["sentiment"]) <= set(SENTIMENTS)
    assert found.reviews["score"].dropna().between(-1, 1).all()
    for told, row in zip(annotations_of(table, fast, taxonomy.load()), rows, strict=True):
        for one in (*told["aspects"], *told["outcomes"], *told["treatments"], *told["signals"]):
            assert one["evidence"] in row["text"]
        assert all(secret in row["text"] for secret in told["pii"])


@settled
@given(st.lists(st.lists(cells, max_size=6), max_size=8), st.sampled_from([",", ";", "\t", "|"]))
def test_any_table(rows, delimiter):
    """Rows of any width with headings among the words."""
    check(batches_of(as_csv(rows).replace(b",", delimiter.encode())))


@settled
@given(st.lists(st.sampled_from(["<p>", "</p>", "<h2>Reviews</h2>", "<li>", "<br>", "<script type='application/ld+json'>", "</script>", "<!--", "-->",
                                 "<![CDATA[", "<!DOCTYPE html>", "<div><div>", "</", "&#0;", "&#xD800;", '{"@type":"Review","reviewBody":"kind"}']) | typed, max_size=20))  # fmt: skip
def test_any_page(pieces):
    """Pages of pieces of HTML in any order, and the same as running text."""
    check(batches_of(("<html>" + "".join(pieces)).encode("utf-8", "replace"), "x.html"))
    check(batches_of("\n".join(["Reviews", "", *pieces]).encode("utf-8", "replace"), "x.txt"))


@settled
@given(
    st.lists(
        st.lists(
            st.none()
            | st.booleans()
            | st.floats(allow_nan=False)
            | st.integers(-(10**9), 10**9)
            | st.datetimes()
            | cells,
            max_size=5,
        ),
        max_size=6,
    )
)
def test_any_workbook(rows):
    """Cells of any type and any text that a workbook can hold."""
    book = openpyxl.Workbook()
    for row in rows:
        for place, value in enumerate(row, 1):
            if isinstance(value, str):
                value = (
                    openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", value)[:30_000]
                    .replace("\ufffe", "")
                    .replace("\uffff", "")
                )
            cell = book.active.cell(book.active.max_row + (place == 1), place, value)
            if isinstance(value, str):
                cell.data_type = "s"
    held = io.BytesIO()
    book.save(held)
    check(batches_of(held.getvalue(), "x.xlsx"))


READERS = {
    "corrections": lambda path: read_corrections(path, NAMES),
    "changes": lambda path: read_changes(path, NAMES),
    "closed": read_closed,
    "consents": read_consents,
    "roster": read_roster,
}
HEADS = {
    "corrections": ["review_id", "what", "which", "now"],
    "changes": ["what", "place", "from", "theme", "hoped for"],
    "closed": ["review_id", "date", "who", "what was done"],
    "consents": ["review_id", "scope", "channels", "signed_at", "expires_at", "revoked_at"],
    "roster": ["name"],
}


def tried_on(reader, name: str, data: bytes) -> None:
    """A result, or a fault told in lines without a traceback."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        with suppress(Fault):
            reader(path)


@pytest.mark.parametrize("name", READERS)
@settled
@given(st.data())
def test_any_table_kept_by_hand(name, data):
    """The tables people keep, with any cells under their headings, and any bytes."""
    rows = data.draw(st.lists(st.lists(cells, max_size=6), max_size=5))
    tried_on(READERS[name], f"{name}.csv", as_csv([HEADS[name], *rows]))
    tried_on(
        READERS[name],
        data.draw(st.sampled_from([f"{name}.csv", f"{name}.jsonl", f"{name}.xlsx"])),
        data.draw(st.binary(max_size=300)),
    )


lines = st.lists(
    st.sampled_from(['places = ["Reno"]', "[[file]]", 'match = "*"', 'scale = "0-10"', 'dates = "day first"', 'columns = { text = "x" }', "[theme.parking]",
                     'name = "x"', 'means = "x"', 'terms = ["re:(", "park*"]', "[treatment.tms]", "terms = 3", "[theme]", "a = 1979-05-27", "= 1"]) | typed,
    max_size=8,
)  # fmt: skip


@settled
@given(lines)
def test_any_settings(pieces):
    """sources.toml and a taxonomy of lines in any order."""
    data = "\n".join(pieces).encode("utf-8", "replace")
    tried_on(load_mapping, "sources.toml", data)
    tried_on(taxonomy.load.__wrapped__, "taxonomy.toml", data)
