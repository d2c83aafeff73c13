"""CSV, TSV and workbooks as rows of cells, each with the number that a person sees beside it."""

import csv
import io
import re
import zipfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import islice
from typing import NamedTuple

from pipeline.read.files import LARGEST, Blob, Unreadable, check_unpacked, text_of

LINE_ENDS = ("\n", "\r")
DELIMITERS = (",", "\t", ";", "|")
SAMPLE = 200_000  # characters
LAST_ROW = 1 << 20  # of a spreadsheet
RUNAWAY = 2_000_000  # characters: a cell over several lines longer than this is a quotation mark left open
csv.field_size_limit(1 << 30)  # a review that is too long is to be refused by its row, not by the parser


class Row(NamedTuple):
    """A row of a table: `number` as in the spreadsheet or the text, `cells` as typed; `broken` where its quotation marks do not pair;
    `cut` where the file ends without a line end; `other` why it belongs to another table, or nothing."""

    number: int
    cells: list[str]
    broken: bool = False
    cut: bool = False
    other: str = ""


def delimiter_of(blob: Blob) -> str | None:
    """The delimiter of a text that is a table, or None for running text. A table has the same number of cells in most of its rows."""
    with text_of(blob) as stream:
        text = stream.read(SAMPLE)
    whole = len(text) < SAMPLE
    if match := re.match(r"\ufeff?sep=(.)\r?\n", text):
        return match[1]
    best = (0.0, 0, "")
    for delimiter in DELIMITERS:
        rows = list(islice((row.cells for row in csv_rows(text.splitlines(keepends=True), delimiter)), 200))
        rows = rows if whole or len(rows) == 200 else rows[:-1]
        widths = Counter(len(cells) for cells in rows if any(cells))
        wide = {width: count for width, count in widths.items() if width > 1}
        if not wide:
            continue
        width, count = max(wide.items(), key=lambda item: (item[1], item[0]))
        share = count / widths.total()
        # Excel drops empty cells at the end of a row, and titles stand above the header: both make rows shorter, seldom longer.
        longer = sum(many for wide_as, many in widths.items() if wide_as > width) / widths.total()
        if share - longer > 0 and (share, width) > best[:2]:
            best = (share, width, delimiter)
    return best[2] if best[0] >= 0.5 else None


def csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Every row, blank ones too. A row whose quotation marks do not pair gives its first line as `broken`, and reading goes on at the next
    line, so that one wrong mark does not swallow what follows."""
    waiting: deque[str] = deque()
    held: list[str] = []
    source = iter(lines)

    def feed() -> Iterator[str]:
        size = 0
        while (line := waiting.popleft() if waiting else next(source, None)) is not None:
            size = size + len(line) if held else len(line)
            held.append(line)
            if len(held) > 1 and size > RUNAWAY:
                raise csv.Error("a quotation mark is never closed")
            yield line

    number = 0
    while True:
        try:
            for cells in csv.reader(feed(), delimiter=delimiter, strict=True):
                number += 1
                cut = held[-1][-1:] not in LINE_ENDS
                held.clear()
                yield Row(number, cells, cut=cut)
            return
        except csv.Error:
            number += 1
            first, rest = held[0], held[1:]
            waiting.extendleft(reversed(rest))
            held.clear()
            cells = first.rstrip("\r\n").split(delimiter)
            yield Row(number, [_unquoted(cell) for cell in cells], broken=True)


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    return inner if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner else cell


def text_rows(blob: Blob, delimiter: str) -> Iterator[Row]:
    """The rows of a CSV or TSV file."""
    with text_of(blob) as stream:
        for row in csv_rows(stream, delimiter):
            if row.number == 1 and len(row.cells) <= 2 and row.cells and row.cells[0].lower().startswith("sep="):
                continue
            yield row


class Sheet(NamedTuple):
    """A sheet of a workbook by its name, and whether it is the only one with anything in it."""

    name: str
    alone: bool


def sheets(blob: Blob) -> list[Sheet]:
    """The sheets that hold anything; Unreadable where none does."""
    with _workbook(blob) as book:
        filled = [sheet.title for sheet in book.worksheets if any(any(cells) for cells in islice(_cells(sheet), 1000))]
    if not filled:
        raise Unreadable("the workbook has no sheet with rows: export it again")
    return [Sheet(name, len(filled) == 1) for name in filled]


def sheet_rows(blob: Blob, name: str) -> Iterator[Row]:
    """The rows of one sheet."""
    with _workbook(blob) as book:
        for number, cells in enumerate(_cells(book[name]), 1):
            yield Row(number, cells)


class _workbook:
    """An open workbook, read row by row."""

    def __init__(self, blob: Blob):
        self.blob = blob

    def __enter__(self):
        from openpyxl import load_workbook

        with self.blob.open() as stream:
            copy = io.BytesIO(stream.read(LARGEST))
        try:
            check_unpacked(zipfile.ZipFile(copy).infolist(), len(copy.getbuffer()))
            self.book = load_workbook(copy, read_only=True, data_only=True)
        except Unreadable:
            raise
        except Exception as error:  # openpyxl lets through whatever its parsers raise on a damaged file
            raise Unreadable("the workbook is damaged: open it, save it again as .xlsx") from error
        return self.book

    def __exit__(self, kind, error, trace):
        self.book.close()
        known = (Unreadable, GeneratorExit, KeyboardInterrupt, MemoryError)
        if error is not None and not isinstance(error, known):
            raise Unreadable("a sheet of the workbook is damaged: open it, save it again as .xlsx") from error


def _cells(sheet) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # other programs write wrong ones
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > LAST_ROW:  # openpyxl makes an empty row of every one that a row's number leaves out
            raise Unreadable(
                "a sheet has a row beyond the last that a spreadsheet has: open it, save it again as .xlsx"
            )
        cells = [cell_text(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def cell_text(value) -> str:
    """A workbook's value as a person would type it: 5.0 is 5, a date is ISO, _x000D_ is the line end that it stands for."""
    if value is None:
        return ""
    if isinstance(value, str):
        return re.sub(r"_x([0-9A-Fa-f]{4})_", _character, value) if "_x" in value else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _character(match: re.Match) -> str:
    code = int(match[1], 16)
    return match[0] if 0xD800 <= code <= 0xDFFF else chr(code)
