"""Hostile input, whole files of it from reader to report: nothing runs, nothing gives orders to a terminal, nothing takes for ever."""

import csv
import json
import os
import re
import time
import zipfile

import bs4
import openpyxl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.read import read

UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ATTACKS = {
    "script": "<script>window.ran=1</script><img src=x onerror=alert(1)></style></script></textarea><!--",
    "template": "{{ 7*7 }}{% for x in y %}${7*7}",
    "formula": '=HYPERLINK("http://evil.invalid","x")',
    "plus": "+cmd|' /C calc'!A0",
    "terminal": "\x1b]0;owned\x07\x1b[31m\x1b[2J\x9b31m\x08\x7f",
    "direction": "\u202egnp.exe\u2066\u2067",
    "nothing": "a\x00b",
    "lone": "\ud800 half \udfff",
    "line ends": "one\u2028two\u2029three\x85four\x0bfive\x0csix",
    "path": "../../../../tmp/evil",
}
FIELDS = ("id", "source", "location", "author", "question", "text")


def hostile_rows():
    """Every attack in every field, and a good review among them."""
    good = {
        "id": "good",
        "source": "google",
        "location": "Reno",
        "date": "2026-09-02",
        "rating": 5,
        "text": "The techs were kind.",
    }
    rows = [good]
    for name, attack in ATTACKS.items():
        for field in FIELDS:
            row = good | {"id": f"{name}-{field}", "question": None, "author": "Somebody", field: attack}
            rows.append(row if field != "text" else row | {"text": f"{attack} The techs were kind."})
        rows.append(good | {"id": f"{name}-refused", "rating": 77, "text": attack})
    return rows


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of the attacks as JSONL, CSV and XLSX: (folder, what was printed, how many rows were tried)."""
    folder = tmp_path_factory.mktemp("hostile")
    raw = folder / "raw"
    raw.mkdir()
    rows = hostile_rows()
    (raw / "a\x1b[31m\u202e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = ["id", "source", "location", "date", "rating", "author", "question", "text"]
    with open(raw / "<img src=x>.csv", "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(row | {"id": f"c-{row['id']}"} for row in rows)
    book = openpyxl.Workbook()
    book.active.title = "=1+1"
    book.active.append(columns)
    for row in rows:
        book.active.append([re.sub(r"[\x00-\x1f\ud800-\udfff]", "", str(row.get(name) or "")) for name in columns])
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s"
    book.save(raw / "=1+1.xlsx")
    (raw / bytes([0xE9, 0x1B]).decode("utf-8", "surrogateescape")).write_bytes(b"id,text\nz,Kind nurses\n")
    result = CliRunner().invoke(
        main, ["run", str(raw), "--out", str(folder / "out"), "--model", "fast", "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    return folder, result.output, 3 * len(rows)


def test_nothing_printed_gives_a_terminal_orders(done):
    """File names, sheet names and column names with escape codes are shown as \\u001b."""
    _, printed, _ = done
    assert not UNSEEN.search(printed)


def test_explain_inspect_and_annotate_print_no_escape_codes(done):
    """The three commands that show what was typed show codes as codes; the JSON of annotate stays what it was."""
    folder, _, _ = done
    text = "".join(ATTACKS[name] for name in ("terminal", "direction", "line ends", "script")) + " The techs were kind."
    (folder / "one.jsonl").write_text(
        json.dumps({"id": ATTACKS["terminal"], "location": "\x1b[1m", "text": text}) + "\n"
    )
    for command in (
        ("explain", text),
        ("inspect", folder / "one.jsonl"),
        ("annotate", folder / "one.jsonl", "--quiet"),
    ):
        result = CliRunner().invoke(
            main, [*map(str, command), *(() if command[0] == "inspect" else ("--model", "fast"))]
        )
        assert result.exit_code == 0, result.output
        assert not UNSEEN.search(result.output), command[0]
    told = json.loads(result.output)
    assert all(aspect["evidence"] in text for aspect in told["aspects"])


def test_no_output_holds_what_cannot_be_seen(done, tried):
    """Pages, tables, workbook: no control characters, no marks that turn a line, no halves of letters."""
    folder, _, rows = done
    for path in sorted((folder / "out").rglob("*")):
        if path.suffix in (".html", ".json", ".csv"):
            assert not UNSEEN.search(path.read_text(encoding="utf-8")), path.name
        elif path.suffix == ".parquet":
            table = pq.read_table(path).to_pandas()
            for name in table.columns:
                assert not any(UNSEEN.search(str(value)) for value in table[name]), (path.name, name)
    tried(rows, "rows with an attack in a field, from file to report")


def test_pages_hold_no_element_of_an_attack(done):
    """Of the elements that were smuggled in none is one: no image with an address, no handler, only our scripts."""
    folder, _, _ = done
    for name, scripts in (("report.html", 2), ("testimonials.html", 2)):
        page = bs4.BeautifulSoup((folder / "out" / "report" / name).read_text(encoding="utf-8"), "html.parser")
        assert len(page("script")) <= scripts + 1
        assert not any(
            "window.ran" in (script.string or "") and script.get("type") is None for script in page("script")
        )
        assert not page("img", src="x")
        assert not [tag for tag in page(True) for key in tag.attrs if key.startswith("on")]
        assert "49" not in [text.strip() for text in page.stripped_strings]


def test_no_cell_of_any_table_is_a_formula(done):
    """In the workbook every attack is text; in the CSVs no cell begins as a formula does."""
    folder, _, _ = done
    book = openpyxl.load_workbook(folder / "out" / "report" / "report.xlsx")
    ours = re.compile(r"=(SUM|COUNT|IF|HYPERLINK\(\"#)")
    for sheet in book:
        for cells in sheet.iter_rows():
            assert not [cell.value for cell in cells if cell.data_type == "f" and not ours.match(str(cell.value))]
            assert not [
                cell.hyperlink.target for cell in cells if cell.hyperlink and "evil" in str(cell.hyperlink.target)
            ]
    for path in (folder / "out" / "rejected.csv", folder / "out" / "report" / "testimonials.csv"):
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
            for cell in row:
                assert not re.match(r"\s*[=+@]|\s*-(?!\d)|[\t\r]", cell), (path.name, cell)


def test_the_report_written_again_says_the_same_of_refused_rows(done):
    """The mark that keeps a spreadsheet from running an excerpt is taken off when it is read again."""
    from pipeline.store import read_rejected, write_rejected

    folder, _, _ = done
    once = read_rejected(folder / "out")
    assert once["excerpt"].str.startswith("=HYPERLINK").any()
    (folder / "again").mkdir(exist_ok=True)
    write_rejected(folder / "again", once)
    assert (folder / "again" / "rejected.csv").read_bytes() == (folder / "out" / "rejected.csv").read_bytes()


def test_nothing_was_written_outside(done):
    """The run wrote its output folder and its lock and nothing else."""
    folder, _, _ = done
    assert {path.name for path in folder.iterdir()} <= {"raw", "out", ".out.lock", "one.jsonl", "again"}


# ── Archives and workbooks ──


def reason(path) -> str:
    """Why a file was refused as a whole."""
    batches = list(read([path]))
    assert not sum(len(batch.reviews) for batch in batches)
    return batches[0].rejected["reason"].iloc[0]


def packed(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression, compresslevel=9) as archive:
        for name, pieces in members.items():
            with archive.open(name, "w") as member:
                for piece in pieces:
                    member.write(piece)
    return path


def test_a_member_of_an_archive_cannot_name_a_place_outside(tmp_path):
    """Absolute names are labels and nothing else, names with ../ are refused in a line each; nothing is written anywhere."""
    folder = tmp_path / "in"
    folder.mkdir()
    names = ("../../evil\x1b.csv", "/etc/evil.csv", "a/../../b.csv", "..\\c.csv", "C:\\evil.csv", "./d.csv")
    packed(folder / "x.zip", {name: [b"id,text\na,Kind nurses\n"] for name in names})
    batches = list(read([folder]))
    assert sum(len(batch.reviews) for batch in batches) == 3
    refused = {row.file: row.reason for batch in batches for row in batch.rejected.itertuples()}
    assert list(refused) == ["x.zip/../../evil?.csv", "x.zip/..\\c.csv", "x.zip/a/../../b.csv"]
    assert all("leads out of the archive" in reason and "by hand" in reason for reason in refused.values())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "x.zip"]


def refusals(*paths) -> dict[str, str]:
    """Of each file that is refused as a whole: why."""
    told = [row for batch in read(paths) for row in batch.rejected.itertuples()]
    assert all(row.row == 0 for row in told)
    return {row.file: row.reason for row in told}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_of_an_archive_is_not_read_is_told(tmp_path):
    """Two members of one name, a sources.toml inside, nothing but what systems leave: a line each; hidden files need none."""
    (tmp_path / "good.csv").write_text("id,text\ng,Kind nurses\n")
    good = b"id,text\na,Kind nurses\n"
    packed(
        tmp_path / "x.zip",
        {"a.csv": [good], "sub/sources.toml": [b""], "__MACOSX/._a.csv": [b"x"], ".DS_Store": [b"x"]},
    )
    packed(tmp_path / "litter.zip", {"__MACOSX/._a.csv": [b"x"], "README.txt": [b"x"]})
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "id,text\nb,Warm rooms\n")
        archive.writestr("a.csv", "id,text\nc,Cold rooms\n")
    told = refusals(tmp_path)
    assert told.keys() == {"x.zip/sub/sources.toml", "litter.zip", "two.zip/a.csv"}
    assert "put it beside the archive" in told["x.zip/sub/sources.toml"]
    assert "no exports" in told["litter.zip"]
    assert "2 files of this name" in told["two.zip/a.csv"]


def test_an_archive_of_many_members_is_looked_through_once(tmp_path, monkeypatch):
    """Its table of contents is read a few times, not a few times for every member: ten thousand take a minute, not an hour."""
    looks, look = [], zipfile.ZipFile._RealGetContents

    def counted(archive):
        looks.append(archive)
        look(archive)

    packed(tmp_path / "x.zip", {f"{at}.csv": [b"id,text\na,Kind nurses\n"] for at in range(50)})
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", counted)
    assert sum(len(batch.reviews) for batch in read([tmp_path])) == 50
    assert len(looks) < 5


def test_what_of_a_folder_is_not_read_is_told(tmp_path):
    """A pipe, a link that leads nowhere, a link to a folder, a folder that cannot be opened, a sources.toml lower down: a line each."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.csv").write_text("id,text\nb,Warm rooms\n")
    (raw / "a.csv").write_text("id,text\na,Kind nurses\n")
    (raw / "linked.csv").symlink_to(tmp_path / "elsewhere" / "b.csv")
    (raw / "gone.csv").symlink_to(tmp_path / "gone.csv")
    (raw / "folder").symlink_to(tmp_path / "elsewhere")
    (raw / "round").symlink_to(raw)
    os.mkfifo(raw / "pipe.csv")
    (raw / "sub").mkdir()
    (raw / "sub" / "sources.toml").write_text("")
    (raw / "sub" / "manifest.json").write_text(
        "{}"
    )  # somebody else's: only with reviews.parquet it is an output of ours
    deep, at = "d" * 250, os.open(raw, os.O_RDONLY)
    for _ in range(20):  # names longer than the system takes
        os.mkdir(deep, dir_fd=at)
        at, before = os.open(deep, os.O_RDONLY, dir_fd=at), at
        os.close(before)
    os.close(at)
    assert sum(len(batch.reviews) for batch in read([raw])) == 2
    told = refusals(raw)
    closed = next(name for name in told if name.startswith("ddd"))
    assert told.keys() == {"gone.csv", "folder", "round", "pipe.csv", "sub/sources.toml", "sub/manifest.json", closed}
    assert "not there" in told["gone.csv"]
    assert "link to a folder" in told["folder"]
    assert "link to a folder" in told["round"]
    assert "neither a file nor a folder" in told["pipe.csv"]
    assert "put it there" in told["sub/sources.toml"]
    assert "cannot be opened" in told[closed]


def test_an_output_among_the_exports_is_passed_over(tmp_path):
    """What this program wrote is no export."""
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "The techs were kind."}) + "\n")
    run = ["run", str(tmp_path), "--out", str(tmp_path / "out"), "--model", "fast", "--workers", "1"]
    for _ in range(2):
        result = CliRunner().invoke(main, run)
        assert result.exit_code == 0, result.output
        assert re.search(r"rejected +0", result.output)


def test_archives_that_swell_are_refused_unopened(tmp_path):
    """One huge member, many middling ones, and members that lie over each other: refused by their own tables of contents."""
    chunk = b"id,text\n" + b"a,aaaaaaaa\n" * 90_000
    cases = {"one": {"a.csv": [chunk] * 80}, "many": {f"{at}.csv": [chunk] * 6 for at in range(15)}}
    for name, members in cases.items():
        assert "unpacks to far more" in reason(packed(tmp_path / f"{name}.zip", members))
    # the quoted-overlap bomb: every entry of the table of contents points at the same bytes
    one = packed(tmp_path / "over.zip", {"a.csv": [chunk] * 20}).read_bytes()
    start = one.index(b"PK\x01\x02")
    entry, end = one[start : one.index(b"PK\x05\x06")], one[one.index(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"a.csv", f"{at:05d}".encode()) for at in range(200))
    end = end[:8] + (200).to_bytes(2, "little") * 2 + len(entries).to_bytes(4, "little") + end[16:]
    (tmp_path / "over.zip").write_bytes(one[:start] + entries + end)
    assert "unpacks to far more" in reason(tmp_path / "over.zip")


BOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
    "xl/sharedStrings.xml": '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>Comment</t></si><si><t>WORD</t></si></sst>',
    "xl/worksheets/sheet1.xml": '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row><row r="3"><c r="A3" t="inlineStr"><is><t>WORD</t></is></c></row></sheetData></worksheet>',
}  # fmt: skip
LAUGHS = (
    "<!DOCTYPE x ["
    + '<!ENTITY e0 "ha">'
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 11))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY out SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "part", ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"]
)
@pytest.mark.parametrize(("attack", "word"), [(LAUGHS, "&e10;"), (OUTSIDE, "&out;")])
def test_entities_in_a_workbook_expand_to_nothing(tmp_path, part, attack, word):
    """A billion laughs and a file of the system, in each part: refused or read without them, at once, and nothing of the file is there."""
    members = {
        name: [(attack * (name == part) + text.replace("WORD", word if name == part else "Kind")).encode()]
        for name, text in BOOK.items()
    }
    start = time.process_time()
    batches = list(read([packed(tmp_path / "a.xlsx", members)]))
    assert time.process_time() - start < 2
    told = json.dumps([batch.reviews["text"].tolist() + batch.rejected["reason"].tolist() for batch in batches])
    assert "root:" not in told
    assert len(told) < 2000


def test_the_workbook_of_the_entity_test_is_a_good_one(tmp_path):
    """Without an attack the same parts are read, so that a refusal above is for the attack."""
    (batch,) = read([packed(tmp_path / "a.xlsx", {name: [text.encode()] for name, text in BOOK.items()})])
    assert batch.reviews["text"].tolist() == ["WORD", "WORD"]


def test_a_workbook_that_swells_is_refused(tmp_path):
    """In a folder and inside an archive: 80 MB of one letter in a sheet are not unpacked."""
    huge = {name: [text.encode()] for name, text in BOOK.items()} | {
        "xl/worksheets/sheet1.xml": [b" " * (1 << 20)] * 80
    }
    book = packed(tmp_path / "a.xlsx", huge)
    assert "unpacks to far more" in reason(book)
    inner = packed(tmp_path / "a.zip", {"a.xlsx": [book.read_bytes()]}, zipfile.ZIP_STORED)
    assert "unpacks to far more" in reason(inner)


def sheet(tmp_path, rows: str):
    """A workbook of one sheet with these rows."""
    told = BOOK | {
        "xl/worksheets/sheet1.xml": BOOK["xl/worksheets/sheet1.xml"].split("<row")[0]
        + rows
        + "</sheetData></worksheet>"
    }
    return packed(tmp_path / "a.xlsx", {name: [text.encode()] for name, text in told.items()})


def test_a_row_far_beyond_the_last(tmp_path):
    """A workbook of two rows, one numbered a hundred thousand million: refused at once, without the rows between."""
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>{1}</t></is></c></row>'
    start = time.process_time()
    assert "beyond the last" in reason(sheet(tmp_path, row.format(1, "Comment") + row.format(99_999_999_999, "Kind")))
    assert time.process_time() - start < 10


# ── The tables that people keep ──


def test_attacks_in_the_tables_kept_by_hand(tmp_path):
    """Every attack in every cell of consents, staff, changes, closed and corrections: the run ends well or with lines that name the
    rows; nothing printed or written gives orders or is a formula."""
    (tmp_path / "raw.jsonl").write_text(json.dumps(hostile_rows()[0]) + "\n")
    heads = {
        "consents": ("review_id", "status", "channels", "scope", "date", "expires", "withdrawn", "name", "note"),
        "staff": ("name",),
        "changes": ("what", "place", "from", "theme", "hoped for"),
        "closed": ("review_id", "by", "on", "what"),
        "corrections": ("review_id", "what", "which", "now"),
    }
    good = {
        "review_id": "good",
        "status": "signed",
        "from": "2026-09-01",
        "theme": "staff",
        "hoped for": "better",
        "place": "Reno",
        "on": "2026-09-03",
    }
    for name, columns in heads.items():
        for attack in ATTACKS.values():
            path = tmp_path / f"{name}.csv"
            with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerow([good.get(column, attack) for column in columns])
                writer.writerow([attack] * len(columns))
            given = [
                "run",
                str(tmp_path / "raw.jsonl"),
                "--out",
                str(tmp_path / "out"),
                "--model",
                "fast",
                "--workers",
                "1",
            ]
            result = CliRunner().invoke(main, [*given, f"--{name}", str(path)])
            assert isinstance(result.exception, (SystemExit, type(None)))
            assert "fault of the program" not in result.output, (name, attack)
            assert not UNSEEN.search(result.output), (name, attack)
            for written in (tmp_path / "out").rglob("*.*"):
                if written.suffix in (".html", ".json", ".csv"):
                    assert not UNSEEN.search(written.read_text(encoding="utf-8")), (name, attack, written.name)
                if written.suffix == ".html":
                    assert not bs4.BeautifulSoup(written.read_text(encoding="utf-8"), "html.parser")("img", src="x")
                if written.suffix == ".csv":
                    for row in csv.reader(written.read_text(encoding="utf-8").splitlines()):
                        assert not [cell for cell in row if re.match(r"\s*[=+@]|\s*-(?!\d)|[\t\r]", cell)], (
                            name,
                            attack,
                        )
                if written.suffix == ".xlsx":
                    for cells in (cells for one in openpyxl.load_workbook(written) for cells in one.iter_rows()):
                        assert not [cell.value for cell in cells if cell.data_type == "f" and "evil" in str(cell.value)]


# ── Size ──


def test_a_million_columns_are_refused(tmp_path):
    """As CSV and as JSON: told by their number, in seconds, and the memory of one line."""
    line = ",".join(f"c{at}" for at in range(1_000_000))
    (tmp_path / "wide.csv").write_text(f"text,{line}\nKind nurses,{',' * 999_999}\n")
    (tmp_path / "wide.jsonl").write_text(
        json.dumps({"text": "Kind"} | dict.fromkeys(map(str, range(20_000)), 1)) + "\n"
    )
    start = time.process_time()
    (tmp_path / "row.csv").write_text(f"id,text\na,kind\nb,{',' * 999_999}\n")
    assert "neither a table" in reason(tmp_path / "wide.csv")  # nothing but one line without an end is seen of it
    assert "columns are more than" in reason(tmp_path / "row.csv")
    assert "columns are more than" in reason(tmp_path / "wide.jsonl")
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "letter", ["x", *(pytest.param(one, marks=pytest.mark.slow) for one in (" ", "\n", '"', "é", "a. "))]
)
def test_a_review_of_ten_megabytes(tmp_path, letter):
    """Refused with its row, whatever it is made of; the review after it is read."""
    text = letter * (10_000_000 // len(letter)) + "."
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in (text, "Kind nurses")))
    start = time.process_time()
    (batch,) = read([tmp_path / "a.jsonl"])
    assert time.process_time() - start < 5
    assert batch.reviews["text"].tolist() == ["Kind nurses"]
    assert batch.rejected["row"].tolist() == [1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["a", "a ", "a. ", "A", "(", "'", "\u202e", "&amp;", "â€™", "1", "my son John ", "@a.", "no, ", "😭", "é\u0301"],
)
def test_time_grows_with_the_longest_review_that_is_read(piece, cost, tmp_path, tried):
    """From file to annotation, words as typed: four times the text takes nowhere near sixteen times as long."""
    from pathlib import Path

    from pipeline.run import annotate_typed

    model = Path(__file__).resolve().parent.parent / "models" / "fast"

    def annotated(length):
        path = tmp_path / f"{length}.jsonl"
        path.write_text(json.dumps({"text": piece * (length // len(piece))}) + "\n")
        return list(annotate_typed([path], model, None))

    annotated(100)
    assert cost(annotated, 96_000) < 1 + 8 * cost(annotated, 24_000)
    tried(1, "text of 96,000 characters, from file to annotation")
