"""The terms of a grant: what they may say, what is within what, and the grant that they make."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest
from support.shop import GRANT

from gateway.catalog.model import Accounting, Budget
from gateway.catalog.terms import ends_of, grant_of_terms, read_limits, read_terms, refuse_wider
from gateway.errors import GatewayError

PARTIES = {
    "gateway": "gw",
    "grant": "G1",
    "provider": "acme",
    "dataset": "shop",
    "organisation": "org",
    "key": "0" * 32,
}
NOTHING = {
    "subject": None, "mode": "authorised", "purposes": [], "jurisdictions": [], "valid_from": None,
    "valid_until": None, "ends_at": None, "uses": None, "rate": None, "at_once": 16, "budget": None, "spend": None,
    "price_plan": None, "recipient_jurisdiction": None,
}  # fmt: skip
WHOLE = Budget(D(10), D("1e-6"))


@pytest.mark.parametrize("member", [*NOTHING, *PARTIES])
def test_every_member_has_to_be_written_down(member):
    terms = {**NOTHING, **PARTIES}
    assert read_terms(terms)
    del terms[member]
    with pytest.raises(GatewayError, match=f"`{member}`"):
        read_terms(terms)


@pytest.mark.parametrize("bad", [
    {"uses": 0}, {"uses": "5"}, {"uses": True}, {"uses": 1.5}, {"at_once": 0}, {"mode": "any"}, {"rate": "0/s"},
    {"rate": "5/week"}, {"budget": {"epsilon": "0"}}, {"budget": {"epsilon": "1.0"}}, {"budget": {"epsilon": 1}},
    {"budget": {"epsilon": "1", "delta": "1"}}, {"budget": {"epsilon": "NaN"}}, {"purposes": ["b", "a"]},
    {"purposes": ["a", "a"]}, {"purposes": "a"}, {"valid_from": "2027-01-02", "valid_until": "2027-01-01"},
    {"valid_until": "2027-02-30"}, {"ends_at": "2027-01-01T00:00:00+00:00"}, {"ends_at": "2027-01-01"},
    {"spend": {"amount": "1", "per": "day"}}, {"subject": "a\x00b"}, {"price_plan": ""}, {"more": 1},
])  # fmt: skip
def test_what_is_not_understood_is_refused(bad):
    with pytest.raises(GatewayError) as caught:
        read_limits(bad)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(("asked", "within", "wider"), [
    ({"uses": 5}, {"uses": 5}, {"uses": 6}),
    ({"uses": 5}, {"uses": 1}, {}),
    ({}, {"uses": 1}, {"mode": "sandbox"}),
    ({"rate": "60/min"}, {"rate": "60/h"}, {"rate": "60/s"}),
    ({"rate": "60/min"}, {"rate": "1/min"}, {"rate": "1/s"}),
    ({"valid_until": "2027-01-31"}, {"valid_until": "2027-01-31"}, {"valid_until": "2027-02-01"}),
    ({"valid_until": "2027-01-31"}, {"ends_at": "2027-02-01T00:00:00Z"}, {"ends_at": "2027-02-01T00:00:01Z"}),
    ({"valid_from": "2027-01-02"}, {"valid_from": "2027-01-03"}, {"valid_from": "2027-01-01"}),
    ({"budget": {"epsilon": "1"}}, {"budget": {"epsilon": "0.5", "delta": "0.1"}}, {"budget": {"epsilon": "1.5"}}),
    ({"budget": {"epsilon": "1", "delta": "0.1"}}, {"budget": {"epsilon": "1", "delta": "0.01"}},
     {"budget": {"epsilon": "1", "delta": "0.2"}}),
    ({"budget": {"epsilon": "1", "delta": "0.1"}}, {"budget": {"epsilon": "1", "delta": "0.1"}},
     {"budget": {"epsilon": "1"}}),
    ({"purposes": ["a", "b"]}, {"purposes": ["a"]}, {"purposes": ["a", "c"]}),
    ({"price_plan": "p", "spend": {"amount": "5", "per": "day"}},
     {"price_plan": "p", "spend": {"amount": "4", "per": "day"}},
     {"price_plan": "p", "spend": {"amount": "4", "per": "month"}}),
    ({}, {"price_plan": "p", "spend": {"amount": "4", "per": "month"}}, {"mode": "open"}),
    ({"subject": "ana"}, {"subject": "ana"}, {"subject": "bob"}),
    ({"at_once": 4}, {"at_once": 3}, {"at_once": 5}),
])  # fmt: skip
def test_a_provider_may_give_less_and_no_more(asked, within, wider):
    refuse_wider(read_limits(within), read_limits(asked))
    with pytest.raises(GatewayError, match="wider than what was asked"):
        refuse_wider(read_limits(wider), read_limits(asked))


def test_the_grant_that_terms_make():
    terms = read_terms({
        **NOTHING, **PARTIES, "subject": "ana", "purposes": ["a", "b"], "valid_until": "2027-01-31", "uses": 3,
        "rate": "5/min", "budget": {"epsilon": "2"}, "price_plan": "p", "spend": {"amount": "9.5", "per": "day"},
        "recipient_jurisdiction": "SG", "ends_at": "2027-01-31T12:00:00Z",
    })  # fmt: skip
    grant = grant_of_terms(terms, WHOLE, Accounting.ZCDP, "sha256:d")
    assert (grant.id, grant.terms, grant.organisation, grant.subject) == ("G1", "sha256:d", "org", "ana")
    assert (grant.purposes, grant.uses, grant.rate_count, grant.rate_seconds) == (frozenset("ab"), 3, 5, 60)
    assert (grant.budget, grant.spend) == (Budget(D(2), D("1e-6")), (D("9.5"), "day"))
    assert grant_of_terms(terms, WHOLE, Accounting.PURE, "d").budget == Budget(D(2), D(0))
    assert (grant.valid_until, grant.recipient_jurisdiction) == (date(2027, 1, 31), "SG")
    assert terms.ends == datetime(2027, 1, 31, 12, tzinfo=UTC)


def test_the_end_of_what_an_order_rests_on_is_the_first_of_its_ends():
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert ends_of(GRANT) == datetime(2027, 1, 1, tzinfo=UTC)
    assert ends_of(replace(GRANT, ends_at=noon)) == noon
    assert ends_of(replace(GRANT, valid_until=None)) is None
    assert ends_of(replace(GRANT, valid_until=date.max)) == datetime(9999, 12, 31, tzinfo=UTC)
