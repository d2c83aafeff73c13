"""The Summary as one page that needs nothing but a browser.

What the page says is in the template; this module lends it words, links and charts, and packs the reviews for its script.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

import jinja2
import pandas as pd
from markupsafe import Markup

from pipeline import statistics, summary, tables, wording
from pipeline.months import day_name, day_of, month_name, short_month
from pipeline.report import charts

BY_A_PERSON = 101  # in the place of how sure the program is, in per cent


def page(told: Mapping, counted: summary.Counted, total: int, in_workbook: int | None = None) -> str:
    """The report (`told`: the Summary) as one HTML document: styles, script, charts and reviews inside, no request made.

    counted: the reviews to list, of `total`. in_workbook: how many the workbook lists, if not as many.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "month": month_name,
        "short_month": short_month,
        "day": lambda date: day_name(day_of(date)),
        "long_day": lambda date: day_name(day_of(date), year=True),
        "there": there,
        "words": wording.in_words,
        "capital": wording.capital,
        "stars": stars,
    }
    script = environment.loader.get_source(environment, "report.js")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        s=told,
        link=link,
        percent=wording.percent,
        plural=wording.plural,
        charts=charts,
        script=Markup(script),
        script_hash=digest,
        all_in_workbook=(len(counted.reviews) if in_workbook is None else in_workbook) == total,
        data=Markup(packed(told, counted, total)),
        few=statistics.FEW,
    )


def link(where: Mapping) -> str:
    """The address, within the page, of the reviews a filter selects; the script reads it back."""
    pairs = []
    for name, value in sorted(where.items()):
        if name == "ids":
            pairs += [("id", one) for one in value]
        elif name == "month":
            pairs += [("from", value), ("to", value)]
        elif value:
            pairs.append((name, value))
    return f"#reviews?{urlencode(pairs)}"


def there(register: Sequence[Mapping], location: str, theme: str | None = None) -> list[Mapping]:
    """The changes written down for a clinic, those for every clinic among them; with a theme, those of it."""
    return [one for one in register if one["location"] in (None, location) and theme in (None, one["theme"])]


def stars(rating: float | None) -> str:
    """A mean with one digit; a dash where there is none."""
    return "–" if rating is None else f"{rating:.1f}"


def packed(told: Mapping, counted: summary.Counted, total: int) -> str:
    """The reviews and what they say as JSON for the page's script: lists instead of objects, names by their position.

    Safe inside a script element: no letter of it can end the element. Offsets count UTF-16 units, as JavaScript does.
    """
    texts: dict[str, list] = {}
    place: dict[str, int] = {}  # an answer's position among those of its review
    wide: dict[str, str] = {}  # texts with letters beyond the first plane, whose offsets differ in JavaScript
    columns = ["review_id", "answer", "text", "question", "language", "source", "date", "twin"]
    for review_id, answer, text, question, language, source, date, twin in _rows(counted.answers[columns]):
        mine = texts.setdefault(review_id, [])
        place[answer] = len(mine)
        copy = f"{wording.SOURCE_NAMES.get(source, source)} {date or ''}".strip() if twin else ""
        mine.append([answer, question or "", text, language, copy])
        if not text.isascii() and max(text) > "\uffff":
            wide[answer] = text

    def span(answer, start, end):
        if None in (start, end) or not 0 <= start < end:
            return 0, 0, place[answer]
        if answer in wide:
            start, end = (_utf16(wide[answer], at) for at in (start, end))
        return start, end, place[answer]

    themes, names = list(told["names"]["themes"]), list(tables.SENTIMENTS)
    theme_at, name_at = ({name: at for at, name in enumerate(known)} for known in (themes, names))
    keys = ["review_id", "theme", "treatment"]
    verdicts = _rows(summary.verdict_of_each(counted.said)[[*keys, "sentiment"]])
    agreed = {tuple(key): name_at[sentiment] for *key, sentiment in verdicts}
    said: dict[str, list] = {}
    columns = [*keys, "sentiment", "confidence", "found_by", "answer", "start", "end"]
    for review_id, theme, treatment, sentiment, sure, found_by, *where in _rows(counted.said[columns]):
        sure = BY_A_PERSON if found_by == tables.BY_A_PERSON else -1 if sure != sure else round(sure * 100)
        together = agreed[review_id, theme, treatment]
        one = [theme_at.get(theme, -1), treatment, name_at[sentiment], together, sure, *span(*where)]
        said.setdefault(review_id, []).append(one)
    acts: dict[str, list] = {}
    for review_id, reason, *where in _rows(counted.acts[["review_id", "reason", "answer", "start", "end"]]):
        acts.setdefault(review_id, []).append([reason, *span(*where)])
    rows = [
        [
            row.review_id,
            row.date or "",
            row.month or "",
            row.location,
            row.source,
            row.language,
            None if row.rating != row.rating else row.rating,
            row.overall,
            list(row.treatments),
            texts[row.review_id],
            said.get(row.review_id, []),
            acts.get(row.review_id, []),
            int(row.disagrees),
            list(row.flags),
            int(row.rough),
            int(row.words) + int(row.read),
        ]
        for row in counted.reviews.iloc[::-1].itertuples()
    ]
    data = {
        "names": told["names"],
        "lists": told["lists"],
        "themes": themes,
        "sentiments": names,
        "stars": summary.STARS,
        "total": total,
        "rows": rows,
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _rows(table: pd.DataFrame) -> Iterator[tuple]:
    """The rows as plain tuples, for there are many."""
    return zip(*(table[name].tolist() for name in table), strict=True)


def _utf16(text: str, at: int) -> int:
    return len(text[:at].encode("utf-16-le", "surrogatepass")) // 2
