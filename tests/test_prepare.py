"""What is typed, made ready: clean, without identifiers, batch by batch."""

import pandas as pd

from pipeline import tables
from pipeline.prepare import prepare, prepare_refused

ROWS = [
    {"text": "My son Caleb smiles again.", "question": "What did your son Caleb like best?", "author": "Ann Farrow"},
    {"text": "caf\u00c3\u00a9 was nice, Ann Farrow", "question": "", "author": "Ann Farrow"},
    {"text": "", "question": None, "author": None},
]
DEFAULTS = {"file": "a.csv", "row": 1, "source": "survey", "date": "2026-05-04"}


def typed(rows):
    return tables.frame([DEFAULTS | row for row in rows], tables.TYPED)


def test_texts_and_questions_lose_their_identifiers():
    """Names are out of text and question; the author is gone; the repaired text is kept beside, to point into."""
    reviews, repaired, redactions = prepare(typed(ROWS))
    assert reviews["text"].tolist() == ["My son [NAME-1] smiles again.", "café was nice, [NAME-1]", ""]
    assert repaired[1] == "café was nice, Ann Farrow"
    assert redactions[0].placeholders == [(7, 12, "[NAME-1]")]
    assert "Caleb" not in reviews["question"][0]
    assert reviews["question"].isna().tolist() == [False, True, True]
    assert "author" not in reviews


def test_a_batch_is_its_rows_one_by_one():
    """No row colours another."""
    whole = prepare(typed(ROWS)).reviews
    alone = pd.concat([prepare(typed([row])).reviews for row in ROWS], ignore_index=True)
    assert tables.frame(whole, tables.REVIEWS).equals(tables.frame(alone, tables.REVIEWS))


def test_what_was_refused_is_freed_of_names_too():
    """The excerpt loses the author's name, and the name itself is dropped."""
    row = {
        "file": "a.csv",
        "row": 2,
        "reason": "a reason",
        "excerpt": "Ann Farrow here, I loved it",
        "author": "Ann Farrow",
    }
    stored = prepare_refused(tables.frame([row], tables.REFUSED))
    assert stored.columns.tolist() == tables.REJECTED.names
    assert stored["excerpt"].tolist() == ["[NAME-1] here, I loved it"]


def test_a_form_known_by_an_address_is_known_by_something_else():
    """A survey's id that is an e-mail address is not stored; the answers of one form still share one, and other ids stay."""
    forms = ["ann.farrow@mail.example", "ann.farrow@mail.example", "R_8s", None]
    rows = [{"text": "Kind people.", "respondent": form} for form in forms]
    found = tables.values(prepare(typed(rows)).reviews["respondent"])
    assert found[0] == found[1] != forms[0]
    assert "@" not in found[0]
    assert found[2:] == ["R_8s", None]
