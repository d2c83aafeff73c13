"""The Summary as one page that needs nothing but a browser.

What the page says is in the template; this module lends it words, links and charts, and packs the reviews for its script.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup

from pipeline import statistics, summary, tables, wording
from pipeline.months import day_name, day_of, month_name, short_month
from pipeline.report import charts

BY_A_PERSON = 101  # in the place of how sure the program is, in per cent
MOST_REVIEWS = 50_000  # packed into the page, the newest; more would open slowly


def page(told: Mapping, annotations: tables.Annotations) -> str:
    """The report (`told`: the Summary) as one HTML document: styles, script, charts and reviews inside, no request made."""
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
        data=Markup(packed(told, annotations)),
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


def packed(told: Mapping, annotations: tables.Annotations) -> str:
    """The reviews and what they say as JSON for the page's script: lists instead of objects, names by their position.

    Safe inside a script element: no letter of it can end the element. Offsets count UTF-16 units, as JavaScript does.
    """
    counted = summary.plain(annotations, told["month"])
    newest = counted.reviews.iloc[::-1].head(MOST_REVIEWS)
    texts: dict[str, list] = {}
    place: dict[str, int] = {}  # an answer's position among those of its review
    wide: dict[str, str] = {}  # texts with letters beyond the first plane, whose offsets differ in JavaScript
    for row in counted.answers.itertuples():
        mine = texts.setdefault(row.review_id, [])
        place[row.answer] = len(mine)
        copy = f"{wording.SOURCE_NAMES.get(row.source, row.source)} {row.date or ''}".strip() if row.twin else ""
        mine.append([row.answer, row.question or "", row.text, row.language, copy])
        if any(ord(letter) > 0xFFFF for letter in row.text):
            wide[row.answer] = row.text

    def span(row):
        start, end = (row.start, row.end) if None not in (row.start, row.end) and 0 <= row.start < row.end else (0, 0)
        if row.answer in wide:
            start, end = (_utf16(wide[row.answer], at) for at in (start, end))
        return start, end, place[row.answer]

    themes, names = list(told["names"]["themes"]), list(tables.SENTIMENTS)
    verdicts = summary.verdict_of_each(counted.said)
    keys = zip(verdicts["review_id"], verdicts["theme"], verdicts["treatment"], strict=True)
    agreed = dict(zip(keys, verdicts["sentiment"], strict=True))
    said: dict[str, list] = {}
    for row in counted.said.itertuples():
        theme = themes.index(row.theme) if row.theme in themes else -1
        together = names.index(agreed[row.review_id, row.theme, row.treatment])
        sure = -1 if row.confidence is None else round(row.confidence * 100)
        sure = BY_A_PERSON if row.found_by == tables.BY_A_PERSON else sure
        one = [theme, row.treatment, names.index(row.sentiment), together, sure, *span(row)]
        said.setdefault(row.review_id, []).append(one)
    acts: dict[str, list] = {}
    for row in counted.acts.itertuples():
        acts.setdefault(row.review_id, []).append([row.reason, *span(row)])
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
        for row in newest.itertuples()
    ]
    data = {
        "names": told["names"],
        "lists": told["lists"],
        "themes": themes,
        "sentiments": names,
        "stars": summary.STARS,
        "total": len(counted.reviews),
        "rows": rows,
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _utf16(text: str, at: int) -> int:
    return len(text[:at].encode("utf-16-le", "surrogatepass")) // 2
