"""Both languages are complete: the same words, the same places for values, none that no page says."""

import re
import string

import pytest

from gateway.app.rehearsing import WORDS as BECOMES
from gateway.ledger.alerts import Kind as Warned
from gateway.ledger.cases import Progress
from gateway.ledger.charging import EARLY, told
from gateway.ledger.granting import GRANTED, REFUSED, REQUESTED, REVOKED
from gateway.ledger.registered import State as VersionState
from gateway.ledger.standing import State
from gateway.models.asked import Kind
from gateway.request import Caller
from gateway.stages import Stage
from gateway.web.bodies import NAMED_BY
from gateway.web.console.assets import FOLDER
from gateway.web.console.language import preferred, sayer
from gateway.web.console.pages import PLACES, places
from gateway.web.console.sketches import AIMS
from gateway.web.console.words import WORDS

TEMPLATES = FOLDER.parent / "templates"
MADE = {  # words that a template makes of a value
    "state.": {
        "published",
        "draft",
        "withdrawn",
        "suspended",
        "unavailable",
        "unreadable",
        *map(told, ("running", "finished", "failed", *EARLY)),
    },
    "version.": {state.value for state in VersionState},
    "step.": {"proposed", "submitted", "reviewed", "published", "withdrawn"},
    "becomes.": set(BECOMES),
    "ended.": {"FINISHED", "FAILED", "CANCELLED", "STOPPED"},
    "freezes.": {"organisation", "subject", "dataset", "query_id"},
    "scope.": set(NAMED_BY),
    "member.": {state.value for state in State},
    "grants.state.": {REQUESTED, GRANTED, REFUSED, REVOKED, "expired"},
    "stage.": {stage.value for stage in Stage if stage is not Stage.IDENTIFY},
    "nav.": {"ask", "sandbox", "models"},
    "cases.state.": {state.value for state in Progress},
    "models.kind.": {kind.value for kind in Kind},
    "fitted.": {"coefficients", "means", "covariance", "correlation", "cells", "margins", "total"},
    "kind.": {"charged", "replayed", "refused"},
    "alert.": {"flooded", "failed"},
    "warning.": {kind.value for kind in Warned},
    "level.": {"data", "organisation", "buyer", "grant"},
    "per.": {"day", "month", "total"},
    "keys.": {"public", "private"},
    "aim.": set(AIMS),
    "invoices.": {"invoice", "credit_note"},
}


def said():
    text = "\n".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html"))
    return set(re.findall(r'say\("([^"]+)"', text)) | {word for _, word, _ in PLACES}


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_pages_say_these_words_and_no_others():
    plain = {word for word in said() if not word.endswith(".")}
    made = {begin + value for begin, values in MADE.items() for value in values}
    assert {word for word in said() if word.endswith(".")} <= set(MADE)
    assert plain | made == set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_there_in_both_languages_with_the_same_values(word):
    english, chinese = WORDS[word]
    assert english.strip()
    assert chinese.strip()
    assert fields(english) == fields(chinese)
    assert not re.search(r"[\u3400-\u9fff]", english)
    assert word in ("ask.sql", "aim.epsilon", "measured.cpu") or re.search(r"[\u3400-\u9fff]", chinese)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en;q=0.5, zh;q=0.7", "zh"), ("de, fr", "en"), ("zh;q=x", "en"),
     ("ZH-hant", "zh"), ("en-US,en;q=0.9,zh;q=0.8", "en")],
)  # fmt: skip
def test_the_language_is_the_one_that_the_browser_likes_best(accepted, language):
    assert preferred(accepted) == language


def test_a_word_takes_its_values_as_texts():
    assert sayer("en")("dataset.rows", rows="<b>{x}</b>") == "about <b>{x}</b> rows"


def test_everybody_has_the_pages_of_every_role():
    roles = frozenset({"buyer", "provider", "supervisor", "billing", "reviewer", "arbiter"})
    assert len(places(Caller("a", "b", roles))) == len(PLACES)
