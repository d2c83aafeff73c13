"""Exports as a clinic downloads them → reviews, and a reason for every row that is none.

The order of the work, for every file: find it (files), tell what it is (a workbook, a table, JSON, a page), find the header and what the
columns mean (surveys, plan: a known export, sources.toml, or a guess that is said), look through the whole column for the order of its dates and the
scale of its ratings (dates, ratings), then turn row after row into a review or a refusal (rows).
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.read import dates, google, grid, page, ratings, records
from pipeline.read.exports import EXPORTS, SHAPES, Shape, plain, recognise
from pipeline.read.files import Blob, InputError, Unreadable, check_member, encoding_name, walk, what
from pipeline.read.mapping import Entry, Mapping, load_mapping, place_of
from pipeline.read.plan import Column, Plan, heading_field, plan_for, survey_plan
from pipeline.read.rows import Refusal, normalise, rejected
from pipeline.read.surveys import survey_header, unique
from pipeline.tables import TYPED, frame

__all__ = ["Batch", "InputError", "Inspection", "Mapping", "inspect", "load_mapping", "read", "shapes"]

PAGE = next(entry for entry in EXPORTS["other"] if entry["key"] == "page")
SAMPLE_ROWS = 500  # rows from which the columns are understood; the order of dates and the scale of ratings are decided from all of them
HEADER_WITHIN = 30  # rows in which the header is looked for, below titles


class Batch(NamedTuple):
    """A part of one file. `read` = rows of `reviews` + rows of `rejected`; the notes of a file come with its last batch."""

    reviews: pd.DataFrame  # TYPED
    rejected: pd.DataFrame  # REFUSED, its excerpt as typed: whoever stores it de-identifies it first
    notes: list[str]
    file: str
    read: int


class Inspection(NamedTuple):
    """What was understood of a file. `others`: the other tables of an archive, a folder or a workbook."""

    file: str
    shape: str
    encoding: str
    delimiter: str
    columns: list[tuple[str, str]]  # as the file names it → what it was understood as, "" for not used
    dates: str
    ratings: str
    first: pd.DataFrame  # the first reviews as they would be read (TYPED)
    refused: pd.DataFrame  # the first rows that would be refused (REFUSED)
    counts: dict[str, int]  # read, reviews, and how often each reason refuses a row
    notes: list[str]
    quirks: str = ""  # what to know about this kind of export
    others: tuple["Inspection", ...] = ()


class Table(NamedTuple):
    """A table found in a file, with what its columns mean. `chunks(n)` gives, as often as it is called, frames of strings with the row
    numbers as index, and the rows that are broken before their columns are looked at; `chunks(n, only)` some of the columns."""

    label: str
    plan: Plan
    chunks: Callable[..., Iterator[tuple[pd.DataFrame, list[Refusal]]]]
    encoding: str = ""
    delimiter: str = ""
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Known(NamedTuple):
    """One kind of export, for the documentation: the columns that it is known by, what is read from which columns, what to know."""

    name: str
    known_by: list[str]
    columns: dict[str, list[str]]  # field → the columns that hold it, the best first
    quirks: str


def shapes() -> list[Known]:
    """Every export we know; what is recognised by something else than columns comes last."""
    known = [Known(shape.name, [*shape.known_by, *shape.or_by], dict(shape.fields), shape.quirks) for shape in SHAPES]
    surveys = [
        Known(
            entry["name"],
            [" + ".join(names) for names in entry["known_by"]],
            {"id": [entry["id"]], "date": entry["date"], "author": entry["author"]},
            entry["quirks"],
        )
        for entry in EXPORTS["survey"].values()
    ]
    others = [Known(entry["name"], [], {}, entry["quirks"]) for entry in EXPORTS["other"]]
    return known + surveys + others


def read(paths: Iterable[Path], *, mapping: Mapping | None = None, rows_per_batch: int = 5000) -> Iterator[Batch]:
    """The reviews of files, folders and archives, batch by batch, in the order given and then by name.

    `mapping`: what a person says about the columns; without it, the sources.toml in each folder given. A file that cannot be read gives a
    refusal of row 0 with the reason, and the others are read. Raises InputError for a path that is not there, an empty folder, a sources.toml
    that is not understood.
    """
    said: dict[Path | None, Mapping] = {}
    for blob in walk(paths):
        if blob.folder not in said:
            said[blob.folder] = mapping or _folder_mapping(blob.folder)
        try:
            for found in _tables(blob, said[blob.folder]):
                if isinstance(found, Table):
                    yield from _batches(found, rows_per_batch)
                else:
                    yield found
        except Unreadable as error:
            yield _refused(blob.label, str(error))


def inspect(path: Path, *, mapping: Mapping | None = None, rows: int = 5) -> Inspection:
    """What is understood of a file (of a folder or an archive: of each table in it), with the first `rows` reviews and refusals.

    Raises InputError as `read` does.
    """
    found = []
    for blob in walk([path]):
        said = mapping or _folder_mapping(blob.folder)
        try:
            for table in _tables(blob, said):
                found.append(_inspected(table, rows))
        except Unreadable as error:
            found.append(_inspected(_refused(blob.label, str(error)), rows))
    return found[0]._replace(others=tuple(found[1:]))


def _folder_mapping(folder: Path | None) -> Mapping:
    path = folder / "sources.toml" if folder else None
    return load_mapping(path) if path and path.is_file() else Mapping()


def _refused(label: str, reason: str) -> Batch:
    """A file that is refused as a whole: row 0."""
    return Batch(frame([], TYPED), rejected(label, [Refusal(0, reason)]), [], label, 1)


def _inspected(found: Table | Batch, rows: int) -> Inspection:
    batches = [found] if isinstance(found, Batch) else list(_batches(found, 5000))
    refusals = pd.concat([batch.rejected for batch in batches], ignore_index=True)
    reviews = pd.concat([batch.reviews.head(rows) for batch in batches], ignore_index=True).head(rows)
    counts = {"read": sum(batch.read for batch in batches), "reviews": sum(len(batch.reviews) for batch in batches)}
    counts |= Counter(refusals["reason"]).most_common()
    notes = [note for batch in batches for note in batch.notes]
    if isinstance(found, Batch):
        return Inspection(found.file, "none", "", "", [], "", "", reviews, refusals.head(rows), counts, notes)
    plan = found.plan
    meaning = {column: field for field, columns in reversed(plan.fields.items()) for column in columns}
    meaning |= {
        answer.column: f"text, an answer to: {answer.question}" if answer.question else "text"
        for answer in plan.answers
    }
    columns = [(column, meaning.get(column, "")) for column in found.columns]
    order = plan.order.said if "date" in plan.fields else "no column of dates"
    scale = plan.rating.said if "rating" in plan.fields else "no column of ratings"
    shape = plan.shape.name
    return Inspection(
        found.label,
        shape,
        found.encoding,
        found.delimiter,
        columns,
        order,
        scale,
        reviews,
        refusals.head(rows),
        counts,
        notes,
        plan.shape.quirks,
    )


def _batches(table: Table, size: int) -> Iterator[Batch]:
    """The batches of a table. The last one carries what a person should know."""
    file, notes, held = table.label, list(table.notes), None
    counted: Counter[str] = Counter()
    for chunk, broken in table.chunks(size):
        found = normalise(chunk, table.plan, file)
        refusals = found.rejected
        if broken:
            refusals = pd.concat([refusals, rejected(file, broken)], ignore_index=True).sort_values(
                "row", kind="stable", ignore_index=True
            )
        assert len(found.reviews) + len(refusals) == found.read + len(broken), "a row was lost or read twice"
        counted.update(replies=found.replies, unrated=found.unrated, ids=found.damaged_ids)
        for rule in {rule["reason"] for rule in table.plan.shape.leave}:
            counted[rule] += int((refusals["reason"] == rule).sum())
        if held is not None:
            yield held
        held = Batch(found.reviews, refusals, [], file, found.read + len(broken))
    if held is None:
        yield _refused(file, "it has a header and no rows below it: export it again")
        return
    for count, one, many in (
        (
            counted["replies"],
            "reply of the clinic left out: not a patient's words",
            "replies of the clinic left out: not a patient's words",
        ),
        (
            counted["unrated"],
            "rating that stands for no answer, read as none",
            "ratings that stand for no answer, read as none",
        ),
        (counted["ids"], "review id that Excel has rounded, not used", "review ids that Excel has rounded, not used"),
    ):
        if count:
            notes.append(f"{file}: {count:,} {one if count == 1 else many}")
    left = [
        f"{counted[reason]:,} × {reason}"
        for reason in dict.fromkeys(rule["reason"] for rule in table.plan.shape.leave)
        if counted[reason]
    ]
    if left:
        notes.append(f"{file}: left out: {', '.join(left)}")
    yield held._replace(notes=notes)


# ---- what a file is


def _tables(blob: Blob, mapping: Mapping) -> Iterator[Table | Batch]:
    """The tables of a file. Raises Unreadable where it is none that we can read; a sheet or list at fault gives a Batch that says so."""
    try:
        check_member(blob)
    except (KeyError, OSError, ValueError) as error:
        raise Unreadable("the archive is damaged or cut off: download it again") from error
    if what(blob) == "workbook":
        yield from _workbook(blob, mapping)
        return
    said = mapping.about(blob.label)
    if what(blob) == "document":
        yield _page_table(blob.label, page.reviews_of(page.blocks_of_document(blob)), said, "Word document")
        return
    start = blob.head().decode("latin-1").replace("\x00", "").lstrip("ÿþï»¿ \t\r\n")[:2000]
    encoding = encoding_name(blob.head())
    if start.startswith(("{", "[")):
        yield from _json(blob, said, encoding)
    elif re.match(
        r"<(!doctype html|html|head|body|div|section|article|main|p|h[1-6]|script|!--|ul|table|meta|span)\b",
        start,
        re.I,
    ):
        yield from _html(blob, said, encoding)
    elif start.startswith("<?xml"):
        raise Unreadable("XML: export the reviews as CSV or JSON")
    else:
        yield from _text(blob, said, encoding)


def _text(blob: Blob, said: Entry, encoding: str) -> Iterator[Table]:
    delimiter = grid.delimiter_of(blob)
    if delimiter is None and _single_column(blob, said):
        delimiter = ","
    if delimiter is None:
        yield _page_table(blob.label, page.reviews_of(page.blocks_of_text(blob)), said, encoding)
        return
    try:
        yield _grid_table(blob.label, lambda: grid.text_rows(blob, delimiter), said, encoding, delimiter)
    except Unreadable:
        # Prose can look like a table; a heading of reviews on a line of its own says that it is a page.
        found = page.reviews_of(page.blocks_of_text(blob))
        if not found or not found.reviews:
            raise
        yield _page_table(blob.label, found, said, encoding)


def _single_column(blob: Blob, said: Entry) -> bool:
    """Whether a text without delimiters is a table of one column: its first line is a heading for what people wrote."""
    first = next((row.cells for row in grid.text_rows(blob, ",") if any(row.cells)), [])
    if len(first) != 1 or (page.is_heading(first[0]) and plain(first[0]) != "review"):
        return False
    found = heading_field(first[0])
    mapped = {plain(name) for name in said.columns.get("text", ())}
    return plain(first[0]) in mapped or bool(found and found[0] == "text" and found[2])


def _workbook(blob: Blob, mapping: Mapping) -> Iterator[Table | Batch]:
    for sheet in grid.sheets(blob):
        label = blob.label if sheet.alone else f"{blob.label}/{sheet.name}"
        said = mapping.about(blob.label).updated(mapping.about(label))
        try:
            table = _grid_table(label, lambda name=sheet.name: grid.sheet_rows(blob, name), said, "workbook", "")
            place = place_of(sheet.name, said.places)
            if (
                place in said.places and "location" not in table.plan.fields and not table.plan.location
            ):  # a sheet for each clinic
                table = table._replace(plan=table.plan._replace(location=place))
            yield table
        except Unreadable as error:
            yield _refused(label, str(error))


def _html(blob: Blob, said: Entry, encoding: str) -> Iterator[Table]:
    soup = page.soup_of(blob)
    if found := page.json_ld(soup):
        yield _record_table(
            blob.label, lambda _: (records.Record(n, cells) for n, cells in enumerate(found, 1)), said, encoding
        )
        return
    for rows in page.tables_of(soup):  # what many programs call .xls is a page with a table
        with suppress(Unreadable):
            table = _grid_table(blob.label, lambda rows=rows: iter(rows), said, encoding, "")
            if {"date", "rating"} & table.plan.fields.keys():  # else it may be a table that lays out a page
                yield table
                return
    yield _page_table(blob.label, page.reviews_of(page.blocks_of_html(soup)), said, encoding)


def _json(blob: Blob, said: Entry, encoding: str) -> Iterator[Table | Batch]:
    if records.is_lines(blob):
        yield _record_table(blob.label, lambda only: records.line_records(blob, only), said, encoding, "JSON lines")
        return
    found = records.document(blob)
    if google.is_own_reviews(found):
        count = len(found["features"])
        raise Unreadable(
            f"{count} reviews that the account's owner wrote about other places (Maps), not reviews of the clinic"
        )
    if google.is_additional_data(found):
        # It names the place of the reviews beside it, and is read with them.
        yield Batch(frame([], TYPED), rejected(blob.label, []), [], blob.label, 0)
        return
    if (
        isinstance(found, dict)
        and recognise(records.flat(found))
        and not any(recognise(_keys(items)) for _, items in records.lists_of(found))
    ):
        found = [found]
    lists = list(records.lists_of(found))
    known = [(parent, items) for parent, items in lists if recognise(_keys(items))]
    if not known:
        if not lists:
            raise Unreadable("JSON that holds no reviews")
        alone = [({}, [found])] if isinstance(found, dict) else []
        known = [(parent, items) for parent, items in [*lists[:5], *alone] if plan_for(_sampled(items), said)][
            :1
        ] or lists[:1]
    for place, (parent, items) in enumerate(known, 1):
        label = blob.label if len(known) == 1 else f"{blob.label}#{place}"
        try:
            table = _record_table(
                label, lambda only, items=items: records.list_records(items, only), said, encoding, "JSON"
            )
        except Unreadable as error:
            yield _refused(label, str(error))
            continue
        if table.plan.location is None and "location" not in table.plan.fields:
            name = google.listing_name(blob) if table.plan.shape.key == "google_business" else _parent_name(parent)
            name = name and place_of(name, said.places)
            table = table._replace(plan=table.plan._replace(location=name))
        yield table


def _keys(items: list) -> set[str]:
    return {name for item in items[:SAMPLE_ROWS] if isinstance(item, dict) for name in records.flat(item)}


def _parent_name(parent: dict) -> str | None:
    """The place that an envelope is about."""
    cells = records.flat({name: value for name, value in parent.items() if not isinstance(value, list)})
    return next(
        (
            cells[name].strip()
            for name in ("displayName.text", "name", "title", "placeName")
            if cells.get(name, "").strip()
        ),
        None,
    )


def _sampled(items: list) -> list[Column]:
    sample = [record.cells for record in islice(records.list_records(items), SAMPLE_ROWS)]
    return _columns_of(sample)


def _columns_of(sample: list[dict[str, str]]) -> list[Column]:
    names = dict.fromkeys(name for cells in sample for name in cells)
    return [Column(name, samples=tuple(cells.get(name, "") for cells in sample)) for name in names]


# ---- a table, once it is known where its rows come from


def _record_table(
    label: str,
    rows: Callable[[Collection[str] | None], Iterator[records.Record]],
    said: Entry,
    encoding: str,
    kind: str = "",
) -> Table:
    """A table of JSON records. `rows`: all of them, with the names asked for or with all."""
    sample = [record.cells for record in islice(rows(None), SAMPLE_ROWS) if not record.problem]
    if not sample:
        first = next(rows(None), None)
        raise Unreadable(
            f"it holds no records that can be read; the first is {first.problem}" if first else "it holds no records"
        )
    columns = _columns_of(sample)
    plan = plan_for(columns, said, strict=True)

    def chunks(size: int, only: Collection[str] | None = None) -> Iterator[tuple[pd.DataFrame, list[Refusal]]]:
        wanted = [column.name for column in columns if only is None or column.name in only]
        for part in _parts(rows(only), size):
            whole = [record for record in part if not record.problem]
            broken = [Refusal(record.number, record.problem) for record in part if record.problem]
            data = {name: [record.cells.get(name, "") for record in whole] for name in wanted}
            yield pd.DataFrame(data, index=[record.number for record in whole], dtype=object), broken

    return _decided(Table(label, plan, chunks, encoding, kind, tuple(column.name for column in columns)))


def _grid_table(
    label: str, rows: Callable[[], Iterator[grid.Row]], said: Entry, encoding: str, delimiter: str
) -> Table:
    """A table of cells: its header is found below titles; surveys have several header rows."""
    start = [row for row in islice(rows(), SAMPLE_ROWS + HEADER_WITHIN)]
    filled = [place for place, row in enumerate(start) if any(cell.strip() for cell in row.cells)]
    if not filled:
        raise Unreadable("it holds no rows: export it again")
    notes = []
    for place in [place for place in filled if place < HEADER_WITHIN][:5]:
        survey = survey_header(start[place:])
        if survey:
            names, after = (
                [column.name for column in survey.columns],
                start[min(place + survey.rows, len(start)) - 1].number,
            )
            columns = [
                Column(asked.name, asked.question, asked.key, samples, asked.open)
                for asked, samples in zip(survey.columns, _samples(start, after, len(names)), strict=True)
            ]
            plan = survey_plan(columns, survey.survey, said)
            break
    else:
        place = _header_place(start, filled, said)
        names, after = unique(start[place].cells), start[place].number
        samples = _samples(start, after, len(names))
        wider = max((len(row.cells) for row in start[place + 1 :]), default=0)
        if wider > len(names) and not delimiter:  # a workbook's column without a heading
            names, samples = unique([*start[place].cells, *[""] * (wider - len(names))]), _samples(start, after, wider)
        columns = [Column(name, samples=cells) for name, cells in zip(names, samples, strict=True)]
        named = [column for column in columns if column.said or not re.fullmatch(r"column \d+", column.name)]
        if _headless(start[place].cells):
            raise Unreadable("it has no header: write the names of the columns in a row above (date, rating, text)")
        plan = plan_for(named, said, strict=True)
        above = [row for row in start[:place] if any(row.cells)]
        if above:
            notes.append(
                f"{label}: {len(above)} title {'row' if len(above) == 1 else 'rows'} above the header passed over"
            )

    shown = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}.get(delimiter, delimiter)

    def chunks(size: int, only: Collection[str] | None = None) -> Iterator[tuple[pd.DataFrame, list[Refusal]]]:
        body = _body(rows(), after, names)
        wanted = [place for place, name in enumerate(names) if only is None or name in only]
        shorter = False  # whether rows leave off their last cells where these are empty
        for part in _parts(body, size):
            index, cells, broken = [], [], []
            for row in part:
                many = len(row.cells)
                if many > len(names) and not any(cell.strip() for cell in row.cells[len(names) :]):
                    many = len(names)
                if row.other:
                    broken.append(Refusal(row.number, row.other))
                elif many > len(names):
                    why = f"the row has {many} cells and the header {len(names)}: a text with a {shown} in it was not quoted"
                    broken.append(Refusal(row.number, why))
                elif row.cut and many < len(names) and not shorter:
                    broken.append(Refusal(row.number, "the file ends within this row: it is cut off, export it again"))
                elif row.broken and many != len(names):
                    broken.append(Refusal(row.number, "the quotation marks of the row do not pair"))
                else:
                    shorter = shorter or many < len(names)
                    index.append(row.number)
                    whole = row.cells if many == len(row.cells) else row.cells[:many]
                    cells.append(whole + [""] * (len(names) - many) if many < len(names) else whole)
            data = {names[place]: [row[place] for row in cells] for place in wanted}
            yield pd.DataFrame(data, index=index, dtype=object), broken

    return _decided(Table(label, plan, chunks, encoding, shown, tuple(names), tuple(notes)))


def _body(rows: Iterator[grid.Row], after: int, names: list[str]) -> Iterator[grid.Row]:
    """The rows below the header that hold anything. What stands below an empty row and a header of its own is another table: its rows
    say so in `other`."""
    ours, gap, other = {plain(name) for name in names}, False, ""
    for row in rows:
        if row.number <= after:
            continue
        if not any(map(str.strip, row.cells)):
            gap = True
            continue
        if gap and _is_header(row.cells):
            same = {plain(cell) for cell in row.cells if cell.strip()} <= ours
            other = "" if same else f"a second table begins in row {row.number}: give it a sheet or a file of its own"
        gap = False
        yield row._replace(other=other) if other else row


def _is_header(cells: list[str]) -> bool:
    """Whether a row can only be a header: nothing but short names of columns, two of which mean something to us."""
    named = [cell for cell in cells if cell.strip()]
    if len(named) < 2 or any(len(cell) > 40 or any(map(str.isdigit, cell)) for cell in named):
        return False
    found = [heading_field(cell) for cell in named]
    return len({field for field, _, whole in filter(None, found) if whole}) > 1


def _parts(rows: Iterator, size: int) -> Iterator[list]:
    while part := list(islice(rows, size)):
        yield part


def _samples(start: list[grid.Row], after: int, width: int) -> list[tuple[str, ...]]:
    below = [row.cells for row in start if row.number > after and not row.broken and len(row.cells) <= width]
    return [tuple(cells[place] if place < len(cells) else "" for cells in below) for place in range(width)]


def _header_place(start: list[grid.Row], filled: list[int], said: Entry) -> int:
    """Where the header is: the first row that is a known export's, that sources.toml names, or in which most headings mean something to us."""
    mapped = {plain(name) for names in said.columns.values() for name in names}
    best, best_score = filled[0], 0.0
    for place in filled:
        if place >= HEADER_WITHIN:
            break
        cells = start[place].cells
        named = [cell for cell in cells if cell.strip()]
        if recognise(unique(cells)) or mapped & {plain(cell) for cell in named}:
            return place
        fields = {found[0] for cell in named if len(cell) <= 80 and (found := heading_field(cell))}
        score = len(fields - {"ignore"}) + 0.1 * len(named)
        if len(named) > 1 and score > best_score and len(fields) > 1:
            best, best_score = place, score
    if not best_score:  # no row means anything: the first that is as wide as the table
        width = max(sum(bool(cell.strip()) for cell in start[place].cells) for place in filled)
        best = next(place for place in filled if sum(bool(cell.strip()) for cell in start[place].cells) > width / 2)
    return best


def _headless(cells: list[str]) -> bool:
    """Whether what stands as a header is a row of data: it holds a date or a number."""
    return any(
        re.fullmatch(r"[\d.,]+", cell.strip()) or dates.read_date(cell, dates.DAY_FIRST).precision == "day"
        for cell in cells
        if cell.strip()
    )


def _page_table(label: str, found: page.Page | None, said: Entry, encoding: str) -> Table:
    if found is None:
        raise Unreadable(
            'neither a table nor a page with reviews: no line says "Reviews"; write one above them, a paragraph for each'
        )
    if not found.reviews:
        raise Unreadable(
            'nothing stands under the heading "Reviews" before the page goes on: paste each review as a paragraph'
        )

    def rows() -> Iterator[records.Record]:
        for told in found.reviews:
            yield records.Record(
                told.line,
                {
                    "text": told.text,
                    "author": told.author or "",
                    "rating": told.rating,
                    "cut": "yes" if told.cut else "",
                },
            )

    shape = Shape("page", PAGE["name"], source="website", scale="1-5", quirks=PAGE["quirks"])
    fields = {"text": ("text",), "author": ("author",), "rating": ("rating",)}
    plan = Plan(shape, fields, source=said.source or "website", location=said.location, places=said.places, cut="cut")

    def chunks(size: int, _only: Collection[str] | None = None) -> Iterator[tuple[pd.DataFrame, list[Refusal]]]:
        for part in _parts(rows(), size):
            yield (
                pd.DataFrame([record.cells for record in part], index=[record.number for record in part], dtype=object),
                [],
            )

    many = len(found.reviews)
    note = f"{label}: {many} review{'s' if many > 1 else ''} under the page's heading; what else the page says is the clinic's and left out"
    return Table(label, plan, chunks, encoding, "", ("text",), (note,))


def _decided(table: Table) -> Table:
    """The table with the order of its dates and the scale of its ratings, decided from every row. Unreadable where the order stays open."""
    plan = table.plan
    evidence, marks = dates.Evidence(), {}
    date_columns, rating_columns = plan.fields.get("date", ()), plan.fields.get("rating", ())
    if date_columns or (rating_columns and not plan.scale):
        for chunk, _ in table.chunks(20_000, {*date_columns, *rating_columns}):
            undated = (
                chunk  # the rows whose day no column has given beyond doubt: for the others the order does not matter
            )
            for column in date_columns:
                if column in undated:
                    evidence = dates.weigh(undated[column], evidence)
                    if column != date_columns[-1]:
                        undated = undated[[dates.read_date(typed).date is None for typed in undated[column]]]
            for column in rating_columns:
                if column in chunk and len(marks) < 2000:
                    marks.update(dict.fromkeys(chunk[column].unique()))
    order = dates.decide(evidence, plan.dates, plan.shape.dates)
    if order.problem:
        raise Unreadable(f"nothing of it was read: {order.problem}")
    heading = rating_columns[0] if rating_columns else ""
    scale = ratings.decide(marks, heading, plan.scale, plan.shape.unrated)
    table = table._replace(plan=plan._replace(order=order, rating=scale))
    return table._replace(notes=(*table.notes, *_guess_notes(table)))


def _guess_notes(table: Table) -> list[str]:
    """What was guessed, for a person to check; dates written in both orders."""
    plan = table.plan
    mixed = [f"{table.label}: dates {plan.order.said}"] if plan.order.mixed else []
    if not plan.guessed:
        return mixed
    meant = [
        f"{field} = {' or '.join(map(_quoted, columns))}" for field, columns in plan.fields.items() if any(columns)
    ]
    meant += [f"text = {_quoted(answer.question or answer.column)}" for answer in plan.answers]
    more = f"; ratings {plan.rating.said}" if "rating" in plan.fields else ""
    more += f"; dates {plan.order.said}" if "date" in plan.fields and plan.order.order else ""
    unused = f"; not used: {', '.join(map(_quoted, plan.unused[:12]))}" if plan.unused else ""
    return [f"{table.label}: understood as {', '.join(meant)}{more}{unused}; if that is wrong, say so in sources.toml"]


def _quoted(name: str) -> str:
    return f'"{name if len(name) <= 60 else name[:57] + "…"}"'
