"""The ledger of consents: who signed what, whether it still holds, and what it covers (HIPAA, 45 CFR 164.508)."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import date

import pandas as pd

from pipeline.clearance.rules import Setting
from pipeline.tables import SCOPES


def consent_of(review: Mapping, consents: pd.DataFrame | None) -> dict | None:
    """The authorization that counts for a review, from the rows under its own id and under those of its twins.

    Whoever revoked once has revoked, whichever row says so: a revoked row comes before any that is not, and it does not
    lapse because an older paper lies under a twin's id. Else the one signed last.
    """
    if consents is None or not len(consents):
        return None
    mine = consents["review_id"].isin([review.get("review_id"), *(plain(review.get("twins")) or ())]).to_numpy(bool)
    if not mine.any():
        return None
    rows = consents[mine].fillna("").to_dict("records")
    rows = [row for row in rows if row["revoked_at"]] or rows
    return sorted(rows, key=lambda row: (row["signed_at"], row["review_id"]))[-1]


def text_hash(text: str) -> str:
    """The fingerprint that the ledger keeps of the words a patient agreed to: SHA-256 of the text, blanks evened out."""
    return hashlib.sha256(even(text).encode()).hexdigest()


def even(text: str) -> str:
    """The text with its blanks evened out, in one form of Unicode."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def objections(review: Mapping, consent: Mapping | None, on: date, setting: Setting, quote: str):
    """What speaks against the authorization of one quote: (rule, severity or None for the rule's own, words, reason).

    HIPAA, 45 CFR 164.508: there is one, it is complete, in force, and covers this text and this use.
    """
    if consent is None:
        yield "CONSENT_MISSING", None, (), None
        return
    consent = {key: plain(value) for key, value in consent.items()}
    signed, expires, revoked = (day(consent.get(key)) for key in ("signed_at", "expires_at", "revoked_at"))
    channels = _channels(consent.get("channels"))
    wrong = "The authorization on file "
    if consent.get("scope") not in SCOPES:
        yield (
            "CONSENT_INVALID",
            None,
            (str(consent.get("scope") or ""),),
            wrong + "does not say that the text may be shown.",
        )
    if signed is None:
        yield "CONSENT_INVALID", None, (), wrong + "bears no date of signature."
    if not channels:
        yield "CONSENT_INVALID", None, (), wrong + "names no channel."
    elif setting.channel and setting.channel.casefold() not in channels:
        yield "CONSENT_INVALID", None, channels, wrong + f"does not name the channel {setting.channel}."
    if revoked is not None:  # whenever it was revoked: the ledger is as new as the day it is read
        yield (
            "CONSENT_INVALID",
            None,
            (revoked.isoformat(),),
            (wrong + "has been revoked. Once it is signed anew, take the revoked row out of the ledger."),
        )
    if expires is not None and expires < on:
        yield "CONSENT_INVALID", None, (expires.isoformat(),), wrong + "has expired."
    elif expires is not None and (expires - on).days <= setting.consent_margin_days:
        yield (
            "CONSENT_INVALID",
            "review",
            (expires.isoformat(),),
            wrong + "ends soon: make sure that it still holds on the day of publication.",
        )
    given = str(consent.get("text_hash") or "").strip().lower()
    if given and given not in (text_hash(quote), text_hash(review.get("text") or "")):
        yield "CONSENT_INVALID", None, (), wrong + "was given for another wording: the text has changed since."


def in_force(consent: Mapping | None, on: date, setting: Setting) -> bool:
    """Does an authorization hold on the day, for the channel of the setting? For which words it was given is not asked."""
    found = objections({}, consent and {**consent, "text_hash": ""}, on, setting, "")
    return all(severity == "review" for _, severity, _, _ in found)


def _channels(value) -> tuple:
    return tuple(piece.casefold() for piece in re.split(r"[;,|\s]+", str(value or "").strip()) if piece)


def day(value) -> date | None:
    """An ISO date, a month or a year as its first day; None for nothing or for what is no date."""
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    match = re.match(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", str(value or ""))
    try:
        return date(*(int(part or 1) for part in match.groups())) if match else None
    except ValueError:
        return None


def plain(value):
    """A cell as Python has it: None for a missing value, a list for an array."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if hasattr(value, "tolist") and not isinstance(value, str):
        return value.tolist()
    return value
