"""A clinic's web page, saved or pasted: its reviews are the paragraphs under its "Reviews" heading, up to the first line that asks the reader
to do something. All else is the clinic speaking. A page may also carry its reviews as schema.org JSON-LD; then these are taken."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.read.exports import EXPORTS, plain
from pipeline.read.files import DOCUMENT, Blob, Unreadable, text_of
from pipeline.read.grid import Row
from pipeline.read.ratings import GLYPHS, read_rating
from pipeline.read.records import flat
from pipeline.terms import Terms, compile_terms

PAGE = EXPORTS["page"]
HEADINGS = compile_terms(PAGE["headings"])
CALLS = Terms(PAGE["calls"])
READ_ON = {plain(words) for words in PAGE["read_on"]}
LARGEST = 20_000_000  # characters
PHONE = re.compile(r"[\s+()\d.\-–ext]*\d{3}[\s+()\d.\-–ext]*")
WRITER = re.compile(r"[-–—~]\s*[^.!?]{1,60}\.?|[^\W\d_][\w'’-]*(?:\s[^\W\d_]\.?){1,2}(?:,\s*[\w .]{1,40})?")
BULLET = re.compile(r"[•·▪‣*]\s+")
QUOTED = re.compile(r"[\"“«](.*)[\"”»]", re.S)


class Block(NamedTuple):
    """A paragraph and the line it begins on; `level` 1…6 for a heading of HTML, 0 where the page marks none."""

    line: int
    text: str
    level: int = 0
    link: bool = False  # nothing but a link or a button


class Told(NamedTuple):
    """A review found on a page."""

    line: int
    text: str
    author: str | None = None
    rating: str = ""
    cut: bool = False


class Page(NamedTuple):
    """The reviews of a page; `aside`: how many of its paragraphs are not."""

    reviews: list[Told]
    aside: int


def blocks_of_text(blob: Blob) -> list[Block]:
    """The paragraphs of running text: blank lines part them; where there are none, every line is one."""
    with text_of(blob) as stream:
        text = stream.read(LARGEST)
        if stream.read(1):
            raise Unreadable("a text far longer than a page: give the export itself")
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    apart = any(not line.strip() for line in lines[:-1])
    blocks: list[Block] = []
    begun = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            begun = False
        elif _is_stars(line.strip()):  # they stand above a review, on a line of its paragraph or apart
            blocks.append(Block(number, line.strip()))
            begun = False
        elif begun and apart and not is_heading(blocks[-1].text) and not is_heading(line):
            blocks[-1] = blocks[-1]._replace(text=f"{blocks[-1].text}\n{line.strip()}")
        else:
            blocks.append(Block(number, line.strip()))
            begun = True
    return blocks


def blocks_of_document(blob: Blob) -> list[Block]:
    """The paragraphs of a Word document that hold anything, numbered."""
    from bs4 import BeautifulSoup

    try:
        with blob.open() as stream, zipfile.ZipFile(io.BytesIO(stream.read(LARGEST))) as archive:
            text = archive.read(DOCUMENT).decode("utf-8", "replace")
    except Exception as error:  # a damaged archive fails in ways of its own
        raise Unreadable(
            "the document is damaged: open it, save it again or paste its text into a text file"
        ) from error
    soup = BeautifulSoup(text[:LARGEST], "html.parser")
    for line_end in soup(["w:br", "w:cr"]):
        line_end.replace_with("\n")
    blocks = []
    for number, paragraph in enumerate(soup("w:p"), 1):
        lines = "".join(paragraph.strings).strip().split("\n")
        blocks += [Block(number, line.strip()) for line in lines if line.strip()]
    return blocks


def is_heading(text: str) -> bool:
    """Whether a short line is the heading above reviews, its count and stars aside: "Reviews (128)"."""
    words = re.sub(r"[^\w&'’\s]|\d", " ", text)
    words = re.sub(r"\s+", " ", words).strip()
    return len(text) <= 80 and len(words.split()) <= 8 and bool(words) and bool(HEADINGS.fullmatch(words))


def reviews_of(blocks: list[Block]) -> Page | None:
    """The reviews of a page, or None where no heading announces any. Of several such headings (a menu has one too) the one with most text."""
    found = [_below(blocks, place) for place, block in enumerate(blocks) if is_heading(block.text)]
    if not found:
        return None
    best = max(found, key=lambda reviews: sum(len(review.text) for review in reviews))
    return Page(best, len(blocks) - len(best))


def _below(blocks: list[Block], heading: int) -> list[Told]:
    level, reviews, stars = blocks[heading].level, [], ""
    for block in blocks[heading + 1 :]:
        words = len(block.text.split())
        if plain(block.text) in READ_ON:
            if reviews:
                reviews[-1] = reviews[-1]._replace(cut=True)
            continue
        if _is_stars(block.text):
            stars = block.text
            continue
        if words <= 6 and WRITER.fullmatch(block.text) and reviews and not CALLS.find(block.text):
            reviews[-1] = reviews[-1]._replace(author=block.text.strip(" -–—~"))
            continue
        if _ends(block, words, level):
            break
        text, _, last = block.text.rpartition("\n")
        signed = text and last.startswith(("-", "–", "—", "~")) and WRITER.fullmatch(last)
        text = text if signed else block.text
        if bullet := BULLET.match(text):
            text = text[bullet.end() :]
        quoted = QUOTED.fullmatch(text.strip())
        if quoted and len(quoted[1].split()) > 3:
            text = quoted[1]
        reviews.append(Told(block.line, text, last.strip(" -–—~") if signed else None, stars))
        stars = ""
    return reviews


def _is_stars(text: str) -> bool:
    marked = GLYPHS.fullmatch(text) or re.search(r"star|/\s*5|out of 5", text, re.I)
    return len(text) <= 30 and bool(marked) and read_rating(text)[0] is not None


def _ends(block: Block, words: int, level: int) -> bool:
    """Whether the reviews end before this paragraph."""
    if block.link or is_heading(block.text):
        return True
    if block.level and (not level or block.level <= level):
        return True
    if words > 12:
        return False
    if (len(block.text) <= 60 and PHONE.fullmatch(block.text)) or CALLS.find(block.text):
        return True
    # A line in title case without an end is a heading: "Our Approach", "Frequently Asked Questions".
    titled = all(word[0].isupper() for word in block.text.split() if len(word) > 3 and word[0].isalpha())
    return 1 < words <= 6 and block.text[-1].isalpha() and block.text[0].isupper() and titled


BLOCKS = re.compile(
    r"h[1-6]|p|li|blockquote|div|section|article|td|th|figcaption|dd|dt|button|footer|header|main|aside|nav|ul|ol|table|tr|form|figure|dl|body|html"
    r"|center|option|cite"
)


def soup_of(blob: Blob):
    """The parsed HTML of a file."""
    from bs4 import BeautifulSoup

    with text_of(blob) as stream:
        text = stream.read(LARGEST)
        if stream.read(1):
            raise Unreadable("a page far longer than a web page is: give the export itself")
    try:
        return BeautifulSoup(text, "html.parser")
    except Exception as error:  # the parser gives up on broken declarations in ways of its own
        raise Unreadable("the page is not HTML that can be read: save it again from the browser") from error


def tables_of(soup) -> list[list[Row]]:
    """The rows of every table that has no table within, the longest table first."""
    found = []
    for table in soup("table"):
        if table.find("table") is None:
            rows = [
                Row(number, [cell.get_text("\n", strip=True) for cell in row(["td", "th"])])
                for number, row in enumerate(table("tr"), 1)
            ]
            if len(rows) > 1:
                found.append(rows)
    return sorted(found, key=len, reverse=True)


def blocks_of_html(soup) -> list[Block]:
    """The paragraphs of a page in their order: the text of every block that has no block within."""
    for tag in soup(["script", "style", "noscript", "template", "svg", "select", "textarea"]):
        tag.decompose()
    blocks: list[Block] = []
    pieces: list[str] = []
    where = [1, 0, False]  # line, level, button
    headings: list[int] = []

    def close() -> None:
        text = re.sub(r" *\n *", "\n", re.sub(r"[ \t\xa0]+", " ", "".join(pieces))).strip()
        pieces.clear()
        if text:
            blocks.append(Block(where[0], text, where[1], where[2]))

    for event, node in _events(soup):
        if event == "text":
            pieces.append(re.sub(r"\s+", " ", node))
        elif node.name == "br":
            pieces.append("\n" if event == "start" else "")
        elif BLOCKS.fullmatch(node.name):
            close()
            if re.fullmatch(r"h[1-6]", node.name):
                headings.append(int(node.name[1])) if event == "start" else headings.pop()
            where[:] = [
                node.sourceline or where[0],
                headings[-1] if headings else 0,
                event == "start" and node.name == "button",
            ]
    close()
    return blocks


def _events(soup) -> Iterator[tuple[str, object]]:
    """Starts, ends and texts in order, without recursion: pages nest deeper than Python does."""
    from bs4 import Comment, Declaration, Doctype, NavigableString, ProcessingInstruction

    waiting: list[tuple[str, object]] = [("start", soup)]
    while waiting:
        event, node = waiting.pop()
        if event == "end":
            yield event, node
        elif isinstance(node, NavigableString):
            if not isinstance(node, (Comment, Declaration, Doctype, ProcessingInstruction)):
                yield "text", str(node)
        else:
            yield "start", node
            waiting.append(("end", node))
            waiting.extend(("start", child) for child in reversed(list(node.children)))


def json_ld(soup) -> list[dict[str, str]]:
    """The schema.org reviews of a page, flat, with the place they are about as `place` and their rating as "4/5"."""
    found: list[dict[str, str]] = []
    for script in soup("script", type=re.compile(r"^\s*application/ld\+json", re.I)):
        try:
            waiting = [(json.loads(script.string or ""), "")]
        except (ValueError, RecursionError):
            continue
        while waiting:
            value, place = waiting.pop(0)
            if isinstance(value, list):
                waiting[:0] = [(inner, place) for inner in value]
            elif isinstance(value, dict):
                kinds = value.get("@type") if isinstance(value.get("@type"), list) else [value.get("@type")]
                if "Review" in kinds or "UserReview" in kinds:
                    found.append(_reviewed(value, place))
                else:
                    name = value.get("name") if isinstance(value.get("name"), str) else place
                    waiting[:0] = [(inner, name) for inner in value.values() if isinstance(inner, (dict, list))]
    return found


def _reviewed(value: dict, place: str) -> dict[str, str]:
    cells = flat(value)
    typed, best, worst = (
        cells.get(f"reviewRating.{name}", "").strip() for name in ("ratingValue", "bestRating", "worstRating")
    )
    cells.setdefault("reviewBody", cells.get("description", ""))
    cells["rating"] = (
        f"{typed}/{best}"
        if typed and re.fullmatch(r"\d{1,3}", best) and worst in ("", "0", "1") and "/" not in typed
        else typed
    )
    cells["place"] = cells.get("itemReviewed.name", "") or place
    return cells
