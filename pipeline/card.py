"""What a model measured on authors nobody trained on, as its model.json keeps it and as its card tells people."""

from collections.abc import Sequence

from pipeline import taxonomy
from pipeline.corpus import Pair
from pipeline.evaluate import by, calibration, measure, theme_table
from pipeline.model import Model
from pipeline.run import annotations_of
from pipeline.tables import TYPED, frame

DIGITS = 3
LOOKS_UP = "a table of word vectors drawn from MiniLM's (Apache-2.0), with two layers that see each word's neighbours"
MADE_OF = {
    "lookup": f"{LOOKS_UP}; one of the two encoders of `default`",
    "pair": f"four of the six layers of MiniLM (384 wide, Apache-2.0), int8, read with onnxruntime, beside {LOOKS_UP}; "
    "the scores of the two are averaged, the evidence is where the first one looked",
}


def measured(model: Model, pairs: Sequence[Pair]) -> dict:
    """Figures with intervals, per theme precision, recall and n, per language, calibration, and the share of escalations missed."""
    rows = [
        {**pair.review, "review_id": pair.review["id"], "file": "held out", "row": at}
        for at, pair in enumerate(pairs, 1)
    ]
    typed = frame([{key: value for key, value in row.items() if key in TYPED.names} for row in rows], TYPED)
    predicted = {row["id"]: row for row in annotations_of(typed, model, taxonomy.load())}
    gold = [pair.gold for pair in pairs]
    figures = {figure.name: [round(value, DIGITS) for value in figure[1:]] for figure in measure(gold, predicted)}
    languages = by(gold, predicted, lambda row: [row["language"]])
    return {
        "reviews": len(pairs),
        "figures": figures,
        "themes": {
            row["theme"]: {
                key: row[key] if key in ("n", "found") else round(row[key], DIGITS)
                for key in ("n", "found", "precision", "recall", "f1", "sentiment")
            }
            for row in theme_table(gold, predicted)
        },
        "languages": {
            language: {
                figure.name: round(figure.value, DIGITS)
                for figure in group
                if figure.name in ("theme_f1", "aspect_f1", "overall_accuracy")
            }
            | {"n": sum(row["language"] == language for row in gold)}
            for language, group in languages.items()
        },
        "calibration": {name: round(error, DIGITS) for name, error in calibration(gold, predicted).items()},
        "escalations_there": sum(len(row["escalate"]) for row in gold),
        "escalation_false_rate": round(1 - figures["escalate_precision"][0], DIGITS),
        "escalation_miss_rate": round(1 - figures["escalate_recall"][0], DIGITS),
    }


def text(model: Model) -> str:
    """The model card as Markdown, every figure from model.json."""
    about = model.about
    told = about["measured"]
    figures = "\n".join(
        f"| {name.replace('_', ' ')} | {value} | {low}–{high} |" for name, (value, low, high) in told["figures"].items()
    )
    themes = "\n".join(
        f"| {name.replace('_', ' ')} | {row['n']} | {row['precision']} | {row['recall']} | {row['f1']} | {row['sentiment']} |"
        for name, row in told["themes"].items()
    )
    languages = "\n".join(
        f"| {name} | {row['n']} | {row['theme_f1']} | {row['aspect_f1']} | {row['overall_accuracy']} |"
        for name, row in told["languages"].items()
    )
    return f"""# Model card: {model.name}

What it is: {MADE_OF[about["encoder"]]}. There is one attention per question asked of a review, and scikit-learn logistic
regressions as heads. Taught on {about["taught_on"]["train"]} annotated reviews, and on what two earlier encoders of the same kinds saw in
texts made of the sentences of these; probabilities calibrated on {about["taught_on"]["calibration"]} reviews by other authors. Built by `make train`, measured by
`make evaluate`.

What it reads: English and Spanish reviews of clinics giving TMS, ketamine and Spravato: eight themes and their sentiment, overall
sentiment, whether a treatment was had, each treatment's own verdict, reasons to act today. Treatment names, identifiers and plainly
worded dangers are found by rules, not by it.

## Measured on {told["reviews"]} reviews by authors it never read

| figure | value | 95 % interval |
|---|---|---|
{figures}

| theme | n | precision | recall | F1 | of those found, sentiment right |
|---|---|---|---|---|---|
{themes}

| language | n | theme F1 | theme with sentiment F1 | overall accuracy |
|---|---|---|---|---|
{languages}

Expected calibration error: {", ".join(f"{name} {error}" for name, error in told["calibration"].items())}.

## Limits

- The corpus was composed for this project by people who knew what it is for. Real reviews differ: expect less on another country's
  health service, on dictated text, and on long letters.
- Sarcasm, and an opinion told only by facts, are read wrong more often than plain praise and complaint.
- Of the {told["escalations_there"]} reasons to act today in these reviews it missed {told["escalation_miss_rate"]:.0%}, together with the rules, and {told["escalation_false_rate"]:.0%} of what it
  raised was none; so few prove little. It is a help, not a watch.
- Where the confidence is below one half the report says "cannot tell".

## Not for

Judging or ranking a clinician; deciding about a patient; watching for emergencies in place of a person; reviews of anything but such clinics;
text in other languages than English and Spanish.
"""
