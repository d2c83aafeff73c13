"""What several test files use: the shipped model, the sample data, a way to write reviews down, what a call costs."""

import gc
import json
import time
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.model import Model

settings.register_profile(
    "unhurried", deadline=None
)  # a busy machine is no failure; what must be fast is timed by `cost`
settings.load_profile("unhurried")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def model():
    """The model that ships, loaded once."""
    return Model(PROJECT / "models" / "default")


@pytest.fixture
def written(tmp_path):
    """written(row, row, …) → a native JSONL file of those reviews."""

    def write(*rows, name="reviews.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def cost():
    """cost(function, argument) → CPU seconds of the call, the least of three, other tests' garbage not collected in it."""

    def seconds(function, argument):
        taken = []
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                start = time.process_time()
                function(argument)
                taken.append(time.process_time() - start)
        finally:
            gc.enable()
        return min(taken)

    return seconds


@pytest.fixture
def tried(record_property):
    """tried(number, of what): how often something was tried, for docs/robustness.md (make robustness)."""

    def tell(number, what):
        record_property("tried", f"{number:,} {what}")

    return tell
