"""make card: measure a finished model on the authors held out and write its figures and its card anew.

usage: python tools/model_card.py
"""

from pathlib import Path

from pipeline.corpus import split
from pipeline.train import remeasure

PROJECT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    for folder in sorted(path.parent for path in (PROJECT / "models").glob("*/model.json")):
        remeasure(folder, split(PROJECT / "data" / "corpus")["held_out"])
        print(folder / "card.md")
