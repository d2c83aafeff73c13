"""What several test files use: the shipped model, the sample data, and a way to write reviews down."""

import json
from pathlib import Path

import pytest

from pipeline.model import Model

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
