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
    (a folded copy, kept because it alone holds a reason to act)."""

    said: pd.DataFrame
    """One row per review × theme × treatment ("": the clinic) × passage: SAID, with month, date, location and source."""

    acts: pd.DataFrame
    """One row per passage that is a reason to act: review_id, answer, reason, confidence, start, end, found_by, twin."""


def plain(annotations: tables.Annotations, month: str) -> Counted:
    """The reviews not dated after the month, each counted once, and what they say."""
    rows = _rows(annotations.reviews)
    kept = rows[
        rows["duplicate_of"].isna() & rows["month"].map(lambda known: known is None or known <= month).astype(bool)
    ].copy()
    kept["review_id"] = _first_answers(kept)
    unit_of = dict(zip(kept["answer"], kept["review_id"], strict=True))
    twins = rows[rows["duplicate_of"].map(lambda stands: stands in unit_of).astype(bool)].copy()
    twins["review_id"] = twins["duplicate_of"].map(unit_of)
    acts = _acts(annotations.escalations, kept, twins)
    reviews = _reviews(kept, acts)

    speaking = twins[twins["answer"].isin(acts.loc[acts["twin"], "answer"])]
    answers = pd.concat([kept.assign(twin=False), speaking.assign(twin=True)], ignore_index=True)
    answers = answers.sort_values(["review_id", "twin", "row", "answer"], ignore_index=True)
    names = ["review_id", "answer", "text", "question", "language", "source", "date", "twin"]

    said = _table(annotations.opinions, ["review_id", *SAID[2:]]).rename(columns={"review_id": "answer"})
    said["treatment"] = [name or "" for name in said["treatment"]]
    said["review_id"] = said["answer"].map(unit_of)
    said = said[said["review_id"].notna()].merge(
        reviews[["review_id", "month", "date", "location", "source"]], on="review_id"
    )
    said = said.sort_values(
        ["review_id", "theme", "treatment", "answer", "start", "end"],
        key=lambda column: column.map(lambda value: value or 0) if column.name in ("start", "end") else column,
        ignore_index=True,
    )
    return Counted(reviews, answers[names], said, acts)


def verdict_of_each(said: pd.DataFrame) -> pd.DataFrame:
    """One row per review × theme × treatment: its one sentiment, at the passage that comes first."""
    keys = ["review_id", "theme", "treatment"]
    several = said.duplicated(keys, keep=False)
    if not several.any():
        return said
    agreed = said[several].groupby(keys, sort=False)["sentiment"].transform(lambda column: together(set(column)))
    return said.assign(sentiment=agreed.reindex(said.index).fillna(said["sentiment"])).drop_duplicates(keys)


def together(sentiments: Iterable[str]) -> str:
    """Several sentiments as one: praise beside blame is mixed, and neutral gives way."""
    strong = set(sentiments) - {"neutral"}
    return "neutral" if not strong else strong.pop() if len(strong) == 1 else "mixed"


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


def _table(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(tables.values(table[name]), dtype=object) for name in names})


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """One row per row of the table, its values plain, what is missing named."""
    rows = _table(table, list(table.columns)).rename(columns={"review_id": "answer"})
    dated = zip(rows["date"], rows["date_precision"], strict=True)
    rows["month"] = pd.Series([month_of(date, precision) for date, precision in dated], index=rows.index, dtype=object)
    rows["rough"] = (rows["date_precision"] == "relative") & rows["month"].notna()
    for name, otherwise in (("location", NOT_STATED), ("source", "unknown"), ("language", "unknown"), ("text", "")):
        rows[name] = [value or otherwise for value in rows[name]]
    for name in ("rating", "score"):
        rows[name] = pd.to_numeric(rows[name]).astype(float)
    rows["words"] = rows["text"] != ""
    rows["read"] = rows["words"] & rows["overall"].notna()
    for name in ("received", "flags"):
        rows[name] = [() if values is None else tuple(values) for values in rows[name]]
    return rows


def _first_answers(rows: pd.DataFrame) -> list[str]:
    """For each row the id of its form's first answer, which names the review; its own where it is no answer of a form."""
    form = rows["respondent"].where(rows["respondent"].notna(), None)
    ordered = rows.assign(form=form)[form.notna()].sort_values(["row", "answer"], kind="stable")
    first: dict[tuple, str] = {}
    for *key, answer in zip(ordered["source"], ordered["file"], ordered["form"], ordered["answer"], strict=True):
        first.setdefault(tuple(key), answer)
    keys = zip(rows["source"], rows["file"], form, rows["answer"], strict=True)
    return [answer if who is None else first[source, file, who] for source, file, who, answer in keys]


def _acts(escalations: pd.DataFrame, kept: pd.DataFrame, twins: pd.DataFrame) -> pd.DataFrame:
    """The reasons to act of the reviews that stand, and those that only a twin gives: other words, or another reason."""
    found = _table(escalations, ["review_id", "reason", "confidence", "evidence", "start", "end", "found_by"])
    found = found.rename(columns={"review_id": "answer"})
    told = pd.concat([kept.assign(twin=False), twins.assign(twin=True)])[["answer", "review_id", "twin", "row"]]
    found = found.merge(told, on="answer")
    found["words"] = [" ".join((words or "").lower().split()) for words in found["evidence"]]
    found["rank"] = [tables.REASONS.index(one) if one in tables.REASONS else 9 for one in found["reason"]]
    found = found.sort_values(["twin", "review_id", "rank", "row", "answer"], kind="stable")
    again = found["twin"] & found.duplicated(["review_id", "reason", "words"])
    names = ["review_id", "answer", "reason", "confidence", "start", "end", "found_by", "twin"]
    return found.loc[~again, names].sort_values(["review_id", "twin"], kind="stable", ignore_index=True)


def _reviews(rows: pd.DataFrame, acts: pd.DataFrame) -> pd.DataFrame:
    """One row per review, the answers of a form folded."""
    several = rows["review_id"].duplicated(keep=False)
    whole = pd.concat([rows[~several], _folded(rows[several])]) if several.any() else rows
    whole = whole.assign(day=whole["date"].map(lambda date: date or "")).sort_values(["day", "review_id"])
    columns = ["review_id", "date", "month", "location", "source", "language", "rating", "words", "read"]
    reviews = whole[columns].reset_index(drop=True)
    for name in ("rating", "words", "read"):
        reviews[name] = reviews[name].astype(float if name == "rating" else bool)
    verdicts = zip(whole["overall"], whole["words"], strict=True)
    reviews["overall"] = [verdict or (UNREAD if words else STARS_ONLY) for verdict, words in verdicts]
    reviews["score"] = whole["score"].astype(float).to_numpy()
    reviews.loc[~reviews["read"], "score"] = float("nan")
    reviews["treatments"] = [had or (NOT_STATED,) for had in whole["received"]]
    reasons = acts.groupby("review_id")["reason"].agg(lambda column: tuple(dict.fromkeys(column))) if len(acts) else {}
    reviews["escalate"] = [reasons.get(review_id, ()) for review_id in reviews["review_id"]]
    reviews["flags"] = whole["flags"].tolist()
    reviews["rough"] = whole["rough"].astype(bool).tolist()
    good, bad = reviews["overall"] == "positive", reviews["overall"] == "negative"
    reviews["disagrees"] = ((reviews["rating"] >= 4) & bad) | ((reviews["rating"] <= 2) & good)
    return reviews


def _folded(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per form of several answers: the first that is known of each, the verdicts together, the words of all."""
    forms: dict[str, list[dict]] = {}
    for row in rows.sort_values(["row", "answer"], kind="stable").to_dict("records"):
        forms.setdefault(row["review_id"], []).append(row)
    out = []
    for review_id, answers in forms.items():
        read = [one for one in answers if one["read"]]
        dated = next((one for one in answers if one["month"]), answers[0])
        written = next((one for one in answers if one["words"]), answers[0])
        out.append(
            {
                "review_id": review_id,
                **{name: dated[name] for name in ("date", "month", "rough")},
                **{name: answers[0][name] for name in ("source", "file")},
                "location": next((one["location"] for one in answers if one["location"] != NOT_STATED), NOT_STATED),
                "language": written["language"],
                "rating": next((one["rating"] for one in answers if one["rating"] == one["rating"]), float("nan")),
                "words": written["words"],
                "read": bool(read),
                "overall": together(one["overall"] for one in read) if read else None,
                "score": sum(one["score"] for one in read) / len(read) if read else float("nan"),
                "received": tuple(dict.fromkeys(name for one in answers for name in one["received"])),
                "flags": tuple(dict.fromkeys(flag for one in answers for flag in one["flags"])),
            }
        )
    return pd.DataFrame(out)
