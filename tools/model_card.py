"""make card: measure a finished model on the authors held out and write its figures and its card anew.

usage: python tools/model_card.py [MODEL]
"""

import sys
from pathlib import Path

from pipeline.corpus import split
from pipeline.train import remeasure

PROJECT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    folder = PROJECT / "models" / (sys.argv[1] if len(sys.argv) > 1 else "default")
    remeasure(folder, split(PROJECT / "data" / "corpus")["held_out"])
    print(folder / "card.md")
