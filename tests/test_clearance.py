"""May a quote be published: the rules as data, the record rules, the ledger of consents."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import clearance, segment
from pipeline.read.ledgers import read_consents
from pipeline.tables import CONSENTS

RULES = clearance.load_rules()
SETTING = RULES.setting
CASES = [
    json.loads(line) for line in (Path(__file__).parent / "cases" / "clearance.jsonl").read_text("utf-8").splitlines()
]
ON = date(2026, 10, 31)
CONSENT = {
    **dict.fromkeys(CONSENTS.names, ""), "review_id": "r1", "scope": "text", "channels": "website; social",
    "signed_at": "2026-10-05",
}  # fmt: skip
TEXT = "The nurses are kind. Parking is easy."


def review(text=TEXT, **changes):
    return {
        "review_id": "r1", "source": "survey", "location": "Los Angeles", "date": "2026-10-02", "rating": 5.0, "recommended": None,
        "language": "en", "question": None, "text": text, "overall": "positive", "treatments": [], "received": [], "escalate": [],
        "flags": [], "twins": [], **changes,
    }  # fmt: skip


def opinion(text, evidence, theme="staff", sentiment="positive", treatment=None):
    start = text.index(evidence)
    return {
        "review_id": "r1", "theme": theme, "treatment": treatment, "sentiment": sentiment, "score": 0.8, "confidence": 0.9,
        "evidence": evidence, "start": start, "end": start + len(evidence),
    }  # fmt: skip


def judged(
    quote="The nurses are kind.",
    text=TEXT,
    *,
    opinions=(),
    escalations=(),
    consent=CONSENT,
    setting=SETTING,
    on=ON,
    start=None,
    **changes,
):
    start = text.find(quote) if start is None else start
    return clearance.flags(
        quote, review(text, **changes), opinions, escalations, consent, on, setting, start, start + len(quote)
    )


def named(found):
    return {flag.rule: flag.severity for flag in reversed(found)}


# ── The rules as data ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_cases_begin_with_what_must_not_fire():
    """At least 130 cases; those in which nothing may fire come first; each names rules of the file."""
    firing = [bool(case["present"]) for case in CASES]
    assert len(CASES) >= 130
    assert firing == sorted(firing)
    assert all(name in RULES.rules for case in CASES for name in case["absent"] + case["present"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:50])
def test_case(case):
    """Every rule a case names fires, or keeps silent, as the case says."""
    fired = {
        name for name in case["absent"] + case["present"] if clearance.matched(RULES.rules[name], case["text"], RULES)
    }
    assert fired == set(case["present"])


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.rules.values() if rule.checks != "record"], ids=lambda rule: rule.name
)
def test_the_examples_of_a_rule_hold(rule):
    """No miss of a rule fires it, and each of its hits does."""
    assert [text for text in rule.misses if clearance.matched(rule, text, RULES)] == []
    assert [text for text in rule.hits if not clearance.matched(rule, text, RULES)] == []


def test_every_flag_of_the_notes_is_a_rule():
    """The rules cover the list of flags that counsel is asked to confirm."""
    wanted = (
        "CONSENT_MISSING CONSENT_INVALID PATIENT_IDENTIFIER OTHER_PERSON MINOR SUICIDALITY ADVERSE_EVENT CURE GUARANTEE SAFETY_ABSOLUTE "
        "FDA_STATUS_WRONG KETAMINE_OFFLABEL KETAMINE_COMPOUNDED_HOME SPRAVATO_NAMED SPRAVATO_OFFLABEL TMS_UNCLEARED DRUG_NAMED "
        "QUANT_EFFICACY EFFICACY_GENERAL SAVED_LIFE COMPARE_TREATMENT STOP_MEDS SUPERIORITY STAFF_NAMED CREDENTIAL PRICE_INSURANCE CHANGED_SINCE "
        "INCENTIVE INSIDER AUTHENTICITY TRUNCATION REST_CONTRADICTS TEXT_EDITED TRANSLATED STALE PLATFORM_TERMS SENSITIVE NOT_SELF "
        "PROFANITY_PRIVACY SELECTION REPLY_PHI"
    )
    assert set(wanted.split()) <= set(RULES.rules)
    assert all(rule.reason and rule.source for rule in RULES.rules.values())


def test_the_file_of_the_package_is_without_fault():
    """The package's own rules pass the checks that any other file must pass, which a run spares itself."""
    own = Path(clearance.__file__).parents[1] / "resources" / "clearance.toml"
    assert list(clearance.load_rules(own).rules) == list(RULES.rules)


def test_every_fault_of_the_file_is_reported_at_once(tmp_path):
    """A rule file with many faults names all of them, each on a line with its place."""
    path = tmp_path / "rules.toml"
    path.write_text(
        '[setting]\nstrict = "yes"\nstates = []\nmystery = 1\n[sources]\na = "A"\n'
        '[rule.CURE]\nseverity = "fatal"\nsource = ["zz"]\nterms = ["(open"]\nneeds = ["nowhere"]\nhits = ["x"]\nmisses = ["y"]\n'
        '[rule.NEW]\nseverity = "block"\nreason = "r"\nsource = ["a"]\nescalations = ["fire"]\nopinons = {}\n',
        encoding="utf-8",
    )
    with pytest.raises(clearance.ClearanceError, match=r"rules\.toml") as caught:
        clearance.load_rules(path)
    said = str(caught.value)
    for fault in (
        "strict must be true or false", "unknown key mystery", "platforms is missing", "severity 'fatal'", "reason is missing", "source 'zz'",
        "needs 'nowhere'", "'(open'", "[rule.NEW]: unknown key opinons", "escalation 'fire'", "needs terms, misses and hits",
        "[rule.STALE] is missing",
    ):  # fmt: skip
        assert fault in said
    assert all(line.startswith(str(path)) for line in said.splitlines())


def test_a_file_that_is_no_toml_is_one_clear_line(tmp_path):
    """Broken TOML gives the line and column, no traceback."""
    path = tmp_path / "rules.toml"
    path.write_text("[rule.CURE\n", encoding="utf-8")
    with pytest.raises(clearance.ClearanceError, match=r"not TOML: .*line 1"):
        clearance.load_rules(path)


# ── Words of the passage and of the rest ─────────────────────────────────────────────────────────────────────────────


def test_a_harmless_quote_with_consent_is_cleared():
    """Kindness and parking, authorized, from the clinic's own survey: no objection."""
    found = judged()
    assert found == []
    assert clearance.status(found) == "cleared"


def test_the_worse_of_passage_and_review_counts():
    """A kind sentence out of a review that claims a cure is blocked, and the flag says that the words stand elsewhere."""
    found = judged(text="The nurses are kind. I am cured.")
    [flag] = [flag for flag in found if flag.rule == "CURE"]
    assert (flag.severity, flag.words, flag.where) == ("block", ("cured",), "review")
    assert clearance.status(found) == "blocked"


def test_words_in_the_passage_are_said_to_be_there():
    """The same words inside the quote are marked as of the passage, with reason and source."""
    [flag] = [flag for flag in judged("I am cured.", "I am cured.") if flag.rule == "CURE"]
    assert flag.where == "passage"
    assert "NAC 630.190" in flag.source
    assert "cure" in flag.reason.lower()


def test_superiority_blocks_in_nevada_and_asks_in_california():
    """The state of the clinic decides; a place that is not known is held to all states of the setting."""
    text = "The best clinic in town."
    assert named(judged(text, text, location="Los Angeles"))["SUPERIORITY"] == "review"
    assert named(judged(text, text, location="Las Vegas"))["SUPERIORITY"] == "block"
    assert named(judged(text, text, location=None))["SUPERIORITY"] == "block"
    californian = SETTING._replace(states=frozenset({"California"}))
    assert named(judged(text, text, location=None, setting=californian))["SUPERIORITY"] == "review"


def test_strictness_is_a_setting():
    """Ketamine with a psychiatric benefit asks for a person, and blocks where the clinic is strict."""
    text = "Ketamine lifted my depression."
    assert named(judged(text, text))["KETAMINE_OFFLABEL"] == "review"
    assert named(judged(text, text, setting=SETTING._replace(strict=True)))["KETAMINE_OFFLABEL"] == "block"


def test_a_treatment_found_by_the_tagger_counts_without_its_name():
    """ "The drip" is no word of the list, but the tagger knew it for ketamine."""
    text = "The drip lifted my depression."
    assert "KETAMINE_OFFLABEL" not in named(judged(text, text))
    assert "KETAMINE_OFFLABEL" in named(judged(text, text, treatments=["ketamine"]))


def test_false_regulatory_status_of_ketamine_blocks_and_of_tms_asks():
    """ "FDA approved ketamine" is false; "FDA approved TMS" should read cleared."""
    for text, severity in (("FDA approved ketamine.", "block"), ("FDA approved TMS here.", "review")):
        assert named(judged(text, text))["FDA_STATUS_WRONG"] == severity


def test_an_adult_child_asks_where_a_minor_blocks():
    """ "My 16 year old" blocks; a son of 24 needs a person."""
    assert named(judged(text="The nurses are kind. My son is 16 years old."))["MINOR"] == "block"
    assert named(judged(text="The nurses are kind. They treated my son, my 24 year old son."))["MINOR"] == "review"


@pytest.mark.parametrize(
    ("reason", "rule"), [("crisis", "SUICIDALITY"), ("adverse_event", "ADVERSE_EVENT"), ("misconduct", "SENSITIVE")]
)
def test_escalated_reviews_block(reason, rule):
    """What the safety screen found blocks, by its rows or by the review's own list."""
    row = {"review_id": "r1", "reason": reason, "evidence": "Parking is easy.", "start": 21, "end": 37}
    assert named(judged(escalations=[row]))[rule] == "block"
    assert named(judged(escalate=[reason]))[rule] == "block"


def test_what_the_model_read_counts_where_no_word_does():
    """An outcome told by facts is an efficacy claim; an endured effect blocks; a positive word on effects needs a person."""
    text = "The nurses are kind. I went back to the choir in March. My forehead felt the machine."
    rows = [
        opinion(text, "I went back to the choir in March", "efficacy"),
        opinion(text, "My forehead felt the machine", "side_effects", "negative"),
    ]
    found = named(judged(text=text, opinions=rows))
    assert found["EFFICACY_GENERAL"] == "review"
    assert found["ADVERSE_EVENT"] == "block"
    rows = [opinion(text, "My forehead felt the machine", "side_effects", "positive")]
    assert named(judged(text=text, opinions=rows))["SAFETY_ABSOLUTE"] == "review"


# ── The record ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_consent_nothing_is_cleared():
    """No authorization: a person is asked; under a strict setting it blocks."""
    found = judged(consent=None)
    assert named(found) == {"CONSENT_MISSING": "review"}
    assert clearance.status(found) == "needs review"
    assert clearance.status(judged(consent=None, setting=SETTING._replace(strict=True))) == "blocked"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scope": ""}, "does not say that the text"),
        ({"scope": "photo"}, "does not say that the text"),
        ({"channels": ""}, "names no channel"),
        ({"signed_at": ""}, "no date of signature"),
        ({"expires_at": "2026-10-30"}, "expired"),
        ({"revoked_at": "2026-10-20"}, "revoked"),
        ({"revoked_at": "2026-11-20"}, "revoked"),
        ({"text_hash": "0" * 64}, "another wording"),
    ],
)
def test_an_authorization_that_does_not_hold_blocks(change, said):
    """Incomplete, expired, revoked (whenever that was learnt) or for another text."""
    found = judged(consent={**CONSENT, **change})
    assert named(found)["CONSENT_INVALID"] == "block"
    assert any(said in flag.reason for flag in found)


def test_an_authorization_that_ends_soon_asks():
    """It held on the last day of the month and may not on the day of publication."""
    assert named(judged(consent={**CONSENT, "expires_at": "2026-11-09"})) == {"CONSENT_INVALID": "review"}
    assert judged(consent={**CONSENT, "expires_at": "2027-06-30"}) == []


def test_the_channel_must_be_authorized():
    """Where the clinic says that quotes go to print, a consent for website and social media does not do."""
    assert judged(setting=SETTING._replace(channel="website")) == []
    assert named(judged(setting=SETTING._replace(channel="print"))) == {"CONSENT_INVALID": "block"}


def test_the_hash_of_the_passage_or_of_the_review_holds():
    """Blanks aside, the words the patient signed are the words shown."""
    for text in ("The nurses  are kind.", TEXT):
        assert judged(consent={**CONSENT, "text_hash": clearance.text_hash(text)}) == []


def test_an_edited_quote_blocks():
    """One word changed, or a place that does not match: quotation marks mean exact words. Its own words are read too."""
    assert named(judged("The nurses were kind.", start=0))["TEXT_EDITED"] == "block"
    assert "TEXT_EDITED" not in named(judged("The nurses are\nkind.", start=0))
    assert "CURE" in named(judged("The nurses cured me.", start=0))


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("The nurses are kind.", "The nurses are kind. But nobody answers the phone."),
        ("The nurses are kind.", "The nurses are kind. However, expect to wait."),
        ("The nurses are kind.", "The nurses are kind. Unfortunately they left in May."),
        ("It helped me a lot.", "It helped me a lot. Then it wore off."),
        ("It helped me a lot.", "For the first two weeks nothing. It helped me a lot."),
        ("It helped me a lot.", "I was a skeptic, and I rolled my eyes. It helped me a lot."),
        ("Ironed!", "Today I ironed a shirt. Ironed!"),
        ("But the nurses are kind.", "Nobody answers the phone. But the nurses are kind."),
        ("The nurses are", TEXT),
        ("nurses are kind.", TEXT),
        ("Nothing at all.", "What did I enjoy? Nothing at all."),
        ("Muy amables todos.", "Muy amables todos. Pero nunca contestan."),
    ],
)
def test_a_cut_that_turns_the_meaning_blocks(quote, text):
    """A contrast, a hedge, half a sentence, or the question that the words answer is left out."""
    assert named(judged(quote, text))["TRUNCATION"] == "block"


def test_a_whole_passage_with_its_turn_is_no_truncation():
    """The contrast taken in is honest."""
    text = "The nurses are kind. But bring a book. Parking is easy."
    assert "TRUNCATION" not in named(judged("The nurses are kind. But bring a book.", text))


def test_a_short_answer_to_a_survey_needs_its_question():
    """ "Nothing" is praise or blame, as the question has it."""
    assert named(judged("Nothing.", "Nothing.", question="What could we improve?"))["TRUNCATION"] == "review"
    long = "The nurses at the desk are kind to everybody."
    assert "TRUNCATION" not in named(judged(long, long, question="What was good?"))


@pytest.mark.parametrize(
    ("changes", "rule", "severity"),
    [
        ({"rating": 3.0}, "REST_CONTRADICTS", "block"),
        ({"rating": 4.0}, "REST_CONTRADICTS", None),
        ({"rating": None}, "REST_CONTRADICTS", None),
        ({"rating": float("nan")}, "REST_CONTRADICTS", None),
        ({"overall": "negative"}, "REST_CONTRADICTS", "block"),
        ({"overall": "mixed"}, "REST_CONTRADICTS", "block"),
        ({"overall": None}, "REST_CONTRADICTS", "review"),
        ({"recommended": False}, "REST_CONTRADICTS", "block"),
        ({"date": "2024-09-30"}, "STALE", "review"),
        ({"date": "2024-10-01"}, "STALE", None),
        ({"date": None}, "STALE", "review"),
        ({"source": "google"}, "PLATFORM_TERMS", "review"),
        ({"source": "Yelp"}, "PLATFORM_TERMS", "review"),
        ({"source": "survey"}, "PLATFORM_TERMS", None),
        ({"language": "es"}, "LANGUAGE", "review"),
        ({"flags": ["translated"]}, "TRANSLATED", "review"),
        ({"flags": ["truncated"]}, "TRUNCATION", "block"),
        ({"flags": ["burst"]}, "AUTHENTICITY", "review"),
        ({"flags": ["copied text"]}, "AUTHENTICITY", "review"),
    ],
)
def test_the_record_objects(changes, rule, severity):
    """Stars, overall opinion, age, platform, language and marks of the reader."""
    assert named(judged(**changes)).get(rule) == severity


def test_a_platform_that_gave_permission_is_free():
    """Recorded in the settings by source."""
    assert judged(source="google", setting=SETTING._replace(platform_permission=frozenset({"google"}))) == []


def test_what_the_rest_of_the_review_says_against_it():
    """One fault of another theme asks, the same theme or several themes block; failure elsewhere is no word against us."""
    text = "The nurses are kind. Parking is a maze. The desk was rude once. Bills come late. The drip elsewhere did nothing."
    kind = opinion(text, "The nurses are kind")
    parking = opinion(text, "Parking is a maze", "parking", "negative")
    rude = opinion(text, "The desk was rude once", "staff", "negative")
    bills = opinion(text, "Bills come late", "cost", "negative")
    elsewhere = opinion(text, "The drip elsewhere did nothing", "efficacy", "negative", "ketamine")
    here = opinion(text, "The drip", "efficacy", "positive")
    for rows, severity in (
        ([parking], "review"),
        ([rude], "block"),
        ([parking, bills], "block"),
        ([elsewhere, here], None),
        ([elsewhere], "review"),
    ):
        assert named(judged(text=text, opinions=[kind, *rows])).get("REST_CONTRADICTS") == severity


def form(text, *, opinions=(), **changes):
    return clearance.Answer(review(text, review_id="r2", question="What could we improve?", **changes), opinions)


def of_form(*answers, text="The nurses are kind.", opinions=()):
    return clearance.flags(
        "The nurses are kind.", review(text), opinions, (), CONSENT, ON, SETTING, 0, 20, form=answers
    )  # fmt: skip


def test_all_answers_of_a_form_are_one_review():
    """What another answer tells weighs as if it stood beside the quote: an effect blocks, a wish elsewhere asks, "nothing" is fine."""
    assert of_form(form("Nothing at all")) == []
    found = of_form(form("The headache after each visit"))
    assert named(found)["ADVERSE_EVENT"] == "block"
    assert {flag.where for flag in found} == {"form"}
    assert named(of_form(form("Nothing", escalate=["crisis"])))["SUICIDALITY"] == "block"
    text = "Parking is a maze."
    parking = form(text, opinions=[opinion(text, "a maze", "parking", "negative")], overall="negative")
    assert named(of_form(parking)) == {"REST_CONTRADICTS": "review"}
    text = "The desk was gruff."
    desk = form(text, opinions=[opinion(text, "gruff", "staff", "negative")])
    kind = opinion("The nurses are kind.", "kind")
    assert named(of_form(desk, opinions=[kind])) == {"REST_CONTRADICTS": "block"}
    assert named(of_form(form("A clock", overall="negative"))) == {"REST_CONTRADICTS": "review"}


def test_what_a_rule_needs_may_stand_in_another_answer():
    """The drug in one answer and the condition in another are one claim; depression told elsewhere is depression told."""
    assert named(of_form(form("The ketamine room"), form("My PTSD is quiet")))["KETAMINE_OFFLABEL"] == "review"
    assert "SPRAVATO_OFFLABEL" in named(of_form(form("Spravato days"), form("my anxiety")))
    assert "SPRAVATO_OFFLABEL" not in named(of_form(form("Spravato days"), form("my anxiety and my depression")))


def test_an_answer_that_turns_another_is_not_left_out():
    """ "But only on Mondays" limits what was said in the answer before."""
    assert named(of_form(form("But only on Mondays"))) == {"TRUNCATION": "review"}


@pytest.mark.parametrize(
    ("shift", "written", "fires"),
    [
        ({"state": "improvement"}, "2026-10-02", False),
        ({"location": "Las Vegas"}, "2026-10-02", False),
        ({"theme": "parking"}, "2026-10-02", False),
        ({"between": ["2026-09", "2026-10"]}, "2026-10-02", False),
        ({}, "2026-11-01", False),
        ({}, "2026-10-02", True),
        ({}, None, True),
    ],
)
def test_praise_older_than_a_shift_for_the_worse_asks(shift, written, fires):
    """Of the same theme and place, until the last month in which the shift may have begun; an undated one may be older."""
    shift = {
        "theme": "staff", "location": "Los Angeles", "state": "concern", "between": ["2026-10", "2026-11"], "title": "Staff has been worse",
        "figures": "9 of 12 complain", **shift,
    }  # fmt: skip
    found = clearance.flags(
        "The nurses are kind.", review(date=written), [opinion(TEXT, "kind")], (), CONSENT, ON, SETTING, 0, 20, shifts=[shift]
    )  # fmt: skip
    assert (named(found).get("CHANGED_SINCE") == "review") is fires


def test_flags_come_worst_first():
    """Blocks before questions, in the order of the file."""
    found = judged(text="The nurses are kind. I am cured. Dr. Quince rocks.", consent=None, source="google")
    order = [clearance.SEVERITIES.index(flag.severity) for flag in found]
    assert order == sorted(order)
    assert found[0].severity == "block"


def test_our_own_replies_are_screened():
    """An answer that confirms a visit is found; a neutral one is not."""
    assert [flag.rule for flag in clearance.reply_flags("We hope your treatment goes on well!")] == ["REPLY_PHI"]
    assert clearance.reply_flags("Thank you for the kind words.") == []


@given(st.text(max_size=200), st.data())
def test_sentences_never_overlap_and_lose_no_word(text, data):
    """The sentences of any text stand in order, do not overlap, and only blanks lie between them; flags never fail on it."""
    spans = segment.sentences(text)
    at = 0
    for span in spans:
        assert at <= span.start < span.end <= len(text)
        assert not text[at : span.start].strip()
        at = span.end
    assert not text[at:].strip()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = clearance.flags(text[start:end], review(text), (), (), CONSENT, ON, None, start, end)
    assert clearance.status(found) in clearance.STATUSES
    assert all(flag.reason and flag.source for flag in found)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Quince is kind. We left at 7 p.m. on Monday.", 2),
        ("great place. love it", 2),
        ("Well... maybe. Yes!", 2),
        ("Kind . Warm .", 2),
        ("One\nTwo", 2),
    ],
)
def test_sentences_end_where_they_do(text, count):
    """Titles, hours, dots that trail off, lower case, odd blanks and line breaks."""
    assert len(segment.sentences(text)) == count


# ── The ledger ───────────────────────────────────────────────────────────────────────────────────────────────────────

HEADER = "review_id,scope,channels,signed_at,expires_at,revoked_at,clerk\n"


def ledger(tmp_path, *rows):
    path = tmp_path / "ledger.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
    return read_consents(path)


def test_the_last_signature_counts_and_twins_share_it(tmp_path):
    """A renewal replaces what ran out; a consent under a twin's id is found, and the later of two papers counts."""
    rows = ledger(
        tmp_path,
        "r9,text,website,2026-10-02,,,",
        "r9,text,website,2026-01-01,2026-02-01,,",
        "r1,text,print,2025-03-03,,,",
    )
    assert clearance.consent_of({"review_id": "r9", "twins": []}, rows)["expires_at"] == ""
    assert clearance.consent_of({"review_id": "r1", "twins": ["r9"]}, rows)["signed_at"] == "2026-10-02"
    assert clearance.consent_of({"review_id": "r2", "twins": []}, rows) is None


@pytest.mark.parametrize(
    "rows",
    [
        ("r1,text,website,2026-01-01,,,", "r9,text,website,2026-02-01,,2026-09-01,"),
        ("r1,text,website,2026-02-01,,2026-09-01,", "r9,text,website,2026-10-01,,,"),
        ("r1,text,website,2026-02-01,,2026-09-01,", "r1,text,website,2026-02-01,,,"),
    ],
)
def test_a_revocation_under_any_id_wins(tmp_path, rows):
    """Who revoked once, under the review's id or a twin's, has revoked, whatever other paper lies in the ledger."""
    consent = clearance.consent_of({"review_id": "r1", "twins": ["r9"]}, ledger(tmp_path, *rows))
    assert consent["revoked_at"] == "2026-09-01"
    assert named(judged(consent=consent))["CONSENT_INVALID"] == "block"


# ── Our own people ───────────────────────────────────────────────────────────────────────────────────────────────────

STAFF = clearance.staff_words(["Dr. Ottoline Quayle-Moss", "Wren", "Will Tamm", "RN"])


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("the lady at the desk is kind", False),
        ("Will they call me? They did.", False),
        ("I will come again", False),
        ("thanks to wren I was calm", True),
        ("Quayle-Moss listened", True),
        ("we saw dr moss at noon", True),
        ("Ottoline's hands are steady", True),
        ("it was Will, and he was kind", True),
    ],
)
def test_a_name_of_the_roster_is_known_however_it_is_written(text, fires):
    """Large or small, first or last name; a name that is a word too only with a capital within the sentence."""
    assert sorted(STAFF) == ["moss", "ottoline", "quayle", "quayle-moss", "tamm", "will", "wren"]
    assert bool(clearance.matched(RULES.rules["STAFF_NAMED"], text, RULES, staff=STAFF)) is fires
    found = clearance.flags(text, review(text), (), (), CONSENT, ON, SETTING, 0, len(text), staff=STAFF)
    assert ("STAFF_NAMED" in named(found)) is fires


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("The nurses are kind and quick.", False),
        ("Parking is easy.", False),
        ("Good doctor, good result.", True),
        ("I laugh again.", True),
        ("Off the Lexapro slowly, with a call a week.", True),
    ],
)
def test_a_passage_about_results_is_known(text, about):
    """What treatment did, or a drug, needs the typical-results line; people and rooms do not."""
    assert clearance.speaks_of_results(text, RULES) is about
