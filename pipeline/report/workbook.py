"""The Summary as a workbook for people who know Excel: eight sheets (nine with a register of changes), one of them to correct in, native charts, frozen heads, filters.

Every text is written as text: one that begins with = + - or @ stays what a patient typed.
"""

import datetime as dt
import itertools
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.utility import xl_rowcol_to_cell

from pipeline import corrections, summary, tables
from pipeline.months import month_name
from pipeline.wording import FINE, SOURCE_NAMES, capital, in_words, plural, shown

LONGEST_CELL = 32_000  # Excel holds 32,767 characters in a cell
INK = {"positive": "#0A58A6", "negative": "#A34700", "mixed": "#6B3FA0", "neutral": "#5D666F"}
NUMBERS = ("number", "decimal", "share")
UNDERLINE = {"positive": 1, "negative": 1, "mixed": 2, "neutral": 1}


def write_workbook(
    told: Mapping, annotations: tables.Annotations, counted: summary.Counted, total: int, path: Path
) -> None:
    """Writes the workbook of a Summary (`told`); the same Summary and annotations give the same bytes.

    counted: the reviews to list, of `total`.
    """
    book = xlsxwriter.Workbook(
        str(path),
        {
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "nan_inf_to_errors": False,
            "tmpdir": str(path.parent),  # pieces of it lie there until it is whole, and go with the folder
        },
    )
    # the day after the month instead of the clock
    created = dt.datetime.fromisoformat(told["cut_off"])
    book.set_properties({"title": f"Patient reviews, {told['month_name']}", "created": created})
    paper = _Paper(book)
    _summary(paper, told)
    _themes(paper, told)
    _treatments(paper, told)
    _trend(paper, told)
    _changes(paper, told)
    _reviews(paper, told, counted, total)
    _corrections(paper, told, annotations, counted)
    _escalations(paper, told)
    _quality(paper, told)
    try:
        book.close()
    except FileCreateError as error:  # the disk's own words, so that they are told as of any other file
        raise error.args[0] from None


class _Paper:
    """A workbook with its formats, and a way to lay a table."""

    def __init__(self, book):
        self.book = book
        base = {"font_name": "Calibri", "font_size": 11, "valign": "top"}
        head = base | {"bold": True, "bottom": 1, "text_wrap": True, "bg_color": "#F2F3F5"}
        self.head, self.head_in = book.add_format(head), book.add_format(head | {"align": "left", "indent": 1})
        self.title = book.add_format(base | {"bold": True, "font_size": 16})
        self.finding = book.add_format(base | {"bold": True, "font_size": 12})
        self.text = book.add_format(base | {"text_wrap": True, "quote_prefix": True})
        self.line = book.add_format(base | {"quote_prefix": True})
        self.text_in = book.add_format(base | {"text_wrap": True, "quote_prefix": True, "align": "left", "indent": 1})
        self.line_in = book.add_format(base | {"quote_prefix": True, "align": "left", "indent": 1})
        self.number = book.add_format(base | {"num_format": "#,##0"})
        self.decimal = book.add_format(base | {"num_format": "0.00"})
        self.tenth = book.add_format(base | {"num_format": "0.0"})
        self.fine_share = book.add_format(base | {"num_format": "0.0%"})
        self.share = book.add_format(base | {"num_format": "0%"})
        self.concern = book.add_format(base | {"bold": True, "font_color": INK["negative"], "quote_prefix": True})
        self.plain = book.add_format(base)
        self.spans = {
            name: book.add_format({"underline": UNDERLINE[name], "font_color": ink, "bold": name != "neutral"})
            for name, ink in INK.items()
        }

    def sheet(self, name: str, columns: list[tuple[str, float, str]], rows: list[list], top: int = 0):
        """A sheet with a table: columns are (head, width, kind: text, wrap, number, decimal, share); frozen, filtered.

        A cell is a text, a number, None, or what `_rich` gave.
        """
        sheet = self.book.add_worksheet(name)
        self.table(sheet, columns, rows, top)
        sheet.freeze_panes(top + 1, 1)
        sheet.autofilter(top, 0, top + max(len(rows), 1), len(columns) - 1)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(top)
        return sheet

    def table(self, sheet, columns, rows, top):
        formats = {
            "text": self.line,
            "wrap": self.text,
            "number": self.number,
            "decimal": self.decimal,
            "share": self.share,
        }
        kinds, before = [], ""
        for _, _, kind in columns:  # a text after a number keeps clear of it
            kinds.append(f"{kind} after a number" if kind in ("text", "wrap") and before in NUMBERS else kind)
            before = kind
        for at, ((head, width, _), kind) in enumerate(zip(columns, kinds, strict=True)):
            longest = max([len(row[at]) for row in rows if isinstance(row[at], str)], default=0)
            # a text in one line would run into the next column; ids are long, and are read by nobody
            sheet.set_column(at, at, max(width, min(longest + 2, 30)) if kind.startswith("text") else width)
            sheet.write_string(top, at, head, self.head if kind in formats else self.head_in)
        formats |= {"text after a number": self.line_in, "wrap after a number": self.text_in}
        # not every program makes room for a head of several lines by itself, and the filter's arrow takes some
        lines = max(len(textwrap.wrap(head, max(int(width) - 4, 4))) for head, width, _ in columns)
        sheet.set_row(top, 15 * max(lines, 1) + 3)
        for down, row in enumerate(rows, top + 1):
            for at, (value, kind) in enumerate(zip(row, kinds, strict=True)):
                self.cell(sheet, down, at, value, formats[kind])

    def cell(self, sheet, down, at, value, style):
        if value is None:
            sheet.write_blank(down, at, None, self.plain)
        elif isinstance(value, str):
            sheet.write_string(down, at, value[:LONGEST_CELL], style)
        elif isinstance(value, list):
            sheet.write_rich_string(down, at, *value, style)
        else:
            sheet.write_number(down, at, value, style)


def _summary(paper: _Paper, s: Mapping) -> None:
    sheet = paper.book.add_worksheet("Summary")
    sheet.hide_gridlines(2)
    sheet.write_string(0, 0, f"Patient reviews, {s['month_name']}", paper.title)
    sheet.write_string(
        1,
        0,
        f"{plural(s['received']['locations'], 'clinic')}, {plural(s['received']['reviews'], 'review')}, "
        f"{s['received']['with_words']} with words",
        paper.line,
    )
    columns = [
        ("Figure", 34, "text"),
        ("How many", 13, "decimal"),
        ("Of", 13, "number"),
        ("Share or mean", 13, "share"),
        ("Low 95 %", 13, "share"),
        ("High 95 %", 13, "share"),
        ("Usual", 13, "share"),
        ("Variation", 90, "wrap"),
    ]
    rows = []
    for tile in s["headlines"]:
        share = tile["key"] == "positive"
        interval = [tile["share"], tile["low"], tile["high"]] if share else [None, None, None]
        rows.append([tile["name"], None, tile["n"], *interval, None, tile["chart"]["now"]["word"]])
    paper.table(sheet, columns, rows, 3)
    sheet.freeze_panes(4, 1)
    for down, tile in enumerate(s["headlines"], 4):
        share, stars = tile["key"] == "positive", tile["key"] == "stars"
        paper.cell(sheet, down, 1, None if stars else tile["k" if share else "value"], paper.number)
        if stars:
            paper.cell(sheet, down, 3, tile["value"], paper.tenth)
        whole = tile["key"] == "reviews"
        fine = paper.fine_share if tile["n"] >= FINE else paper.share
        paper.cell(sheet, down, 6, tile["usual"], fine if share else paper.number if whole else paper.tenth)
    down = 9
    for title, lines in (
        ("Needs action today", [s["escalations"]["sentence"], *_waiting(s["escalations"])]),
        (
            "What changed",
            [f"{one['title']}: {one['figures']}." for one in s["changed"]] or [s["unchanged"]["sentence"]],
        ),
        ("What did not", ([s["unchanged"]["sentence"]] if s["changed"] else []) + [s["unchanged"]["note"]]),
        ("Negative reviews", [s["negative"]["title"], s["negative"]["now"]["word"]]),
        ("What this cannot tell you", s["limits"]),
        (
            "Changes written down",
            [
                f"{one['number']}. {one['date']}, {one['location'] or 'every clinic'}, {one['what']}: {one['sentence']}"
                for one in s["register"]
            ]
            + ([f"{s['register_later']['sentence']}."] if s["register_later"] else []),
        ),
        ("Method", s["method"]),
    ):
        if not lines:
            continue
        sheet.write_string(down, 0, title, paper.finding)
        for text in lines:
            down += 1
            sheet.merge_range(down, 0, down, 7, "", paper.text)
            sheet.write_string(down, 0, text, paper.text)
            sheet.set_row(down, 15 * (1 + len(text) // 185))
        down += 2
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _themes(paper: _Paper, s: Mapping) -> None:
    columns = [
        ("Theme", 18, "text"),
        ("Speak of it", 11, "number"),
        ("Of reviews read", 11, "number"),
        ("Share", 9, "share"),
        ("Low 95 %", 9, "share"),
        ("High 95 %", 9, "share"),
        ("Note", 20, "text"),
        ("Positive", 10, "number"),
        ("Mixed", 10, "number"),
        ("Neutral", 10, "number"),
        ("Negative", 10, "number"),
        ("Negative, share", 11, "share"),
        ("Low 95 %", 9, "share"),
        ("High 95 %", 9, "share"),
        ("Share that spoke of it in the twelve months before", 15, "share"),
        ("Corrected for reading errors", 13, "share"),
        ("Lasting shift", 34, "text"),
        ("For", 50, "wrap"),
        ("Against", 50, "wrap"),
    ]
    rows = []
    for one in s["themes"]:
        told, bad = one["mentions"], one["negative"]
        signal = "; ".join(
            f"{'worse' if each['state'] == 'concern' else 'better'} since {month_name(each['since'])}, {each['location']}"
            for each in one["signal"]
        )
        rows.append(
            [
                one["name"],
                told["k"],
                told["n"],
                told["share"],
                told["low"],
                told["high"],
                _note(told),
                one["positive"]["k"],
                one["mixed"]["k"],
                one["neutral"]["k"],
                bad["k"],
                bad["share"],
                bad["low"],
                bad["high"],
                one["usual"]["share"],
                one["corrected"]["share"] if one["corrected"] else None,
                signal or "no lasting shift found",
                _quote(one["for"]),
                _quote(one["against"]),
            ]
        )
    sheet = paper.sheet("Themes", columns, rows)
    last = len(rows)
    chart = paper.book.add_chart({"type": "bar"})
    for name, at, ink in (("Positive", 7, INK["positive"]), ("Negative", 10, INK["negative"])):
        chart.add_series(
            {
                "name": name,
                "categories": ["Themes", 1, 0, last, 0],
                "values": ["Themes", 1, at, last, at],
                "fill": {"color": ink},
            }
        )
    chart.set_title({"name": f"Praise and complaints, {s['month_name']} (reviews)", "name_font": {"size": 12}})
    chart.set_y_axis({"reverse": True})
    chart.set_x_axis({"major_gridlines": {"visible": True, "line": {"color": "#D6DADE"}}})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 760, "height": 380})
    sheet.insert_chart(
        last + 3, 0, chart, {"description": "Bars: how many reviews praise and how many complain of each theme"}
    )


def _treatments(paper: _Paper, s: Mapping) -> None:
    columns = [
        ("Treatment had", 15, "text"),
        ("Theme", 16, "text"),
        ("About", 26, "text"),
        ("Speak of it", 11, "number"),
        ("Of reviews read", 11, "number"),
        ("Positive", 10, "number"),
        ("Mixed", 10, "number"),
        ("Neutral", 10, "number"),
        ("Negative", 10, "number"),
        ("Negative, share", 11, "share"),
        ("Low 95 %", 9, "share"),
        ("High 95 %", 9, "share"),
        ("Note", 20, "text"),
    ]
    names, rows = s["names"], []
    for one in s["treatments"]["rows"]:
        bad = one["negative"]
        rows.append(
            [
                names["treatments"][one["treatment"]],
                names["themes"][one["theme"]],
                "the clinic",
                one["mentions"]["k"],
                one["mentions"]["n"],
                one["positive"]["k"],
                one["mixed"]["k"],
                one["neutral"]["k"],
                bad["k"],
                bad["share"],
                bad["low"],
                bad["high"],
                _note(bad),
            ]
        )
    for one in s["verdicts"]:
        bad = one["negative"]
        rows.append(
            [
                names["treatments"][one["treatment"]],
                names["themes"].get(one["theme"], one["theme"]),
                "the treatment itself",
                one["n"],
                None,
                one["positive"]["k"],
                one["mixed"]["k"],
                one["neutral"]["k"],
                bad["k"],
                bad["share"],
                bad["low"],
                bad["high"],
                _note(bad),
            ]
        )
    sheet = paper.sheet("Treatments", columns, rows, top=2)
    for down, (about, key) in enumerate((("the clinic", "clinic"), ("the treatment itself", "verdict"))):
        sheet.merge_range(down, 0, down, len(columns) - 1, "", paper.text)
        sheet.write_string(down, 0, f"About {about}: {s['treatments']['counts'][key]}", paper.text)
        sheet.set_row(down, 30)


def _trend(paper: _Paper, s: Mapping) -> None:
    columns = [
        ("Month", 16, "text"),
        ("Reviews", 10, "number"),
        ("Read", 10, "number"),
        ("Negative", 10, "number"),
        ("Negative, share", 11, "share"),
        ("Mean", 9, "share"),
        ("Lower limit", 11, "share"),
        ("Upper limit", 11, "share"),
        ("Signal", 14, "text"),
        ("Mean stars", 11, "decimal"),
        ("Rated", 9, "number"),
        ("Positive", 10, "number"),
        ("To act on", 10, "number"),
    ]
    rows = []
    every, positive, acts = (s["headlines"][at]["chart"]["points"] for at in (0, 1, 3))
    for at, point in enumerate(s["negative"]["points"]):
        gone = not every[at]["n"]  # a month without reviews is missing, not nought
        read = bool(point["n"])
        star = s["stars"]["points"][at]
        rows.append(
            [
                month_name(point["month"]),
                None if gone else every[at]["n"],
                None if gone else point["n"],
                *([point["k"], point["value"]] if read else [None, None]),
                s["negative"]["mean"],
                point["low"],
                point["high"],
                "no reviews" if gone else point["signal"] or ("" if read else "none read"),
                star["value"],
                None if gone else star["n"],
                positive[at]["k"] if read else None,
                None if gone else acts[at]["k"],
            ]
        )
    marked = _marked(s)
    if marked:
        columns += [("Change written down", 24, "text"), ("Line in the chart", 10, "share")]
        rows = [[*row, *marked[point["month"]]] for row, point in zip(rows, s["negative"]["points"], strict=True)]
    sheet = paper.sheet("Trend", columns, rows)
    last = len(rows)
    chart = paper.book.add_chart({"type": "line"})
    for at, line in (
        (4, {"color": "#1A1D21", "width": 2}),
        (5, {"color": "#5D666F", "width": 1, "dash_type": "dash"}),
        (6, {"color": "#868E97", "width": 1}),
        (7, {"color": "#868E97", "width": 1}),
    ):
        marker = (
            {"type": "circle", "size": 6, "fill": {"color": "#1A1D21"}, "border": {"color": "#1A1D21"}}
            if at == 4
            else {"type": "none"}
        )
        chart.add_series(
            {
                "name": ["Trend", 0, at],
                "categories": ["Trend", 1, 0, last, 0],
                "values": ["Trend", 1, at, last, at],
                "line": line,
                "marker": marker,
            }
        )
    if marked:  # a line down from a point of no size: Excel has no other upright line
        at = len(columns) - 1
        chart.add_series(
            {
                "name": "Change written down",
                "categories": ["Trend", 1, 0, last, 0],
                "values": ["Trend", 1, at, last, at],
                "line": {"none": True},
                "marker": {"type": "diamond", "size": 5, "fill": {"color": "#1A1D21"}, "border": {"none": True}},
                "y_error_bars": {
                    "type": "percentage",
                    "value": 100,
                    "direction": "minus",
                    "end_style": 0,
                    "line": {"color": "#1A1D21", "dash_type": "dash", "width": 1},
                },
            }
        )
    chart.set_title({"name": s["negative"]["title"], "name_font": {"size": 12}})
    chart.set_y_axis({"num_format": "0%", "min": 0, "major_gridlines": {"visible": True, "line": {"color": "#D6DADE"}}})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 900, "height": 360})
    chart.show_na_as_empty_cell()
    sheet.insert_chart(
        last + 3, 0, chart, {"description": "Line: share of reviews that are negative by month, with control limits"}
    )


def _marked(s: Mapping) -> dict[str, tuple[str, float | None]]:
    """Per month the numbers and places of the changes written down, and how high their line stands; {} where there are none."""
    points = s["negative"]["points"]
    top = max([0.1, *(point[name] for point in points for name in ("value", "high") if point[name] is not None)])
    told = {
        point["month"]: "; ".join(
            f"{one['number']} {one['location'] or 'every clinic'}, {one['name']}"
            for one in s["register"]
            if one["date"][:7] == point["month"]
        )
        for point in points
    }
    return {month: (text, top if text else None) for month, text in told.items()} if any(told.values()) else {}


def _changes(paper: _Paper, s: Mapping) -> None:
    """One row per change written down; no sheet where there is none."""
    if not s["register"]:
        return
    columns = [
        ("No.", 6, "number"),
        ("From", 12, "text"),
        ("Clinic", 15, "text"),
        ("What was changed", 44, "wrap"),
        ("Theme", 20, "text"),
        ("Hoped for", 11, "text"),
        ("In words", 60, "wrap"),
    ]
    for side in ("before", "since"):
        columns += [
            (f"First day, {side}", 12, "text"),
            (f"Last day, {side}", 12, "text"),
            (f"Reviews read, {side}", 10, "number"),
        ]
        for what in ("Complain", "Speak of it"):
            columns += [(f"{what}, {side}", 11, "number"), ("Share", 8, "share"), ("Low 95 %", 8, "share")]
            columns += [("High 95 %", 8, "share")]
    for what in ("Complain", "Speak of it"):
        columns += [(f"{what}: difference, low", 11, "share"), ("Difference, high", 11, "share")]
        columns += [("Interval", 9, "decimal"), ("Chance, corrected", 10, "decimal")]
    columns += [
        ("Complain before, platforms as before", 12, "share"),
        ("Complain since, platforms as before", 12, "share"),
    ]
    columns += [("Counted on", 24, "text")]
    rows = []
    for one in s["register"]:
        row = [one["number"], one["date"], one["location"] or "every clinic", one["what"], one["name"], one["hoped"] or "", one["sentence"]]  # fmt: skip
        for side in ("before", "since"):
            row += [one[side]["from"], one[side]["to"], one[side]["reviews"]]
            for key in ("complain", "speak"):
                row += [one[side][key][name] for name in ("k", "share", "low", "high")]
        for key in ("complaints", "mentions"):
            row += [(one[key] or {}).get(name) for name in ("low", "high", "level", "p_corrected")]
        same = one["same_platforms"] or {"before": None, "after": None, "sources": []}
        rows.append(
            [*row, same["before"], same["after"], ", ".join(s["names"]["sources"][name] for name in same["sources"])]
        )
    paper.sheet("Changes", columns, rows)


def _reviews(paper: _Paper, s: Mapping, counted: summary.Counted, total: int) -> None:
    """One row per review; the answers of a survey form stand in one cell, each after what was asked."""
    columns = [
        ("Review", 22, "text"),
        ("Date", 12, "text"),
        ("Clinic", 15, "text"),
        ("Source", 13, "text"),
        ("Language", 10, "text"),
        ("Stars", 7, "number"),
        ("Overall", 11, "text"),
        ("Score", 8, "decimal"),
        ("Treatment had", 16, "text"),
        ("Words", 90, "wrap"),
        ("Speaks of", 44, "wrap"),
        ("To act on", 18, "text"),
        ("Asked", 24, "wrap"),
    ]
    names = s["names"]
    said: dict[str, list] = {}
    for row in counted.said.itertuples():
        said.setdefault(row.review_id, []).append(row)
    answers: dict[str, list] = {}
    for row in counted.answers.itertuples():
        answers.setdefault(row.review_id, []).append(row)
    rows = []
    top = int(len(counted.reviews) < total)  # a line above the table says that not all are there
    for row in counted.reviews.iloc[::-1].itertuples():
        mine, texts = said.get(row.review_id, []), answers[row.review_id]
        speaks = dict.fromkeys(
            (f"{names['treatments'].get(one.treatment, one.treatment)}: " if one.treatment else "")
            + f"{names['themes'].get(one.theme, one.theme)} {one.sentiment}"
            for one in mine
        )
        alone = len(texts) == 1
        rows.append(
            [
                row.review_id,
                row.date or "",
                row.location,
                names["sources"].get(row.source, row.source),
                row.language,
                _number(row.rating),
                row.overall,
                _number(row.score),
                ", ".join(names["treatments"].get(one, one) for one in row.treatments),
                _rich(paper, [(_heading(one, alone), one) for one in texts], mine)
                or "\n".join(_heading(one, alone) + shown(one.text) for one in texts),
                "; ".join(speaks),
                ", ".join(names["reasons"].get(one, one) for one in row.escalate),
                (texts[0].question or "") if alone else "",
            ]
        )
    sheet = paper.sheet("Reviews", columns, rows, top)
    if top:
        note = (
            f"The newest of {total:,} reviews, and those to act on; report.html may list more, and earlier ones are in the "
            "report of an earlier month."
        )
        sheet.write_string(0, 0, note, paper.finding)


def _heading(answer, alone: bool) -> str:
    """What stands before one of several texts: what was asked, or where the copy is."""
    if answer.twin:
        return f"In a copy of this review ({SOURCE_NAMES.get(answer.source, answer.source)}): "
    return f"Asked: {answer.question} " if answer.question and not alone else ""


def _rich(paper: _Paper, texts: list[tuple], said) -> list | None:
    """The texts in pieces, each passage that speaks for a theme after its format; None where nothing is to be highlighted."""
    if not said or sum(len(heading) + len(one.text) for heading, one in texts) > LONGEST_CELL - 2000:
        return None
    pieces, plain = [], ""
    for at, (heading, one) in enumerate(texts):
        plain += ("\n" if at else "") + heading
        for piece, here in _cut(one.text, [row for row in said if row.answer == one.answer]):
            if not here:
                plain += piece
                continue
            if plain:
                pieces, plain = [*pieces, plain], ""
            pieces += [paper.spans[here.pop() if len(here) == 1 else "mixed"], piece]
    if plain:
        pieces.append(plain)
    if not any(not isinstance(piece, str) for piece in pieces):
        return None
    # Excel's rich text needs two pieces at least: a text highlighted whole gets an empty-looking tail
    return pieces if sum(isinstance(piece, str) for piece in pieces) > 1 else [*pieces, " "]


def _cut(text: str, said):
    """The text cut at every start and end of a passage: each piece as printed, with the sentiments of its passages."""
    spans = [
        (row.start, row.end, row.sentiment)
        for row in said
        if row.start is not None and row.end is not None and 0 <= row.start < row.end <= len(text)
    ]
    cuts = sorted({0, len(text), *(at for start, end, _ in spans for at in (start, end))})
    for start, end in itertools.pairwise(cuts):
        piece = re.sub(r"\[\]", "", shown(text[start:end]))
        if piece:
            yield piece, {sentiment for a, b, sentiment in spans if a <= start and b >= end}


def _waiting(acts: Mapping) -> list[str]:
    """What else is to be acted on, beside the month's."""
    undated, earlier = acts["undated"], acts["earlier"]
    told = [f"Without a date: {acts['status']['no date']}; in no month's figures."] if undated else []
    told += [f"From earlier months: {acts['status']['earlier']}."] if earlier else []
    if acts["not_listed"]:
        told.append(f"{acts['not_listed']} of these are not listed here; the report of its own month lists every one.")
    return told + [f"data/closed.csv, row {one['row']}, closes nothing: {one['why']}." for one in acts["not_closed"]]


def _escalations(paper: _Paper, s: Mapping) -> None:
    """One row per reason and its passage."""
    columns = [
        ("Why", 22, "text"),
        ("Review", 22, "text"),
        ("Clinic", 15, "text"),
        ("Source", 13, "text"),
        ("Date", 12, "text"),
        ("Days at the month's end", 12, "number"),
        ("Found", 26, "text"),
        ("What it says", 90, "wrap"),
        ("Sure", 8, "share"),
        ("Where", 30, "text"),
        ("Status", 9, "text"),
        ("Closed on", 12, "text"),
        ("Closed by", 20, "text"),
    ]
    when = {"this month": f"in {s['month_name']}", "no date": "no date", "earlier": "in an earlier month"}
    rows = [
        [
            reason["name"],
            one["review_id"],
            one["location"],
            s["names"]["sources"].get(one["source"], one["source"]),
            one["date"] or "none",
            one["age_days"],
            when[one["when"]],
            reason["before"] + reason["evidence"] + reason["after"],
            reason["confidence"],
            reason["said_in"],
            one["status"],
            one["closed_on"] or "",
            one["closed_by"] or "",
        ]
        for one in s["escalations"]["rows"]
        for reason in one["reasons"]
    ]
    sheet = paper.sheet("Escalations", columns, rows, top=1)
    sheet.write_string(0, 0, s["escalations"]["sentence"], paper.finding)


def _quality(paper: _Paper, s: Mapping) -> None:
    q = s["quality"]
    sheet = paper.book.add_worksheet("Data quality")
    sheet.write_string(0, 0, q["sentence"], paper.finding)
    facts = [
        ["Reviews in this report", q["reviews"]],
        ["Rows they stand in (the answers of one survey form are one review)", q["answers"]],
        ["Rows later than the month", q["after_cut_off"]],
        ["With words", q["with_words"]["k"]],
        ["Stars only", q["stars_only"]["k"]],
        ["Not read (another language)", q["not_read"]["k"]],
        ["Without a month", q["no_month"]["k"]],
        ["Dated only roughly", q["inexact_date"]["k"]],
        ["Without a clinic", q["no_location"]["k"]],
    ]
    facts += [[f"Marked {flag}", told["k"]] for flag, told in q["flags"].items()]
    sheet.write_string(1, 0, s["platforms"]["sentence"], paper.line)
    down = 3
    for what, n in facts:
        sheet.write_string(down, 0, what, paper.line)
        sheet.write_number(down, 1, n, paper.number)
        down += 1
    down = 1 + _checked(paper, sheet, s["corrections"], down + 1)
    files = [[one["file"], one["accepted"], one["duplicates"], one["rejected"]] for one in q["files"]]
    paper.table(
        sheet,
        [("File", 44, "text"), ("Accepted", 22, "number"), ("Duplicates", 22, "number"), ("Rejected", 60, "number")],
        files,
        down,
    )
    top = down + len(files) + 2
    refused = [[one["file"], one["row"], None, one["reason"]] for one in q["rejected_rows"]]
    paper.table(
        sheet,
        [
            ("Rows refused: file", 44, "text"),
            ("Row", 22, "number"),
            ("", 22, "text"),
            ("Why, and the mend", 60, "wrap"),
        ],
        refused,
        top,
    )
    sheet.autofilter(top, 0, top + max(len(refused), 1), 3)
    sheet.freeze_panes(1, 0)


def _checked(paper: _Paper, sheet, told: Mapping | None, down: int) -> int:
    """What people corrected and how often they found the reading right, from a row on; the row after it."""
    if told is None:
        return down
    by = ", ".join(f"{what} {n}" for what, n in told["by"].items())
    lines = [f"Corrections by people: {told['n']} in {plural(told['reviews'], 'review')}" + (f": {by}" if by else "")]
    for text in [*lines, told["sentence"], told["caveat"]]:
        sheet.write_string(down, 0, text, paper.line)
        down += 1
    if not told["rows"]:
        return down
    columns = [
        (f"Read through by people: {plural(told['read'], 'review')}", 44, "text"),
        ("Right of those found", 22, "text"),
        ("Found of those there", 22, "text"),
        ("Of those rightly found, sentiment right", 60, "text"),
    ]
    each = [(capital(one["name"]), one) for one in told["rows"]]
    each += [(f"{capital(one['name'])}, model {one['model']}", one) for one in told["by_model"]]
    rows = [
        [name, *(in_words(one[key]) if one[key] else None for key in ("found", "there", "judged"))]
        for name, one in each
    ]
    paper.table(sheet, columns, rows, down)
    return down + len(rows) + 1


def _corrections(paper: _Paper, s: Mapping, annotations: tables.Annotations, counted: summary.Counted) -> None:
    """One row per text of the month, and of any month where there is something to act on, each reading in a cell to change.

    Beside the cells, out of sight: what each held when printed, and the hash of the text. `reviews correct` reads both.
    """
    names = s["names"]
    acting = set(counted.acts["answer"])
    of_month = set(counted.reviews.loc[counted.reviews["month"] == s["month"], "review_id"])
    texts = [
        one
        for one in counted.answers.itertuples()
        if one.text and (one.answer in acting or (one.review_id in of_month and not one.twin))
    ]
    order = {review_id: at for at, review_id in enumerate(counted.reviews["review_id"].iloc[::-1])}
    texts.sort(key=lambda one: (one.answer not in acting, order[one.review_id]))
    place = dict(zip(counted.reviews["review_id"], counted.reviews["location"], strict=True))
    marked = annotations.reviews[annotations.reviews["review_id"].isin({one.answer for one in texts})]
    flags = dict(zip(marked["review_id"], tables.values(marked["flags"]), strict=True))
    readings = corrections.readings(annotations, {one.answer for one in texts})
    said: dict[str, list] = {}
    for row in counted.said.itertuples():
        said.setdefault(row.answer, []).append(row)
    # where the reader of reviews looks first stands first
    asked = corrections.subjects(names["themes"])
    subjects = [corrections.READ, *(one for one in asked if one != corrections.READ)]
    heads = {corrections.READ: "I have read it all", corrections.OVERALL: "Overall"}
    for what, which in subjects:
        if what == "verdict":
            treatment, theme = which.split(" ")
            heads[what, which] = f"{names['treatments'][treatment]} itself: {names['themes'][theme]}"
        elif which:
            prefix = {"theme": "", "treatment": "Treatment: ", "escalation": "To act on: "}[what]
            group = {"theme": "themes", "treatment": "treatments", "escalation": "reasons"}[what]
            heads[what, which] = prefix + names[group][which]
    columns = [("Review", 18, "text"), ("Clinic", 13, "text"), ("Date", 11, "text"), ("Words", 80, "wrap")]
    columns += [(heads[one], 12, "text") for one in subjects] + [("", 4, "text")] * (1 + len(subjects))
    rows = []
    for one in texts:
        reading = readings[one.answer]
        if corrections.READ_BY_A_PERSON in list(flags[one.answer]):
            reading = reading | {corrections.READ: "yes"}
        shown_now = [reading.get(subject) for subject in subjects]
        words = _heading(one, not one.twin) + (f"Asked: {one.question} " if one.question else "")
        text = _rich(paper, [(words, one)], said.get(one.answer, [])) or words + shown(one.text)
        row = [one.answer, place[one.review_id], one.date or "", text]
        rows.append([*row, *shown_now, corrections.text_hash(one.text), *shown_now])
    top, first, last = 2, 4, 3 + len(subjects)
    sheet = paper.sheet(corrections.SHEET, columns, rows, top=top)
    sheet.write_string(
        0,
        0,
        "Change a cell to what is so (empty: nothing is said of it); “I have read it all”: yes, where all the others are right "
        f"too. Save, then type: make correct FILE=data/processed/report/report.xlsx. Here: {s['month_name']}, and what needs action.",
        paper.finding,
    )
    keys = ["review_id", None, None, None, *map(corrections.key_of, subjects), "text_hash"]
    for at, key in enumerate([*keys, *(corrections.key_of(one, printed=True) for one in subjects)]):
        if key:
            sheet.write_string(1, at, key)
    sheet.set_row(1, None, None, {"hidden": True})
    sheet.set_row(top, 48)
    sheet.freeze_panes(top + 1, 4)
    sheet.set_tab_color("#A34700")
    sheet.set_column(last + 1, last + 1 + len(subjects), 4, None, {"hidden": True})
    end = top + max(len(rows), 1)
    for at, subject in enumerate(subjects, first):
        values = list(asked[subject])
        sheet.data_validation(
            top + 1,
            at,
            end,
            at,
            {
                "validate": "list",
                "source": values,
                "ignore_blank": True,
                "error_title": heads[subject][:32],
                "error_message": f"Choose one of: {', '.join(values)}.",
            },
        )
    changed = paper.book.add_format({"bg_color": "#FFE08A", "bold": True})
    ours, printed = (xl_rowcol_to_cell(top + 1, at) for at in (first, last + 2))
    sheet.conditional_format(
        top + 1, first, end, last, {"type": "formula", "criteria": f"={ours}<>{printed}", "format": changed}
    )


def _note(told: Mapping) -> str:
    return {"count": "too few for a share", "small": "small numbers"}.get(told["mark"], "")


def _quote(told: Mapping | None) -> str:
    return (
        ""
        if told is None
        else f"{told['before']}{told['evidence']}{told['after']} ({told['location']}, {month_name(told['month'])})"
    )


def _number(value) -> float | None:
    return None if value is None or value != value else float(value)
