"""The page of early warning: hostile words are shown as they are, and seen is what the form says."""

import pytest
from support.consoles import HOSTILE, OURS, Service, Warnings, console, csrf_of, signed_in

ALERTS = "/console/alerts"


async def test_alerts_are_shown_escaped_and_looked_up_again():
    async with console(Service("supervisor")) as client:
        await signed_in(client)
        text = await (await client.get(ALERTS)).text()
        part = await (await client.get(f"{ALERTS}/now", headers={"HX-Request": "true"})).text()
    assert 'hx-get="/console/alerts/now"' in text
    assert part.strip() in text
    assert "<html" not in part
    assert HOSTILE not in text
    assert part.count("<form") == 1, "what somebody has seen has no button"


async def test_seen_is_noted_of_the_alert_that_the_form_names():
    warnings = Warnings()
    async with console(Service("provider"), warnings=warnings) as client:
        await signed_in(client)
        form = {"csrf": await csrf_of(client, ALERTS), "alert_id": "af01"}
        reply = await client.post(f"{ALERTS}/seen", data=form, headers=OURS, allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (303, ALERTS)
        assert warnings.asked == ["af01"]
        forged = await client.post(f"{ALERTS}/seen", data={**form, "csrf": "0" * 64}, headers=OURS)
        other = await client.post(f"{ALERTS}/seen", data={**form, "alert_id": "../x"}, headers=OURS)
    assert (forged.status, other.status) == (403, 404)
    assert warnings.asked == ["af01"]


@pytest.mark.parametrize("role", ["buyer", "billing", "reviewer"])
async def test_nobody_else_is_shown_any(role):
    async with console(Service(role)) as client:
        await signed_in(client)
        assert (await client.get(ALERTS)).status == 403
        assert (await client.get(f"{ALERTS}/now")).status == 403
