"""Who is let in: with members required nobody but the verified, and the log is told of strangers at a pace."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import select
from support.stores import Clock, code_of, meter_of

from gateway.app.clock import SystemClock, SystemRandomness, new_query_id
from gateway.app.membership import Entrance, MembershipService
from gateway.app.pacing import Pace, StrangerPace
from gateway.app.parts import tokens
from gateway.identity.development import ISSUER, DevelopmentKey
from gateway.identity.tokens import Identified, Standing
from gateway.ledger.members import Application, Members, Shown
from gateway.ledger.revoking import Revocations
from gateway.request import Caller
from gateway.settings import Settings
from gateway.store.database import open_store
from gateway.store.tables import leaves

SHOWN = (Shown("register", "HRB-1"),)


@pytest.fixture
async def store(tmp_path):
    made = await open_store(tmp_path / "state")
    yield made
    await made.close()


@pytest.fixture
def entrance(store, tmp_path):
    """Return what makes the entrance of a gateway, what makes tokens, and the members."""
    clock = SystemClock()
    members = Members(store, clock)

    def made(required, most=60):
        checked = tokens(Settings(state=tmp_path / "state"), Revocations(store, clock, timedelta(days=1)))
        return Entrance(checked, members, StrangerPace(most, most, Clock()), required=required)

    key = DevelopmentKey.open(tmp_path / "state", SystemRandomness())

    def token(subject):
        return key.issue(Caller(subject, "widgets", frozenset({"buyer"})), 3600, clock.now())

    return made, token, members


async def verified(members, *, person):
    asked = Application("widgets", "ana" if person else None, ISSUER if person else "", "W", "office@example", SHOWN)
    made, _ = await members.apply(new_query_id(), asked, "widgets/ana")
    for by, whose in (("house/rae", "house"), ("court/roy", "court")):
        await members.verify(made.member_id, whose, by)
    return made.member_id


async def test_whoever_is_verified_is_let_in_and_nobody_else_where_members_are_required(entrance):
    made, token_of, members = entrance
    token = token_of("ana")
    assert (await made(required=False).admit(token)).subject == "ana"
    assert await code_of(made(required=True).admit(token)) == "not_a_member"
    await verified(members, person=False)
    assert await code_of(made(required=True).admit(token)) == "not_a_member", "the organisation alone is not enough"
    member_id = await verified(members, person=True)
    assert (await made(required=True).admit(token)).organisation == "widgets"
    await members.suspend(member_id, "regulator", "regulator/sun", "an abuse")
    for required in (True, False):
        assert await code_of(made(required=required).admit(token)) == "member_suspended"


async def test_those_who_apply_at_once_are_no_more_than_a_minute_holds(entrance, store):
    made, _, members = entrance
    clock = Clock()
    pace = Pace(3, clock, meter_of(store, clock))
    service = MembershipService(members, made(required=True), pace, new_query_id)
    caller = Caller("ana", "widgets", frozenset({"buyer"}))

    async def apply(number):
        found = Identified(caller, f"issuer {number}", Standing.UNVERIFIED)
        told = {
            "person": True,
            "legal_name": "W",
            "contact": "office@example",
            "evidence": [("register", "HRB-1", None)],
        }
        return await service.apply(found, **told)

    asked = await asyncio.gather(*(apply(number) for number in range(9)), return_exceptions=True)
    assert sum(isinstance(one, dict) for one in asked) == 3
    assert {one.code for one in asked if not isinstance(one, dict)} == {"too_many_requests"}
    assert len(await members.listed()) == 3


async def test_the_log_is_told_of_strangers_at_a_pace(entrance, store):
    made, token, _ = entrance
    door = made(required=True, most=2)
    for subject in ("ana", "ana", "bo", "cy", "ana"):
        assert await code_of(door.admit(token(subject))) == "not_a_member"
    said = await store.read(lambda c: [json.loads(row.leaf) for row in c.execute(select(leaves.c.leaf))])
    assert [(leaf["kind"], leaf["buyer"]) for leaf in said] == [("turned-away", "ana"), ("turned-away", "bo")]
