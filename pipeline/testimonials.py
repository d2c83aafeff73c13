"""Which passages of the reviews could be shown to others, in what order, and how typical each is.

A candidate is a run of whole sentences, word for word, from a review of the month: positive on its theme, never parted from
the sentence that turns or limits it. Service experience comes before anything that names a treatment, a condition or an
outcome, and the list is spread over themes, treatments, places and months. Whether one may be published is clearance's
business. Candidates are quotes for a person to judge, never a list of people to ask for reviews (16 CFR 465; Google's and
Yelp's terms).
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import clearance, tables
from pipeline.months import last_day, month_name
from pipeline.segment import sentences
from pipeline.summary.tally import Scope, quotable, tally_of, whole
from pipeline.terms import WORD, Hit
from pipeline.wording import SOURCE_NAMES

SERVICE = ("staff", "communication", "scheduling", "facility", "parking")  # the safest class first, in this order
LIMIT = 120  # candidates
THIN = 8  # words under which praise may say nothing of its own
SHORTEST, LONGEST = 24, 420  # characters of a passage; longer ones belong to the report
WHOLE = 220  # characters up to which neighbouring praise of the same kind is joined
OUTCOMES = 0.25  # of the list is kept for quotes that name a treatment or an outcome, which some campaigns want
PRAISES = 8_192  # what a board is chosen from: reviews by what they praise; some 5,000 reviews, years of a clinic's
PASS = 4096  # reviews whose texts are looked at for passages at a time
ROUNDS = 4  # how many candidates a place in the list is chosen from, as a multiple of the limit
# An opening that points at something said before: still honest, but a poor quote.
DANGLING = re.compile(
    r"(?:he|she|it|that|this|these|those|him|her|and|so|also|turns out|as for|when it|both|then)\b", re.IGNORECASE
)
CONTRARY = ("contrary_id", "contrary", "contrary_question", "contrary_where", "contrary_near")
CONTRARIES = 200  # the strongest of a theme, among which one on a passage's own matter is looked for
MATTER = 5  # letters by which two words are of one matter: cleaning, cleanliness
EVER = "9999-12"  # a month that comes after every review
SURE = 0.45  # confidence below which an opinion is no ground for a quote: what the model was so unsure of is often something else
STATUS_ORDER = {"cleared": 0, "needs review": 1, "blocked": 2}

# One row per candidate quote: the contract's columns, then what the board shows beside it.
CANDIDATES = pa.schema(
    [
        *tables.TESTIMONIALS,
        ("date_precision", tables.TEXT),
        ("attribution", tables.TEXT),  # "Patient review, Los Angeles, October 2026"; never a name
        ("typical_results", tables.TEXT),  # the line to set beside an outcome quote; "" until the clinic writes it
        ("share", tables.TEXT),  # "27 of 38 reviews praise staff"
        (
            "praise",
            tables.COUNT,
        ),  # reviews of the window with praise for the theme; one respondent's answers are one review
        ("of", tables.COUNT),  # reviews of the window that were read, counted so
        ("contrary_id", tables.TEXT),  # the review with the strongest contrary view on the theme, or null
        ("contrary", tables.TEXT),  # its sentence: for the board, never for export
        ("contrary_question", tables.TEXT),  # what the survey had asked there, or null
        ("contrary_where", tables.TEXT),  # "Las Vegas, survey, September 2026"
        ("form", tables.WORDS),  # all answers of the form it is from, in its order; null where it is from none
        ("contrary_near", tables.FLAG),  # it shares a word with the quote; else it is of the theme as a whole
        ("awaits_authorization", tables.FLAG),  # it needs review, and nobody's authorization is on file
        ("service", tables.FLAG),  # no treatment, drug, condition or outcome in the passage
        ("scope", tables.TEXT),  # of the authorization on file, or null
        ("channels", tables.TEXT),
        ("expires_at", tables.TEXT),
        ("text_hash", tables.TEXT),  # of the review's text, for the ledger
        ("flags", tables.TEXT),  # JSON: [{rule, severity, words, where, reason, source}], worst first
    ]
)


class Passage(NamedTuple):
    """A stretch of a review that could stand alone."""

    start: int
    end: int
    theme: str
    treatment: str | None
    service: bool
    score: float  # how well it stands as a quote: higher is better
    thin: bool = False  # thanks, a mark, "great place": it says nothing of its own


def candidates(
    annotations: tables.Annotations, *, month: str | None = None, on: date | None = None, consents: pd.DataFrame | None = None,
    rules: clearance.Rules | None = None, setting: clearance.Setting | None = None, staff: Sequence[str] = (), limit: int = LIMIT,
    shifts: Sequence[Mapping] = (), praised: Mapping[str | None, int] | None = None, among: Collection[str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """CANDIDATES of one month ("2026-10"), or of all reviews up to `on`: cleared first, then by class and spread.

    Where the annotations are not all (see `Wanted`): `among` the reviews to look for passages in, and `praised`, how many of
    all reviews praise a theme and (None) how many were read, as the tally has it.
    on: the day to judge by; where none is given the last day of the month, or of the latest month that a review bears.
    staff: the names of the clinic's own people, who are named with care. shifts: the Summary's `changed`, by which praise of
    what has got worse since is told.
    """
    rules = rules or clearance.load_rules()
    setting = setting or rules.setting
    names = clearance.staff_words(staff)
    window = annotations.reviews[quotable(annotations.reviews, month, on)]
    on = on or _latest(window, month)
    pool = list(_pool(window if among is None else _of(window, among), annotations.opinions, rules))
    signed = set(_signed(window, consents, on, setting))
    chosen = _spread(pool, limit * ROUNDS, signed)
    forms = _forms(annotations.reviews, {review["review_id"] for review, _ in chosen})
    ids = {review["review_id"] for review, _ in chosen} | {one for form in forms.values() for one in form}
    reviews = {row["review_id"]: row for row in _rows(_of(annotations.reviews, ids))}
    opinions, escalations = (_by_review(_of(frame, ids)) for frame in (annotations.opinions, annotations.escalations))
    shares = Counter(_praised(annotations, month, on) if praised is None else praised)
    of, contraries = shares[None], _contraries(window, annotations.opinions, rules, names)
    rows = []
    for light, passage in chosen:
        review = reviews[light["review_id"]]
        quote = review["text"][passage.start : passage.end]
        form = forms.get(review["review_id"])
        consent = clearance.consent_of(review, consents)
        found = clearance.flags(
            quote, review, opinions.get(review["review_id"], ()), escalations.get(review["review_id"], ()), consent, on,
            setting, passage.start, passage.end, rules=rules, staff=names, shifts=shifts,
            form=[
                clearance.Answer(reviews[one], opinions.get(one, ()), escalations.get(one, ()))
                for one in form or ()
                if one != review["review_id"]
            ],
        )  # fmt: skip
        status = clearance.status(found)
        own = [row for row in opinions[review["review_id"]] if row["theme"] == passage.theme]
        theme = passage.theme
        praised = [
            row["theme"]
            for row in opinions[review["review_id"]]
            if row["sentiment"] == "positive" and row["start"] < passage.end and passage.start < row["end"]
        ]
        themes = list(dict.fromkeys([theme, *praised]))
        rows.append(
            {
                "review_id": review["review_id"],
                "quote": quote,
                "theme": theme,
                "treatment": passage.treatment,
                "sentiment": "positive" if any(row["sentiment"] == "positive" for row in own) else None,
                "status": status,
                "reasons": ";".join(dict.fromkeys(flag.rule for flag in found)),
                "location": review["location"],
                "source": review["source"],
                "date": review["date"],
                "start": passage.start,
                "end": passage.end,
                "date_precision": review["date_precision"],
                "attribution": attribution(review, found),
                "typical_results": setting.typical_results,
                "share": share_line(theme, shares[theme], of),
                "praise": shares[theme],
                "of": of,
                **_contrary(_matter(quote, rules, names), themes, {review["review_id"], *(form or ())}, contraries),
                "form": form,
                "awaits_authorization": status == "needs review" and consent is None,
                "service": passage.service,
                "scope": consent and consent.get("scope"),
                "channels": consent and consent.get("channels"),
                "expires_at": consent and consent.get("expires_at"),
                "text_hash": clearance.text_hash(review["text"]),
                "flags": json.dumps([flag._asdict() for flag in found], ensure_ascii=False),
            }
        )
    # What could be used today comes first; stable, so the spread order stays within a status.
    rows.sort(key=lambda row: (STATUS_ORDER[row["status"]], row["scope"] is None))
    first = {}  # of each review whose author has signed the passage that stands best
    for row in rows:
        if row["review_id"] in signed:
            first.setdefault(row["review_id"], row)
    return tables.frame(_kept(rows, limit, list(first.values())[:limit]), CANDIDATES)


def _kept(rows: list, limit: int, surely: list) -> list:
    """The first `limit`, those in `surely` among them, in the order they have."""
    sure = {id(row) for row in surely}
    kept = sure | {id(row) for row in _balanced([row for row in rows if id(row) not in sure], limit - len(surely))}
    return [row for row in rows if id(row) in kept]


def _balanced(rows: list, limit: int) -> list:
    """The first `limit`, with room for what is blocked: a board without its refusals would look complete and be none."""
    blocked = [row for row in rows if row["status"] == "blocked"]
    usable = [row for row in rows if row["status"] != "blocked"]
    room = max(limit - len(usable), min(len(blocked), limit // 4))
    return _mixed(usable, max(0, limit - room)) + _mixed(blocked, room)


def _mixed(rows: list, limit: int) -> list:
    """The first `limit` in order, with their share of outcome quotes."""
    outcomes = [row for row in rows if not row["service"]]
    service = [row for row in rows if row["service"]]
    room = max(limit - len(service), min(len(outcomes), int(limit * OUTCOMES)))
    kept = {id(row) for row in (*service[: limit - room], *outcomes[:room])}
    return [row for row in rows if id(row) in kept]


def _latest(window: pd.DataFrame, month: str | None) -> date:
    """The last day of the month, or of the latest month that a review bears."""
    return last_day(month or max((date for date in window["date"].dropna() if date), default="1970-01")[:7])


def _forms(reviews: pd.DataFrame, ids: set) -> dict[str, list[str]]:
    """review_id → all answers of its form, in its order. One folded into a copy is an answer still."""
    forms = reviews[reviews["respondent"].notna() & (reviews["text"].fillna("") != "")]
    forms = forms[forms["respondent"].isin(set(forms.loc[forms["review_id"].isin(ids), "respondent"]))]
    answers: dict[tuple, list[str]] = {}
    for row in _rows(forms.sort_values(["row", "review_id"])[["source", "file", "respondent", "review_id"]]):
        answers.setdefault((row["source"], row["file"], row["respondent"]), []).append(row["review_id"])
    return {one: form for form in answers.values() for one in form}


def _signed(window: pd.DataFrame, consents: pd.DataFrame | None, on: date, setting: clearance.Setting) -> list[str]:
    """The reviews whose author's authorization is in force, by id, in order."""
    rows = [] if consents is None else _rows(_signed_for(window, consents))
    return sorted(
        row["review_id"] for row in rows if clearance.in_force(clearance.consent_of(row, consents), on, setting)
    )


WORDLESS = ["review_id", "why", "where"]


def unquoted(
    annotations: tables.Annotations, consents: pd.DataFrame | None, *, month: str | None = None, on: date | None = None,
    rules: clearance.Rules | None = None, setting: clearance.Setting | None = None,
) -> pd.DataFrame:  # fmt: skip
    """One row per review with an authorization in force that holds no passage to quote: WORDLESS. Arguments as of `candidates`."""
    rules = rules or clearance.load_rules()
    window = annotations.reviews[quotable(annotations.reviews, month, on, wordless=True)]
    signed = _signed(window, consents, on or _latest(window, month), setting or rules.setting)
    said = _by_review(_of(annotations.opinions, signed))
    rows = []
    for review in _rows(_of(window, signed)):
        text, opinions = review["text"] or "", said.get(review["review_id"], ())
        if not text.strip():
            why = "it has stars and no words"
        elif any("truncated" in mark for mark in review["flags"] or ()):
            why = "its source cuts the texts, so that it may not be quoted"
        elif passages(text, opinions, rules):
            continue
        elif not any(row["sentiment"] == "positive" for row in opinions):
            why = "no praise was read in it; where it holds some, correct it in the workbook"
        else:
            why = "no whole sentences of it praise something by themselves, between a few words and a few lines long"
        rows.append({"review_id": review["review_id"], "why": why, "where": _where(review)})
    return pd.DataFrame(sorted(rows, key=lambda row: row["review_id"]), columns=WORDLESS)


def _pool(window: pd.DataFrame, opinions: pd.DataFrame, rules: clearance.Rules) -> Iterator[tuple[dict, Passage]]:
    """Every passage of the reviews, each beside what _spread must know of its review. Few texts are in memory at a time."""
    praised = opinions.loc[(opinions["sentiment"] == "positive").to_numpy(bool), "review_id"]
    cut = [any("truncated" in mark for mark in marks) for marks in _lists(window["flags"])]
    window = window[window["review_id"].isin(praised) & ~np.array(cut, dtype=bool)]
    for at in range(0, len(window), PASS):
        part = window.iloc[at : at + PASS]
        said = _by_review(_of(opinions, part["review_id"]))
        for review in _rows(part[["review_id", "text", "treatments", "location", "date"]]):
            text = review.pop("text")
            for passage in passages(text, said[review["review_id"]], rules):
                yield review, passage


def passages(text: str, opinions, rules: clearance.Rules) -> list[Passage]:
    """The passages of one review that praise a theme and may be cut out whole: at most two, which do not overlap."""
    praise = [
        row for row in opinions
        if row["sentiment"] == "positive" and row["end"] > row["start"] >= 0 and (row.get("confidence") or 0.0) >= SURE
    ]  # fmt: skip
    if not praise or len(text) < SHORTEST:
        return []
    blocks = _blocks(text, praise, rules)
    # blame that a person found, who does not say where, may stand anywhere
    anywhere = {"start": 0, "end": len(text)}
    blame = [
        row if row["end"] > row["start"] else row | anywhere
        for row in opinions
        if row["sentiment"] in ("negative", "mixed")
    ]
    kinds = [_kind(text, block, praise, blame, rules) for block in blocks]
    found = []
    for place, (block, kind) in enumerate(zip(blocks, kinds, strict=True)):
        if kind is None:
            continue
        start, end = block
        for other in range(place + 1, len(blocks)):  # neighbouring praise of the same kind reads better together
            if kinds[other] != kind or blocks[other].end - start > WHOLE:
                break
            end = blocks[other].end
        inside = [row for row in praise if row["start"] < end and start < row["end"]]
        if SHORTEST <= end - start <= LONGEST and len(text[start:end].split()) > 3:
            found.append(_passage(text, start, end, inside, kind, rules))
    found.sort(key=lambda passage: (-passage.score, passage.start))
    kept = []
    for passage in found:
        if all(passage.end <= other.start or other.end <= passage.start for other in kept):
            kept.append(passage)
    return [passage._replace(score=passage.score - place) for place, passage in enumerate(kept[:2])]


def _blocks(text: str, praise: list, rules: clearance.Rules) -> list[Hit]:
    """The runs of sentences that may not be parted, each that praises something with all that leans on it; the others unread."""
    spans = sentences(text)
    leaning: dict[int, bool] = {}  # place of a sentence → may it not be parted from the next?

    def leans(place: int) -> bool:
        if place not in leaning:
            leaning[place] = clearance.leans(text, spans[place], spans[place + 1], rules)
        return leaning[place]

    for place, span in enumerate(spans):
        if not any(row["start"] < span.end and span.start < row["end"] for row in praise):
            continue
        left, right = place, place
        while left > 0 and leans(left - 1):
            left -= 1
        while right < len(spans) - 1 and leans(right):
            right += 1
    blocks: list[Hit] = []
    for place, span in enumerate(spans):
        if place and leaning.get(place - 1):
            blocks[-1] = Hit(blocks[-1].start, span.end)
        else:
            blocks.append(span)
    return blocks


def _kind(text: str, block: Hit, praise: list, blame: list, rules: clearance.Rules) -> str | None:
    """service or outcome; None where the sentences themselves praise nothing, or where blame outweighs."""
    inside = [row for row in praise if row["start"] < block.end and block.start < row["end"]]
    if not inside:
        return None
    against = [row for row in blame if row["start"] < block.end and block.start < row["end"]]
    if len(against) >= len(inside) or {row["theme"] for row in against} & {row["theme"] for row in inside}:
        return None
    piece = text[block.start : block.end]
    met = rules.glimpsed(piece)
    if ("words", "praise") not in met:
        return None
    medical = any(row["theme"] not in SERVICE for row in inside) or any(
        ("words", name) in met for name in ("tms", "ketamine", "spravato", "condition")
    )
    return "outcome" if medical or clearance.speaks_of_results(piece, rules, met) else "service"


def _passage(text: str, start: int, end: int, inside: list, kind: str, rules: clearance.Rules) -> Passage:
    order = [*SERVICE, "cost", "side_effects", "efficacy"]
    if kind == "outcome":
        order = ["efficacy", *SERVICE, "cost", "side_effects"]
    # The theme that most of the passage surely speaks of; of several, the first in the order of the class.
    weight = Counter()
    for row in inside:
        weight[row["theme"]] += (row["end"] - row["start"]) * (row.get("confidence") or 0.0)
    theme = min(weight, key=lambda name: (-weight[name] if kind == "service" else 0, order.index(name)))
    rows = [row for row in inside if row["theme"] == theme]
    treatment = next((row["treatment"] for row in rows if row.get("treatment")), None)
    confidence = max(row.get("confidence") or 0.0 for row in rows)
    length = end - start
    thin = len(WORD.findall(text[start:end])) < THIN and _says_nothing(text[start:end], rules)
    fit = float(_fit(length))
    if DANGLING.match(text, start):
        fit -= 0.8
    score = (10 if kind == "service" else 0) + confidence + fit
    return Passage(start, end, theme, treatment, kind == "service", score, thin)


def _fit(length):
    """How well so many characters stand as a quote."""
    return np.where(length < 60, 0.6, np.where(length <= 240, 1.0, 0.7))


def _says_nothing(piece: str, rules: clearance.Rules) -> bool:
    """Is all praise of a passage thanks, a mark or a bare "good"?"""
    met = rules.glimpsed(piece)
    return set(met.get(("words", "praise"), ())) <= set(met.get(("words", "thin"), ()))


def _spread(pool: list, limit: int, signed: set) -> list:
    """Service first, and what says nothing of its own last; of one class, each next one is of the theme, treatment, place and
    month seen least so far. The passages of `signed` reviews come on top of the limit.
    """
    ranked = sorted(pool, key=lambda pair: (-pair[1].score, pair[0]["review_id"], pair[1].start))
    chosen = [pair for pair in ranked if pair[0]["review_id"] in signed]
    pool = [pair for pair in ranked if pair[0]["review_id"] not in signed]
    limit += len(chosen)
    outcomes = sum(not passage.service for _, passage in pool)
    for thin, service in ((False, True), (False, False), (True, True), (True, False)):
        room = limit - min(outcomes, int(limit * OUTCOMES)) if service and not thin else limit
        rest = [pair for pair in pool if (pair[1].thin, pair[1].service) == (thin, service)]
        if not rest:
            continue
        traits = zip(*(_traits(review, passage) for review, passage in rest), strict=True)
        codes = np.column_stack([pd.factorize(np.array(trait, dtype=object))[0] for trait in traits])
        seen = np.zeros(len(rest), np.int64)  # of each: how often its traits have been chosen
        for _ in range(min(room - len(chosen), len(rest))):
            best = int(seen.argmin())  # of equals the first: they are in order of rank
            chosen.append(rest[best])
            seen += (codes == codes[best]).sum(axis=1)
            seen[best] = np.iinfo(np.int64).max // 2
    return chosen


def _traits(review: dict, passage: Passage) -> tuple:
    named = passage.treatment or next(iter(review["treatments"] or ()), "")
    return passage.theme, named, review["location"] or "", (review["date"] or "")[:7]


# ── How typical ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _praised(annotations: tables.Annotations, month: str | None, on: date) -> dict[str | None, int]:
    """theme → reviews that praise it, None → how many were read, as the report counts: the answers of one respondent are one."""
    scope = Scope(EVER, only=month, on=on)
    praise = whole(tally_of(annotations, scope), scope)[0].praise.to_pydict()
    return dict(zip(praise["theme"], praise["n"], strict=True))


def share_line(theme: str, praise: int, of: int) -> str:
    """ "27 of 38 reviews praise staff": how many say the same, never a share without its counts."""
    name = {"side_effects": "how side effects were", "efficacy": "the effect of treatment"}.get(theme, theme)
    return f"{praise} of {of} reviews praise{'s' if praise == 1 and of == 1 else ''} {name}"


def _contraries(
    window: pd.DataFrame, opinions: pd.DataFrame, rules: clearance.Rules, names: frozenset
) -> dict[str, list[tuple]]:
    """theme → (review_id, sentence, question, where, matter) of the reviews that most plainly say the opposite, the plainest
    first, in four words or more and half as plain as the plainest at least. Never somebody's crisis, nor what was done to them.
    """
    said = _plainest(_complaints(window, opinions))
    plain_enough = said["weight"] <= said.groupby("theme", sort=False)["weight"].transform("first") / 2
    said = said[plain_enough.to_numpy(bool)]
    reviews = {row["review_id"]: row for row in _rows(_of(window, said["review_id"]))}
    found: dict[str, list[tuple]] = {}
    for row in _rows(said[["theme", "review_id", "start", "end", "evidence"]]):
        review = reviews[row["review_id"]]
        text = review["text"]
        around = [span for span in sentences(text) if span.start < row["end"] and row["start"] < span.end]
        piece = text[around[0].start : around[-1].end] if around else row["evidence"]
        if len(piece.split()) >= 4:  # "Parking", "Too long": out of a survey, nobody could tell what it says
            one = (review["review_id"], piece, review["question"], _where(review), _matter(piece, rules, names))
            found.setdefault(row["theme"], []).append(one)
    return found


def _complaints(window: pd.DataFrame, opinions: pd.DataFrame) -> pd.DataFrame:
    """What of the reviews may stand as a contrary view, with its `weight` (the lower, the plainer) and `reach`."""
    read = window[(window["overall"].fillna("") != "").to_numpy(bool)]
    calm = read["review_id"][[{"crisis", "misconduct"}.isdisjoint(reasons) for reasons in _lists(read["escalate"])]]
    said = _of(opinions[(opinions["sentiment"] == "negative") & opinions["treatment"].isna()], calm)
    weight = said["score"].fillna(0.0) * said["confidence"].fillna(0.0)
    return said.assign(weight=weight, reach=said["start"] - said["end"])


def _plainest(said: pd.DataFrame) -> pd.DataFrame:
    """Of each theme the CONTRARIES plainest complaints, the plainest first."""
    said = said.sort_values(["weight", "reach", "review_id", "start"], kind="stable")
    return said.groupby("theme", sort=False).head(CONTRARIES)


def _contrary(matter: set, themes: Sequence[str], own: set, contraries: Mapping[str, list[tuple]]) -> dict:
    """CONTRARY of the one that shares most of the quote's matter, of the first of its themes that has any, else of the
    plainest on its theme; never the quote's own author.
    """
    views = {theme: [one for one in contraries.get(theme, ()) if one[0] not in own] for theme in themes}
    near = max((one for theme in themes for one in views[theme]), key=lambda one: len(matter & one[-1]), default=None)
    if near and not matter & near[-1]:
        near = None
    best = near or next(iter(views[themes[0]]), (None,) * len(CONTRARY))
    return dict(zip(CONTRARY, (*best[:-1], best[0] and near is not None), strict=True))


def _matter(piece: str, rules: clearance.Rules, names: frozenset) -> set[str]:
    """What a sentence is of: how its words begin, but for names of our people and words that any sentence may hold."""
    fillers = {piece[hit.start : hit.end].lower() for hit in rules.words["filler"].find(piece)} | names
    return {word[:MATTER] for word in WORD.findall(piece.lower()) if len(word) > 3 and word not in fillers}


# ── Words beside the quote ───────────────────────────────────────────────────────────────────────────────────────────


def attribution(review, found=()) -> str:
    """ "Patient review, Los Angeles, October 2026": who speaks, where and when, and nobody's name."""
    by_another = any(flag.rule == "NOT_SELF" for flag in found)
    insider = any(flag.rule in ("INSIDER", "AUTHENTICITY") for flag in found)
    who = "Review on a patient's behalf" if by_another else "Review" if insider else "Patient review"
    return ", ".join(filter(None, (who, review.get("location"), _when(review))))


def _where(review: dict) -> str:
    """ "Las Vegas, Google, September 2026": a review told apart without its id."""
    return ", ".join(
        filter(None, (review["location"], SOURCE_NAMES.get(review["source"], review["source"]), _when(review)))
    )


def _when(review) -> str | None:
    """ "October 2026"; the year, where no more is sure."""
    if review.get("date") and review.get("date_precision") in (None, "day", "month"):
        return month_name(review["date"])
    return review["date"][:4] if review.get("date") and review.get("date_precision") in ("year", "relative") else None


WITHDRAWN = ["review_id", "since", "why", "where"]


def withdrawn(annotations: tables.Annotations, consents: pd.DataFrame | None, *, on: date) -> pd.DataFrame:
    """One row per review of the ledger whose authorization no longer carries a quote: WITHDRAWN. Take such quotes down.

    Only a quote with an authorization can have been published, so the ledger lists all that could be out there. A review
    and its twins are one: who revoked under one id has revoked under all.
    """
    reviews = _rows(_signed_for(annotations.reviews, consents))
    group, texts = {}, {}  # id → the review that stands for it and its twins; that review's id → every wording
    for review in sorted(reviews, key=lambda row: row["duplicate_of"] is not None):
        stands = group.setdefault(review["duplicate_of"] or review["review_id"], review)
        for review_id in (review["review_id"], *(review["twins"] or ())):
            group.setdefault(review_id, stands)
        texts.setdefault(stands["review_id"], []).append(review["text"] or "")
    rows = []
    for review_id in sorted(set(consents["review_id"])) if consents is not None else ():
        review = group.get(review_id)
        consent = clearance.consent_of(review or {"review_id": review_id}, consents)
        since, why = "", None
        if consent["revoked_at"]:
            since, why = consent["revoked_at"], "the authorization has been revoked"
        elif consent["expires_at"] and consent["expires_at"] < on.isoformat():
            since, why = consent["expires_at"], "the authorization has expired"
        elif review is None:
            why = "the review is no longer among the reviews"
        elif all(_changed(consent, text) for text in texts[review["review_id"]]):
            why = "the review has been edited since the authorization"
        if why:
            where = _where(review) if review else ""
            rows.append({"review_id": review_id, "since": since, "why": why, "where": where})
    return pd.DataFrame(rows, columns=WITHDRAWN)


def _signed_for(reviews: pd.DataFrame, consents: pd.DataFrame | None) -> pd.DataFrame:
    """The reviews that the ledger names, under their own id or a copy's, and their copies."""
    named = set() if consents is None else set(consents["review_id"])
    stands = reviews["duplicate_of"].fillna(reviews["review_id"])
    by_copy = [not named.isdisjoint(ids) for ids in _lists(reviews["twins"])]
    hit = reviews["review_id"].isin(named) | np.array(by_copy, dtype=bool)
    return reviews[stands.isin(set(stands[hit]))]


def _changed(consent: dict, text: str) -> bool:
    """Was the whole text signed for, and is it another now? A hash of a passage is looked for among its runs of sentences."""
    given = consent.get("text_hash", "").lower()
    if not given or given == clearance.text_hash(text):
        return False
    spans = sentences(text)
    runs = (text[one.start : other.end] for place, one in enumerate(spans) for other in spans[place : place + 12])
    return all(clearance.text_hash(run) != given for run in runs)


# ── Which reviews are needed ─────────────────────────────────────────────────────────────────────────────────────────


class Wanted(NamedTuple):
    """Which of many reviews a board can need: all others may stay on the disk."""

    praising: frozenset[str]  # to look for passages in
    complaining: frozenset[str]  # that may hold a contrary view


def wanted(parts: Iterable[tables.Annotations], *, month: str | None = None, on: date | None = None) -> Wanted:
    """What `candidates` needs of the reviews, which come in parts (Arrow's tables); the same whatever the parts are.

    Of more than PRAISES those are left out that promise least: of each theme, treatment, place and month as many stay as
    come out even, those with the surest praise of a fitting length.
    """
    praises, complaints = [], []
    for part in parts:
        reviews, opinions = tables.pandas(part.reviews), tables.pandas(part.opinions)
        window = reviews[quotable(reviews, month, on)]
        praises.append(_praises(window, opinions))
        complaints.append(_plainest(_complaints(window, opinions))[["theme", "weight", "reach", "review_id", "start"]])
        if sum(map(len, praises)) > 2 * PRAISES:
            praises = [_most_promising(pd.concat(praises))]
        if len(complaints) > 16:
            complaints = [_plainest(pd.concat(complaints))]
    praising = _most_promising(pd.concat(praises))["review_id"] if praises else ()
    complaining = _plainest(pd.concat(complaints))["review_id"] if complaints else ()
    return Wanted(frozenset(praising), frozenset(complaining))


RELATED_BY = ("review_id", "duplicate_of", "respondent")  # what `related` must know of every review


def related(columns: Callable[[], Iterable[pa.Table]], ids: Collection[str]) -> set[str]:
    """The ids, those of the reviews they are copies of, and of all copies and all answers of the forms of these.

    columns: gives RELATED_BY of all reviews, as often as it is asked.
    """
    stands, forms = set(ids), set()
    known = pa.array(sorted(stands), pa.string())
    for block in columns():
        mine = block.filter(pc.is_in(block["review_id"], known))
        stands.update(mine["duplicate_of"].drop_null().to_pylist())
        forms.update(mine["respondent"].drop_null().to_pylist())
    known, forms = (pa.array(sorted(some), pa.string()) for some in (stands, forms))
    for block in columns():
        near = pc.or_(pc.is_in(block["duplicate_of"], known), pc.is_in(block["respondent"], forms))
        stands.update(block["review_id"].filter(near).to_pylist())
    return stands


TRAITS = ["theme", "named", "location", "month"]


def _praises(window: pd.DataFrame, opinions: pd.DataFrame) -> pd.DataFrame:
    """One row per review × theme × treatment that it surely praises: review_id, TRAITS, worth (the higher, the better)."""
    whole = ~np.array([any("truncated" in mark for mark in marks) for marks in _lists(window["flags"])], dtype=bool)
    sure = (opinions["sentiment"] == "positive") & (opinions["confidence"].fillna(0.0) >= SURE)
    sure &= (opinions["start"] >= 0) & (opinions["end"] > opinions["start"])
    said = opinions.loc[sure.to_numpy(bool), ["review_id", "theme", "treatment", "confidence", "start", "end"]]
    had = [next(iter(had), "") for had in _lists(window["treatments"])]
    month = window["date"].fillna("").str.slice(0, 7)
    about = window[["review_id", "location"]].assign(had=had, month=month)[whole]
    said = said.merge(about, on="review_id")
    worth = said["confidence"].to_numpy(float) + _fit((said["end"] - said["start"]).to_numpy(np.int64))
    named = said["treatment"].where(said["treatment"].notna(), said["had"])
    return said.assign(worth=worth, named=named)[["review_id", *TRAITS, "worth"]]


def _most_promising(praises: pd.DataFrame) -> pd.DataFrame:
    """PRAISES rows at most, spread over what they are of."""
    order = ["review_id", "theme", "named"]
    praises = praises.sort_values(["worth", *order], ascending=[False, *[True] * len(order)], kind="stable")
    praises = praises.drop_duplicates(["review_id", *TRAITS])
    if len(praises) <= PRAISES:
        return praises
    rank = praises.groupby(TRAITS, sort=False, dropna=False).cumcount().to_numpy()
    fit = np.cumsum(np.bincount(rank)) <= PRAISES  # so many of each
    return praises[rank < max(int(fit.sum()), 1)].head(PRAISES)


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(frame: pd.DataFrame) -> list[dict]:
    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()


def _lists(column: pd.Series) -> list[list]:
    return [found or [] for found in pa.array(column).to_pylist()]


def _of(frame: pd.DataFrame, ids) -> pd.DataFrame:
    """The rows of some reviews."""
    return frame[frame["review_id"].isin(set(ids))]


def _by_review(frame: pd.DataFrame) -> dict:
    grouped = {}
    for row in _rows(frame):
        grouped.setdefault(row["review_id"], []).append(row)
    for rows in grouped.values():
        rows.sort(key=lambda row: (row["start"], row["end"], row.get("theme") or "", row.get("treatment") or ""))
    return grouped
