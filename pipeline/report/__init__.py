"""The Summary as people read it: a page, a workbook and JSON, all saying the same.

`html` and `workbook` lay out, `charts` draws; nothing here computes a figure. `board` is the page of quotes for marketing.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from pipeline import summary, tables, workers
from pipeline.report.html import page
from pipeline.report.workbook import write_workbook

MOST_REVIEWS = 10_000  # listed in the page, the newest; more would open slowly
MOST_IN_WORKBOOK = 5_000  # a row of it takes as long to write as four of the page


def write_report(
    told: Mapping,
    annotations: tables.Annotations,
    folder: Path,
    counted: summary.Counted | None = None,
    helping: workers.Workers | None = None,
) -> list[Path]:
    """Writes report.html, report.xlsx and report.json of a Summary (`told`) into `folder` and returns their paths.

    annotations: those of the newest reviews at least, and of those the report names. Same input, same bytes. counted: see
    summarise. helping: see workers; the workbook is written there while the page is written here. OSError where the folder
    cannot be written. Whoever calls decides on file modes and on replacing the old files whole.
    """
    counted = summary.plain(annotations, told["month"]) if counted is None else counted
    listed = summary.newest(counted, MOST_REVIEWS, _linked(told))
    folder = Path(folder)
    html, xlsx, data = (folder / f"report.{ending}" for ending in ("html", "xlsx", "json"))
    every = told["quality"]["reviews"]
    rows = summary.newest(listed, min(MOST_IN_WORKBOOK, MOST_REVIEWS), _linked(told))
    book_written = workers.aside(partial(write_workbook, told, annotations, rows, every, xlsx), helping)
    html.write_text(page(told, listed, every, len(rows.reviews)), encoding="utf-8", newline="\n")
    lines = (f"{json.dumps(key)}: {json.dumps(told[key], ensure_ascii=False, allow_nan=False)}" for key in told)
    data.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")
    book_written()
    return [html, xlsx, data]


def _linked(told: Mapping) -> Iterator[str]:
    """The reviews that the report names one by one: whoever follows must find them."""
    quotes = (theme[side] for theme in told["themes"] for side in ("for", "against"))
    for one in (*told["escalations"]["rows"], *filter(None, quotes)):
        yield one["review_id"]
