"""The tables people keep by hand: whatever a spreadsheet makes of them is read, and a slip gets a line with its mend."""

import openpyxl
import pytest

from pipeline.read import InputError
from pipeline.read.ledgers import read_changes, read_closed, read_consents, settled
from pipeline.tables import records, values
from pipeline.taxonomy import load

NAMES = {key: label.name for key, label in load().themes.items()}
PLACES = ["Las Vegas", "Los Angeles", "Santa Monica"]


@pytest.fixture
def ledger(tmp_path):
    """ledger(text or bytes) → a CSV of it."""

    def write(content, name="changes.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def changes(path):
    return records(read_changes(path, NAMES))


def refused(read, *arguments):
    """The lines of the fault, each checked to name its file and row."""
    with pytest.raises(InputError) as caught:
        read(*arguments)
    lines = str(caught.value).splitlines()
    assert all(".csv, row " in line for line in lines), lines
    return lines


PLAIN = {"row": 2, "what": "new parking arrangement", "location": "Las Vegas", "date": "2026-06-01", "theme": "parking", "hoped": None}  # fmt: skip
AS_TYPED = {
    "as in the manual": "what,place,from,theme\nnew parking arrangement,Las Vegas,2026-06-01,parking\n",
    "other order and case": "THEME,From,  Place ,WHAT\nParking,2026-06-01,Las Vegas,new parking arrangement\n",
    "other words for the columns": "Change,Clinic,Date,Topic\nnew parking arrangement,Las Vegas,2026-06-01,parking\n",
    "a European Excel": "what;place;from;theme;owner\r\nnew parking arrangement;Las Vegas;2026-06-01;parking;me\r\n",
    "a month in words": "what,place,from,theme\nnew parking arrangement,Las Vegas,1 June 2026,parking\n",
    "as Excel shortens it": "what,place,from,theme\nnew parking arrangement,Las Vegas,1-Jun-26,parking\n",
    "only the month": "what,place,from,theme\nnew parking arrangement,Las Vegas,June 2026,parking\n",
    "the theme's long name": "what,place,from,theme\nnew parking arrangement,Las Vegas,2026-06-01,PARKING & getting there\n",
    "columns nobody asked for": "owner,what,place,from,theme,hoped for\nme,new parking arrangement,Las Vegas,2026-06-01,parking,\n",
}


@pytest.mark.parametrize("typed", AS_TYPED)
def test_whatever_a_spreadsheet_makes_of_it_is_read(ledger, typed):
    """The same change from every way to write it down."""
    assert changes(ledger(AS_TYPED[typed])) == [PLAIN]


def test_excels_own_encodings_and_formats(ledger, tmp_path):
    """UTF-16 with tabs, a BOM, and a workbook with a title above and a real date."""
    text = AS_TYPED["as in the manual"]
    assert changes(ledger("\ufeff" + text)) == [PLAIN]
    assert changes(ledger(text.replace(",", "\t").encode("utf-16"))) == [PLAIN]
    book = openpyxl.Workbook()
    import datetime as dt

    rows = [["What we changed at the clinics"], [], ["what", "place", "from", "theme"]]
    for row in [*rows, ["new parking arrangement", "Las Vegas", dt.datetime(2026, 6, 1), "parking"]]:
        book.active.append(row)
    book.save(tmp_path / "changes.xlsx")
    assert changes(tmp_path / "changes.xlsx") == [PLAIN | {"row": 4}]


def test_the_order_of_day_and_month_is_decided_from_the_whole_column(ledger):
    """One 3/23/2026 tells how 6/1/2026 is meant; with none to tell, each row that is open is named."""
    head = "what,place,from,theme\na,Las Vegas,6/1/2026,parking\nb,Las Vegas,"
    assert [one["date"] for one in changes(ledger(head + "3/23/2026,parking\n"))] == ["2026-06-01", "2026-03-23"]
    assert [one["date"] for one in changes(ledger(head + "23/3/2026,parking\n"))] == ["2026-01-06", "2026-03-23"]
    lines = refused(changes, ledger(head + "2026-03-23,parking\n"))
    assert len(lines) == 1
    assert "row 2: 6/1/2026 could have the day or the month first; write it as 1 June 2026" in lines[0]


def test_every_clinic_and_what_was_hoped_for(ledger):
    """An empty place and "all" are every clinic; better and worse in the words people use."""
    path = ledger("what,place,from,theme,hoped for\na,,2026-01-05,cost,Better\nb,All clinics,2026-01-05,cost,fewer complaints\nc,all,2026-01-05,cost,worse\n")  # fmt: skip
    assert [(one["location"], one["hoped"]) for one in changes(path)] == [(None, "better"), (None, "better"), (None, "worse")]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,Las Vegas,2026-06-01,parkng", ["row 2", "“parkng”", "the nearest is parking", "side effects"]),
        ("x,Las Vegas,2026-06-01,waiting", ["“waiting”", "the nearest is scheduling"]),
        ("x,Las Vegas,2026-06-01,", ["names no theme", "parking"]),
        (",Las Vegas,2026-06-01,parking", ["does not say what was changed"]),
        ("x,Las Vegas,,parking", ["no date", "1 June 2026"]),
        ("x,Las Vegas,soon,parking", ["“soon” is no date"]),
        ("x,Las Vegas,2026,parking", ["“2026” is no date"]),
        ("x,Las Vegas,2026-02-31,parking", ["is no date"]),
        ("one, two, and three,Las Vegas,2026-06-01,parking", ["6 cells", "in quotation marks"]),
        ('"x,Las Vegas,2026-06-01,parking', ["do not pair"]),
    ],
)
def test_a_slip_gets_one_line_with_file_row_and_mend(ledger, row, words):
    """File, row, what is wrong, the mend; the nearest name where one is known."""
    (line,) = refused(changes, ledger(f"what,place,from,theme\n{row}\n"))
    assert all(word in line for word in words), line


def test_all_slips_are_told_at_once(ledger):
    """Two rows, three slips: three lines."""
    lines = refused(
        changes, ledger("what,place,from,theme,hoped for\nx,Reno,soon,parkng,\ny,Reno,2026-01-02,cost,maybe\n")
    )
    assert ["row 2" in line for line in lines] == [True, True, False]
    assert "better or worse" in lines[2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("what,place,from\nx,Las Vegas,2026-06-01\n", ["row 1", "has no column theme", "what,place,from,theme"]),
        ("new parking arrangement,Las Vegas,2026-06-01,parking\n", ["row 1", "is no heading", "what,place,from,theme"]),
    ],
)
def test_a_missing_heading_is_told_with_the_line_to_write(ledger, content, words):
    """The first line to write stands in the message."""
    (line,) = refused(changes, ledger(content))
    assert all(word in line for word in words), line


def test_an_empty_register_holds_nothing(ledger):
    """An empty file, and one with its heading alone, are registers without a change; one that is not there is a fault."""
    assert changes(ledger("")) == []
    assert changes(ledger("what,place,from,theme\n\n,,,\n")) == []
    with pytest.raises(InputError, match=r"nowhere\.csv: there is no such file"):
        changes(ledger("").with_name("nowhere.csv"))


def test_a_place_nearly_right_is_a_slip_and_an_unknown_one_a_note(ledger):
    """Case and a firm's name before it do not matter; a near miss stops the run; a clinic without reviews is told."""
    head = "what,place,from,theme\n"
    path = ledger(head + "x,las  vegas,2026-06-01,parking\nx,Harbor Clinics - Santa Monica,2026-06-01,parking\nx,Reno,2026-06-01,parking\nx,,2026-06-01,parking\n")  # fmt: skip
    table, left_out = settled(read_changes(path, NAMES), PLACES, path)
    assert values(table["location"]) == ["Las Vegas", "Santa Monica", None]
    ((rows, why),) = left_out
    assert rows == [4]
    assert "no review comes from “Reno” yet" in why
    path = ledger(head + "x,Las Vega,2026-06-01,parking\n")
    (line,) = refused(settled, read_changes(path, NAMES), PLACES, path)
    assert "row 2: no review comes from “Las Vega”; did you mean Las Vegas?" in line


def test_what_was_closed_is_read_and_what_was_done_stays_there(ledger):
    """Id, date and who; the words on what was done, which may name a patient, go no further."""
    path = ledger("Review,Closed on,By,Action\nr-1,2026-10-03,Dr. A,called Jane Roe\n", "closed.csv")
    assert records(read_closed(path)) == [{"row": 2, "review_id": "r-1", "date": "2026-10-03", "who": "Dr. A"}]
    assert len(refused(read_closed, ledger("review_id,date,who,what was done\n,soon,,\n", "closed.csv"))) == 3


CONSENTED = "review_id,scope,channels,signed_at,expires_at,revoked_at\n"
SIGNED = {"review_id": "r1", "scope": "text", "channels": "website;print", "signed_at": "2026-02-13", "expires_at": "2028-02-03", "revoked_at": "", "text_hash": ""}  # fmt: skip
SIGNED_AS_TYPED = {
    "as in the manual": CONSENTED + "r1,text,website;print,2026-02-13,2028-02-03,\n",
    "as Excel rewrites it": CONSENTED + "r1,text,website;print,2/13/2026,2/3/2028,\n",
    "a European Excel": 'review_id;scope;channels;signed_at;expires_at;revoked_at\r\nr1;text;"website;print";13.02.2026;03.02.2028;\r\n',
    "with a mark, blanks, an empty row": "\ufeff"
    + CONSENTED
    + "r1, Text ,website;print,13 Feb 2026,2028-02-03,\n,,,,,\n",
    "a column of the clinic's own": "clerk," + CONSENTED + "front desk,r1,text,website;print,2026-02-13,2028-02-03,\n",
}


@pytest.mark.parametrize("typed", SIGNED_AS_TYPED)
def test_consents_are_read_as_a_spreadsheet_saves_them(ledger, typed):
    """The order of day and month is decided from all dates of the table, so Excel may rewrite them."""
    assert records(read_consents(ledger(SIGNED_AS_TYPED[typed], "consents.csv"))) == [SIGNED]


def test_wrong_consents_are_named_with_their_mend(ledger):
    """Every wrong row gives a line for all that is wrong in it: file, row as the spreadsheet counts, what, mend."""
    rows = (
        "r1,photo,website,2026-10-01,,\nr2,text,website,sometime,,\n,text,x,2026-13-01,,\nr4,text,x,2026-10-01,2026-01-01,\n"
        "r5,text,website,2026-02-31,2026-13-01,2026-00-10\nr6,text,website,2026,,\n"
    )
    lines = refused(read_consents, ledger(CONSENTED + rows, "consents.csv"))
    assert [int(line.split("row ")[1].split(":")[0]) for line in lines] == [2, 3, 4, 4, 5, 6, 6, 6, 7]
    assert "write text or text+name" in lines[0]
    assert "signed: “sometime” is no date; write one as 1 June 2026" in lines[1]


def test_days_that_can_be_read_two_ways_are_asked_for(ledger):
    """3/4/2026 alone does not say whether a consent has run out, so nobody guesses."""
    (line,) = refused(read_consents, ledger(CONSENTED + "r1,text,website,3/4/2026,,\n", "consents.csv"))
    assert "could have the day or the month first" in line


@pytest.mark.parametrize(
    ("content", "said"), [("review_id,scope\nr1,text\n", "no column channels"), ("nothing here\n", "no heading")]
)
def test_a_file_that_is_no_ledger_of_consents_is_one_clear_line(ledger, content, said):
    """Short of columns, or no table."""
    (line,) = refused(read_consents, ledger(content, "consents.csv"))
    assert said in line


def test_a_missing_ledger_of_consents_is_one_clear_line(tmp_path):
    """No traceback about a path."""
    with pytest.raises(InputError, match="there is no such file"):
        read_consents(tmp_path / "none.csv")
