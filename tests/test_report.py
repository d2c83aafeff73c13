"""The page, the workbook and the JSON say what the Summary says, to everybody, without a network."""

import json
import re
import shutil
import zlib
from pathlib import Path

import openpyxl
import pytest
from invented import annotated, counted, fourteen_months, refused, review
from playwright.sync_api import sync_playwright

from pipeline import report
from pipeline.report import html, write_report
from pipeline.report.workbook import write_workbook
from pipeline.summary import newest, plain, select, summarise

HOSTILE = '<img src=x onerror="document.title=1"> </script><script>document.title="owned"</script> {{ 7 * 7 }} & "quoted" 🙂 rude desk'


def summarised(reviews, **more):
    annotations = annotated(reviews)
    rejected = refused([{"file": "broken.csv", "row": 7, "reason": "rating 11; stars run from 1 to 5", "excerpt": ""}])
    return summarise(annotations, rejected, counted(annotations, 1), "2026-10", **more), annotations


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report on fourteen invented months, with what is awkward: markup, formulas, Spanish, no words, no date, to act on."""
    reviews = [
        *fourteen_months(),
        review("markup", "2026-10-30", text=HOSTILE, overall="negative", rating=1.0, said=[("staff", "negative", "rude desk")]),
        review("formula", "2026-10-29", text="=1+1 was the bill", overall="negative", said=[("cost", "negative", "the bill")]),
        review("spanish", "2026-10-28", language="es", text="El estacionamiento está lejísimos.",
               said=[("parking", "negative", "lejísimos")], overall="negative"),
        review("overlap", "2026-10-27", text="The kind nurse explained it all.", said=[("staff", "positive", "kind nurse explained"),
               ("communication", "positive", "explained it all"), ("efficacy", "positive", "it all", "tms")], received=["tms"]),
        review("named", "2026-10-26", text="[NAME-1] at the desk was kind.", said=[("staff", "positive", "[NAME-1] at the desk was kind")]),
        review("crisis", "2026-10-25", text="I do not want to be here anymore.", overall="negative", act=[("crisis", "do not want to be here")]),
        review("silent", "2026-10-24", text="", overall=None),
        review("polish", "2026-10-23", text="Wszystko dobrze", overall=None, language="pl"),
        review("undated", None, date_precision="unknown", text="They made me faint.", act=[("adverse_event", "faint")]),
        review("twin", "2026-10-22", duplicate_of="named", source="yelp", text="[NAME-1] was kind. I fainted.",
               act=[("adverse_event", "I fainted")]),
        review("form:Q1", "2026-10-21", source="survey", respondent="form", row=9, question="What was good?", text="The nurses.",
               said=[("staff", "positive", "nurses")], rating=4.0),
        review("form:Q2", "2026-10-21", source="survey", respondent="form", row=9, question="What was bad?", text="The lot was full.",
               overall="negative", said=[("parking", "negative", "lot was full")], rating=4.0, flags=["unsure"]),
        review("two", "2026-10-20", text="I fainted. Then he touched me.", overall="negative",
               act=[("adverse_event", "I fainted"), ("misconduct", "he touched me")]),
        review("before", "2026-08-20", text="I want to die.", overall="negative", act=[("crisis", "want to die")]),
    ]  # fmt: skip
    summary, annotations = summarised(reviews)
    folder = tmp_path_factory.mktemp("report")
    return folder, summary, annotations, write_report(summary, annotations, folder)


# ── Files ──


def test_the_same_input_gives_the_same_bytes(written, tmp_path):
    """All three files are written, and a second writing gives the same bytes."""
    folder, summary, annotations, paths = written
    assert [path.name for path in paths] == ["report.html", "report.xlsx", "report.json"]
    for again in write_report(summary, annotations, tmp_path):
        assert again.read_bytes() == (folder / again.name).read_bytes(), again.name


def test_json_is_the_summary(written):
    """report.json is the Summary, no more and no less."""
    folder, summary, _, _ = written
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(summary))


class Told(dict):
    """A dict that remembers, by path, which of its values were read."""

    def __init__(self, values, path, seen):
        super().__init__({key: Told.of(value, f"{path}.{key}" if path else key, seen) for key, value in values.items()})
        self.path, self.seen = path, seen

    @staticmethod
    def of(value, path, seen):
        if isinstance(value, dict):
            return Told(value, path, seen)
        return [Told.of(one, path, seen) for one in value] if isinstance(value, list) else value

    def _read(self, key):
        self.seen.add(f"{self.path}.{key}" if self.path else key)

    def __getitem__(self, key):
        self._read(key)
        return super().__getitem__(key)

    def get(self, key, otherwise=None):
        self._read(key)
        return super().get(key, otherwise)

    def items(self):
        for key in self:
            self._read(key)
        return super().items()

    def values(self):
        for key in self:
            self._read(key)
        return super().values()


def paths(node, path=""):
    """The path of every value of a Summary that is no dict, positions in lists left out."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from paths(value, f"{path}.{key}" if path else key)
    elif isinstance(node, list) and any(isinstance(one, dict) for one in node):
        for one in node:
            yield from paths(one, path)
    else:
        yield path


UNREAD = {  # what only report.json carries: path → why
    r"table\.\w+": "every count by month, clinic, source, treatment and theme, for people who reckon on",
    r".*\.(k|n|share|low|high|mark|filter\.\w+)": "a figure, and a chart's point, are whole wherever they stand",
    r"(.*\.)?(theme|location|month|review_id|reason|name)": "what a row is of",
    r".*\.signals|.*\.signals\..*": "every signal that a chart found, where the page tells the first",
    r".*\.(baseline|trial|approximate)|.*\.now\.(since|state)": "on what a chart rests and how things stand on it",
    r".*\.cut": "whether a passage was cut",
    r"counts\.\w+|unchanged\.\w+|changed\.(between|p_corrected|since)|platforms\.same_mix(\.\w+)?": "numbers of a sentence",
    r"model\.escalation\w+": "numbers of a sentence",
    r"escalations\.(open|closed|status)\..*": "how many of each group are open and closed, where the page tells the open",
}


def test_json_holds_nothing_unread_without_a_reason(written, tmp_path):
    """What the Summary holds is on the page or in the workbook, or has its reason here; and each reason is needed."""
    _, summary, annotations, _ = written
    seen = set()
    told = Told(json.loads(json.dumps(summary)), "", seen)
    counted = plain(annotations, summary["month"])
    html.page(told, counted, len(counted.reviews))
    write_workbook(told, annotations, counted, len(counted.reviews), tmp_path / "book.xlsx")
    unread = {path for path in paths(summary) if path not in seen}
    assert sorted(path for path in unread if not any(re.fullmatch(reason, path) for reason in UNREAD)) == []
    assert [reason for reason in UNREAD if not any(re.fullmatch(reason, path) for path in unread)] == []


def test_where_there_is_no_room_the_newest_are_listed_and_those_named(written, tmp_path, monkeypatch):
    """Beyond MOST_REVIEWS page and workbook list the newest, and whichever the report names one by one, and say so."""
    _, summary, annotations, _ = written
    monkeypatch.setattr(report, "MOST_REVIEWS", 10)
    every = plain(annotations, summary["month"])
    linked = {one["review_id"] for one in summary["escalations"]["rows"]}
    wanted = [one for one in every.reviews["review_id"] if one in {*every.reviews["review_id"].tail(10), *linked}]
    page, book, _ = write_report(summary, annotations, tmp_path)
    kept = newest(every, 10, report._linked(summary))
    ids = kept.reviews["review_id"].tolist()
    assert 10 <= len(wanted) <= len(ids) < len(every.reviews)
    assert set(wanted) <= set(ids)
    assert set(kept.said["review_id"]) <= set(ids)
    assert set(kept.answers["review_id"]) == set(ids)
    assert html.packed(summary, kept, len(every.reviews)) in page.read_text(encoding="utf-8")
    sheet = openpyxl.load_workbook(book)["Reviews"]
    assert str(len(every.reviews)) in sheet["A1"].value
    assert [row[0].value for row in sheet.iter_rows(min_row=3)] == ids[::-1]


def test_the_page_names_no_address(written):
    """No link, style, picture or script of the page leads outside it."""
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    counted = plain(written[2], written[1]["month"])
    packed = html.packed(written[1], counted, len(counted.reviews))
    assert packed in page
    assert not re.findall(r"""(?:src|href)=["'](?!#)[^"']+""", page.replace(packed, ""))
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", page)


def test_an_empty_month_gives_a_report(tmp_path):
    """No reviews at all is a report that says so, in all three files."""
    summary, annotations = summarised([])
    write_report(summary, annotations, tmp_path)
    assert "No review with words was read in October 2026" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_first_month_says_that_it_cannot_tell(tmp_path):
    """One month with three reviews: trial limits, counts without shares, and nothing called unchanged."""
    summary, annotations = summarised([review("a"), review("b"), review("c", overall="negative")])
    write_report(summary, annotations, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "trial limits: 1 of 12 months" in page
    assert "Cannot tell yet" in page
    assert "1 of 3 reviews are negative in October 2026" in page
    assert "33 %" not in page


# ── Workbook ──


def test_workbook_holds_what_the_summary_says(written):
    """Eight sheets; themes, trend and escalations agree with the Summary; heads frozen and filtered; charts native."""
    folder, summary, _, _ = written
    book = openpyxl.load_workbook(folder / "report.xlsx")
    assert book.sheetnames == [
        "Summary",
        "Themes",
        "Treatments",
        "Trend",
        "Reviews",
        "Corrections",
        "Escalations",
        "Data quality",
    ]
    themes = {
        row[0]: row for row in book["Themes"].iter_rows(min_row=2, max_row=1 + len(summary["themes"]), values_only=True)
    }
    for one in summary["themes"]:
        assert themes[one["name"]][1:4] == (one["mentions"]["k"] or 0, one["mentions"]["n"], one["mentions"]["share"])
    trend = list(book["Trend"].iter_rows(min_row=2, max_row=15, values_only=True))
    assert [row[3] for row in trend] == [point["k"] for point in summary["negative"]["points"]]
    acts = [(row[1], row[0], row[7]) for row in book["Escalations"].iter_rows(min_row=3, values_only=True)]
    assert acts[0] == ("crisis", "crisis", "I do not want to be here anymore.")
    assert {reason for review_id, reason, _ in acts if review_id == "two"} == {"adverse event", "misconduct"}
    assert ("named", "adverse event", "I fainted.") in acts  # as its twin says
    assert book["Data quality"]["A1"].value == summary["quality"]["sentence"]
    for name in book.sheetnames:
        assert book[name].freeze_panes, name
    for name in ("Themes", "Treatments", "Trend", "Reviews", "Escalations"):
        assert book[name].auto_filter.ref, name
    assert len(book["Themes"]._charts) == len(book["Trend"]._charts) == 1


def test_no_cell_of_the_workbook_runs_into_its_neighbour(written):
    """A text after a number keeps a distance, names fit their columns, a head has room for its lines and the filter's arrow."""
    book = openpyxl.load_workbook(written[0] / "report.xlsx")
    summary, treatments = book["Summary"], book["Treatments"]
    assert [summary.cell(4, at).value for at in (7, 8)] == ["Usual", "Variation"]
    for down in range(5, 9):
        told = summary.cell(down, 8)
        assert (told.alignment.horizontal, told.alignment.indent) == ("left", 1)
        assert len(told.value) < summary.column_dimensions["H"].width
    head = {cell.value: cell for cell in treatments[3]}
    assert treatments.row_dimensions[3].height >= 30
    for name in ("Treatment had", "Theme", "About"):
        column = head[name].column_letter
        longest = max(len(treatments[f"{column}{down}"].value) for down in range(4, treatments.max_row + 1))
        assert longest < treatments.column_dimensions[column].width, name
    assert head["Note"].alignment.indent == 1


def test_both_tables_of_treatments_say_what_they_count(written):
    """A line each, on the page and in the workbook, in one wording."""
    folder, summary, _, _ = written
    page = (folder / "report.html").read_text(encoding="utf-8")
    sheet = openpyxl.load_workbook(folder / "report.xlsx")["Treatments"]
    for row, key in ((1, "clinic"), (2, "verdict")):
        assert summary["treatments"]["counts"][key] in page
        assert sheet.cell(row, 1).value.endswith(summary["treatments"]["counts"][key])


def test_usual_is_told_alike_everywhere(written, open_page):
    """Page and workbook show the Summary's number, with as many digits."""
    folder, summary, _, _ = written
    many, positive, stars, acts = (tile["usual"] for tile in summary["headlines"])
    text = open_page().locator(".tiles").inner_text()
    for words in (
        f"usual {many} a month",
        f"usual {round(positive * 100)} %",
        f"usual mean {stars:.1f}",
        f"mean {acts:.1f}",
    ):
        assert words in text
    sheet = openpyxl.load_workbook(folder / "report.xlsx")["Summary"]
    told = [(sheet.cell(down, 7).value, sheet.cell(down, 7).number_format) for down in range(5, 9)]
    assert told == [(many, "#,##0"), (positive, "0%"), (stars, "0.0"), (acts, "0.0")]


def test_text_that_looks_like_a_formula_stays_text(written):
    """A review that begins with = is a string in its cell, and markup is letters."""
    sheet = openpyxl.load_workbook(written[0] / "report.xlsx")["Reviews"]
    cells = {row[0].value: row[9] for row in sheet.iter_rows(min_row=2)}
    assert (cells["formula"].data_type, cells["formula"].value) == ("s", "=1+1 was the bill")
    assert cells["markup"].value == HOSTILE
    assert cells["named"].value.startswith("[name] at the desk was kind.\nIn a copy of this review (Yelp): ")
    assert "twin" not in cells
    assert len(cells) == written[1]["quality"]["reviews"]
    assert cells["form:Q1"].value == "Asked: What was good? The nurses.\nAsked: What was bad? The lot was full."
    assert "form:Q2" not in cells


def test_evidence_is_highlighted_in_the_workbook(written):
    """The passage that speaks for a theme stands in its own coloured run, and the whole cell still reads as typed."""
    book = openpyxl.load_workbook(written[0] / "report.xlsx", rich_text=True)
    cells = {row[0].value: row[9].value for row in book["Reviews"].iter_rows(min_row=2)}
    runs = [(str(run), getattr(run, "font", None)) for run in cells["formula"]]
    coloured = [text for text, font in runs if font and font.color and font.color.rgb == "FFA34700"]
    assert coloured == ["the bill"]
    assert "".join(text for text, _ in runs) == "=1+1 was the bill"


# ── The page in a real browser ──


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("these checks need a browser: install Debian's `chromium` (apt-get install chromium)")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=flags)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, written):
    """Opens the report from disk; fails on any error of its script and on any request beside the file itself."""
    contexts = []

    def start(hash_="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        page = context.new_page()
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.goto(f"file://{written[0] / 'report.html'}{hash_}")
        contexts.append((context, page))
        return page

    yield start
    for context, page in contexts:
        assert page.errors == []
        assert {url.split("#")[0] for url in page.asked} == {f"file://{written[0] / 'report.html'}"}
        context.close()


@pytest.mark.parametrize("wide", [390, 360])
def test_a_phone_scrolls_one_way_only(open_page, wide):
    """On a phone nothing stands beyond the edge of the window, and every theme's figures keep clear of its name."""
    page = open_page(viewport={"width": wide, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= wide


def test_names_keep_clear_of_figures(open_page):
    """In the table of themes no text touches or covers its neighbour's, nor the window's edge."""
    page = open_page()
    gaps = page.evaluate("""() => [...document.querySelectorAll('.speak tr.head')].flatMap(row => {
        const boxes = [...row.cells].map(cell => { const range = document.createRange(); range.selectNodeContents(cell);
            return range.getBoundingClientRect(); }).filter(box => box.width);
        return boxes.slice(1).map((box, at) => box.left - boxes[at].right); })""")
    assert min(gaps) >= 6
    assert (
        page.evaluate(
            "Math.max(...[...document.querySelectorAll('.moved b')].map(b => b.getBoundingClientRect().right))"
        )
        <= 1280
    )
    assert "better since Mar, Ocean Walk" in page.locator(".speak").inner_text()
    assert page.locator(".speak .dot.concern, .speak .dot.improvement").count() == 0


def test_print_says_what_it_leaves_out(open_page, written):
    """On paper the list says how many of how many it prints and where all are; on the screen that line is not shown."""
    page = open_page()
    line = page.locator("#printed")
    assert not line.is_visible()
    page.emulate_media(media="print")
    assert (
        line.inner_text()
        == f"Printed: 20 of {written[1]['quality']['reviews']} reviews. The workbook report.xlsx holds all {written[1]['quality']['reviews']}."
    )


def remain(page) -> int:
    return int(re.search(r"\d+", page.locator("#remain").inner_text()).group())


def sheets(pdf: bytes) -> list[int]:
    """How many lines of text each page of a PDF holds: the heights at which its text stands, as Chromium writes them."""
    objects = {int(found[1]): found[2] for found in re.finditer(rb"(?s)(\d+) 0 obj\n(.*?)endobj", pdf)}
    order = [int(one) for kids in (body for body in objects.values() if b"/Kids" in body)
             for one in re.findall(rb"(\d+) 0 R", re.search(rb"/Kids \[(.*?)\]", kids, re.DOTALL)[1])]  # fmt: skip
    pages = [objects[at] for at in order if re.search(rb"/Type /Page\b", objects[at])]
    lines = []
    for page in pages:
        body = objects[int(re.search(rb"/Contents (\d+) 0 R", page)[1])]
        drawn = zlib.decompress(body[body.index(b"stream\n") + 7 : body.rindex(b"\nendstream")])
        lines.append(len({round(float(at)) for at in re.findall(rb"1 0 0 -1 [\d.-]+ ([\d.-]+) Tm", drawn)}))
    return lines


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_on_paper_page_one_is_one_sheet_and_no_sheet_is_nearly_empty(open_page, paper):
    """Page one alone fills one sheet; of the whole report no sheet holds fewer than five lines."""
    page = open_page()
    every = sheets(page.pdf(format=paper))
    assert len(every) > 5
    assert min(every) >= 5, every
    page.evaluate("document.querySelectorAll('main > :not(.page-one)').forEach(one => one.remove())")
    (alone,) = sheets(page.pdf(format=paper))
    assert alone == every[0] > 30


def test_page_one_fits_the_window_and_one_printed_page(open_page):
    """Everything of page one stands within 1280 × 900, nothing scrolls sideways, and on A4 it fills one page at most."""
    page = open_page()
    assert page.evaluate("document.querySelector('.page-one').getBoundingClientRect().bottom") <= 900
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1017})  # A4 less its margins, in CSS pixels
    assert page.evaluate("document.querySelector('.page-one').getBoundingClientRect().height") <= 1017
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_figures_open_the_reviews_behind_them(open_page, written):
    """Each link of a figure, followed, leaves as many reviews as the figure says; the address keeps the filter."""
    page = open_page()
    links = page.eval_on_selector_all(
        'main a[href^="#reviews"]',
        "all => all.map(a => [a.getAttribute('href'), (a.getAttribute('aria-label') || a.textContent).trim()])",
    )
    counted_links = {
        href: int(found.group(1))
        for href, says in links
        if (found := re.search(r"(\d+) of \d+(?! \()", says)) and "stars," not in says
    }
    assert len(counted_links) > 60
    for href, expected in list(counted_links.items())[::5]:
        page.evaluate("href => { location.hash = href }", href)
        page.wait_for_function("href => location.hash === href", arg=href)
        assert remain(page) == expected, href
    theme = written[1]["themes"][0]
    page.goto(page.url.split("#")[0])
    page.locator(".speak tr.head td a").first.click()
    assert remain(page) == theme["mentions"]["k"]
    assert f"theme={theme['theme']}" in page.url


def test_nought_is_no_link(open_page):
    """A figure of 0 of anything opens nothing, so it is no link."""
    page = open_page()
    links = page.eval_on_selector_all(
        'main a[href^="#reviews"]', "all => all.map(a => (a.getAttribute('aria-label') || a.textContent).trim())"
    )
    assert [says for says in links if re.match(r"0( |$)", says)] == []
    assert page.locator("main td", has_text=re.compile(r"^0 of \d+")).count() > 0


def test_every_count_of_reviews_opens_them(open_page, written):
    """Stars of each number, sources, marks of the reader and negatives of the year before are links too."""
    page = open_page()
    for where in (
        {"month": "2026-10", "stars": "4"},
        {"month": "2026-10", "source": "survey"},
        {"flag": "unsure"},
        {"from": "2025-10", "to": "2026-09", "theme": "parking", "sentiment": "negative"},
    ):
        assert page.locator(f"main a[href='{html.link(where)}']").count() > 0, where


def test_the_script_selects_what_python_selects(open_page, written):
    """The page's filters and summary.select agree on every kind of filter."""
    counted_ = plain(written[2], "2026-10")
    page = open_page()
    for where in (
        {"month": "2026-10"}, {"from": "2026-06", "to": "2026-08", "location": "Dry Wells", "theme": "parking", "sentiment": "negative"},
        {"source": "yelp", "treatment": "ketamine"}, {"treatment": "not stated"}, {"sentiment": "negative"}, {"sentiment": "not read"},
        {"sentiment": "stars only"}, {"language": "es"}, {"escalation": "any"}, {"escalation": "misconduct"}, {"dated": "no"}, {"stars": "disagree"},
        {"stars": "1-2", "words": "yes"}, {"theme": "efficacy", "treatment": "tms", "about": "verdict"}, {"ids": ["markup", "named"]},
        {"ids": ["form:Q2"]}, {"flag": "unsure"}, {"dated": "roughly"}, {"words": "any"}, {"words": "yes"}, {"stars": "4"}, {"sentiment": "mixed"},
        {"theme": "parking", "sentiment": "negative", "source": "survey"}, {"escalation": "adverse_event"},
    ):  # fmt: skip
        page.evaluate("href => { location.hash = href }", html.link(where))
        page.wait_for_function("href => location.hash === href", arg=html.link(where))
        assert remain(page) == len(select(counted_, where)), where


def test_filters_search_and_paging(open_page):
    """Controls narrow the list, say how many remain, live in the address, survive a reload and can be let go."""
    page = open_page()
    every = remain(page)
    assert page.locator("article.review").count() == 20
    page.get_by_role("button", name="next page").click()
    assert "page=2" in page.url
    page.get_by_label("Clinic", exact=True).select_option("Dry Wells")
    page.get_by_label("Theme", exact=True).select_option("parking")
    assert 0 < remain(page) < every
    assert "page=" not in page.url
    found = remain(page)
    page.reload()
    assert remain(page) == found
    assert page.get_by_label("Clinic", exact=True).input_value() == "Dry Wells"
    page.get_by_role("button", name="Show all reviews").click()
    page.get_by_label("Search", exact=True).fill("lejisimos")  # without its accent
    page.wait_for_function("() => document.getElementById('remain').textContent.startsWith('1 of')")
    assert page.locator("article.review").get_attribute("data-id") == "spanish"
    page.get_by_label("Search", exact=True).fill("nobody wrote this")
    page.wait_for_function("() => document.getElementById('remain').textContent.startsWith('0 of')")
    assert "No review matches" in page.locator("#list").inner_text()


def test_markup_in_a_review_is_text(open_page):
    """A review with an image, a script and a template shows its letters; nothing of it runs or becomes an element."""
    page = open_page("#reviews?id=markup")
    box = page.locator("article.review blockquote")
    assert (
        box.evaluate("box => { for (const tip of box.querySelectorAll('.tip')) tip.remove(); return box.textContent }")
        == HOSTILE
    )
    assert page.title() == "Patient reviews · October 2026"
    assert page.locator("main img, main script").count() == 0


def test_every_passage_is_highlighted_with_its_theme(open_page):
    """Underlines stand at their passages, behind an emoji and where passages overlap, and say theme and sentiment on focus."""
    page = open_page("#reviews?id=markup")
    mark = page.locator("article mark")
    assert mark.evaluate("mark => mark.firstChild.textContent") == "rude desk"
    mark.focus()
    tip = mark.locator(".tip")
    assert tip.inner_text() == "staff, negative, 80 % sure"
    assert tip.is_visible()
    page = open_page("#reviews?id=overlap")
    pieces = page.eval_on_selector_all(
        "article mark", "all => all.map(mark => [mark.firstChild.textContent, mark.querySelector('.tip').textContent])"
    )
    assert [piece for piece, _ in pieces] == ["kind nurse ", "explained", " ", "it all"]
    assert pieces[1][1] == "communication, positive, 80 % sure; staff, positive, 80 % sure"
    assert "TMS: efficacy, positive" in pieces[3][1]
    page = open_page("#reviews?id=named")
    assert "[name] at the desk" in page.locator("article blockquote").first.inner_text()


def test_what_to_act_on_stands_first(open_page):
    """The crisis of the month is on page one with its words, and its link opens the review."""
    page = open_page()
    row = page.locator(".act li").first
    assert "crisis" in row.inner_text()
    assert "25 Oct, 6 days on 31 Oct" in row.inner_text()
    row.get_by_role("link").click()
    assert page.locator("article.review").get_attribute("data-id") == "crisis"
    assert page.locator("article mark.escalation").count() == 1


def test_every_reason_to_act_stands_with_its_own_words(open_page):
    """Page one and the table name both reasons of a review, each with its passage; a copy's words are said to be a copy's."""
    page = open_page()
    for place in (
        page.locator(".act li", has_text="misconduct"),
        page.locator("#escalations tr", has_text="misconduct").first,
    ):
        assert place.locator(".reasons b").all_inner_texts() == ["misconduct", "adverse event"]
        assert place.locator(".reasons mark").all_inner_texts() == ["he touched me", "I fainted"]
    assert "in a copy of this review (Yelp)" in page.locator("#escalations").inner_text()
    page = open_page("#reviews?id=named")
    assert "In a copy of this review (Yelp 2026-10-22):" in page.locator("article").inner_text()
    assert page.locator("article mark.escalation").inner_text() == "I fainted"


def test_what_to_act_on_is_told_apart_by_when(open_page):
    """The heading says found in October; what has no date and what is older stand in groups of their own."""
    page = open_page()
    assert (
        page.locator("#act").inner_text().startswith("Needs action today: 3 found in October\nof 27 reviews screened")
    )
    assert "1 open without a date" in page.locator("#act").inner_text()
    assert "1 open from earlier months" in page.locator("#act").inner_text()
    heads = page.locator("#escalations h3").all_inner_texts()
    assert heads == ["Without a date: 1 open; in no month's figures", "From earlier months: 1 open"]
    assert page.locator("#escalations-title").inner_text().startswith("3 reviews to act on found in October, of ")


def test_the_answers_of_one_form_stand_together(open_page):
    """A form is one entry of the list, with what was asked before each answer, and found by any answer's id."""
    page = open_page("#reviews?id=form%3AQ2")
    assert remain(page) == 1
    box = page.locator("article.review")
    assert box.locator(".asked").all_inner_texts() == ["Asked: What was good?", "Asked: What was bad?"]
    assert [
        text.split("parking")[0].strip()
        for text in box.locator("mark").evaluate_all("all => all.map(one => one.firstChild.textContent)")
    ] == [
        "nurses",
        "lot was full",
    ]
    assert box.locator("h3 b").inner_text() == "mixed"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barrier_found(open_page, scheme):
    """axe-core finds no violation in light and in dark, with the list filtered and the selection's table open."""
    from axe_playwright_python.sync_playwright import Axe

    page = open_page("#reviews?theme=staff", color_scheme=scheme, bypass_csp=True)
    page.locator("#selection summary").click()
    # every rule once; in dark the colours, which is all that differs
    result = Axe().run(
        page, options={"resultTypes": ["violations"]} | ({} if scheme == "light" else {"runOnly": ["color-contrast"]})
    )
    assert result.violations_count == 0, result.generate_report()


def test_the_keyboard_reaches_the_reviews(open_page):
    """The first Tab offers a way past page one; every control has a name; the heading takes the focus after a link."""
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to all reviews"
    unnamed = page.eval_on_selector_all(
        "#filters select, #filters input", "all => all.filter(one => !one.labels.length).length"
    )
    assert unnamed == 0
    page.locator(".tile a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'all-title'")


def test_without_scripts_the_report_is_still_read(open_page):
    """Page one, tables and charts need no script; the list says what it needs."""
    page = open_page(java_script_enabled=False)
    assert "Needs action today" in page.content()
    assert page.locator("svg").count() > 20
    assert page.get_by_text("need scripts").is_visible()


def test_twenty_thousand_reviews_stay_quick(browser, tmp_path):
    """With 20,000 reviews the page opens and filters within a person's patience."""
    reviews = fourteen_months()
    summary, annotations = summarised(reviews)
    counted = plain(annotations, summary["month"])
    page_text = html.page(summary, counted, len(counted.reviews))
    packed = html.packed(summary, counted, len(counted.reviews))
    data = json.loads(packed)
    many = [[f"{row[0]}-{copy}", *row[1:]] for copy in range(20_000 // len(data["rows"]) + 1) for row in data["rows"]]
    data |= {"rows": many, "total": len(many)}
    path = Path(tmp_path) / "many.html"
    path.write_text(page_text.replace(packed, json.dumps(data)), encoding="utf-8")
    page = browser.new_page()
    page.goto(f"file://{path}")
    assert remain(page) >= 20_000
    taken = page.evaluate("""() => { const select = document.getElementById('filter-theme'); const start = performance.now();
        select.value = 'parking'; select.dispatchEvent(new Event('change')); return performance.now() - start; }""")
    assert taken < 1000
    assert page.locator("article.review").count() == 20
    page.close()
