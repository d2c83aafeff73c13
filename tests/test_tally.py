"""Reviews as counts that add up: whatever parts they come in, the Summary, the reviews shown and the board are the same."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented import annotated, counted, fourteen_months, refused, review

from pipeline import store, summary, tables, testimonials
from pipeline.corrections import text_hash
from pipeline.run import Settings, rewrite, run
from pipeline.summary import tally

PROJECT = Path(__file__).resolve().parent.parent
MONTH = "2026-10"
CHANGES = tables.frame(
    [
        {"row": 2, "what": "A lot", "location": "Dry Wells", "date": "2026-06-01", "theme": "parking", "hoped": "better"},
        {"row": 3, "what": "A line", "location": None, "date": "2026-03-11", "theme": "staff", "hoped": None},
    ],
    tables.CHANGES,
)  # fmt: skip


def awkward() -> list[dict]:
    """Invented months with all that crosses parts: forms of two and three answers in two files, twins, later and undated
    reviews, and what is to act on."""
    reviews = fourteen_months(many=3)
    for at in range(40):
        day = f"2026-{1 + at % 10:02}-{1 + at % 28:02}"
        more = {
            "source": "survey",
            "respondent": f"p{at % 20}",
            "row": at % 20,
            "file": f"{at // 20}.csv",
            "rating": 1.0 + at % 5,
        }
        reviews += [
            review(f"f{at}:1", day, text="The staff was good.", said=[("staff", "positive", "staff was good")], **more),
            review(f"f{at}:2", day, text="The lot was full.", overall="negative", said=[("parking", "negative", "lot was full")],
                   received=["tms"], flags=["unsure"], location=None, **more),
        ]  # fmt: skip
        if at % 3 == 0:
            reviews.append(review(f"f{at}:3", f"2026-11-{1 + at % 28:02}", text="", overall=None, **more))
        if at % 4 == 0:
            said, act = [("staff", "positive", "staff was good")], [("crisis", "want to die")]
            text = "The staff was good. I want to die."
            twin = {"source": "yelp", "duplicate_of": f"f{at}:2", "act": act if at % 8 else []}
            reviews.append(review(f"t{at}", day, text=text, said=said, **twin))
    reviews += [
        review("undated", None, date_precision="unknown", text="They made me faint.", act=[("adverse_event", "faint")]),
        review("roughly", "2026-08-01", date_precision="relative"),
        review("the year", "2026-01-01", date_precision="year", said=[("staff", "positive", "kind")]),
        review("later", "2026-12-24", said=[("staff", "positive", "kind")]),
        review("polish", text="Wszystko dobrze", overall=None, language="pl", rating=None),
        review("two", text="TMS helped, ketamine did not.", received=["tms", "ketamine"], said=[
            ("efficacy", "positive", "TMS helped", "tms"), ("efficacy", "negative", "ketamine did not", "ketamine")]),
    ]  # fmt: skip
    return reviews


AWKWARD = annotated(awkward())
SCOPE = summary.Scope(MONTH, summary.windows(CHANGES, MONTH), None, date(2026, 10, 31))
WHOLE = summary.total([summary.tally_of(AWKWARD, SCOPE)])


def part_of(annotations, ids):
    return tables.Annotations(*(table[table["review_id"].isin(list(ids))] for table in annotations))


def told(annotations, found=None):
    return summary.summarise(annotations, refused(), counted(AWKWARD), MONTH, changes=CHANGES, found=found)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(1, 60), st.integers(2, 9))
def test_the_sum_of_parts_is_the_whole(draw, parts, at_once):
    """Whichever reviews share a part, answers of one form and twins apart or together, and whatever is summed first."""
    cut = [draw.randrange(parts) for _ in AWKWARD.reviews["review_id"]]
    pieces = [
        summary.tally_of(part_of(AWKWARD, AWKWARD.reviews["review_id"][np.array(cut) == one]), SCOPE)
        for one in set(cut)
    ]
    draw.shuffle(pieces)
    first, rest = pieces[:at_once], pieces[at_once:]
    assert summary.total([*rest, summary.total(first)]) == WHOLE


def test_the_counts_are_those_of_the_reviews():
    """The tally holds what a walk over the reviews that count finds, each form once and no twin."""
    plain = summary.plain(AWKWARD, MONTH)
    found = tally.frames(summary.whole(WHOLE, SCOPE)[0])
    reviews, said = plain.reviews, summary.verdict_of_each(plain.said)
    said = said[said["review_id"].isin(reviews.loc[reviews["read"], "review_id"])]
    for column in ("month", "location", "source", "language", "overall"):
        by = found.reviews.groupby(found.reviews[column].fillna("none"))["n"].sum()
        assert by.to_dict() == reviews[column].fillna("none").value_counts().to_dict(), column
    keys = ["theme", "location", "sentiment"]
    mine = said[said["treatment"] == ""].groupby(keys).size()
    assert found.said.groupby(keys)["n"].sum().to_dict() == mine.to_dict()
    assert found.verdicts["n"].sum() == (said["treatment"] != "").sum() > 0
    assert found.stars["n"].sum() == reviews["rating"].notna().sum()
    assert found.files["n"].sum() == len(AWKWARD.reviews)
    assert found.flags.set_index("flag")["n"].to_dict() == {"unsure": 40}
    forms = reviews["review_id"].str.startswith("f")
    assert forms.sum() == 40, "twenty respondents in each of two files"


@pytest.mark.parametrize("at_once", [1, 3, 10_000])
def test_no_form_is_cut_in_two(at_once):
    """However few answers are taken at once, those of a form come together, every one once, with its own opinions."""
    parts = list(tally.whole_forms(WHOLE.answers, WHOLE.opinions, at_once))
    assert len(parts) == 40 or at_once > 1
    forms = [set(zip(answers["file"], answers["respondent"], strict=True)) for answers, _ in parts]
    assert sum(map(len, forms)) == len(set().union(*forms)) == 40
    assert sorted(id for answers, _ in parts for id in answers["answer"]) == sorted(WHOLE.answers["answer"].to_pylist())
    for answers, opinions in parts:
        assert set(opinions["answer"]) <= set(answers["answer"])
    assert sum(len(opinions) for _, opinions in parts) == len(WHOLE.opinions)


@pytest.mark.parametrize("most", [40, 190])
def test_the_summary_of_counts_is_that_of_the_reviews(most):
    """With the tally beside only the reviews that are shown, every figure and word is as with all of them in memory; but for
    the words for and against, which are those of a review shown."""
    found, forms = summary.whole(WHOLE, SCOPE)
    blocks = [pa.Table.from_pandas(AWKWARD.reviews[list(summary.KNOWN_BY)], preserve_index=False)]
    ids = summary.shown(blocks, forms, MONTH, most, set(AWKWARD.escalations["review_id"]))
    few = part_of(AWKWARD, ids)
    assert len(few.reviews) < len(AWKWARD.reviews)
    mine, every = told(few, found), told(AWKWARD)
    for one, other in zip(mine["themes"], every["themes"], strict=True):
        for side in ("for", "against"):
            assert one[side] is None or one[side]["review_id"] in ids
            if most == 40:
                one[side] = other[side] = None
    assert json.dumps(mine) == json.dumps(every)


@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("most", [1, 25, 10_000])
def test_the_newest_are_found_whatever_comes_first(rows, most):
    """In any order and any blocks the newest that count and the named come with all answers of their forms."""
    reviews = AWKWARD.reviews.sample(frac=1, random_state=rows)[list(summary.KNOWN_BY)]
    table = pa.Table.from_pandas(reviews, preserve_index=False)
    blocks = [table[at : at + rows] for at in range(0, len(table), rows)]
    _, forms = summary.whole(WHOLE, SCOPE)
    named = set(AWKWARD.escalations["review_id"])
    ids = summary.shown(blocks, forms, MONTH, most, named)
    every, some = summary.plain(AWKWARD, MONTH), summary.plain(part_of(AWKWARD, ids), MONTH)
    for all_of_it, kept in zip(summary.newest(every, most), summary.newest(some, most), strict=True):
        columns = ["review_id", *({"answer", "theme", "date", "reason"} & set(kept))]
        assert kept[columns].to_dict("records") == all_of_it[columns].to_dict("records")
    assert some.acts["answer"].tolist() == every.acts["answer"].tolist()


# ── The board ──


def in_parts(annotations, rows):
    ids = annotations.reviews["review_id"]
    for at in range(0, len(ids), rows):
        yield tables.in_arrow(part_of(annotations, ids.iloc[at : at + rows]))


@pytest.mark.parametrize("most", [10_000, 40, 7])
def test_what_the_board_is_chosen_from_does_not_tell_how_it_came(monkeypatch, most):
    """The same reviews whatever the parts and their order; no more than there is room for, spread over what they praise."""
    monkeypatch.setattr(testimonials, "PRAISES", most)
    every = annotated(fourteen_months(many=3))
    asked = {"month": None, "on": SCOPE.on}
    first = testimonials.wanted(in_parts(every, 1000), **asked)
    turned = tables.Annotations(*(table.iloc[::-1] for table in every))
    for rows in (1, 13):
        assert testimonials.wanted(in_parts(every, rows), **asked) == first
        assert testimonials.wanted(in_parts(turned, rows), **asked) == first
    assert 0 < len(first.praising) <= most


def test_the_board_is_chosen_from_praise_of_every_kind(monkeypatch):
    """Where there is more praise than room, as many of each theme, place and month as come out even, the surest first."""
    monkeypatch.setattr(testimonials, "PRAISES", 6)
    rows = [review(f"a{at}", said=[("staff", "positive", "kind")]) for at in range(30)]
    rows += [review(f"z{at}", f"2026-0{at}-01", said=[("staff", "positive", "kind")]) for at in (1, 2, 3)]
    every = annotated(rows)
    sure = every.opinions["confidence"].where(~every.opinions["review_id"].isin(["a7", "a8", "a9"]), 0.95)
    every = every._replace(opinions=every.opinions.assign(confidence=sure))
    assert testimonials.wanted(in_parts(every, 4), on=SCOPE.on).praising == {"a7", "a8", "a9", "z1", "z2", "z3"}


def test_a_board_from_few_is_that_from_all():
    """With the reviews that are wanted and those related to them alone, and the tally's praise, no quote differs."""
    found, _ = summary.whole(WHOLE, SCOPE)
    wanted = testimonials.wanted(in_parts(AWKWARD, 50), on=SCOPE.on)
    table = pa.Table.from_pandas(AWKWARD.reviews[list(testimonials.RELATED_BY)], preserve_index=False)
    ids = testimonials.related(lambda: iter([table]), wanted.praising | wanted.complaining)
    few = part_of(AWKWARD, ids)
    assert len(few.reviews) < len(AWKWARD.reviews)
    praised = dict(zip(*found.praise.to_pydict().values(), strict=True))
    board = testimonials.candidates(few, on=SCOPE.on, praised=praised, among=wanted.praising)
    assert len(board) > 20
    assert board.equals(testimonials.candidates(AWKWARD, on=SCOPE.on))


# ── From the disk ──


def test_rows_follow_their_reviews(tmp_path, monkeypatch):
    """Part by part every review comes with its own rows, however many the files hold at once; rows out of order are told."""
    monkeypatch.setattr(store, "ROW_GROUP", 16)
    store.write_annotations(tmp_path, AWKWARD)
    finished = store.Finished(tmp_path, tmp_path)
    parts = list(finished.parts())
    assert len(parts) > 5
    for whole, pieces in zip(AWKWARD, zip(*parts, strict=True), strict=True):
        assert tables.pandas(pa.concat_tables(pieces)).equals(whole.reset_index(drop=True))
    some = finished.some(["two", "undated", "nobody"])
    assert some.reviews["review_id"].tolist() == ["undated", "two"]
    assert some.opinions["review_id"].tolist() == ["two", "two"]
    store.write_annotations(tmp_path, AWKWARD._replace(opinions=AWKWARD.opinions.iloc[::-1]))
    with pytest.raises(store.StoreError, match="order"):
        list(store.Finished(tmp_path, tmp_path).parts())


def test_corrections_across_parts_are_those_of_all_at_once(tmp_path, monkeypatch):
    """A report written anew with corrections, and one with them taken out again, are the same however many rows are read at
    once; what is not corrected stays where it was."""
    rows = [
        {"id": f"r{at}", "date": f"2026-10-{1 + at % 28:02}", "rating": 1 + at % 5, "text": f"The nurses were kind, visit {at} it was."}
        for at in range(60)
    ]  # fmt: skip
    file = tmp_path / "reviews.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    kept = tmp_path / "corrections.csv"
    names = ["review_id", "text_hash", "what", "which", "was", "now", "model"]
    kept.write_text(",".join(names) + "\n", encoding="utf-8")

    def written(name, group):
        monkeypatch.setattr(store, "ROW_GROUP", group)
        out = tmp_path / name
        at = Settings((file,), out, PROJECT / "models" / "fast", corrections=kept)
        run(at)
        plain = store.Finished(out, out).some(row["id"] for row in rows)
        texts = dict(zip(plain.reviews["review_id"], plain.reviews["text"], strict=True))
        lines = [f"{one},{text_hash(texts[one])},theme,staff,positive,negative,x" for one in ("r3", "r31", "r59")]
        before = kept.read_text(encoding="utf-8")
        kept.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")
        rewrite(at)
        corrected = store.Finished(out, out).some(row["id"] for row in rows)
        report = (out / "report" / "report.json").read_bytes()
        kept.write_text(before, encoding="utf-8")
        rewrite(at)
        again = store.Finished(out, out).some(row["id"] for row in rows)
        assert all(one.equals(other) for one, other in zip(plain, again, strict=True))
        return corrected, report

    (few, told_few), (whole, told_whole) = written("few", 8), written("whole", 4096)
    assert told_few == told_whole
    assert all(one.equals(other) for one, other in zip(few, whole, strict=True))
    negative = few.opinions[(few.opinions["theme"] == "staff") & (few.opinions["sentiment"] == "negative")]
    assert negative["review_id"].tolist() == ["r3", "r31", "r59"]


REPORT = """
import resource, sys
from pathlib import Path
from pipeline import clearance, report, run, store, tables, testimonials
import scipy.special
report.MOST_REVIEWS = testimonials.PRAISES = 300
out = Path(sys.argv[1])
told = {"model": None, "names": None, "consents": None, "staff": None}
finished = store.Finished(out, out)
counts = {"read": len(finished), "accepted": len(finished), "duplicates": 0, "rejected": 0}
rejected = tables.frame([], tables.REJECTED)
run.write_outputs(out, finished, rejected, counts, "2026-10", None, told, run.Kept(None, None, None))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(folder, many):
    """Megabytes that the report on so many reviews takes at most, in a process of its own."""
    folder.mkdir()
    base = annotated(fourteen_months(many=20))
    ids = len(base.reviews)

    def copies():
        for at in range(many // ids + 1):
            yield tables.in_arrow(
                tables.Annotations(*(table.assign(review_id=f"{at:05}-" + table["review_id"]) for table in base))
            )

    store.write_parts(folder, copies())
    done = subprocess.run(
        [sys.executable, "-c", REPORT, folder],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout) / 1024


def test_memory_does_not_grow_with_the_history(tmp_path):
    """A report on 40,000 reviews takes hardly more memory than one on 10,000: 30,000 rows as tables would be 60 MB and more."""
    few, many = peak(tmp_path / "few", 10_000), peak(tmp_path / "many", 40_000)
    assert many - few < 40, f"{few:.0f} MB, then {many:.0f} MB"
