"""The tables that flow between the stages: their columns, their types, and what one row is.

This module imports nothing of ours. A stage that adds a column adds it here first.
"""

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

THEMES = ("staff", "communication", "efficacy", "side_effects", "scheduling", "cost", "facility", "parking")
TREATMENTS = ("tms", "ketamine", "spravato")
SENTIMENTS = ("positive", "negative", "mixed", "neutral")
BY_A_PERSON = "correction"  # as `found_by` says that a person put it right
SCOPES = ("text", "text+name")  # what an authorization lets be shown
REASONS = ("crisis", "misconduct", "adverse_event")  # the order is the order of urgency

TEXT, NUMBER, COUNT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
WORDS = pa.list_(pa.string())

# One row per review as a file holds it, in the order read. Holds what was typed, names and all: memory only, never stored.
TYPED = pa.schema(
    [
        (
            "file",
            TEXT,
        ),  # relative to the folder given, with its member where it is an archive: "takeout.zip/…/reviews.json"
        ("row", COUNT),  # line or row number as a person sees it in that file; the n-th record in JSON
        ("review_id", TEXT),  # the source's own id, or null (then one is made from the content)
        ("respondent", TEXT),  # the id that several answers of one survey form share, or null
        ("source", TEXT),  # google, yelp, survey, facebook, healthgrades, …; never null ("unknown")
        ("location", TEXT),  # the clinic's place as the file names it, or null
        ("date", TEXT),  # YYYY-MM-DD of the first writing, or null
        ("date_precision", TEXT),  # day, month, year, relative, unknown
        ("edited_at", TEXT),  # ISO 8601 instant of the last edit, or null
        ("rating", NUMBER),  # 1…5, or null where the source has no stars or left them out
        ("recommended", FLAG),  # yes or no where a source asks that instead of stars
        ("question", TEXT),  # what a survey asked, or null
        ("text", TEXT),  # exactly what the patient typed; "" for a star-only review
        ("author", TEXT),  # display name as exported, or null: only for finding twins and names
        ("translated", FLAG),  # the export carried a machine translation too (the original is in `text`)
        ("truncated", FLAG),  # the source cuts texts, so this one may not be quoted
    ]
)

# One row per review, short values only: what must be known of all of them at once to tell twins, copies and bursts. Memory
# only: an id may be an e-mail address until it is looked at, and author_key is made of a name, words_key of what was typed.
KEYS = pa.schema(
    [
        *((name, TEXT) for name in ("review_id", "source", "location", "file", "date", "date_precision", "edited_at")),
        ("own_id", FLAG),  # the source gave the id
        ("rating", NUMBER),
        ("question", TEXT),
        ("words", COUNT),
        ("words_key", TEXT),  # the same for the same words
        ("author_key", TEXT),  # the same for the same person, or null
        *((name, FLAG) for name in ("translated", "truncated", "repaired")),
    ]
)

# One row per input row refused. `excerpt` is de-identified before it is stored.
REJECTED = pa.schema([("file", TEXT), ("row", COUNT), ("reason", TEXT), ("excerpt", TEXT)])

# The same as read, with the author's name to know it by: memory only.
REFUSED = REJECTED.append(pa.field("author", TEXT))

# One row per review accepted or folded as a twin. `text` is de-identified from here on.
REVIEWS = pa.schema(
    [
        ("review_id", TEXT),
        ("respondent", TEXT),  # the id that several answers of one survey form share, or null: one person counts once
        ("source", TEXT),
        ("location", TEXT),
        ("date", TEXT),
        ("date_precision", TEXT),
        ("rating", NUMBER),
        ("recommended", FLAG),
        ("language", TEXT),  # ISO 639-1
        ("question", TEXT),
        ("text", TEXT),
        ("overall", TEXT),  # positive, negative, mixed, neutral; null for a star-only or unread review
        ("score", NUMBER),  # −1…1
        ("confidence", NUMBER),  # 0…1
        ("treatments", WORDS),  # every treatment mentioned
        ("received", WORDS),  # those of them that the patient had
        ("themes", WORDS),
        ("escalate", WORDS),
        ("duplicate_of", TEXT),  # the survivor's review_id, or null
        ("twins", WORDS),  # the review_ids folded into this one
        ("flags", WORDS),  # translated, truncated, repaired, copied text, burst, advert, another business, …
        ("file", TEXT),
        ("row", COUNT),
    ]
)

# What of REVIEWS is known before all reviews are read (waiting on the disk), and what once they are (see run.across).
STAGED, ACROSS = (
    pa.schema([REVIEWS.field(name) for name in names.split()])
    for names in (
        "respondent source date date_precision rating recommended language question text file row",
        "review_id location duplicate_of twins flags",
    )
)

# One row per review × theme × treatment it is about. `treatment` null: the clinic as a whole; a treatment: its own verdict.
OPINIONS = pa.schema(
    [
        ("review_id", TEXT),
        ("theme", TEXT),
        ("treatment", TEXT),
        ("sentiment", TEXT),
        ("score", NUMBER),
        ("confidence", NUMBER),
        ("evidence", TEXT),  # text[start:end]; "" where a person found it, who does not say where
        ("start", COUNT),
        ("end", COUNT),
        ("found_by", TEXT),  # the rule or model that spoke
    ]
)

# One row per review × treatment mentioned.
MENTIONS = pa.schema(
    [
        ("review_id", TEXT),
        ("treatment", TEXT),
        ("received", FLAG),
        ("confidence", NUMBER),
        ("evidence", TEXT),
        ("start", COUNT),
        ("end", COUNT),
        ("found_by", TEXT),
    ]
)

# One row per review × reason to act today.
ESCALATIONS = pa.schema(
    [
        ("review_id", TEXT),
        ("reason", TEXT),
        ("confidence", NUMBER),
        ("evidence", TEXT),
        ("start", COUNT),
        ("end", COUNT),
        ("found_by", TEXT),
    ]
)

# One row per correction a person made: what the program read, and what is so. No words of a patient.
CORRECTIONS = pa.schema(
    [
        ("review_id", TEXT),
        ("text_hash", TEXT),  # of the de-identified text that the person read; another text makes the correction stale
        ("what", TEXT),  # overall, theme, treatment, verdict, escalation, or read: the whole review was read through
        ("which", TEXT),  # the theme, the treatment, the treatment and the theme ("tms efficacy"), the reason; else ""
        ("was", TEXT),  # as the program read it; "none" where it read nothing
        ("now", TEXT),  # as it is; "none" where nothing is said of it
        ("model", TEXT),  # the version of the model whose reading was corrected
    ]
)

# One row per candidate quote.
TESTIMONIALS = pa.schema(
    [
        ("review_id", TEXT),
        ("quote", TEXT),  # a verbatim passage of the review's de-identified text
        ("theme", TEXT),
        ("treatment", TEXT),
        ("sentiment", TEXT),
        ("status", TEXT),  # cleared, needs review, blocked
        ("reasons", TEXT),  # rule ids, semicolon-separated, worst first
        ("location", TEXT),
        ("source", TEXT),
        ("date", TEXT),
        ("start", COUNT),
        ("end", COUNT),
    ]
)

# One row per change that a manager wrote down (data/changes.csv).
CHANGES = pa.schema(
    [
        ("row", COUNT),  # in the file, as a person counts
        ("what", TEXT),
        ("location", TEXT),  # null: every clinic
        ("date", TEXT),  # YYYY-MM-DD, the first day it was in force
        ("theme", TEXT),
        ("hoped", TEXT),  # better, worse, or null
    ]
)

# One row per authorization that a patient signed (data/consents.csv). "" where there is none; dates YYYY-MM-DD.
CONSENTS = pa.schema(
    [
        ("review_id", TEXT),
        ("scope", TEXT),  # one of SCOPES
        ("channels", TEXT),  # semicolon-separated
        ("signed_at", TEXT),
        ("expires_at", TEXT),
        ("revoked_at", TEXT),
        ("text_hash", TEXT),  # of the words agreed to
    ]
)

# One row per review to act on that somebody has dealt with (data/closed.csv). What was done stays in the file.
CLOSED = pa.schema([("row", COUNT), ("review_id", TEXT), ("date", TEXT), ("who", TEXT)])


SCHEMAS = {"reviews": REVIEWS, "opinions": OPINIONS, "mentions": MENTIONS, "escalations": ESCALATIONS}


class Annotations(NamedTuple):
    """What reading a batch of reviews gives: four tables that share `review_id`. Between processes they are Arrow's."""

    reviews: pd.DataFrame  # REVIEWS
    opinions: pd.DataFrame  # OPINIONS
    mentions: pd.DataFrame  # MENTIONS
    escalations: pd.DataFrame  # ESCALATIONS


def frame(rows, schema):
    """A table of `schema`'s columns and types from dicts, a dict of columns, or another table; what is absent is null."""
    if isinstance(rows, pd.DataFrame) and not len(rows):  # of which pandas cannot tell the types
        table = schema.empty_table()
    elif isinstance(rows, pd.DataFrame):
        table = arrow(rows, schema)
    elif isinstance(rows, dict):
        many = len(next(iter(rows.values()), ()))
        table = pa.Table.from_pydict({name: rows.get(name, [None] * many) for name in schema.names}, schema=schema)
    else:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    return pandas(table)


def pandas(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as the stages take it."""
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def in_pandas(part: Annotations) -> Annotations:
    """Arrow's four tables as the stages take them."""
    return Annotations(*map(pandas, part))


def in_arrow(part: Annotations) -> Annotations:
    """The four tables as they go to another process or to the disk."""
    return Annotations(*map(arrow, part, SCHEMAS.values()))


def arrow(table: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Exactly the schema's columns of a table, those that are not there null."""
    columns = [
        pa.array(table[name], kind, from_pandas=True) if name in table else pa.nulls(len(table), kind)
        for name, kind in zip(schema.names, schema.types, strict=True)
    ]
    return pa.table(columns, schema=schema.remove_metadata())


def values(column: pd.Series) -> list:
    """The column as a list of plain Python values, null (whatever holds it) as None."""
    plain = column.astype(object)
    return plain.where(plain.notna(), None).tolist()


def records(table: pd.DataFrame) -> list[dict]:
    """The rows as dicts of plain Python values, null as None."""
    columns = [values(table[name]) for name in table.columns]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
