"""Reviews wait on the disk and go through in parts: the same rows, in memory that does not grow with the texts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline import carry, read, store, tables
from pipeline import run as map_of_the_work
from pipeline.clean import fold_twins, places
from pipeline.corrections import text_hash
from pipeline.prepare import prepare
from pipeline.run import Settings, ingest, run, unique_ids

PROJECT = Path(__file__).resolve().parent.parent
FAST = PROJECT / "models" / "fast"
WORDS = [
    "the",
    "nurse",
    "was",
    "kind",
    "and",
    "soft",
    "but",
    "parking",
    "cost",
    "me",
    "an",
    "hour",
    "since",
    "TMS",
    "began",
    "in",
    "spring",
]
NAMES = ["Ottoline Brandvold", "A Google User", "Casimir Oyelaran-Whitt", "Pip"]


def invented(count, seed=1):
    """So many reviews, some of them copies of others by the same or another author, some with an address for an id."""
    draw = np.random.default_rng(seed)
    rows = []
    for at in range(count):
        text = " ".join(draw.choice(WORDS, int(draw.integers(0, 40))))
        if rows and draw.random() < 0.2:
            text = draw.choice(rows)["text"] + draw.choice(["", "!", " x"])
        rows.append(
            {
                "id": draw.choice([f"g{at}", f"g{at // 3}", "ottoline.b@example.org", ""]),
                "source": draw.choice(["google", "yelp"]),
                "location": draw.choice(["Elko", "Firm - Elko", "Reno"]),
                "date": f"2026-0{draw.integers(1, 3)}-{draw.integers(10, 20)}",
                "rating": int(draw.integers(1, 6)),
                "author": draw.choice(NAMES),
                "text": text,
            }
        )
    return rows


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def everything(folder):
    """Every file of an output by its name, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("texts_at_once", [1, 20_000])
def test_the_rows_are_those_of_all_in_memory(tmp_path, monkeypatch, texts_at_once):
    """Twins, ids and places are told from short values and few texts as they are from the whole table at once."""
    file = lines(tmp_path / "a.jsonl", invented(700))
    whole = pd.concat([prepare(batch.reviews).reviews for batch in read.read([file])], ignore_index=True)
    twin_of = fold_twins(whole)
    ids = unique_ids(whole["review_id"], twin_of)
    monkeypatch.setattr("pipeline.clean.TEXTS_AT_ONCE", texts_at_once)
    monkeypatch.setattr(store, "ROW_GROUP", 64)
    ingested = ingest([file], tmp_path / "staged.parquet")
    across = ingested.across.to_pandas()
    assert twin_of.notna().sum() > 20
    assert across["review_id"].tolist() == ids.tolist()
    assert across["duplicate_of"].dropna().tolist() == [ids[stands] for stands in twin_of.dropna()]
    assert across["location"].tolist() == places(whole["location"]).tolist()
    staged = pd.concat([block.to_pandas() for block in ingested.blocks()])
    assert staged["text"].tolist() == whole["text"].tolist()


def test_no_name_and_no_address_waits_on_the_disk(tmp_path):
    """The staged file holds no author, no id as exported and no key made of a name, and is for its owner alone."""
    staged = tmp_path / "staged.parquet"
    ingest(
        [lines(tmp_path / "a.jsonl", [row | {"text": f"{row['author']} here. Kind."} for row in invented(50)])], staged
    )
    assert pq.read_schema(staged).names == tables.STAGED.names
    found = repr(pq.read_table(staged).to_pylist())
    assert not any(secret in found for secret in ("Ottoline", "Oyelaran", "ottoline.b", "Brandvold"))
    assert staged.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("rows", [[], [3], [10, 1, 0, 14], [25]])
def test_row_groups_do_not_tell_how_rows_came(tmp_path, monkeypatch, rows):
    """A file is the same bytes whatever pieces it was written in, and its rows are found by their number."""
    monkeypatch.setattr(store, "ROW_GROUP", 8)
    table = tables.arrow(
        pd.DataFrame({"review_id": [f"r{at}" for at in range(sum(rows))], "theme": "staff"}), tables.OPINIONS
    )
    for name, cuts in (("pieces", rows), ("whole", [sum(rows)])):
        done = 0
        with store.writing(tmp_path / name, tables.OPINIONS) as write:
            for many in cuts:
                write(table[done : done + many])
                done += many
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()
    stored = store.Stored(tmp_path / "whole")
    numbers = np.array([at for at in (9, 0, 9, 24, 2) if at < sum(rows)], int)
    assert stored.take(numbers, ["review_id"])["review_id"].to_pylist() == [f"r{at}" for at in numbers]
    assert sum(map(len, stored.blocks(3))) == sum(rows)


def test_a_second_run_reads_only_what_is_new(tmp_path, monkeypatch):
    """With an earlier output the model is asked of the added file alone, and every byte is as without; a correction taken
    out again leaves nothing; after another taxonomy, model, program or library, or a changed table, nothing is taken over.
    Without dates, so that no time goes into reports."""
    raw = tmp_path / "raw"
    raw.mkdir()
    undated = [{name: value for name, value in row.items() if name != "date"} for row in invented(69)]
    lines(raw / "b.jsonl", undated[:60])
    asked = []
    work = map_of_the_work._work
    monkeypatch.setattr(map_of_the_work, "_work", lambda part, **given: asked.append(len(part)) or work(part, **given))
    monkeypatch.setattr(map_of_the_work, "ROWS_PER_BATCH", 16)

    def read_now(out, **more):
        asked.clear()
        run(Settings((raw,), out, FAST, **more))
        return sum(asked)

    again = tmp_path / "again"
    assert read_now(again) == 60
    added = [row | {"id": f"n{at}", "text": f"{row['text']} Fine {at}."} for at, row in enumerate(undated[60:])]
    lines(raw / "a.jsonl", added)
    assert read_now(again) == 9
    assert read_now(tmp_path / "anew") == 69
    assert everything(again) == everything(tmp_path / "anew")

    reviews = pq.read_table(again / "reviews.parquet").to_pandas()
    one = reviews[
        (reviews["overall"] != "mixed") & (reviews["text"].str.len() > 30) & ~reviews["text"].duplicated(keep=False)
    ].iloc[0]
    kept = tmp_path / "corrections.csv"
    kept.write_text(
        f"review_id,text_hash,what,which,was,now,model\n{one.review_id},{text_hash(one.text)},overall,,{one.overall},mixed,x\n"
    )
    read_now(again, corrections=kept)
    read_now(tmp_path / "right", corrections=kept)
    assert everything(again) == everything(tmp_path / "right")
    reviews = pq.read_table(again / "reviews.parquet").to_pandas().set_index("review_id")
    assert reviews.loc[one.review_id, "overall"] == "mixed"
    assert 0 < read_now(again) < 9  # the correction is taken out again, and only what it concerned is read
    assert everything(again) == everything(tmp_path / "anew")

    made = store.read_manifest(again)["made_by"]
    assert carry.earlier(again, made) is not None
    for other in ({"taxonomy": "x"}, {"model": "x"}, {"program": "x"}, {"libraries": {}}):
        assert carry.earlier(again, made | other) is None
    with open(again / "opinions.parquet", "ab") as file:
        file.write(b"x")
    assert carry.earlier(again, made) is None


PEAK = """
import resource, sys
from pathlib import Path
from pipeline.run import ingest
ingest([Path(sys.argv[1])], Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(tmp_path, count, words):
    """Megabytes that reading so many reviews takes at most, in a process of its own."""
    file = tmp_path / f"{count}.jsonl"
    with open(file, "w", encoding="utf-8") as out:
        for at in range(count):
            row = {"id": f"g{at}", "date": f"{2020 + at % 6}-0{1 + at % 9}-1{at % 10}", "author": f"P{at}"}
            out.write(json.dumps(row | {"text": f"Visit {at} " + "was quiet and short " * words}) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", PEAK, file, tmp_path / "staged.parquet"],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout) / 1024


def test_memory_does_not_grow_with_the_texts(tmp_path):
    """15,000 reviews more take less memory than half of their texts, 30 MB: what tells twins is kept of them."""
    few, many = peak(tmp_path, 5_000, 100), peak(tmp_path, 20_000, 100)
    assert many - few < 15, f"{few:.0f} MB, then {many:.0f} MB"


@pytest.mark.slow
def test_a_hundred_thousand_reviews_take_little_more_than_ten_thousand(tmp_path):
    """Reading 90,000 reviews more, 180 MB of text, takes less than 90 MB more."""
    few, many = peak(tmp_path, 10_000, 100), peak(tmp_path, 100_000, 100)
    assert many - few < 90, f"{few:.0f} MB, then {many:.0f} MB"
