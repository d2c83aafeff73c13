"""The testimonials board: one self-contained page for marketing, and the same candidates as a CSV.

A quote leaves the page as a picture, with its attribution or in the export only where the patient's authorization is on
file; one that needs review only with the reviewer's name and date; one about results only with the typical-results line.
"""

import csv
import io
import json
import os
import re
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import jinja2
import pandas as pd
import pyarrow as pa

from pipeline import clearance, tables
from pipeline.months import is_month, month_name, short_month
from pipeline.wording import SOURCE_NAMES, TREATMENT_NAMES, plural, shown

COLUMNS = [
    *("review_id", "quote", "theme", "treatment", "sentiment", "status", "reasons", "location", "source", "date"),
    *(
        "awaits_authorization",
        "attribution",
        "typical_results",
        "share",
        "contrary_id",
        "scope",
        "channels",
        "expires_at",
        "text_hash",
        "start",
        "end",
    ),
]
REVIEWED = ["reviewed_by", "reviewed_on"]  # filled in on the page, for the export alone: nothing is kept
# What the filter offers: the three statuses, and of those that need review with and without an authorization apart.
CHOICES = {
    "cleared": "cleared",
    "needs review": "needs review (all)",
    "signed": "– authorization on file",
    "awaiting": "– awaits authorization",
    "blocked": "blocked",
}
SHAPES = {"cleared": "✓", "needs review": "?", "awaiting": "…", "blocked": "✕"}


PLACES = {
    "passage": "in the quote",
    "review": "elsewhere in the review",
    "form": "in another answer of the form",
    "record": "in the record",
}


def write_board(
    candidates: pd.DataFrame, annotations: tables.Annotations, folder: str | Path, *,
    withdrawn: pd.DataFrame | None = None, unquoted: pd.DataFrame | None = None, rules: clearance.Rules | None = None,
) -> list[Path]:  # fmt: skip
    """Write testimonials.html and testimonials.csv into `folder` (files 0600); give their paths.

    candidates: what testimonials.candidates gave. withdrawn, unquoted: what those of testimonials gave, listed above the cards.
    """
    rules = rules or clearance.load_rules()
    rows = _rows(candidates)
    written = []
    for name, content in (
        ("testimonials.html", page(rows, annotations, withdrawn, unquoted, rules)),
        ("testimonials.csv", table(rows)),
    ):
        path = Path(folder) / name
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
        ) as file:
            file.write(content)
        path.chmod(0o600)
        written.append(path)
    return written


def table(rows: list[dict]) -> str:
    """The CSV, COLUMNS first to last, every candidate with its status. No cell starts a formula in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([safe(row.get(column)) for column in COLUMNS])
    return out.getvalue()


def safe(value) -> str:
    """A cell as text; one that a spreadsheet would run gets an apostrophe before it."""
    text = "" if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return "'" + text if re.match(r"\s*[=+\-@]|[\t\r]", text) else text


def page(
    rows: list[dict],
    annotations: tables.Annotations,
    withdrawn: pd.DataFrame | None,
    unquoted: pd.DataFrame | None,
    rules: clearance.Rules,
) -> str:
    """The board as HTML. Everything that patients wrote is escaped by the template."""
    forms = {row["review_id"]: row["form"] or [row["review_id"]] for row in rows}
    wanted = {one for form in forms.values() for one in form}
    reviews, said = (frame[frame["review_id"].isin(wanted)] for frame in (annotations.reviews, annotations.opinions))
    texts = {row["review_id"]: row for row in _rows(reviews)}
    opinions = {}
    for row in _rows(said):
        opinions.setdefault(row["review_id"], []).append(row)
    cards = [
        _card(number, row, [(texts[one], opinions.get(one, ())) for one in forms[row["review_id"]]])
        for number, row in enumerate(rows, start=1)
    ]  # fmt: skip
    months = sorted({card["month"] for card in cards if card["month"]})
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template("board.html").render(
        cards=cards,
        heading=_heading(cards),
        period=_period(months),
        choices={
            "treatment": [
                (key, TREATMENT_NAMES.get(key, key))
                for key in sorted({key for card in cards for key in card["treatments"]})
            ],
            "theme": [(key, _theme(key)) for key in tables.THEMES if any(card["theme"] == key for card in cards)]
            + [(key, _theme(key)) for key in sorted({card["theme"] for card in cards} - set(tables.THEMES))],
            "location": [(key, key) for key in sorted({card["location"] for card in cards if card["location"]})],
            "month": [(key, _month(key)) for key in reversed(months)],
            "status": list(CHOICES.items()),
        },
        withdrawn=[] if withdrawn is None else withdrawn.to_dict("records"),
        unquoted=[] if unquoted is None else unquoted.to_dict("records"),
        plural=plural,
        selection=rules.rules["SELECTION"],
        typical=next(
            (card["typical_results"] for card in cards if card["typical_results"]), rules.setting.typical_results
        ),
        export=[{key: card[key] for key in _carried(card)} for card in cards if card["status"] != "blocked"],
        columns=[*COLUMNS, *REVIEWED],
    )


def _heading(cards: list[dict]) -> str:
    """ "120 candidate quotes: 1 cleared, 89 need review (84 of them await …), 30 blocked": the statuses, as in the CSV."""
    counts = Counter(card["status"] for card in cards)
    asked = plural(counts["needs review"], "needs review", "need review")
    if awaiting := sum(card["awaits_authorization"] for card in cards):
        asked += f" ({awaiting} of them await{'s' * (awaiting == 1)} the patient's authorization)"
    said = (f"{counts['cleared']} cleared", asked, f"{counts['blocked']} blocked")
    return plural(len(cards), "candidate quote") + ": " + ", ".join(said)


def _carried(card: dict) -> tuple:
    """What the page's script may know of a quote: without an authorization no more than its words, to show the patient."""
    return ("number", "quote", "authorized", *(("file", "service", *COLUMNS) if card["authorized"] else ()))


def _card(number: int, row: dict, form: list[tuple[dict, list]]) -> dict:
    """What a card shows. form: every answer of the form the quote is from, with what is said in it; for most one review."""
    [(review, opinions)] = [one for one in form if one[0]["review_id"] == row["review_id"]]
    flags = json.loads(row["flags"] or "[]")
    start, end = row["start"], row["end"]
    for flag in flags:
        flag["words"] = [shown(word) for word in flag["words"]]
        flag["place"] = PLACES[flag["where"]]
        flag["weight"] = {"block": "blocks", "review": "needs a person", "note": "to know"}[flag["severity"]]
    inside = [opinion for opinion in opinions if opinion["start"] < end and start < opinion["end"]]
    authorized = row["scope"] is not None
    month = (row["date"] or "")[:7] if row["date_precision"] in (None, "day", "month") else ""
    return {
        **row,
        "number": number,
        "flags": flags,
        "authorized": authorized,
        "shape": SHAPES["awaiting" if row["awaits_authorization"] else row["status"]],
        "slug": "awaiting" if row["awaits_authorization"] else row["status"].replace(" ", "-"),
        "file": "-".join(filter(None, (_slug(row["theme"]), _slug(row["location"]), str(number)))),
        "theme_name": _theme(row["theme"]),
        "treatments": sorted({*(review["treatments"] or ()), *([row["treatment"]] if row["treatment"] else ())}),
        "treatment_names": [TREATMENT_NAMES.get(key, key) for key in sorted(review["treatments"] or ())],
        "source_name": SOURCE_NAMES.get(row["source"], row["source"]),
        "month": month,
        "when": _month(month),
        "pieces": pieces(review["text"], inside, start, end),
        "answers": [
            {
                "question": shown(one["question"] or ""),
                "pieces": pieces(one["text"], said, 0, len(one["text"]), quote=(start, end) if one is review else None),
            }
            for one, said in form
        ],
        "contrary": shown(row["contrary"] or ""),
        "contrary_question": shown(row["contrary_question"] or ""),
        "rating": review["rating"],
    }


def pieces(text: str, opinions, start: int, end: int, quote: tuple | None = None) -> list[dict]:
    """text[start:end] cut where an opinion or the quote begins or ends: text, its sentiment and label, whether quoted."""
    spans = [row for row in opinions if row["start"] >= 0 and row["end"] > row["start"]]
    cuts = {start, end, *(quote or ())} | {min(max(row[key], start), end) for row in spans for key in ("start", "end")}
    cuts = sorted(cut for cut in cuts if start <= cut <= end)
    found = []
    for left, right in pairwise(cuts):
        here = [row for row in spans if row["start"] < right and left < row["end"]]
        labels = dict.fromkeys(
            f"{_theme(row['theme'])}{' of ' + TREATMENT_NAMES.get(row['treatment'], row['treatment']) if row['treatment'] else ''}: "
            f"{row['sentiment']}, confidence {100 * (row['confidence'] or 0):.0f} %"
            for row in here
        )
        sentiments = {row["sentiment"] for row in here}
        found.append(
            {
                "text": shown(text[left:right]),
                "sentiment": (sentiments.pop() if len(sentiments) == 1 else "mixed") if here else "",
                "label": "; ".join(labels),
                "quoted": bool(quote) and quote[0] <= left and right <= quote[1],
            }
        )
    return found


def _theme(key: str) -> str:
    return (key or "").replace("_", " ")


def _slug(name: str | None) -> str:
    """A name as part of a file's name: "Los Ángeles" → "los-angeles"."""
    plain = unicodedata.normalize("NFKD", name or "").encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _month(month: str) -> str:
    return f"{short_month(month)} {month[:4]}" if is_month(month) else ""


def _period(months: list[str]) -> str:
    if not months:
        return ""
    return month_name(months[0]) if len(months) == 1 else f"{_month(months[0])} to {_month(months[-1])}"


def _rows(frame: pd.DataFrame) -> list[dict]:
    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
