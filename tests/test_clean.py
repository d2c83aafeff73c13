"""Repair, language, places and twins."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import tables
from pipeline.clean import bursts, chance_of, clean, copied, fold_twins, language, mended, places, repair

TYPED_AS_MEANT = [
    "DIDNT WORK!!",
    "it’s “fine”",
    "definately recomend",
    "5 < 6 & 7",
    "ﬁne",
    "café",
    "¡Qué bien!",
    "😭😭",
]
DAMAGED = [
    ("didnâ€™t help", "didn’t help"),
    ("caf\u00c3\u00a9", "café"),
    ("nice &amp; clean", "nice & clean"),
    ("it&#39;s ok", "it's ok"),
]
LANGUAGES = [
    ("wifi pls", "en"),
    ("Parking", "en"),
    ("No", "en"),
    ("10/10 lowkey saved me fr", "en"),
    ("Dr. Muñoz is the best doctor in town", "en"),
    ("Muy buen trato", "es"),
    ("todo", "es"),
    ("me ayudaron con mi ansiedad y ya duermo", "es"),
    ("¿Aceptan seguro de Nevada?", "es"),
    ("ME SIENTO COMO NUEVA AHORA", "es"),
    ("Wow, best team ever, se los juro, y me ayudaron con todo el insurance", "es"),
    ("Dolores prints me directions", "en"),
    ("Thank Ramona for me, total gem. Mr. Radoslav", "en"),
    ("No rush, no pills pushed, no doctor lectures", "en"),
    ("Très bien, personnel gentil", "fr"),
    ("Ótimo atendimento, muito obrigado a todos", "pt"),
    ("Personale gentile e molto professionale", "it"),
    ("정말 친절한 병원이에요 추천합니다", "ko"),
    ("Очень хорошая клиника, спасибо врачу", "ru"),
    ("Die Ärztin war sehr freundlich und nahm sich Zeit", "de"),
    ("Le cabinet est propre et l'équipe prend le temps", "fr"),
    ("Het personeel was heel vriendelijk en ik ben goed geholpen", "nl"),
    ("Bardzo miła obsługa, polecam każdemu", "pl"),
    ("Nhân viên rất tốt và phòng khám sạch sẽ", "vi"),
    ("Mabait ang mga staff at malinis ang klinika", "tl"),
    ("非常好的诊所，医生很耐心", "zh"),
    ("スタッフがとても親切でした", "ja"),
    ("پزشک بسیار مهربان بود", "fa"),
    ("הצוות היה נחמד מאוד", "he"),
    ("डॉक्टर बहुत अच्छे हैं", "hi"),
    ("Дуже вдячна лікарю, персонал привітний", "uk"),
    ("Բժիշկը շատ ուշադիր էր", "hy"),
]


@pytest.mark.parametrize("text", TYPED_AS_MEANT)
def test_what_a_patient_typed_stays(text):
    """Capitals, slips, quotes, ampersands and emoji are no damage."""
    assert repair(text) == text


@pytest.mark.parametrize(("broken", "mended"), DAMAGED)
def test_what_a_machine_broke_is_mended(broken, mended):
    """Mojibake and HTML entities are undone."""
    assert repair(broken) == mended


typed_characters = st.sampled_from("aZ é\u00c3\u00a9ñ¿¡“”’—…Â\u00a0&;lt#39\x85\x92\ufffd😭❤\ufe0f\r\n\u2028ﬁÁ€™â\x1b[m")


@given(st.text(st.one_of(typed_characters, st.characters(codec="utf-8"))))
@settings(max_examples=400)
def test_only_texts_without_damage_are_passed_over(text):
    """A text that is not mended is one that mending would leave as it is."""
    assert repair(text) == mended(text)


@pytest.mark.parametrize(("text", "code"), LANGUAGES)
def test_language_is_told_by_the_text(text, code):
    """Short English stays English, Spanish is Spanish, and a third language is neither."""
    assert language(text) == code


def typed(*rows):
    defaults = {
        "file": "a.csv",
        "row": 1,
        "source": "google",
        "location": "Reno",
        "date": "2026-05-04",
        "date_precision": "day",
        "author": "Ann B.",
    }
    return clean(tables.frame([defaults | {"review_id": f"id{at}"} | row for at, row in enumerate(rows)], tables.TYPED))


APART = [
    (
        {"text": "Monday was fine and kind", "review_id": "1", "author": "Cy D."},
        {"text": "Tuesday was long", "review_id": "1", "date": "2026-09-02"},
    ),
    ({"text": "Everything was just fine", "author": None}, {"text": "Everything was just fine", "author": None}),
    (
        {"text": "Nothing comes to mind really", "question": "Good?"},
        {"text": "Nothing comes to mind really", "question": "Bad?"},
    ),
    ({"text": "", "review_id": None, "rating": 5}, {"text": "", "review_id": None, "rating": 5}),
    ({"text": "No", "review_id": None}, {"text": "No", "review_id": None}),
    ({"text": "Great place"}, {"text": "Great place", "author": "Cy D."}),
    ({"text": "They were kind to me"}, {"text": "They were kind to me", "author": "Cy D."}),
    ({"text": "They were kind to me"}, {"text": "They were kind to me", "date": "2026-06-20"}),
    ({"text": "They were kind to me"}, {"text": "They were rude to me and late"}),
    ({"text": ""}, {"text": ""}),
]
TWINS = [
    ({"text": "They were kind to me"}, {"text": "they were kind, to me!", "source": "birdeye", "date": "2026-05-05"}),
    ({"text": "They were kind to me all year"}, {"text": "They were kind to me all yaer", "date": "2026-05-06"}),
    ({"text": "They were kind to me"}, {"text": "They were kind to me", "author": None, "source": "front desk"}),
    (
        {"text": "Before", "review_id": "x", "author": None},
        {"text": "Wholly another text now", "review_id": "x", "author": None},
    ),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_people_are_not_one(one, other):
    """Short stock phrases, other authors, other weeks and star-only rows are no twins."""
    assert fold_twins(typed(one, other)).isna().all()


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_one_review_from_two_places_is_folded(one, other):
    """The later row points at the earlier one."""
    stands = fold_twins(typed(one, other))
    assert pd.isna(stands[0])
    assert stands[1] == 0


def test_the_newest_edit_stands():
    """Of two rows with one id, the one edited last survives, wherever it stands in the file."""
    table = typed(
        {"review_id": "x", "text": "new", "edited_at": "2026-05-09"},
        {"review_id": "x", "text": "old", "edited_at": "2026-05-01"},
    )
    assert pd.isna(fold_twins(table)[0])
    table = typed(
        {"review_id": "x", "text": "old", "edited_at": "2026-05-01"},
        {"review_id": "x", "text": "new", "edited_at": "2026-05-09"},
    )
    assert fold_twins(table)[0] == 1


def test_twins_are_told_by_keys_and_few_texts():
    """A table of KEYS is enough; texts are asked for only where one author wrote twice within two days."""
    whole = typed(
        {"text": "They were kind to me all year", "author": "Ann B."},
        {"text": "They were rude to me all year", "author": "Cy D."},
        {"text": "They were kind to me all yaer", "author": "Ann B.", "date": "2026-05-06"},
        {"text": "They were kind to us all year", "author": "Ann B.", "date": "2026-08-06"},
    )
    asked = []

    def texts_of(labels):
        asked.extend(labels)
        return whole["text"].loc[labels].tolist()

    assert (
        fold_twins(whole[tables.KEYS.names], texts_of).tolist()
        == fold_twins(whole).tolist()
        == [pd.NA, pd.NA, 0, pd.NA]
    )
    assert asked == [0, 2]


def test_a_firm_before_the_place_is_dropped_only_where_the_place_is_known():
    """ "Firm - Reno" is Reno where Reno or another place of the firm is seen, and stays whole otherwise."""
    known = places(pd.Series(["Harbor - Reno", "reno", None, "Bay - North"], dtype=object))
    assert known.fillna("").tolist() == ["reno", "reno", "", "Bay - North"]
    both = places(pd.Series(["Harbor - Reno", "Harbor - Elko"], dtype=object))
    assert both.tolist() == ["Reno", "Elko"]


def test_a_review_without_an_id_gets_one_that_stays():
    """The id is made from the content, the same in every run, and holds nothing of the name."""
    one, other = typed({"review_id": None, "text": "Kind"}), typed({"review_id": None, "text": "Kind"})
    assert one["review_id"][0] == other["review_id"][0]
    assert "Ann" not in one["review_id"][0]


def test_words_under_several_names_are_flagged_and_kept():
    """A text of eight words or more by two authors is marked in both rows; a twin of one author is not."""
    words = "I felt better after three weeks and so did my wife"
    table = typed({"text": words}, {"text": words, "author": "Cy D."}, {"text": "Kind people", "author": "Eve F."})
    assert copied(table, fold_twins(table)).tolist() == [True, True, False]
    table = typed({"text": words}, {"text": words, "source": "birdeye"})
    assert not copied(table, fold_twins(table)).any()


def on_days(*days):
    return typed(
        *({"text": f"words number {at} of this place", "author": f"P{at}", "date": day} for at, day in enumerate(days))
    )


def test_a_burst_is_told_from_an_ordinary_month():
    """Eight reviews in two days at a place with two a month are a burst; two a month alone are none."""
    steady = [f"2026-{month:02d}-{day:02d}" for month in range(1, 9) for day in (5, 20)]
    table = on_days(*steady)
    assert not bursts(table, fold_twins(table)).any()
    table = on_days(*steady, *["2026-09-01"] * 5, *["2026-09-02"] * 3)
    assert bursts(table, fold_twins(table)).tolist() == [False] * len(steady) + [True] * 8


@pytest.mark.parametrize(
    ("least", "mean"), [(1, 0.2), (6, 0.9), (6, 6.0), (40, 55.5), (60, 55.5), (300, 55.5), (900, 800.0)]
)
def test_the_chance_of_a_count_is_scipys(least, mean):
    """Sums of the tail agree with the incomplete gamma function."""
    from scipy.special import pdtrc

    assert chance_of(least, mean) == pytest.approx(float(pdtrc(least - 1, mean)), rel=1e-9)
