"""Rows of a table become reviews or refusals: one or the other, each with its reason, none lost and none twice."""

import re
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.read.dates import NONE, later, read_date
from pipeline.read.exports import EXPORTS, plain
from pipeline.read.google import original_of
from pipeline.read.mapping import place_of
from pipeline.read.plan import Plan
from pipeline.read.ratings import read_rating, read_recommended
from pipeline.tables import REFUSED, TYPED, frame
from pipeline.terms import Terms

LONGEST = 100_000  # characters of a review; more is a document, or a quotation mark that was never closed
EXCERPT = 80
WORDS = EXPORTS["words"]
NO_COMMENT = set(WORDS["no_comment"])
UNLESS_ASKED = set(WORDS["no_comment_unless_asked"])
TOTALS = tuple(WORDS["totals"])
SOURCES = {name: Terms(terms) for name, terms in EXPORTS["sources"].items()}
# In a name, a place or a question nobody types these: orders to a terminal, marks that turn the direction of a line.
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
DAMAGED_ID = re.compile(r"\d(?:[.,]\d+)?E\+\d+|#+", re.I)


class Refusal(NamedTuple):
    """A row that is none. `excerpt` is empty where the columns could not be told: what stands there may be a name."""

    row: int
    reason: str
    excerpt: str = ""
    author: str | None = None


class Read(NamedTuple):
    """Reviews and refusals of one chunk; `read` counts its comments (of a survey: the open answers, or 1 for a respondent without any)."""

    reviews: pd.DataFrame
    rejected: pd.DataFrame
    read: int
    replies: int = 0
    unrated: int = 0
    damaged_ids: int = 0


def rejected(file: str, refusals: list[Refusal]) -> pd.DataFrame:
    """A REFUSED table."""
    rows = [
        {"file": file, "row": row, "reason": reason, "excerpt": excerpt_of(excerpt), "author": author}
        for row, reason, excerpt, author in refusals
    ]
    return frame(rows, REFUSED)


def excerpt_of(text: str) -> str:
    return re.sub(r"\s+", " ", visible(text[: 4 * EXCERPT])).strip()[:EXCERPT]


def visible(value: str) -> str:
    """The value without what cannot be seen."""
    return value if value.isprintable() else UNSEEN.sub("", value)


def normalise(chunk: pd.DataFrame, plan: Plan, file: str) -> Read:
    """The reviews (TYPED) and refusals (REFUSED) of a chunk, in its order. `chunk`: string columns, the row numbers as its index."""
    records = _records(chunk, plan)
    n = len(records)
    cells = {name: records[name].to_numpy() for name in chunk.columns if name in records}
    rows = records["\0row"].to_numpy()
    blank = np.full(n, "", dtype=object)

    def first(field: str) -> np.ndarray:
        """Of the columns of a field, the first that holds something."""
        found = blank
        for column in plan.fields.get(field, ()):
            if column in cells:
                found = cells[column] if found is blank else np.where(_stripped(found) == "", cells[column], found)
        return found

    reason = np.full(n, None, dtype=object)

    def refuse(where: np.ndarray, why) -> None:
        where = where & pd.isna(reason)
        reason[where] = why if isinstance(why, str) else why[where]

    for rule in plan.shape.leave:
        if rule["column"] in cells:
            values = {value.casefold() for value in rule["values"]}
            refuse(
                _each(cells[rule["column"]], lambda value, values=values: value.strip().casefold() in values),
                rule["reason"],
            )
    text, question = records["\0text"].to_numpy(), records["\0question"].to_numpy()
    heading = plan.answers[0].column if plan.answers else plan.fields.get("text", ("",))[0]
    if heading:
        refuse(_repeats(records, chunk, heading), "the header again")
    if plan.shape.key == "by_hand":
        refuse(_totals(records, chunk, text), "a row of totals")
    refuse(
        _each(text, len) > LONGEST,
        f"the text is longer than {LONGEST:,} characters: a document, or a quotation mark that is never closed",
    )

    rating, rating_problem = _rating(first("rating"), plan)
    refuse(~pd.isna(rating_problem), rating_problem)
    date, precision, date_problem, created = _date(plan, cells, n)
    refuse(~pd.isna(date_problem), date_problem)
    recommended = (
        _mapped(first("recommended"), read_recommended)
        if "recommended" in plan.fields
        else np.full(n, None, dtype=object)
    )
    source = _source(first("source"), plan)
    if plan.shape.no_stars:
        made_up = _each(source, lambda name: name in plan.shape.no_stars) & _each(
            rating, lambda value: value in (1.0, 5.0)
        )
        # Two, three and four stars cannot come from a recommendation.
        recommended = np.where(made_up, rating == 5.0, recommended)
        rating = np.where(made_up, None, rating)

    text, translated, cut = _original(text, first("translation") if "translation" in plan.fields else None)
    if "title" in plan.fields:
        text = _titled(first("title"), text)
    bare = _bare(text)
    refuse(_each(bare, plan.shape.unanswered.__contains__), "did not answer the question")
    question = _mapped(question, visible)
    asked = _each(question, bool)
    nothing = _each(bare, NO_COMMENT.__contains__) | (_each(bare, UNLESS_ASKED.__contains__) & ~asked)
    stars = ~pd.isna(rating) | ~pd.isna(recommended)
    empty = ~_filled(text)
    refuse(nothing & empty & ~stars, "no text and no rating")
    refuse(nothing & ~stars, "no comment given")
    if plan.answers:  # one respondent's stars are counted once
        refuse(nothing & records["\0extra"].to_numpy(), "no comment given")
    typed = text
    text = np.where(nothing, "", text)

    identity = _changed(first("id"), visible)
    damaged = _each(
        identity, lambda value: ("+" in value or "#" in value) and bool(DAMAGED_ID.fullmatch(value.strip()))
    )
    identity = np.where(damaged, "", identity)
    identity = _changed(identity, lambda value: _identity(value, plan) or None)
    respondent = identity if plan.answers else np.full(n, None, dtype=object)
    if plan.answers:
        keys = np.where(nothing, "", records["\0key"].to_numpy())
        identity = np.array(
            [f"{who}:{key}" if who and key else who for who, key in zip(identity, keys, strict=True)], dtype=object
        )
    location = _mapped(first("location"), lambda value: place_of(visible(value).strip(), plan.places) or None)
    location = np.where(pd.isna(location), plan.location, location)
    kept = pd.isna(reason)
    shortened = _filled(cells[plan.cut]) if plan.cut in cells else np.zeros(n, dtype=bool)
    if plan.machine in cells:
        made = _each(cells[plan.machine], lambda value: value.strip().casefold() in ("true", "1", "yes"))
        translated, cut = translated | made, cut | made
    author = _author(cells, plan, first, n)
    edited = np.full(n, None, dtype=object)
    if "edited" in plan.fields:
        pairs = zip(first("edited"), created, strict=True)
        edited[:] = [typed.strip() if typed and later(typed, before) else None for typed, before in pairs]
    reviews = {
        "file": np.full(n, file, dtype=object),
        "row": rows,
        "review_id": identity,
        "respondent": respondent,
        "source": source,
        "location": location,
        "date": date,
        "date_precision": precision,
        "edited_at": edited,
        "rating": rating,
        "recommended": recommended,
        "question": np.where(asked & ~(nothing & bool(plan.answers)), question, None),
        "text": text,
        "author": author,
        "translated": translated,
        "truncated": cut
        | shortened
        | plan.shape.truncated
        | _each(text, lambda value: value.endswith("More") and value.endswith(("… More", "... More", "…More"))),
    }
    refused = ~kept
    shown = typed[refused]
    if refused.any():
        shown = np.where(_stripped(shown) != "", shown, _joined(records[refused], plan))
    refusals = [
        Refusal(int(row), why, words, author)
        for row, why, words, author in zip(rows[refused], reason[refused], shown, author[refused], strict=True)
    ]
    return Read(
        frame({name: column[kept] for name, column in reviews.items()}, TYPED),
        rejected(file, refusals),
        n,
        replies=int(_filled(first("reply")).sum()) if "reply" in plan.fields else 0,
        unrated=int((_mapped(first("rating"), lambda value: _unrated(value, plan)) & kept).sum()),
        damaged_ids=int((damaged & kept).sum()),
    )


def _each(values: np.ndarray, check) -> np.ndarray:
    """`check` of every value, as an array of booleans or numbers."""
    return np.array(list(map(check, values))) if len(values) else np.zeros(0, dtype=bool)


def _filled(values: np.ndarray) -> np.ndarray:
    """Whether a value holds more than blanks."""
    return np.array([bool(value) and not value.isspace() for value in values], dtype=bool)


def _changed(values, change) -> np.ndarray:
    """`change` of every value."""
    found = np.empty(len(values), dtype=object)
    found[:] = list(map(change, values))
    return found


def _unrated(value: str, plan: Plan) -> bool:
    return value.strip().casefold().removesuffix(".0") in plan.rating.unrated


def _mapped(values: np.ndarray, change) -> np.ndarray:
    """`change` of every value, called once for equal ones."""
    known = {value: change(value) for value in set(values)}
    found = np.empty(len(values), dtype=object)
    found[:] = [known[value] for value in values]
    return found


def _bare(texts: np.ndarray) -> np.ndarray:
    """Texts without case and the punctuation around them, to be compared with the words for no comment; long ones are as they are."""
    return _changed(texts, lambda value: value.strip().casefold().strip(" .!-–—*") if len(value) <= 60 else value)


def _stripped(values: np.ndarray) -> np.ndarray:
    return _changed(values, str.strip)


def _records(chunk: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One row per comment: the chunk itself, or for several open questions a row per answer, those of a respondent together.

    `\\0extra` marks an answer that says nothing while the respondent has another one."""
    records = chunk.copy(deep=False)
    records["\0row"] = chunk.index
    if not plan.answers:
        text = np.full(len(chunk), "", dtype=object)
        for place, column in enumerate(column for column in plan.fields.get("text", ()) if column in chunk):
            text = np.where(_filled(text), text, chunk[column].to_numpy()) if place else chunk[column].to_numpy()
        asked = plan.fields.get("question", ("",))[0]
        question = _stripped(chunk[asked].to_numpy()) if asked in chunk else np.full(len(chunk), "", dtype=object)
        said = {"\0text": text, "\0question": question}
        return records.assign(**{name: pd.Series(column, chunk.index, object) for name, column in said.items()})
    parts = []
    for place, answer in enumerate(plan.answers):
        part = records.copy(deep=False)
        part["\0text"] = chunk[answer.column].to_numpy(dtype=object) if answer.column in chunk else ""
        part["\0question"], part["\0key"], part["\0place"] = answer.question or "", answer.key, place
        part["\0order"] = np.arange(len(chunk))
        parts.append(part)
    records = pd.concat(parts, ignore_index=True)
    stripped = pd.Series(_stripped(records["\0text"].to_numpy()), dtype=object)
    blank = (stripped == "").to_numpy()
    nothing = blank | _each(_bare(stripped.to_numpy()), lambda value: value in NO_COMMENT)
    order = records["\0order"]
    some = order.isin(order[~nothing]).to_numpy()  # the respondent has said something
    any_answer = order.isin(order[~blank]).to_numpy()
    # Kept: every answer, and for a respondent without any the first blank one. Extra: nothing said, beside something said or a nothing before.
    keep = ~blank | (~any_answer & (records["\0place"] == 0).to_numpy())
    records, nothing, some = records[keep], nothing[keep], some[keep]
    again = records.loc[nothing, "\0order"].duplicated().reindex(records.index, fill_value=False).to_numpy(dtype=bool)
    records["\0extra"] = nothing & (some | again)
    records = records.sort_values(["\0order", "\0place"], kind="stable").reset_index(drop=True)
    return records.astype({"\0text": object, "\0question": object})


def _repeats(records: pd.DataFrame, chunk: pd.DataFrame, heading: str) -> np.ndarray:
    """Rows that hold the column names once more."""
    if heading not in records or heading not in chunk:
        return np.zeros(len(records), dtype=bool)
    length = len(heading) + 20
    found = _each(
        records[heading].to_numpy(), lambda value: 0 < len(value) <= length and plain(value) == plain(heading)
    )
    if not found.any() or chunk.shape[1] == 1:
        return found
    others = np.zeros(len(records), dtype=int)
    for column in chunk.columns:
        others[found] += _each(
            records.loc[found, column].to_numpy(), lambda value, column=column: plain(value) == plain(column)
        )
    return found & (others > 1)


def _totals(records: pd.DataFrame, chunk: pd.DataFrame, text: np.ndarray) -> np.ndarray:
    """Rows such as "Total | | 14" or "Average rating: 4.2" below a table kept by hand."""
    found = np.zeros(len(records), dtype=bool)
    # The count may stand where the texts do: "Total | 14".
    blank = _each(text, lambda value: not any(map(str.isalpha, value)))
    for column in chunk.columns:
        sums = _each(records[column].to_numpy(), _is_total)
        found |= sums & (blank | (sums & (records[column].to_numpy() == text)))
    return found


def _is_total(value: str) -> bool:
    if not 0 < len(value) <= 60 or not value.lstrip().casefold().startswith(TOTALS):
        return False
    return re.sub(r"[\s:=]*[\d.,%/ ]*$", "", value.strip().casefold()) in TOTALS


def _joined(records: pd.DataFrame, plan: Plan) -> np.ndarray:
    """What a row holds in the columns that are read, its author left out: the excerpt of a row that has no text."""
    shown = [column for column in plan.columns if column in records and column not in plan.fields.get("author", ())]
    found = np.empty(len(records), dtype=object)
    rows = records[shown].itertuples(index=False) if shown else ()
    found[:] = [" | ".join(cell.strip() for cell in row if cell.strip())[: 4 * EXCERPT] for row in rows] or ""
    return found


def _rating(typed: np.ndarray, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    found = _mapped(typed, lambda value: read_rating(value, plan.rating))
    values, problems = np.empty(len(found), dtype=object), np.empty(len(found), dtype=object)
    for place, (value, problem) in enumerate(found):
        values[place], problems[place] = value, problem and problem + _shown(typed[place])
    return values, problems


def _shown(typed: str) -> str:
    """A number that is short enough to be a rating is repeated in the reason; words and long numbers could be somebody's."""
    typed = typed.strip()
    return f": {typed}" if len(typed) <= 5 and not any(letter.isalpha() for letter in typed) else ""


def _date(plan: Plan, cells: dict[str, np.ndarray], n: int):
    """(date, precision, problem, as typed): of the date's columns the first that gives a day, else the first that gives anything."""
    best, created = [NONE] * n, [""] * n
    columns = [column for column in plan.fields.get("date", ()) if column in cells]
    if columns:
        known = {typed: read_date(typed, plan.order.order) for typed in set(cells[columns[0]])}
        created = [typed if typed.strip() else "" for typed in cells[columns[0]]]
        best = [known[typed] for typed in cells[columns[0]]]
    for column in columns[1:]:
        for place, typed in enumerate(cells[column]):
            if best[place].date is None and typed.strip():
                found = read_date(typed, plan.order.order)
                if best[place] == NONE or found.date or (best[place].problem and not found.problem):
                    best[place], created[place] = found, typed
    return *(_changed(best, attrgetter(field)) for field in ("date", "precision", "problem")), created


def _source(typed: np.ndarray, plan: Plan) -> np.ndarray:
    return _mapped(typed, lambda value: source_of(value) if value.strip() else plan.source or "unknown")


def source_of(typed: str) -> str:
    """The platform that an export or a front desk means: "Google Maps" → google; else what was written, in lower case."""
    for name, terms in SOURCES.items():
        if terms.find(typed):
            return name
    return excerpt_of(typed).lower()


def _original(text: np.ndarray, translation: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(as typed, whether a translation came with it, whether the original was left out). `translation`: its column, or None."""
    kept, cut = text.copy(), np.zeros(len(text), dtype=bool)
    translated = (
        np.zeros(len(text), dtype=bool) if translation is None else _filled(translation) & (translation != text)
    )
    for place in np.flatnonzero(_each(text, lambda value: "(" in value)):
        kept[place], found, cut[place] = original_of(text[place])
        translated[place] |= found
    return kept, translated, cut


def _titled(titles: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Title and text, a line each; a title that is only the beginning of the text is not said twice."""
    found = np.empty(len(texts), dtype=object)
    for place, (title, text) in enumerate(zip(titles, texts, strict=True)):
        start = re.sub(r"(?<!\s)\s*(?:\.{3}|…)$", "", title.strip())
        said = (
            bool(start)
            and start.casefold() not in NO_COMMENT
            and not text.strip().casefold().startswith(start.casefold())
        )
        found[place] = (f"{title.strip()}\n{text}" if text.strip() else title.strip()) if said else text
    return found


def _identity(value: str, plan: Plan) -> str:
    """A source's id. Google names a review by account, location and id; the account changes with who exports it."""
    value = value.strip()
    if plan.shape.source == "google" and (match := re.search(r"locations/[^/]+/reviews/[^/]+$", value)):
        return match[0]
    return value[:200]


def _author(cells: dict[str, np.ndarray], plan: Plan, first, n: int) -> np.ndarray:
    if "author" not in plan.fields:
        return np.full(n, None, dtype=object)
    if plan.names_apart:
        parts = [cells[column] for column in plan.fields.get("author", ()) if column in cells]
        names = [" ".join(filter(None, (part[place].strip() for part in parts))) for place in range(n)]
    else:
        names = [name.strip() for name in first("author")]
    return np.array([name[:200] or None for name in names], dtype=object)
