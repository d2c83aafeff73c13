"""Bad input: one clear line each, with file, row, what is wrong and the mend; the other files and rows are read."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from pipeline.read import InputError, read

EXPORTS = Path(__file__).parent / "fixtures" / "exports"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


GOOD = (EXPORTS / "native.csv").read_bytes()
LOCKED = OLE + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(512)

# bytes → a part of the reason in the one refusal, of row 0
FILES = {
    "empty": (b"", "empty"),
    "only blanks": (b"\xef\xbb\xbf \r\n\n", "empty"),
    "binary": (bytes(range(256)) * 4, "not text"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a picture"),
    "a pdf": (b"%PDF-1.7\n" + bytes(50), "a PDF"),
    "a tgz": (b"\x1f\x8b\x08" + bytes(50), "unpack it"),
    "password-protected workbook": (LOCKED, "protected by a password"),
    "old workbook": (OLE + bytes(1000), "save it as .xlsx"),
    "cut zip": (zipped(a=GOOD * 50)[:300], "damaged or cut off"),
    "empty zip": (zipped(), "holds no files"),
    "a damaged workbook": (
        zipped(**{"xl/workbook.xml": b"<not a book", "[Content_Types].xml": b"<"}),
        "workbook is damaged",
    ),
    "a presentation": (
        zipped(**{"ppt/presentation.xml": b"<p/>", "[Content_Types].xml": b"<t/>"}),
        "no .xlsx workbook",
    ),
    "a document without reviews": (
        zipped(**{"word/document.xml": b"<w:p><w:t>Minutes</w:t></w:p>"}),
        'no line says "Reviews"',
    ),
    "rich text": (b"{\\rtf1 Reviews\\par Kind.\\par}", "save it as plain text"),
    "header only": (b"id,date,rating,text\n", "no rows below it"),
    "no text column": (b"Ext,Room,Floor\n1,2,3\n4,5,6\n", "the columns are Ext, Room, Floor"),
    "no header": (b"2026-05-01,5,It went well enough\n2026-05-02,4,It went better than that\n", "no header"),
    "order of dates open": (b"date,rating,text\n03/04/2026,5,fine\n05/06/2026,4,good\n", 'dates = "day first"'),
    "cut JSON": (b'{"reviews": [{"starRating": "FIVE", "createTime": "2026-', "not valid JSON"),
    "JSON without reviews": (b'{"hello": 3}', "the columns are hello"),
    "JSON of something else": (b'[{"ext": 1, "room": 2}]', "the columns are ext, room"),
    "an empty list": (b'{"reviews": []}', "holds no reviews"),
    "deep JSON": (b"[" * 100_000, "not valid JSON"),
    "XML": (b"<?xml version='1.0'?><a/>", "XML"),
    "prose without reviews": (b"A clinic in a valley.\n\nIt treats people.\n", 'no line says "Reviews"'),
    "a heading without reviews": (b"Reviews\n\nContact us\n", "nothing stands under the heading"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_one_line(name, tmp_path):
    """A file that cannot be read is refused by name with row 0, says what to do, and does not stop the file beside it."""
    data, reason = FILES[name]
    (tmp_path / "a_bad").write_bytes(data)
    (tmp_path / "b_good.csv").write_bytes(GOOD)
    bad, good = read([tmp_path])
    assert (bad.read, len(bad.reviews), bad.rejected["row"].tolist(), bad.rejected["file"].tolist()) == (
        1,
        0,
        [0],
        ["a_bad"],
    )
    assert reason in bad.rejected["reason"].iloc[0]
    assert "\n" not in bad.rejected["reason"].iloc[0]
    assert len(good.reviews) == 3


def test_a_workbook_without_rows(tmp_path):
    """An empty workbook is refused; one with a header alone too."""
    import openpyxl

    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    book = openpyxl.Workbook()
    book.active.append(["Date", "Comment"])
    book.save(tmp_path / "b.xlsx")
    reasons = [batch.rejected["reason"].iloc[0] for batch in read([tmp_path])]
    assert "no sheet with rows" in reasons[0]
    assert "no rows below it" in reasons[1]


def test_a_zip_in_a_zip(tmp_path):
    """The inner archive is refused by name; its neighbours and a workbook in the archive are read."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["Date", "Comment"], ["2026-05-01", "Quiet rooms"]):
        book.active.append(row)
    held = io.BytesIO()
    book.save(held)
    (tmp_path / "x.zip").write_bytes(zipped(**{"a.csv": GOOD, "b.zip": zipped(a=GOOD), "c.xlsx": held.getvalue()}))
    first, inner, last = read([tmp_path / "x.zip"])
    assert len(first.reviews) == 3
    assert inner.rejected["file"].tolist() == ["x.zip/b.zip"]
    assert "zip inside a zip" in inner.rejected["reason"].iloc[0]
    assert last.reviews["text"].tolist() == ["Quiet rooms"]


def test_a_locked_zip(tmp_path):
    """A member under a password is refused; nothing asks for the password."""
    data = bytearray(zipped(**{"a.csv": GOOD}))
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + offset] |= 1
    (tmp_path / "x.zip").write_bytes(bytes(data))
    (batch,) = read([tmp_path / "x.zip"])
    assert "protected by a password" in batch.rejected["reason"].iloc[0]


def test_paths_at_fault(tmp_path):
    """No such path and an empty folder stop the run, and the message names them; a folder of leftovers counts as empty."""
    with pytest.raises(InputError, match="no such file or folder"):
        list(read([tmp_path / "nowhere"]))
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "README.md").write_text("what lies here", encoding="utf-8")
    with pytest.raises(InputError, match="holds no files") as error:
        list(read([tmp_path]))
    assert str(tmp_path) in str(error.value)


def rows_of(tmp_path: Path, data: str) -> tuple[list, dict]:
    path = tmp_path / "x"
    path.write_text(data, encoding="utf-8", newline="")
    (batch,) = read([path])
    assert batch.read == len(batch.reviews) + len(batch.rejected)
    return batch.reviews["text"].tolist(), dict(zip(batch.rejected["row"], batch.rejected["reason"], strict=True))


def test_bad_rows_are_refused_by_row(tmp_path):
    """A rating of 11, a word for a rating, a day that does not exist, an unreadable date: the row is refused, never read without it."""
    lines = [
        "id,date,rating,text",
        "a,2026-05-01,11,one",
        "b,2026-05-01,banana,two",
        "c,2026-02-30,5,three",
        "d,soon,5,four",
        "e,,,five",
    ]
    texts, refused = rows_of(tmp_path, "\n".join(lines))
    assert texts == ["five"]
    assert refused == {
        2: "the rating lies outside 1 to 5: 11",
        3: "the rating cannot be read",
        4: "there is no such day in the calendar",
        5: "the date cannot be read",
    }


def test_a_review_of_a_megabyte(tmp_path):
    """A text over 100,000 characters is refused with its row; the next one is read."""
    texts, refused = rows_of(tmp_path, f"id,text\na,{'x' * 1_000_000}\nb,{'y' * 100_000}\nc,short\n")
    assert [len(text) for text in texts] == [100_000, 5]
    assert list(refused) == [2]
    assert "100,000 characters" in refused[2]


def test_a_quotation_mark_left_open_swallows_nothing(tmp_path):
    """The row with the open mark is refused, or read where its cells are whole; all rows after it are read."""
    texts, refused = rows_of(tmp_path, 'id,rating,text\na,5,fine\nb,4,"never closed\nc,3,"closed, well"\nd,2,last\n')
    assert texts[0] == "fine"
    assert texts[-2:] == ["closed, well", "last"]
    assert len(texts) + len(refused) == 4


def test_a_comma_that_was_not_quoted(tmp_path):
    """A row with more cells than the header is refused, not shifted."""
    texts, refused = rows_of(tmp_path, "id,text,rating\na,slow, but kind,4\nb,kind,5\n")
    assert texts == ["kind"]
    assert "4 cells and the header 3" in refused[2]


def test_broken_lines_of_json(tmp_path):
    """A broken line is refused by its number, the first one too; what has the wrong type is refused, not turned into words."""
    lines = [
        '{"text": "cut of',
        '{"text": "one", "rating": 5}',
        "",
        "[1]",
        '{"text": ["two"], "rating": {"stars": 5}}',
        '{"text": "three", "rating": true}',
    ]
    texts, refused = rows_of(tmp_path, "\n".join(lines))
    assert texts == ["one"]
    assert refused == {
        1: "not valid JSON: the line is cut off or a mark is missing",
        4: "not a JSON object with names and values",
        5: "no text and no rating",
        6: "the rating cannot be read",
    }


def test_nothing_said(tmp_path):
    """ "N/A" and "No comment" without stars are refused; with stars they are a star-only row; "Nothing" answers a question and stays."""
    rows = [
        {"text": "N/A"},
        {"text": " No comment. ", "rating": 4},
        {"text": "none"},
        {"text": "None", "question": "What could we improve?"},
        {"text": "Nothing", "question": "What was good?"},
        {"text": "", "rating": 2},
        {"text": ""},
    ]
    texts, refused = rows_of(tmp_path, "\n".join(map(json.dumps, rows)))
    assert texts == ["", "None", "Nothing", ""]
    assert refused == {1: "no comment given", 3: "no comment given", 7: "no text and no rating"}


def test_reasons_hold_nobodys_words(tmp_path):
    """What a patient wrote stands in the excerpt, at most 80 characters, and never in the reason."""
    path = tmp_path / "x.csv"
    path.write_text(
        "date,rating,text\n2026-05-01,Marisol Example,I am Marisol Example " + "and " * 100 + "\nMarisol,5,me again\n",
        encoding="utf-8",
    )
    (batch,) = read([path])
    assert not batch.rejected["reason"].str.contains("Marisol").any()
    assert batch.rejected["excerpt"].str.len().max() == 80
