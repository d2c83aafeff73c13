"""How often the reading was right, in reviews that a person read through, and what people corrected.

Only a review marked as read through says what was read rightly; one correction in another says what was read wrongly, and
nothing of the rest, so such reviews are counted and nothing more. What was read is as it stood when the person looked (`was`),
not what a model taught on these very corrections reads today.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.statistics import figure
from pipeline.wording import capital, in_words, plural

NOTHING = "none"  # as the table of corrections says that something is not there
KINDS = {
    "overall": "overall sentiment",
    "theme": "themes",
    "treatment": "treatments",
    "verdict": "verdicts on a treatment",
    "escalation": "reasons to act",
}


def checked(corrections: pd.DataFrame | None, themes: Sequence[str], names: Mapping[str, str]) -> dict | None:
    """{n, reviews, by, read, sentence, caveat, rows, by_model}; None where nobody corrected or read through anything.

    n corrections in `reviews` reviews, `by` kind; `read`: how many reviews were read through. rows, one per kind of label
    (all themes, then each; figures without a filter): found: of what the program found, how many are there; there: of those
    there, how many it found; judged: of those rightly found, how many with the right sentiment (a treatment: had or only
    named); of overall sentiment `judged` alone, the others null. by_model: the same of overall sentiment and all themes, per version of the model, where there were several.
    """
    if corrections is None or not len(corrections):
        return None
    labels = corrections[corrections["what"] != "read"]
    mended = labels[labels["was"] != labels["now"]]
    marks = corrections[(corrections["what"] == "read") & (corrections["now"] == "yes")]
    judged = labels[labels["review_id"].isin(marks["review_id"])]
    kinds = mended["what"].value_counts()
    by = {name: int(kinds[what]) for what, name in KINDS.items() if what in kinds}
    elsewhere = mended[~mended["review_id"].isin(marks["review_id"])]
    rows = []
    if len(marks):
        rows = [_row(KINDS["overall"], judged[judged["what"] == "overall"])]
        rows.append(_row("all themes", judged[judged["what"] == "theme"]))
        for theme in themes:
            mine = judged[(judged["what"] == "theme") & (judged["which"] == theme)]
            rows += [_row(names.get(theme, theme), mine)] * bool(len(mine))
        rows += [_row(KINDS[what], judged[judged["what"] == what]) for what in ("treatment", "escalation")]
    return {
        "n": len(mended),
        "reviews": int(mended["review_id"].nunique()),
        "by": by,
        "read": len(marks),
        "sentence": _sentence(len(marks), rows),
        "caveat": _caveat(len(marks), len(elsewhere), int(elsewhere["review_id"].nunique())),
        "rows": rows,
        "by_model": _by_model(marks, judged),
    }


def _row(name: str, labels: pd.DataFrame) -> dict:
    """One row per label that the program found or a person found → three figures."""
    found, there = labels["was"] != NOTHING, labels["now"] != NOTHING
    both = labels[found & there]
    whole = name == KINDS["overall"]  # every review has one: nothing to find
    return {
        "name": name,
        "found": None if whole else figure(len(both), found.sum()),
        "there": None if whole else figure(len(both), there.sum()),
        "judged": figure((both["was"] == both["now"]).sum(), len(both)),
    }


def _by_model(marks: pd.DataFrame, judged: pd.DataFrame) -> list[dict]:
    versions = list(dict.fromkeys(marks["model"]))
    if len(versions) < 2:
        return []
    out = []
    for version in versions:
        mine = judged[judged["review_id"].isin(marks.loc[marks["model"] == version, "review_id"])]
        for name, what in ((KINDS["overall"], "overall"), ("all themes", "theme")):
            out.append({"model": version, **_row(name, mine[mine["what"] == what])})
    return out


def _sentence(read: int, rows: list[dict]) -> str:
    if not read:
        return "No review is marked as read through, so corrections cannot tell how often the reading is right."
    overall, themes = rows[0]["judged"], rows[1]
    return (
        f"In {plural(read, 'review')} that people read through: overall sentiment right in {in_words(overall)}; of the themes "
        f"the program found, right {in_words(themes['found'])}; of the themes there, found {in_words(themes['there'])}."
    )


def _caveat(read: int, elsewhere: int, reviews: int) -> str:
    told = []
    if elsewhere:
        told.append(
            f"{capital(plural(elsewhere, 'correction'))} in {plural(reviews, 'review')} not marked as read through "
            f"{'is' if elsewhere == 1 else 'are'} in no figure here: what was right in them was not asked."
        )
    if read:
        told.append(
            "People choose which reviews they read through, often those that look wrong: this is no random sample, and "
            "says little of the other reviews."
        )
    return " ".join(told)
