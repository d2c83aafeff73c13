"""What people put right: a table of corrections and annotations → annotations in which the corrections have won.

A correction names a review, the text it was made on (by a hash), what it is of, what the program read and what is so. A
review marked as read through (`read`) has a row for every label it bears or bore: what is not among them is not said in it,
whatever a later model reads there. Of any other review only the labels corrected are known.

    subject               which                  values
    overall               –                      a sentiment
    theme                 a theme                a sentiment, none
    treatment             a treatment            received, named, none
    verdict               "tms efficacy", …      a sentiment, none: what is said of the treatment itself
    escalation            a reason               yes, none
    read                  –                      yes, none

Pure, without a model: what is put right bears found_by = "correction", confidence 1 and the evidence that the program had
found, else none (""): nobody says where in the text it stands. Only what is to be acted on is shown with the whole text.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from pipeline import tables
from pipeline.tables import BY_A_PERSON, REASONS, SENTIMENTS, THEMES, TREATMENTS

Subject = tuple[str, str]  # (what, which)

NONE = "none"
NOWHERE = {"evidence": "", "start": 0, "end": 0}  # a person says what is so, not where in the text it stands
CORRECTED, READ_BY_A_PERSON = "corrected", "read by a person"  # flags of a review
UNREAD_FLAGS = ("unsure", "language not read")  # what no longer holds of a review whose sentiment a person gave
VERDICT_THEMES = ("efficacy", "side_effects")
SCORES = {"positive": 1.0, "negative": -1.0, "mixed": 0.0, "neutral": 0.0}
OVERALL, READ = ("overall", ""), ("read", "")
SHEET = "Corrections"  # of the workbook, in which people change what was read


class Change(NamedTuple):
    """One correction as it will change what stands."""

    row: int  # in the file given
    review_id: str
    subject: Subject
    was: str
    now: str


def subjects(themes: Iterable[str] = THEMES) -> dict[Subject, tuple[str, ...]]:
    """All that can be corrected in a review, in the order people see it, with the values it may have."""
    judged = (*SENTIMENTS, NONE)
    return {
        OVERALL: SENTIMENTS,
        **{("theme", theme): judged for theme in themes},
        **{("treatment", treatment): ("received", "named", NONE) for treatment in TREATMENTS},
        **{("escalation", reason): ("yes", NONE) for reason in REASONS},
        **{("verdict", f"{treatment} {theme}"): judged for treatment in TREATMENTS for theme in VERDICT_THEMES},
        READ: ("yes", NONE),
    }


def key_of(subject: Subject, printed: bool = False) -> str:
    """What stands over a subject's column in the sheet: "theme:parking"; over the reading as printed "was theme:parking"."""
    return ("was " if printed else "") + ":".join(subject)


def text_hash(text: str) -> str:
    """The fingerprint of a text, blanks evened out: 16 digits of its SHA-256."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def hashes(reviews: pd.DataFrame) -> dict[str, str]:
    """review_id → text_hash, of the reviews that have words."""
    pairs = zip(reviews["review_id"], tables.values(reviews["text"]), strict=True)
    return {review_id: text_hash(text) for review_id, text in pairs if text}


def faults(corrections: pd.DataFrame, themes: Collection[str]) -> list[tuple[int, str]]:
    """(row, what is wrong and the mend) of every row that says what cannot be, or the opposite of another row.

    corrections: columns of CORRECTIONS and `row`.
    """
    known, found, first = subjects(themes), [], {}
    for one in corrections.to_dict("records"):
        subject = (one["what"], one["which"])
        values = known.get(subject)
        key = (one["review_id"], subject)
        if not one["review_id"]:
            wrong = "review_id is empty; write the id as the report shows it"
        elif one["what"] not in {what for what, _ in known}:
            wrong = f"what is {one['what']!r}; write {_or(dict.fromkeys(what for what, _ in known))}"
        elif values is None:
            may = [which for what, which in known if what == one["what"]]
            wrong = f"there is no {one['what']} {one['which']!r}; write {_or(may)}"
            if may == [""]:
                wrong = f"which is {one['which']!r}; leave it empty, for {one['what']} is of the whole review"
        elif one["now"] not in values:
            wrong = f"{named(subject)} cannot be {one['now']!r}; write {_or(values)}"
        elif key in first and first[key]["now"] != one["now"]:
            wrong = (
                f"{named(subject)} of review {one['review_id']} is to be {one['now']} here and {first[key]['now']} in row "
                f"{first[key]['row']}; take one of the two rows out"
            )
        else:
            first.setdefault(key, one)
            continue
        found.append((one["row"], wrong))
    return found


def _or(values: Iterable[str]) -> str:
    *rest, last = values
    return f"{', '.join(rest)} or {last}" if rest else last


def named(subject: Subject) -> str:
    """ "theme parking", "overall"."""
    return " ".join(part for part in subject if part)


# ── What annotations say, and what is put right ──────────────────────────────────────────────────────────────────────


def readings(annotations: tables.Annotations, ids: Collection[str]) -> dict[str, dict[Subject, str]]:
    """review_id → subject → value, of some reviews; what is not said is not there."""
    each = _parts(annotations, ids)
    return {review_id: _reading(parts) for review_id, parts in each.items()}


def _reading(parts: Mapping) -> dict[Subject, str]:
    found = {OVERALL: parts["review"]["overall"]} if parts["review"]["overall"] else {}
    for row in parts["opinions"]:
        subject = ("verdict", f"{row['treatment']} {row['theme']}") if row["treatment"] else ("theme", row["theme"])
        found.setdefault(subject, row["sentiment"])
    found |= {("treatment", row["treatment"]): "received" if row["received"] else "named" for row in parts["mentions"]}
    found |= {("escalation", row["reason"]): "yes" for row in parts["escalations"]}
    return found


def standing(corrections: pd.DataFrame, reviews: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[list[int], str]]]:
    """The corrections whose review and text are still there, and of each other review (rows, why it is stale and the mend)."""
    there = hashes(reviews)
    pairs = zip(corrections["review_id"], corrections["text_hash"], strict=True)
    good = pd.Series([there.get(review_id) == text for review_id, text in pairs], index=corrections.index, dtype=bool)
    rest = corrections[~good]
    stale = [
        (
            sorted(rows["row"].tolist()),
            f"the text of review {review_id} has changed since it was corrected; look at it again and correct it anew"
            if review_id in there
            else f"review {review_id} is no longer among those read; take its corrections out, or give its file again",
        )
        for review_id, rows in rest.groupby("review_id", sort=True)
    ]
    return corrections[good].reset_index(drop=True), stale


def apply(annotations: tables.Annotations, corrections: pd.DataFrame) -> tables.Annotations:
    """The annotations with every correction that still stands (see `standing`) in force. Twice is the same as once.

    A theme corrected carries along the verdict on the only treatment had; a treatment that was not had keeps no verdict;
    a reason to act taken back goes from the folded copies with the same words too.
    """
    good, _ = standing(corrections.assign(row=0), annotations.reviews)
    wanted: dict[str, dict[Subject, str]] = {}
    for one in good.to_dict("records"):
        wanted.setdefault(one["review_id"], {})[one["what"], one["which"]] = one["now"]
    each = _parts(annotations, concerned(annotations.reviews, good))
    taken_back: dict[str, set] = {}
    changed = set()
    for review_id, mine in wanted.items():
        parts = each[review_id]
        before = {row["reason"]: _words(row) for row in parts["escalations"]}
        if _put_right(parts, mine):
            changed.add(review_id)
        left = {row["reason"] for row in parts["escalations"]}
        taken_back[review_id] = {pair for pair in before.items() if pair[0] not in left}
    for review_id, parts in each.items():  # copies
        gone = taken_back.get(parts["review"]["duplicate_of"], set())
        own = {which for what, which in wanted.get(review_id, ()) if what == "escalation"}
        kept = [row for row in parts["escalations"] if row["reason"] in own or (row["reason"], _words(row)) not in gone]
        if len(kept) < len(parts["escalations"]):
            parts["escalations"] = kept
            parts["review"]["escalate"] = [row["reason"] for row in kept]
            changed.add(review_id)
    return _replaced(annotations, {review_id: each[review_id] for review_id in changed})


def concerned(reviews: pd.DataFrame, corrections: pd.DataFrame) -> list[str]:
    """The reviews that corrections may change: those corrected, and their folded copies."""
    ids = set(corrections["review_id"])
    pairs = zip(reviews["review_id"], tables.values(reviews["duplicate_of"]), strict=True)
    return [review_id for review_id, stands in pairs if review_id in ids or stands in ids]


def part(annotations: tables.Annotations, ids: Collection[str]) -> tables.Annotations:
    """The rows of some reviews."""
    return tables.Annotations(*(table[table["review_id"].isin(list(ids))] for table in annotations))


def put_back(annotations: tables.Annotations, as_read: tables.Annotations) -> tables.Annotations:
    """The annotations with the rows of some reviews (`as_read`) in the place of what corrections had made of them."""
    return _replaced(annotations, _parts(as_read, as_read.reviews["review_id"].tolist()))


def _put_right(parts: dict, mine: Mapping[Subject, str]) -> bool:
    """Changes one review's rows to what a person says; whether anything was changed."""
    review, reading = parts["review"], _reading(parts)
    review["flags"] = review["flags"] or []
    wanted = {subject: now for subject, now in mine.items() if subject != READ}
    read = mine.get(READ) == "yes"
    if read:
        wanted = {subject: NONE for subject in reading if subject != OVERALL} | wanted
    changes = {subject: now for subject, now in wanted.items() if reading.get(subject, NONE) != now}
    base = {"review_id": review["review_id"], "confidence": 1.0, "found_by": BY_A_PERSON}
    for (what, which), now in changes.items():
        if what == "theme":
            _judge(parts, which, None, now, base)
            if now == NONE:
                kept = [
                    row
                    for row in parts["opinions"]
                    if row["theme"] != which or wanted.get(("verdict", f"{row['treatment']} {which}"), NONE) != NONE
                ]
                parts["opinions"] = kept
        elif what == "treatment":
            mentions = {row["treatment"]: row for row in parts["mentions"]}
            if now == NONE:
                del mentions[which]
            else:
                mentions[which] = (
                    mentions.get(which, NOWHERE) | base | {"treatment": which, "received": now == "received"}
                )
            parts["mentions"] = sorted(mentions.values(), key=lambda row: TREATMENTS.index(row["treatment"]))
        elif what == "escalation":
            acts = [row for row in parts["escalations"] if row["reason"] != which]
            if now != NONE:
                whole = {"reason": which, "evidence": review["text"], "start": 0, "end": len(review["text"])}
                acts = sorted([*acts, base | whole], key=lambda row: REASONS.index(row["reason"]))
            parts["escalations"] = acts
        elif what == "overall":
            review |= {"overall": now, "score": SCORES[now], "confidence": 1.0}
            review["flags"] = [flag for flag in review["flags"] if flag not in UNREAD_FLAGS]
    if any(what == "treatment" or which in VERDICT_THEMES for what, which in changes):
        _carry_verdicts(parts, wanted, base)
    for (what, which), now in wanted.items():
        if what == "verdict" and _reading(parts).get((what, which), NONE) != now:
            treatment, theme = which.split(" ")
            if now == NONE or any(row["treatment"] == treatment and row["received"] for row in parts["mentions"]):
                _judge(parts, theme, treatment, now, base)
    review["treatments"] = [row["treatment"] for row in parts["mentions"]]
    review["received"] = [row["treatment"] for row in parts["mentions"] if row["received"]]
    review["themes"] = list(dict.fromkeys(row["theme"] for row in parts["opinions"] if row["treatment"] is None))
    review["escalate"] = [row["reason"] for row in parts["escalations"]]
    marks = [CORRECTED] * (_reading(parts) != reading) + [READ_BY_A_PERSON] * read
    fresh = [mark for mark in marks if mark not in review["flags"]]
    review["flags"] = [*review["flags"], *fresh]
    return bool(changes or fresh)


def _judge(parts: dict, theme: str, treatment: str | None, now: str, base: Mapping) -> None:
    """Gives a theme (of the clinic, or of a treatment) its sentiment, or takes it away."""
    own = [row for row in parts["opinions"] if (row["theme"], row["treatment"]) == (theme, treatment)]
    if now == NONE:
        parts["opinions"] = [row for row in parts["opinions"] if row not in own]
        return
    judged = base | {"sentiment": now, "score": SCORES[now]}
    for row in own:
        row |= judged
    if not own:
        parts["opinions"] = [*parts["opinions"], judged | NOWHERE | {"theme": theme, "treatment": treatment}]


def _carry_verdicts(parts: dict, wanted: Mapping, base: Mapping) -> None:
    """What was not had keeps no verdict; with one treatment had and no other named, what is said is said of it."""
    had = [row["treatment"] for row in parts["mentions"] if row["received"]]
    parts["opinions"] = [row for row in parts["opinions"] if row["treatment"] is None or row["treatment"] in had]
    if len(had) != 1 or len(parts["mentions"]) != 1:
        return
    for row in [row for row in parts["opinions"] if row["treatment"] is None and row["theme"] in VERDICT_THEMES]:
        subject = ("verdict", f"{had[0]} {row['theme']}")
        if subject not in wanted and _reading(parts).get(subject) != row["sentiment"]:
            others = [one for one in parts["opinions"] if (one["theme"], one["treatment"]) != (row["theme"], had[0])]
            parts["opinions"] = [*others, {**row, "treatment": had[0], "found_by": base["found_by"]}]


def _words(row: Mapping) -> str:
    return " ".join((row["evidence"] or "").lower().split())


def _parts(annotations: tables.Annotations, ids: Collection[str]) -> dict[str, dict]:
    """review_id → its row and its rows in the three other tables, as plain dicts, in the order of the tables."""
    review, *rest = (pa.Table.from_pandas(table, preserve_index=False).to_pylist() for table in part(annotations, ids))
    each = {row["review_id"]: {"review": row, "opinions": [], "mentions": [], "escalations": []} for row in review}
    for name, rows in zip(("opinions", "mentions", "escalations"), rest, strict=True):
        for row in rows:
            each[row["review_id"]][name].append(row)
    return each


def _replaced(annotations: tables.Annotations, each: Mapping[str, dict]) -> tables.Annotations:
    """The annotations with the rows of some reviews given anew, the order of the reviews kept."""
    if not each:
        return annotations
    order = {review_id: at for at, review_id in enumerate(annotations.reviews["review_id"])}
    schemas = (tables.REVIEWS, tables.OPINIONS, tables.MENTIONS, tables.ESCALATIONS)
    rows = (
        [parts["review"] for parts in each.values()],
        *([row for parts in each.values() for row in parts[name]] for name in ("opinions", "mentions", "escalations")),
    )
    out = []
    for table, schema, fresh in zip(annotations, schemas, rows, strict=True):
        rest = table[~table["review_id"].isin(list(each))]
        whole = pd.concat([rest, tables.frame(fresh, schema)], ignore_index=True)
        place = whole["review_id"].map(order).astype(int).sort_values(kind="stable").index
        out.append(whole.loc[place].reset_index(drop=True))
    return tables.Annotations(*out)


# ── Keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def merge(
    kept: pd.DataFrame, given: pd.DataFrame, as_read: tables.Annotations, model: str
) -> tuple[pd.DataFrame, list[Change]]:
    """The corrections kept (CORRECTIONS) with those given on top, and what that changes in what stands now.

    as_read: what the program read of the reviews, no correction applied. given: CORRECTIONS and `row`, free of faults
    and all standing. What is given back as the program read it is dropped. model: the version that read.
    """
    ids = list(dict.fromkeys(given["review_id"]))
    base, texts = readings(as_read, ids), hashes(as_read.reviews)
    now_stands = readings(apply(part(as_read, concerned(as_read.reviews, given)), kept), ids)
    rows = {  # what was said of another text of a review falls once the review is looked at again
        (one["review_id"], one["what"], one["which"]): one
        for one in kept[tables.CORRECTIONS.names].to_dict("records")
        if one["review_id"] not in base or one["text_hash"] == texts[one["review_id"]]
    }
    changes = []

    def put(review_id, subject, now, was=None, version=None):
        old = rows.get((review_id, *subject))
        rows[(review_id, *subject)] = {
            "review_id": review_id,
            "text_hash": texts[review_id],
            "what": subject[0],
            "which": subject[1],
            "was": old["was"] if old else base[review_id].get(subject, NONE) if was is None else was,
            "now": now,
            "model": old["model"] if old else version or model,
        }

    was_read = {review_id for review_id in ids if (review_id, *READ) in rows}
    for one in given.to_dict("records"):
        review_id, subject = one["review_id"], (one["what"], one["which"])
        if subject == READ:
            before = "yes" if (review_id, *READ) in rows else NONE
        else:
            before = now_stands[review_id].get(subject, NONE)
        if before != one["now"]:
            changes.append(Change(int(one["row"]), review_id, subject, before, one["now"]))
        # of a review read through, what is not among its rows was not there when it was read
        put(review_id, subject, one["now"], NONE if review_id in was_read or subject == READ else None)
    for review_id in ids:
        read = rows.get((review_id, *READ))
        if read is None or read["now"] != "yes":
            for key in [key for key, one in rows.items() if key[0] == review_id and one["was"] == one["now"]]:
                del rows[key]
            rows.pop((review_id, *READ), None)
            continue
        mine = [one for key, one in rows.items() if key[0] == review_id]
        if review_id not in was_read:  # its labels are not all among the rows yet
            mine.remove(read)
        mine = tables.frame(mine, tables.CORRECTIONS)
        final = readings(apply(part(as_read, [review_id]), mine), [review_id])[review_id]
        for subject in dict.fromkeys([*base[review_id], *final]):
            put(review_id, subject, final.get(subject, NONE), NONE if review_id in was_read else None, read["model"])
    places = {what: at for at, what in enumerate(dict.fromkeys(what for what, _ in subjects()))}
    ordered = [rows[key] for key in sorted(rows, key=lambda key: (key[0], places[key[1]], key[2]))]
    return tables.frame(ordered, tables.CORRECTIONS), changes


def objections(given: pd.DataFrame, reviews: pd.DataFrame) -> list[tuple[int, str]]:
    """(row, what is wrong and the mend) of what is given for a review that cannot have it.

    reviews: as they stand. A row without a text_hash was typed by hand: an id that is not there is a slip, not a review gone.
    """
    texts = dict(zip(reviews["review_id"], tables.values(reviews["text"]), strict=True))
    unread = {
        review_id
        for review_id, overall in zip(reviews["review_id"], tables.values(reviews["overall"]), strict=True)
        if overall is None
    } - {one["review_id"] for one in given.to_dict("records") if one["what"] == "overall"}
    found = []
    for one in given.to_dict("records"):
        review_id = one["review_id"]
        if review_id not in texts and not one["text_hash"]:
            wrong = f"there is no review {review_id!r}; copy the id from the report (a spreadsheet may have changed it)"
        elif review_id in texts and not texts[review_id]:
            wrong = f"review {review_id} has stars and no words; there is nothing to correct"
        elif review_id in unread and one["what"] in ("theme", "verdict", "read"):
            wrong = f"review {review_id} was not read by the program; give its overall sentiment too"
        else:
            continue
        found.append((one["row"], wrong))
    return found
