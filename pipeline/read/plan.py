"""What the columns of one table mean: taken from the shape of a known export, from sources.toml, or guessed and said so."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from unicodedata import combining, normalize

from pipeline.read.dates import DAY_FIRST, Order, read_date
from pipeline.read.exports import EXPORTS, Shape, plain, recognise
from pipeline.read.files import Unreadable
from pipeline.read.mapping import Entry
from pipeline.read.ratings import GIVEN, Scale, decide, fits, read_recommended
from pipeline.terms import Terms


def _unaccented(words: str) -> str:
    """Headings are typed with and without their accents: "Calificacion" is "Calificación"."""
    return "".join(letter for letter in normalize("NFD", words) if not combining(letter))


GUESS = {field: [Terms([_unaccented(term)]) for term in terms] for field, terms in EXPORTS["guess"].items()}
ASKS_WORDS, ASKS_CHOICE = Terms(EXPORTS["words"]["asks_words"]), Terms(EXPORTS["words"]["asks_choice"])
LISTED = re.compile(r"\.\d+(\.|$)")  # a value of a list inside a record: "comments.0.content"
ASKS_PLACE = Terms(EXPORTS["words"]["asks_place"])
ASKS_RATING = [Terms([term]) for term in EXPORTS["words"]["asks_rating"]]
LONGEST = 1000  # letters of a heading that are looked at
OTHER = re.compile(r"\bother\b.*\b(text|specify|describe)\b|^other\b", re.I)
BY_HAND = next(entry for entry in EXPORTS["other"] if entry["key"] == "by_hand")
HEADING_WORDS = 5  # a heading of more words is a question
LINKS = re.compile(r"https?://\S+")


class Column(NamedTuple):
    """A column: the `name` it has in the table, the question a survey asked in it, some of what it holds, and what a survey's file
    says of it (True: open words, False: something else, None: not said)."""

    name: str
    asked: str | None = None
    key: str = ""
    samples: tuple[str, ...] = ()
    open: bool | None = None

    @property
    def said(self) -> list[str]:
        return [sample for sample in self.samples if sample.strip()]


class Answer(NamedTuple):
    """A column of open answers: what was asked, and what its reviews are called ("R_1:Q2")."""

    column: str
    question: str | None
    key: str


class Plan(NamedTuple):
    """How the rows of a table become reviews. `fields`: field → columns, the first that can be read wins. `answers`: the columns of open
    answers, each a review of its own; empty where `fields["text"]` holds the one text."""

    shape: Shape
    fields: dict[str, tuple[str, ...]]
    answers: tuple[Answer, ...] = ()
    guessed: bool = False
    source: str | None = None
    location: str | None = None
    places: tuple[str, ...] = ()
    dates: str | None = None  # as sources.toml says
    scale: str | None = None
    order: Order = Order(None, "")
    rating: Scale = GIVEN["1-5"]
    unused: tuple[str, ...] = ()
    cut: str = ""  # the column that marks a text the page has shortened
    machine: str = ""  # the column that marks a text as a machine's translation whose original is missing
    names_apart: bool = False  # `author` is a first and a last name, not one or the other

    @property
    def columns(self) -> list[str]:
        """Every column that is read."""
        wanted = [column for columns in self.fields.values() for column in columns]
        wanted += [answer.column for answer in self.answers] + [rule["column"] for rule in self.shape.leave]
        wanted += [name for name in (self.cut, self.machine) if name]
        return list(dict.fromkeys(wanted))


def plan_for(columns: Sequence[Column], said: Entry, *, strict: bool = False) -> Plan | None:
    """The plan for a table: a known shape, corrected by sources.toml; else a guess. None (or with `strict` Unreadable) where no column
    holds what patients wrote."""
    names = {plain(column.name): column.name for column in reversed(columns)}
    shape = recognise([column.name for column in columns])
    mapped = _mapped(names, said)
    if shape and not (shape.key == "native" and mapped):
        fields = {
            field: tuple(names[plain(name)] for name in options if plain(name) in names)
            for field, options in shape.fields.items()
        }
        plan = Plan(shape, {field: found for field, found in fields.items() if found})
        leave = tuple(
            {**rule, "column": names[plain(rule["column"])]} for rule in shape.leave if plain(rule["column"]) in names
        )
        plan = plan._replace(shape=shape._replace(leave=leave), machine=names.get(plain(shape.machine), ""))
        plan = plan._replace(fields={**plan.fields, **mapped})
    else:
        # What stands in a list inside a record is somebody else's word about it: the clinic's answers, mostly.
        plain_columns = [column for column in columns if not LISTED.search(column.name)]
        plan = guess(plain_columns, mapped, strict=False) or guess(columns, mapped, strict=strict)
        if plan is None:
            return None
    if len(mapped.get("text", ())) > 1:
        plan = plan._replace(
            answers=tuple(Answer(name, name, name) for name in mapped["text"]), fields={**plan.fields, "text": ()}
        )
    used = set(plan.columns)
    return plan._replace(
        source=said.source or plan.shape.source,
        location=said.location,
        places=said.places,
        dates=said.dates,
        scale=said.scale or plan.shape.scale,
        unused=tuple(column.name for column in columns if column.name not in used and column.name.strip()),
    )


def _mapped(names: dict[str, str], said: Entry) -> dict[str, tuple[str, ...]]:
    """The fields that sources.toml names and that this table has; an entry for this very file must fit it."""
    mapped = {}
    for field, wanted in said.columns.items():
        found = tuple(names[plain(name)] for name in wanted if plain(name) in names)
        if found:
            mapped[field] = found
        elif said.match != "*":
            raise Unreadable(
                f'sources.toml names the column "{wanted[0]}", which is not there; {listed(reversed(names.values()))}'
            )
    return mapped


def listed(names) -> str:
    """The columns of a table as a person can look them up; what looks like somebody's words is not repeated."""
    shown = [name.strip() if len(name) <= 40 else name.strip()[:37] + "…" for name in names if name.strip()]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return f"the columns are {', '.join(shown[:20])}{more}" if shown else "it has no named columns"


def no_text(names) -> Unreadable:
    return Unreadable(
        f"no column holds what patients wrote: {listed(names)}; name the column in a sources.toml beside the file: [columns], and below it"
        ' text = "Their Column"'
    )


@lru_cache(maxsize=10_000)
def heading_field(heading: str) -> tuple[str, int, bool] | None:
    """(field, how good, whether the whole heading fits) that a heading of a few words names; None for a question or an unknown one."""
    if len(heading) > LONGEST:
        return None
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", heading) or heading)
    words = _unaccented(re.sub(r"[^\w#&'’]+|_", " ", words).strip())
    if not words or heading.rstrip().endswith("?") or len(words.split()) > HEADING_WORDS:
        return None
    for whole in (True, False):
        for field, terms in GUESS.items():
            for place, term in enumerate(terms):
                hits = term.find(words)
                if hits and (not whole or hits[0].end - hits[0].start == len(words)):
                    return field, place, whole
    return None


def is_date(value: str) -> bool:
    found = read_date(value.strip(), DAY_FIRST)
    return (found.problem is None and found.precision != "unknown") or "outside" in (found.problem or "")


def _most(values: Sequence[str], check, share: float = 0.5) -> bool:
    return not values or sum(map(check, values)) >= share * len(values)


def is_rating_column(column: Column) -> bool:
    scale = decide(set(column.said), column.asked or column.name)
    return bool(column.said) and _most(column.said, lambda value: fits(value, scale), 0.7)


def is_open(column: Column) -> bool:
    """Whether a column holds people's own words: more than labels that repeat."""
    if column.open is not None:
        return column.open
    said = column.said
    if not said:
        return False
    words = [len(value.split()) for value in said]
    mean, distinct = sum(words) / len(words), len({value.strip().casefold() for value in said}) / len(said)
    links = sum(bool(LINKS.match(value.strip())) for value in said)
    asked = column.asked or column.name
    if ASKS_WORDS.find(asked) and not ASKS_CHOICE.find(asked) and not links:
        return _most(said, lambda value: any(letter.isalpha() for letter in value)) and not _most(said, is_date)
    return max(words) >= 3 and links < len(said) / 2 and (mean >= 4 or distinct > 0.5) and not _most(said, is_date)


def _keeps(field: str, column: Column) -> bool:
    """Whether what a column holds can be what its heading says."""
    said = column.said
    if field == "date":
        return _most(said, is_date)
    if field == "rating":
        return not said or _most(said, lambda value: fits(value, decide(set(said), column.name)))
    if field == "recommended":
        return _most(said, lambda value: read_recommended(value) is not None)
    if field in ("text", "text_if_nothing_else"):
        marks = [value for value in said if not any(letter.isalpha() for letter in value)]
        links = [value for value in said if LINKS.fullmatch(value.strip())]
        return not said or not (len(marks) + len(links) > len(said) / 2 or _most(said, is_date))
    if field in ("source", "location", "author", "id", "title"):
        return not said or sum(len(value.split()) for value in said) / len(said) <= 10
    return True


def guess(columns: Sequence[Column], mapped: dict[str, tuple[str, ...]], *, strict: bool) -> Plan | None:
    """A table that somebody keeps by hand, or that we have not met: by its headings where what is below them agrees, else by content."""
    taken = {column for found in mapped.values() for column in found}
    best: dict[str, list[tuple[bool, int, int, Column]]] = {}
    questions, rest = [], []
    for place, column in enumerate(columns):
        if column.name in taken or not column.name.strip():
            continue
        found = heading_field(column.name)
        if found and _keeps(found[0], column):
            best.setdefault(found[0], []).append((not found[2], found[1], place, column))
        elif found is None and (column.name.rstrip().endswith("?") or len(column.name.split()) > HEADING_WORDS):
            questions.append(column)
        else:
            rest.append(column)
    named = {field: found for field, found in best.items() if field not in ("ignore", "text", "text_if_nothing_else")}
    fields = {field: (min(found, key=lambda item: item[:3])[3].name,) for field, found in named.items()}
    numbered = {column.name for column in rest if column.said and _most(column.said, str.isdigit)}  # could be anything
    texts = [item[3] for item in sorted(best.get("text", []), key=lambda item: item[2])]
    with_words = [column for column in texts if column.said] or texts
    texts = [column for column in with_words if is_open(column)] or with_words[:1]
    opened = [column for column in questions if is_open(column) and not is_rating_column(column)]
    if not texts and not opened:
        texts = [item[3] for item in sorted(best.get("text_if_nothing_else", []), key=lambda item: item[:3])[:1]]
    if not texts and not opened:
        wordy = [column for column in rest if is_open(column)]
        texts = sorted(wordy, key=lambda column: -sum(map(len, column.said)))[:1]
    if "rating" not in fields:
        rated = [column for column in rest if column.name not in numbered and is_rating_column(column)]
        if asked := [column for column in (_asked_rating(questions), *rated) if column]:
            fields["rating"] = (asked[0].name,)
    if "date" not in fields:
        dated = [
            column
            for column in rest
            if column.name not in numbered and column.said and _most(column.said, is_date, 0.9)
        ]
        if dated:
            fields["date"] = (dated[0].name,)
    if "location" not in fields and (
        placed := [column for column in questions if ASKS_PLACE.find(column.name) and not is_open(column)]
    ):
        fields["location"] = (placed[0].name,)
    shape = Shape("by_hand", BY_HAND["name"], quirks=BY_HAND["quirks"])
    if "text" in mapped:
        return Plan(shape, {**fields, **mapped}, guessed=True)
    if not texts and not opened:
        if strict:
            raise no_text([column.name for column in columns])
        return None
    if len(texts) + len(opened) == 1 and texts:
        fields["text"] = (texts[0].name,)
        answers = ()
    else:
        both = sorted([*texts, *opened], key=list(columns).index)
        answers = tuple(Answer(column.name, column.name.strip(), f"Q{number}") for number, column in enumerate(both, 1))
    return Plan(shape, {**fields, **mapped}, answers, guessed=True)


def _asked_rating(questions: Sequence[Column]) -> Column | None:
    """The question that asks for a rating of the whole visit."""
    rated = [column for column in questions if is_rating_column(column)]
    for terms in ASKS_RATING:
        for column in rated:
            if terms.find(column.asked or column.name):
                return column
    return None


def survey_plan(columns: Sequence[Column], survey: dict, said: Entry) -> Plan:
    """The plan of a survey whose header rows have been read: its open questions, its rating, its place."""
    names = {plain(column.name): column.name for column in reversed(columns)}
    about = {plain(name) for name in survey["about"]}
    asked = [column for column in columns if plain(column.name) not in about]
    mapped = _mapped(names, said)
    fields = {"id": (survey["id"],), "date": tuple(survey["date"]), "author": tuple(survey["author"])}
    fields = {
        field: tuple(names[plain(name)] for name in options if plain(name) in names)
        for field, options in fields.items()
    }
    placed = [
        column
        for column in asked
        if column.said and (ASKS_PLACE.find(column.asked or column.name)) and max(map(len, column.said)) <= 60
    ]
    if placed:
        fields["location"] = (placed[0].name,)
    elif named := [
        column for column in asked if (heading_field(column.name) or ("",))[0] == "location" and column.open is not True
    ]:
        fields["location"] = (named[0].name,)
    rated = _asked_rating(asked) or next(
        (column for column in asked if is_rating_column(column) and decide(set(column.said)).steps), None
    )
    if rated:
        fields["rating"] = (rated.name,)
    taken = {column for found in (*fields.values(), *mapped.values()) for column in found}
    opened = [
        column
        for column in asked
        if column.name not in taken and is_open(column) and not OTHER.search((column.asked or column.name)[:LONGEST])
    ]
    opened = [column for column in opened if column.open or not is_rating_column(column)]
    answers = tuple(Answer(column.name, column.asked, column.key) for column in opened)
    if "text" in mapped:
        chosen = {column.name: column for column in columns}
        answers = tuple(Answer(name, chosen[name].asked, chosen[name].key) for name in mapped.pop("text"))
    if not answers and not rated:
        raise Unreadable(f"the survey holds no open answers: {listed(column.asked or column.name for column in asked)}")
    leave = tuple(
        {**rule, "column": names[plain(rule["column"])]} for rule in survey["leave"] if plain(rule["column"]) in names
    )
    shape = Shape(
        survey["key"], survey["name"], source="survey", dates=survey.get("dates"), leave=leave, quirks=survey["quirks"]
    )
    used = {*taken, *(answer.column for answer in answers), *(rule["column"] for rule in leave)}
    unused = tuple(column.name for column in asked if column.name not in used)
    return Plan(
        shape,
        {**{field: found for field, found in fields.items() if found}, **mapped},
        answers,
        guessed=True,
        source=said.source or "survey",
        location=said.location,
        places=said.places,
        dates=said.dates,
        scale=said.scale,
        unused=unused,
        names_apart=True,
    )
