"""What only Google's exports do: machine translations around a comment, the place's name in a file of its own, the owner's own reviews."""

import re

from pipeline.read.exports import EXPORTS
from pipeline.read.files import Blob, Unreadable
from pipeline.read.records import document

_TRANSLATED = "|".join(map(re.escape, EXPORTS["words"]["translated"]))
_ORIGINAL = "|".join(map(re.escape, EXPORTS["words"]["original"]))
TRANSLATED = re.compile(rf"\((?:{_TRANSLATED})\)", re.I)
ORIGINAL = re.compile(rf"\n[ \t]*\((?:{_ORIGINAL})\)[ \t]*\r?\n", re.I)
ORIGINAL_FLAT = re.compile(rf"\s\((?:{_ORIGINAL})\)\s", re.I)  # a scrape may have lost the line ends


def original_of(text: str) -> tuple[str, bool, bool]:
    """(what was typed, whether a translation came with it, whether the original is missing).

    Both orders are known: "(Translated by Google) … (Original) …" and "… (Translated by Google) …". A translation without its original is
    kept, as there is nothing else, and counts as cut: it may not be quoted. "(Original)" alone is an ordinary word.
    """
    mark = TRANSLATED.search(text)
    if not mark:
        return text, False, False
    before, after = text[: mark.start()], text[mark.end() :]
    if before.strip():
        return before.rstrip(), True, False
    if original := ORIGINAL.search(after) or ORIGINAL_FLAT.search(after):
        return after[original.end() :], True, False
    return after.strip(), True, True


def listing_name(blob: Blob) -> str | None:
    """The place's name from the additionalData.json beside a Takeout's reviews, or None where there is none or it cannot be read."""
    try:
        found = document(blob.beside("additionalData.json"))
    except (Unreadable, KeyError):
        return None
    return _listing(found)


def _listing(found) -> str | None:
    try:
        for attribute in found["attributes"]:
            if attribute["id"]["attributeType"] == "LISTING_NAME":
                return attribute["values"][0]["datum"]["listingName"]["text"].strip() or None
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    return None


def is_additional_data(found) -> bool:
    """Whether a JSON document is a Takeout's description of a place."""
    if not isinstance(found, dict) or not isinstance(found.get("attributes"), list):
        return False
    return any(
        isinstance(item, dict) and isinstance(item.get("id"), dict) and "attributeType" in item["id"]
        for item in found["attributes"]
    )


def is_own_reviews(found) -> bool:
    """Whether a JSON document is the `Maps (your places)` file: what the account's owner wrote about other places."""
    return (
        isinstance(found, dict) and found.get("type") == "FeatureCollection" and isinstance(found.get("features"), list)
    )
