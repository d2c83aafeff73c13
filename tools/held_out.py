"""make evaluate: how well reviews are read whose authors nobody trained on, with the floors below which the build fails; and
reviews by authors who have come since the models were taught (`not_yet_taught` in split.json), for which there is no floor.

usage: python tools/held_out.py [MODEL]
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from pipeline.corpus import split

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
SHARED = PROJECT.parent / "shared" / "evaluation"


def evaluate(title, reviews, labels, model, floors, misses=20):
    """Print every figure of one pair of files; True where no floor is broken."""
    print(f"\n━━ {title} ━━\n", flush=True)
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "evaluate",
        str(reviews),
        str(labels),
        "--model",
        model,
        "--misses",
        str(misses),
    ]
    for name, value in floors.items():
        command += ["--floor", f"{name}={value}"]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode == 0


def compared(title, pairs, model, floors):
    """The same of reviews of the corpus."""
    with tempfile.TemporaryDirectory() as folder:
        reviews, labels = Path(folder) / "reviews.jsonl", Path(folder) / "labels.jsonl"
        for path, rows in ((reviews, [pair.review for pair in pairs]), (labels, [pair.gold for pair in pairs])):
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return evaluate(title, reviews, labels, model, floors)


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else "default"
    every = tomllib.loads((HERE / "floors.toml").read_text(encoding="utf-8")).get(model, {})
    floors = {
        name: floor for name, floor in every.items() if name != "calibration_error"
    }  # a ceiling, which the tests hold
    parts = split(PROJECT / "data" / "corpus")
    fine = compared(f"{len(parts['held_out'])} reviews by the authors held out", parts["held_out"], model, floors)
    if later := parts.get("not_yet_taught"):
        fine &= compared(f"{len(later)} reviews by authors who came after the models were taught", later, model, {})
    if SHARED.is_dir():
        fine &= evaluate(
            "100 reviews by an author of another place",
            SHARED / "dev.reviews.jsonl",
            SHARED / "dev.labels.jsonl",
            model,
            {},
        )
    else:
        print(f"\nskipped: the 100 labelled reviews of another place are not at {SHARED}")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
