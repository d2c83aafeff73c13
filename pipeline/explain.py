"""What a terminal shows: one text through every stage, and how a file is understood."""

import pandas as pd
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from pipeline.annotate import annotate_batch
from pipeline.model import Model
from pipeline.prepare import prepare
from pipeline.segment import clauses
from pipeline.tables import TYPED, frame
from pipeline.tag import off_topic
from pipeline.taxonomy import Taxonomy

COLOUR = {
    "positive": "bold blue",
    "negative": "bold dark_orange",
    "mixed": "bold magenta",
    "neutral": "bold bright_black",
}
MARK = {"positive": "+", "negative": "−", "mixed": "±", "neutral": "·"}


def prepared(text: str, question: str | None = None):
    """The table of one typed text after cleaning and de-identification, and what was taken out."""
    typed = frame(
        [{"file": "text", "row": 1, "review_id": "text", "source": "text", "text": text, "question": question}], TYPED
    )
    reviews, _, (redaction,) = prepare(typed)
    return reviews.assign(flags=[[]]), redaction


def highlighted(text: str, opinions) -> Text:
    """The text with every evidence in the colour of its sentiment and, after it, its theme and sign."""
    shown = Text()
    at = 0
    by_place: dict[tuple[int, int], list] = {}
    for row in opinions.itertuples():
        by_place.setdefault((row.start, row.end), []).append(row)
    for (start, end), rows in sorted(by_place.items()):
        if start < at:
            continue
        shown.append(text[at:start])
        shown.append(text[start:end], style=f"{COLOUR[rows[0].sentiment]} underline")
        shown.append(" [" + ", ".join(f"{row.theme} {MARK[row.sentiment]}" for row in rows) + "]", style="dim")
        at = end
    shown.append(text[at:])
    return shown


def table_of(title: str, columns: list[str], rows) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def explain(text: str, model: Model, taxonomy: Taxonomy, question: str | None = None) -> Group:
    """What every stage makes of a text, ready for a rich Console."""
    table, redaction = prepared(text, question)
    annotations = annotate_batch(table, model, taxonomy)
    review = annotations.reviews.iloc[0]
    clean_text = review["text"]
    parts = [
        Text.assemble(
            ("cleaned       ", "dim"),
            "repaired" if bool(table["repaired"].iloc[0]) else "nothing to repair",
            f"; language {review['language']}",
        ),
        Text.assemble(
            ("identifiers   ", "dim"), ", ".join(place for _, _, place in redaction.placeholders) or "none found"
        ),
        Text.assemble(("clauses       ", "dim"), str(len(clauses(clean_text)))),
    ]
    if annotations.reviews["overall"].isna().iloc[0]:
        return Group(
            *parts, Text(clean_text), Text("Not read: no words, or a language no model was taught.", style="bold")
        )
    overall = review["overall"]
    parts.append(
        Text.assemble(
            ("overall       ", "dim"),
            (overall, COLOUR[overall]),
            f"  score {review['score']:+.2f}  confidence {review['confidence']:.2f}",
        )
    )
    stray = off_topic(clean_text, question)
    if stray and stray.flag in review["flags"]:
        words = clean_text[stray.start : stray.end]
        parts.append(
            Text.assemble(
                ("off topic     ", "dim"),
                (stray.flag, "bold"),
                f'  by {stray.found_by}: "{words}"; kept, without opinions',
            )
        )
    aspects = annotations.opinions[annotations.opinions["treatment"].isna()]
    parts += [Text(""), highlighted(clean_text, aspects), Text("")]
    if len(aspects):
        rows = [
            (row.theme, row.sentiment, f"{row.confidence:.2f}", row.evidence, row.found_by)
            for row in aspects.itertuples()
        ]
        parts.append(table_of("Themes", ["theme", "sentiment", "confidence", "evidence", "found by"], rows))
    if len(annotations.mentions):
        rows = [
            (row.treatment, "had" if row.received else "not had", f"{row.confidence:.2f}", row.evidence, row.found_by)
            for row in annotations.mentions.itertuples()
        ]
        parts.append(table_of("Treatments", ["treatment", "received", "confidence", "evidence", "found by"], rows))
    verdicts = annotations.opinions[annotations.opinions["treatment"].notna()]
    if len(verdicts):
        rows = [
            (row.treatment, row.theme, row.sentiment, f"{row.confidence:.2f}", row.evidence, row.found_by)
            for row in verdicts.itertuples()
        ]
        parts.append(
            table_of(
                "Each treatment's own verdict",
                ["treatment", "theme", "sentiment", "confidence", "evidence", "found by"],
                rows,
            )
        )
    if len(annotations.escalations):
        rows = [
            (row.reason, f"{row.confidence:.2f}", row.evidence, row.found_by)
            for row in annotations.escalations.itertuples()
        ]
        parts.append(table_of("Escalate today", ["reason", "confidence", "evidence", "found by"], rows))
    else:
        parts.append(Text("Nothing to escalate.", style="dim"))
    return Group(*parts)


MEANINGS = {
    "id": "the review's id, to know it again",
    "source": "where it was written",
    "location": "the clinic's place",
    "date": "when it was written",
    "edited": "when it was last changed",
    "rating": "stars",
    "recommended": "recommended or not",
    "question": "what the patient was asked",
    "title": "the title, put before the text",
    "text": "what the patient wrote",
    "author": "who wrote it: to find twins, never stored",
    "reply": "the clinic's answer: left out",
    "translation": "a machine's translation: left out",
}


def inspection(found) -> Group:
    """A read.Inspection in words for whoever keeps the exports, ready for a rich Console."""
    facts = [
        ("what it is", found.shape),
        ("to know", found.quirks.replace("`", '"')),
        ("encoding", found.encoding),
        ("columns are parted by a", found.delimiter),
        ("dates", found.dates),
        ("ratings", found.ratings),
    ]
    parts = [Text(found.file, style="bold")]
    parts += [Text.assemble((f"{name}: ", "dim"), value) for name, value in facts if value]
    parts.append(Text(_accounted(found.counts)))
    refused = [(reason, f"{count:,}") for reason, count in found.counts.items() if reason not in ("read", "reviews")]
    if refused:
        parts.append(table_of("Why rows are refused", ["reason", "rows"], refused))
    used = [(name, MEANINGS.get(meaning, meaning)) for name, meaning in found.columns if meaning]
    if used:
        parts.append(table_of("Columns that are read", ["column", "as"], used))
    unused = [name for name, meaning in found.columns if not meaning]
    if unused:
        parts.append(Text.assemble((f"Columns that are not read ({len(unused)}): ", "dim"), ", ".join(unused)))
    if len(found.first):
        names = ["row", "source", "location", "date", "rating", "question", "text"]
        rows = [[short(value) for value in row] for row in found.first[names].itertuples(index=False)]
        parts.append(table_of("The first reviews, as they would be read", names, rows))
    if len(found.refused):
        parts.append(
            table_of(
                "The first rows that would be refused",
                ["row", "reason"],
                found.refused[["row", "reason"]].itertuples(index=False),
            )
        )
    parts += [Text(f"note: {note}") for note in found.notes]
    if used:
        parts.append(
            Text("If something is wrong, say so in a sources.toml beside the file; docs/exports.md shows how.", "dim")
        )
    return Group(*parts, Text(""))


def _accounted(counts: dict[str, int]) -> str:
    """What becomes of the rows, as a sum that adds up."""
    read, reviews = counts["read"], counts["reviews"]
    if not reviews:
        return "Nothing of it can be read."
    refused = f" and {read - reviews:,} refused" if read > reviews else ", none refused"
    rows = "row" if read == 1 else "rows"
    return f"{read:,} {rows} in it: {reviews:,} to be read as reviews{refused}."


def short(value, longest: int = 60) -> str:
    """A cell that fits a terminal; null is blank."""
    text = "" if value is None or value is pd.NA else str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def console() -> Console:
    """Colour on a terminal, plain in a pipe."""
    return Console(highlight=False, soft_wrap=False)
