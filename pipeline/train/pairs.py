"""What is learnt from beside the corpus: what people corrected, and reviews joined to one."""

from pipeline.clean import READ_LANGUAGES
from pipeline.corpus import Pair
from pipeline.deidentify import deidentify
from pipeline.encoders import OUTCOME_THEMES
from pipeline.tables import THEMES, values
from pipeline.terms import split_words

JOINED_WORDS = 40  # the longest review that is joined with another


def corrected_pairs(reviews, corrections, elsewhere=()):
    """What people corrected, as further pairs to learn from: one per review that has corrections.

    reviews: REVIEWS, whose de-identified texts are learnt from. corrections: CORRECTIONS that stand. elsewhere: texts that
    the model is calibrated or measured on, which it must not have learnt from; a review that says the same is left out, and
    one in a language that is not read.

    A review read through is a whole annotation. Of any other only what was corrected is asked: gold["asked"] holds those
    (what, which). A person does not say where it stands: evidence is None.
    """
    shown = [redaction.text for redaction in deidentify(list(elsewhere))]
    taken = {tuple(split_words(text.casefold())) for text in (*elsewhere, *shown)}
    languages = dict(zip(reviews["review_id"], reviews["language"], strict=True))
    texts = dict(zip(reviews["review_id"], values(reviews["text"]), strict=True))
    questions = dict(zip(reviews["review_id"], values(reviews["question"]), strict=True))
    found = []
    for review_id, rows in corrections.groupby("review_id", sort=True):
        if tuple(split_words(texts[review_id].casefold())) in taken or languages[review_id] not in READ_LANGUAGES:
            continue
        said = {(row.what, row.which): row.now for row in rows.itertuples()}
        there = {subject: now for subject, now in said.items() if now != "none"}
        of = {what: [(which, now) for (kind, which), now in there.items() if kind == what] for what, _ in there}
        gold = {
            "overall": there.get(("overall", "")),
            "treatments": [{"name": name, "received": now == "received"} for name, now in of.get("treatment", ())],
            "aspects": [
                {"theme": theme, "sentiment": now, "evidence": None}
                for theme, now in of.get("theme", ())
                if theme in THEMES  # a clinic's own themes are read by their terms
            ],
            "outcomes": [
                dict(zip(("treatment", "theme"), which.split(" "), strict=True), sentiment=now, evidence=None)
                for which, now in of.get("verdict", ())
            ],
            "escalate": [reason for reason, _ in of.get("escalation", ())],
            "asked": None if ("read", "") in there else set(said),
        }
        found.append(Pair({"id": review_id, "text": texts[review_id], "question": questions[review_id]}, gold))
    return found


def joined(one, other):
    """Two reviews as if one person had written both, or None where nobody could say what the whole would mean.

    It teaches that a theme's sentiment and a treatment's verdict are where they are told: "ketamine did nothing" stays
    ketamine's when somebody's glowing TMS follows.
    """
    texts = [pair.review["text"].strip() for pair in (one, other)]
    golds = [pair.gold for pair in (one, other)]
    if (
        one.review.get("question")
        or other.review.get("question")
        or any(len(text.split()) > JOINED_WORDS for text in texts)
    ):
        return None
    for gold, counterpart in (golds, golds[::-1]):
        loose = {row["theme"] for row in gold["aspects"]} & set(OUTCOME_THEMES) and not gold["treatments"]
        if loose and counterpart["treatments"]:
            return None  # an outcome of nothing in particular would become the other's
    aspects = _together(golds, "aspects", ("theme",))
    outcomes = _together(golds, "outcomes", ("treatment", "theme"))
    treatments = {}
    for gold in golds:
        for row in gold["treatments"]:
            treatments[row["name"]] = treatments.get(row["name"], False) or row["received"]
    overalls = {gold["overall"] for gold in golds}
    overall = overalls.pop() if len(overalls) == 1 else "mixed" if overalls == {"positive", "negative"} else None
    gold = {
        "overall": overall,
        "treatments": [{"name": name, "received": received} for name, received in treatments.items()],
        "aspects": aspects,
        "outcomes": outcomes,
        "escalate": sorted({reason for gold in golds for reason in gold["escalate"]}),
    }
    mark = "" if texts[0][-1:] in ".!?" else "."
    return Pair({"text": f"{texts[0]}{mark} {texts[1]}", "question": None}, gold)


def _together(golds, name, keys):
    """Rows of both; where both speak of the same and disagree, mixed."""
    rows = {}
    for gold in golds:
        for row in gold[name]:
            key = tuple(row[part] for part in keys)
            if key in rows and rows[key]["sentiment"] != row["sentiment"]:
                rows[key] = {**rows[key], "sentiment": "mixed"}
            else:
                rows.setdefault(key, row)
    return list(rows.values())


def joined_pairs(pairs, many, order):
    """So many joined pairs of random reviews, the same for the same random state."""
    found = []
    while len(found) < many:
        pair = joined(*order.sample(pairs, 2))
        if pair is not None:
            found.append(pair)
    return found
