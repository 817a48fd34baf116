"""The pages of policies' versions: for providers alone, and past questions are planned again only when asked."""

from support.consoles import VERSION, Registration, Service, console, signed_in

HERE = f"/console/versions/shop/{VERSION['version']}"


async def test_a_version_shows_what_it_would_change_and_plans_again_when_it_is_asked():
    registration = Registration()
    async with console(Service("provider"), registration=registration) as client:
        await signed_in(client)
        assert (await client.get("/console/versions")).status == 200
        page = await (await client.get(HERE)).text()
        assert "replay=yes" in page
        assert registration.replayed == []
        assert "refused now" in await (await client.get(f"{HERE}?replay=yes")).text()
    assert registration.replayed == [("shop", VERSION["version"], 25, None)]


async def test_nobody_but_a_provider_sees_them():
    async with console(Service("buyer", "supervisor")) as client:
        await signed_in(client)
        for address in ("/console/versions", HERE):
            assert (await client.get(address)).status == 403
