"""make evaluate: how well reviews are read whose authors nobody trained on, with the floors below which the build fails.

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


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else "default"
    every = tomllib.loads((HERE / "floors.toml").read_text(encoding="utf-8")).get(model, {})
    floors = {
        name: floor for name, floor in every.items() if name != "calibration_error"
    }  # a ceiling, which the tests hold
    pairs = split(PROJECT / "data" / "corpus")["held_out"]
    with tempfile.TemporaryDirectory() as folder:
        reviews, labels = Path(folder) / "reviews.jsonl", Path(folder) / "labels.jsonl"
        reviews.write_text(
            "".join(json.dumps(pair.review, ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8"
        )
        labels.write_text("".join(json.dumps(pair.gold, ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8")
        fine = evaluate(f"{len(pairs)} reviews by the authors held out", reviews, labels, model, floors)
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
