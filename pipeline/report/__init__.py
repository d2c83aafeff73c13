"""The Summary as people read it: a page, a workbook and JSON, all saying the same.

`html` and `workbook` lay out, `charts` draws; nothing here computes a figure. `board` is the page of quotes for marketing.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline import tables
from pipeline.report.html import page
from pipeline.report.workbook import write_workbook


def write_report(summary: Mapping, annotations: tables.Annotations, folder: Path) -> list[Path]:
    """Writes report.html, report.xlsx and report.json into `folder` and returns their paths; same input, same bytes.

    OSError where the folder cannot be written. Whoever calls decides on file modes and on replacing the old files whole.
    """
    folder = Path(folder)
    html, xlsx, data = (folder / f"report.{ending}" for ending in ("html", "xlsx", "json"))
    html.write_text(page(summary, annotations), encoding="utf-8", newline="\n")
    write_workbook(summary, annotations, xlsx)
    text = json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=1)
    data.write_text(text + "\n", encoding="utf-8", newline="\n")
    return [html, xlsx, data]
