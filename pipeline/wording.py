"""How the reports say things: figures in words, names for people, and a patient's passage with its sentence around it."""

import math
import re
from collections.abc import Mapping

from pipeline.segment import sentences

NOT_STATED = "not stated"
UNREAD, STARS_ONLY = "not read", "stars only"
TREATMENT_NAMES = {"tms": "TMS", "ketamine": "Ketamine", "spravato": "Spravato", NOT_STATED: "Not stated"}
REASON_NAMES = {"crisis": "crisis", "misconduct": "misconduct", "adverse_event": "adverse event"}
SOURCE_NAMES = {
    "google": "Google",
    "yelp": "Yelp",
    "survey": "survey",
    "facebook": "Facebook",
    "zocdoc": "Zocdoc",
    "healthgrades": "Healthgrades",
    "vitals": "Vitals",
    "reddit": "Reddit",
    "web": "web page",
}
FINE = 1000  # reviews from which a share is told with a digit behind the point
NEAR = 2000  # characters on either side of a passage among which its sentence is looked for; none is longer as printed


# What a terminal takes for an order, what turns the direction of a line, and what no file can hold.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text as a terminal may be given it: what is no letter, blank or line end as \\u001b; JSON stays the same JSON."""
    return UNPRINTABLE.sub(lambda letter: f"\\u{ord(letter[0]):04x}", text)


def plural(number: int, what: str, many: str | None = None) -> str:
    """ "1 review", "2 reviews"; `many` where an s does not do it."""
    return f"{number} {what if number == 1 else many or what + 's'}"


def capital(text: str) -> str:
    """The first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def percent(share: float | None, n: int) -> str:
    """A share in words: whole numbers under a thousand reviews, for more digits would say more than the data."""
    if share is None:
        return "–"
    return f"{share * 100:.1f} %" if n >= FINE else f"{math.floor(share * 100 + 0.5)} %"


def half_up(value: float, digits: int) -> float:
    """A number rounded as people do, the half upwards; a whole one without a point."""
    told = math.floor(round(value * 10**digits, 6) + 0.5) / 10**digits
    return told if digits else int(told)


def in_words(told: Mapping, of: str = "") -> str:
    """A figure {k, n, share, low, high}: "12 of 31 (24–56 %)", with `of` "12 of 31 reviews (24–56 %)".

    The count alone where there are too few for a share.
    """
    count = f"{told['k']} of {told['n']}" + (f" {of}" if of else "")
    if told["share"] is None:
        return count
    low, high = (math.floor(told[end] * 100 + 0.5) for end in ("low", "high"))
    return f"{count} ({low}–{high} %)"


def one_in(share: float) -> str:
    """0.05 → "1 in 20"; "none" for nought; above one in two, a share of a hundred."""
    if share <= 0:
        return "none"
    return f"1 in {round(1 / share)}" if share <= 0.5 else f"{math.floor(share * 100 + 0.5)} in 100"


def shown(text: str) -> str:
    """A text as the reports print it: a placeholder such as [NAME-1] reads [name]."""
    return re.sub(r"\[([A-Z]+(?:[ _-][A-Z]+)*)-\d+\]", lambda match: f"[{match.group(1).lower()}]", text)


def passage(text: str, start: int | None, end: int | None, longest: int = 150) -> dict:
    """The sentence around text[start:end], cut to about `longest` letters: {before, evidence, after, cut}. A cut reads […].

    Where the offsets are missing or do not fit the text, its beginning.
    """
    if start is None or end is None or not 0 <= start < end <= len(text):
        start, end = 0, min(len(text), longest)
    first = max(start - NEAR, 0)
    spans = [(first + one.start, first + one.end) for one in sentences(text[first : end + NEAR])]
    left = max([a for a, _ in spans if a <= start], default=start)
    right = max(min([b for _, b in spans if b >= end], default=end), end)
    spare = max(longest - (end - start), 0)
    before, evidence, after = text[left:start], text[start:end], text[end:right].rstrip()
    cut = False
    if len(before) + len(after) > spare:
        # what follows matters more than what leads up: a "but" stands there
        keep_after = min(len(after), max(spare - len(before), spare * 3 // 5))
        keep_before = max(spare - keep_after, 0)
        if len(after) > keep_after:
            after, cut = after[:keep_after].rsplit(" ", 1)[0].rstrip(" ,;") + " […]", True
        if len(before) > keep_before:
            before, cut = "[…] " + ([*before[len(before) - keep_before :].split(" ", 1), ""])[1], True
    if len(evidence) > longest + 40:
        evidence, after, cut = evidence[:longest].rsplit(" ", 1)[0], " […]", True
    return {"before": shown(before), "evidence": shown(evidence), "after": shown(after), "cut": cut}
