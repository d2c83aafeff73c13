"""Annotations made plain: who counts as one review, what each says, and which reviews a filter selects.

- a review folded as a twin (`duplicate_of`) is in no figure; what it alone gives reason to act on is told of the review
  that stands, in the twin's own words;
- the answers of one survey form (`respondent`) are one review: one set of stars, one verdict, each theme once; every
  answer stays to be read;
- a star-only review counts as a review and in the stars, not among the texts;
- a text in a language nobody here reads (`overall` null) is counted as not read, and in nothing that needs reading;
- a review speaks of a theme once, whatever the number of passages: praise beside blame is mixed, and a neutral word adds
  nothing.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline import tables
from pipeline.months import month_of
from pipeline.wording import NOT_STATED, STARS_ONLY, UNREAD

STARS = {  # at least, and under
    "rated": (0, 9),
    "4-5": (3.5, 9),
    "1-2": (0, 2.5),
    "5": (4.5, 9),
    "4": (3.5, 4.5),
    "3": (2.5, 3.5),
    "2": (1.5, 2.5),
    "1": (0, 1.5),
}
SAID = ["review_id", "answer", "theme", "treatment", "sentiment", "confidence", "start", "end", "found_by"]


class Counted(NamedTuple):
    """The reviews that count and what they say, as plain Python values; `review_id` is the same in all four tables."""

    reviews: pd.DataFrame
    """One row per review: review_id (of its first answer), date, month (null: none known), location, source, language,
    rating, words, read, overall (a sentiment, "not read" or "stars only"), score, treatments, escalate (reasons), flags,
    rough (the date is a guess such as "two months ago"), disagrees (words against stars). In order of date and id."""

    answers: pd.DataFrame
    """One row per text to be read: review_id, answer (the id in the tables), text, question, language, source, date, twin
    (a folded copy, kept because it alone holds a reason to act). In order of review."""

    said: pd.DataFrame
    """One row per review × theme × treatment ("": the clinic) × passage: SAID, with month, date, location and source; start
    and end −1 where unknown. In order of review, theme and treatment."""

    acts: pd.DataFrame
    """One row per passage that is a reason to act: review_id, answer, reason, confidence, start, end, found_by, twin."""


def plain(annotations: tables.Annotations, month: str) -> Counted:
    """The reviews not dated after the month, each counted once, and what they say."""
    rows = rows_of(annotations.reviews)
    kept = rows[stand(rows, month)].copy()
    kept["review_id"] = np.array(first_answers(kept), dtype=object)
    unit_of = dict(zip(kept["answer"], kept["review_id"], strict=True))
    twins = rows[np.array([stands in unit_of for stands in rows["duplicate_of"]], dtype=bool)].copy()
    twins["review_id"] = np.array([unit_of[stands] for stands in twins["duplicate_of"]], dtype=object)
    acts = _acts(annotations.escalations, kept, twins)
    reviews = units_of(kept)
    reasons: dict[str, dict] = {}
    for review_id, reason in zip(acts["review_id"], acts["reason"], strict=True):
        reasons.setdefault(review_id, {})[reason] = None
    reviews["escalate"] = [tuple(reasons.get(review_id, ())) for review_id in reviews["review_id"]]

    speaking = twins[twins["answer"].isin(acts.loc[acts["twin"], "answer"])]
    names = ["review_id", "answer", "text", "question", "language", "source", "date"]
    answers = pd.concat([part[[*names, "row"]].assign(twin=twin) for part, twin in ((kept, False), (speaking, True))])
    answers = answers.sort_values(["review_id", "twin", "row", "answer"], ignore_index=True)
    return Counted(reviews, answers[[*names, "twin"]], _said(annotations.opinions, unit_of, reviews), acts)


def stand(rows: pd.DataFrame, month: str) -> np.ndarray:
    """Which rows are nobody's twin and not dated after the month."""
    known = np.array([one is None or one <= month for one in rows["month"]], dtype=bool)
    return rows["duplicate_of"].isna().to_numpy(bool) & known


def _said(opinions: pd.DataFrame, unit_of: Mapping[str, str], reviews: pd.DataFrame) -> pd.DataFrame:
    """`Counted.said`. Sorted by numbers that stand for the names: there are many rows, and few names."""
    said = pd.DataFrame({name: shared(opinions[name]) for name in ("review_id", "theme", "sentiment", "found_by")})
    said = said.rename(columns={"review_id": "answer"})
    said["treatment"] = shared(opinions["treatment"], "")
    said["confidence"] = numbers(opinions["confidence"])
    for name in ("start", "end"):
        said[name] = opinions[name].fillna(-1).to_numpy(np.int64)
    place = {review_id: at for at, review_id in enumerate(reviews["review_id"])}
    of_review = np.array([place.get(unit_of.get(answer), -1) for answer in said["answer"]], dtype=np.int64)
    said, of_review = said[of_review >= 0].copy(), of_review[of_review >= 0]
    for name in ("review_id", "month", "date", "location", "source"):
        said[name] = reviews[name].to_numpy(object)[of_review]
    ranks = [pd.factorize(said[name], sort=True)[0] for name in ("review_id", "theme", "treatment", "answer")]
    ranks += [np.maximum(said[name], 0) for name in ("start", "end")]
    return said.iloc[np.lexsort(ranks[::-1])].reset_index(drop=True)[[*SAID, "month", "date", "location", "source"]]


def newest(counted: Counted, most: int, besides: Iterable[str] = ()) -> Counted:
    """So many of the newest reviews at most, and `besides` (review_ids), with all that belongs to them, in the order it had."""
    reviews = counted.reviews
    if len(reviews) <= most:
        return counted
    last = np.arange(len(reviews)) >= len(reviews) - most
    kept = reviews[last | reviews["review_id"].isin(set(besides)).to_numpy(bool)]
    ids = set(kept["review_id"])
    return Counted(kept, *(table[table["review_id"].isin(ids)] for table in counted[1:]))


# several sentiments as one: praise beside blame is mixed, and neutral gives way
BITS = {"neutral": 0, "positive": 1, "negative": 2}  # any other: mixed
AGREED = ("neutral", "positive", "negative", "mixed", "mixed", "mixed", "mixed", "mixed")


def verdict_of_each(said: pd.DataFrame) -> pd.DataFrame:
    """One row per review × theme × treatment: its one sentiment (AGREED), at the passage that comes first."""
    keys = ["review_id", "theme", "treatment"]
    several = said.duplicated(keys, keep=False).to_numpy(bool)
    if not several.any():
        return said
    groups = said.loc[several, keys].groupby(keys, sort=False).ngroup().to_numpy()
    bits = np.array([BITS.get(one, 4) for one in said.loc[several, "sentiment"]], dtype=np.int64)
    found = np.zeros(groups.max() + 1, np.int64)
    np.bitwise_or.at(found, groups, bits)
    agreed = said["sentiment"].to_numpy(object).copy()
    agreed[several] = np.array(AGREED, dtype=object)[found[groups]]
    return said.assign(sentiment=agreed)[~said.duplicated(keys)]


def select(counted: Counted, where: Mapping) -> list[str]:
    """The review_ids behind a filter, in the order of the table; the page's script follows the same rules.

    month, or from and to (YYYY-MM, both included), location, source, treatment, language: the review's own. theme: it speaks
    of the theme. sentiment: of the theme where one is given (of the clinic, or with about=verdict of that treatment), else
    of the whole review ("not read" and "stars only" too). words=yes: those with a text that was read, words=any: with a
    text; dated=no: those without a month, dated=roughly: those whose date is a guess; escalation: a reason or "any";
    stars: one of STARS, or "disagree"; flag: a mark of the reader; ids: these (a review's, or one of its answers') and no
    others.
    """
    reviews, said = counted.reviews, counted.said
    keep = pd.Series(True, index=reviews.index)
    first, last = where.get("month") or where.get("from"), where.get("month") or where.get("to")
    month = reviews["month"].map(lambda value: value or "")
    if first:
        keep &= month >= first
    if last:
        keep &= (month <= last) & (month != "")
    if where.get("dated") == "no":
        keep &= month == ""
    elif where.get("dated") == "roughly":
        keep &= reviews["rough"]
    for name in ("location", "source", "language"):
        if where.get(name):
            keep &= reviews[name] == where[name]
    for name, column in (("treatment", "treatments"), ("flag", "flags")):
        if where.get(name):
            keep &= reviews[column].map(lambda all_of_it, one=where[name]: one in all_of_it).astype(bool)
    if where.get("theme"):
        own = where.get("treatment", "") if where.get("about") == "verdict" else ""
        verdicts = verdict_of_each(said[(said["theme"] == where["theme"]) & (said["treatment"] == own)])
        if where.get("sentiment"):
            verdicts = verdicts[verdicts["sentiment"] == where["sentiment"]]
        keep &= reviews["review_id"].isin(verdicts["review_id"]) & reviews["read"]
    elif where.get("sentiment"):
        keep &= reviews["overall"] == where["sentiment"]
    if where.get("words"):
        keep &= reviews["read" if where["words"] == "yes" else "words"]
    if where.get("escalation"):
        reason = where["escalation"]
        keep &= reviews["escalate"].map(lambda found: bool(found) if reason == "any" else reason in found).astype(bool)
    if where.get("stars") == "disagree":
        keep &= reviews["disagrees"]
    elif where.get("stars"):
        low, high = STARS[where["stars"]]
        keep &= (reviews["rating"] >= low) & (reviews["rating"] < high)
    if where.get("ids"):
        answers = counted.answers
        keep &= reviews["review_id"].isin(answers.loc[answers["answer"].isin(where["ids"]), "review_id"])
    return reviews.loc[keep, "review_id"].tolist()


def shared(column: pd.Series, otherwise=None) -> np.ndarray:
    """The column as plain Python values, equal ones one object: a million rows name few months, clinics and themes."""
    codes, known = pd.factorize(column)
    values = np.empty(len(known) + 1, dtype=object)
    values[:-1], values[-1] = tables.values(pd.Series(known)), otherwise
    return values[codes]


def numbers(column: pd.Series) -> np.ndarray:
    """The column as floats, NaN where a value is missing."""
    return column.to_numpy(float, na_value=np.nan)


def _lists(column: pd.Series) -> list[tuple]:
    """A column of lists as tuples, equal ones one object."""
    known: dict[tuple, tuple] = {}
    tuples = [() if one is None else tuple(one) for one in tables.values(column)]
    return [known.setdefault(one, one) for one in tuples]


ROWS = {  # columns of the reviews as one row each is needed, with what stands for a missing value
    **dict.fromkeys(
        ("review_id", "respondent", "date", "date_precision", "overall", "duplicate_of", "question", "file")
    ),
    **{"location": NOT_STATED, "source": "unknown", "language": "unknown"},
}


def rows_of(table: pd.DataFrame) -> pd.DataFrame:
    """One row per row of the table, its values plain, what is missing named. Texts stay as they are: they are many."""
    rows = pd.DataFrame({name: shared(table[name], otherwise) for name, otherwise in ROWS.items()}, dtype=object)
    rows = rows.rename(columns={"review_id": "answer"})
    for name in ("location", "source", "language"):
        rows[name] = rows[name].where(rows[name] != "", ROWS[name])
    rows["month"] = pd.Series(months_of(rows["date"], rows["date_precision"]), index=rows.index, dtype=object)
    rows["rough"] = (rows["date_precision"] == "relative") & rows["month"].notna()
    rows["text"] = table["text"].fillna("").array
    rows["row"] = pd.Series(tables.values(table["row"]), dtype=object)
    for name in ("rating", "score"):
        rows[name] = numbers(table[name])
    rows["words"] = (rows["text"] != "").to_numpy(bool)
    rows["read"] = rows["words"] & rows["overall"].notna()
    for name in ("received", "flags"):
        rows[name] = _lists(table[name])
    return rows


def months_of(dates: Iterable[str | None], precisions: Iterable[str | None]) -> list[str | None]:
    """Of each date its month, or None; many share one."""
    dated = list(zip(dates, precisions, strict=True))
    months = {one: month_of(*one) for one in set(dated)}
    return [months[one] for one in dated]


def first_answers(rows: pd.DataFrame) -> list[str]:
    """For each row the id of its form's first answer, which names the review; its own where it is no answer of a form."""
    form = rows["respondent"].where(rows["respondent"].notna(), None)
    ordered = rows[["source", "file", "answer", "row"]].assign(form=form)[form.notna()]
    ordered = ordered.sort_values(["row", "answer"], kind="stable")
    first: dict[tuple, str] = {}
    for *key, answer in zip(ordered["source"], ordered["file"], ordered["form"], ordered["answer"], strict=True):
        first.setdefault(tuple(key), answer)
    keys = zip(rows["source"], rows["file"], form, rows["answer"], strict=True)
    return [answer if who is None else first[source, file, who] for source, file, who, answer in keys]


def _acts(escalations: pd.DataFrame, kept: pd.DataFrame, twins: pd.DataFrame) -> pd.DataFrame:
    """The reasons to act of the reviews that stand, and those that only a twin gives: other words, or another reason."""
    names = ["review_id", "reason", "confidence", "evidence", "start", "end", "found_by"]
    found = pd.DataFrame({name: pd.Series(tables.values(escalations[name]), dtype=object) for name in names})
    found = found.rename(columns={"review_id": "answer"})
    names = ["answer", "review_id", "row"]
    told = pd.concat([part[names].assign(twin=twin) for part, twin in ((kept, False), (twins, True))])
    told = told[told["answer"].isin(found["answer"])]
    found = found.merge(told, on="answer")
    found["words"] = [" ".join((words or "").lower().split()) for words in found["evidence"]]
    found["rank"] = [tables.REASONS.index(one) if one in tables.REASONS else 9 for one in found["reason"]]
    found = found.sort_values(["twin", "review_id", "rank", "row", "answer"], kind="stable")
    again = found["twin"] & found.duplicated(["review_id", "reason", "words"])
    names = ["review_id", "answer", "reason", "confidence", "start", "end", "found_by", "twin"]
    return found.loc[~again, names].sort_values(["review_id", "twin"], kind="stable", ignore_index=True)


def units_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per review, the answers of a form folded: `Counted.reviews`, but for the reasons to act."""
    names = ["review_id", "date", "month", "rough", "location", "source", "language", "rating", "words", "read"]
    names += ["overall", "score", "received", "flags"]
    several = rows["review_id"].duplicated(keep=False)
    whole = rows[names]
    if several.any():
        whole = pd.concat([rows.loc[~several, names], _folded(rows.loc[several, [*names, "answer", "row"]])[names]])
    whole = whole.assign(day=[date or "" for date in whole["date"]]).sort_values(["day", "review_id"])
    columns = ["review_id", "date", "month", "location", "source", "language", "rating", "words", "read"]
    reviews = whole[columns].reset_index(drop=True)
    for name in ("rating", "words", "read"):
        reviews[name] = reviews[name].astype(float if name == "rating" else bool)
    verdicts = zip(whole["overall"], whole["words"], strict=True)
    reviews["overall"] = [verdict or (UNREAD if words else STARS_ONLY) for verdict, words in verdicts]
    reviews["score"] = whole["score"].astype(float).to_numpy()
    reviews.loc[~reviews["read"], "score"] = float("nan")
    reviews["treatments"] = [had or (NOT_STATED,) for had in whole["received"]]
    reviews["flags"] = whole["flags"].tolist()
    reviews["rough"] = whole["rough"].astype(bool).tolist()
    good, bad = reviews["overall"] == "positive", reviews["overall"] == "negative"
    reviews["disagrees"] = ((reviews["rating"] >= 4) & bad) | ((reviews["rating"] <= 2) & good)
    return reviews


def _folded(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per form of several answers: the first that is known of each, the verdicts together, the words of all."""
    rows = rows.sort_values(["row", "answer"], kind="stable")
    form, forms = pd.factorize(rows["review_id"])
    read = rows["read"].to_numpy(bool)

    def first(known):
        """Of each form the first answer of which something is known, else its first."""
        found = np.zeros(len(forms), np.int64)
        found[form[::-1]] = np.arange(len(rows))[::-1]
        at = np.flatnonzero(np.asarray(known, bool))[::-1]
        found[form[at]] = at
        return rows.iloc[found]

    bits = np.zeros(len(forms), np.int64)
    np.bitwise_or.at(bits, form[read], [BITS.get(one, 4) for one in rows["overall"].to_numpy(object)[read]])
    many = np.bincount(form[read], minlength=len(forms))
    scores = np.bincount(form[read], rows["score"].to_numpy(float)[read], minlength=len(forms))
    words: dict[str, list[dict]] = {name: [{} for _ in forms] for name in ("received", "flags")}
    for name, each in words.items():
        for at, said in zip(form, rows[name], strict=True):
            each[at].update(dict.fromkeys(said))
    dated, written = first(rows["month"].notna()), first(rows["words"])
    with np.errstate(invalid="ignore"):
        score = scores / np.where(many, many, np.nan)
    columns = {name: dated[name] for name in ("date", "month", "rough")}
    columns |= {name: written[name] for name in ("language", "words")}
    columns["source"] = first(np.ones(len(rows)))["source"]
    columns["location"] = first(rows["location"] != NOT_STATED)["location"]
    columns["rating"] = first(rows["rating"].notna())["rating"]
    columns = {name: column.to_numpy() for name, column in columns.items()}
    columns |= {name: [tuple(one) for one in each] for name, each in words.items()}
    overall = np.where(many > 0, np.array(AGREED, dtype=object)[bits], None)
    return pd.DataFrame({"review_id": forms, "read": many > 0, "overall": overall, "score": score, **columns})
