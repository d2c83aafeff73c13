"""May this quote be published, and if not, why.

The rules are data (resources/clearance.toml); this package runs them over one passage of one review. Words are looked for
in the whole review, so that the worse of passage and review counts; the record rules (consent, offsets, date, what the rest
of the review says) are code, because they compare fields. All that one person answered on one form is one review. Every
flag carries its rule, the words, where they stand, the reason and the source. Nothing here looks at a clock: `on` is given.
A flag is no legal advice, and a person approves.

    rules.py     clearance.toml → Rules
    flags.py     a quote, its review, its consent → what speaks against it
    consents.py  the ledger of consents → the authorization that counts for a review
"""

from pipeline.clearance.consents import consent_of, in_force, text_hash
from pipeline.clearance.flags import (
    STATUSES,
    Answer,
    Flag,
    flags,
    leans,
    matched,
    reply_flags,
    speaks_of_results,
    staff_words,
    status,
)
from pipeline.clearance.rules import SEVERITIES, ClearanceError, Rule, Rules, Setting, load_rules

__all__ = [
    "SEVERITIES",
    "STATUSES",
    "Answer",
    "ClearanceError",
    "Flag",
    "Rule",
    "Rules",
    "Setting",
    "consent_of",
    "flags",
    "in_force",
    "leans",
    "load_rules",
    "matched",
    "reply_flags",
    "speaks_of_results",
    "staff_words",
    "status",
    "text_hash",
]
