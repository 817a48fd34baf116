"""Backups: the same rows come back on either store, behind a fence that only the log or two persons lift."""

import json
import zipfile
from decimal import Decimal as D

import pytest
from sqlalchemy import select
from support.stores import ACCOUNTS, Clock, ledger_of, meter_of, order

from gateway.errors import GatewayError
from gateway.ledger.buyers import Buyers
from gateway.ledger.folding import fold
from gateway.ledger.model import Cap, Charge, Failed, Per, Release
from gateway.ledger.reconcile import reconcile
from gateway.ledger.replaying import Replaying
from gateway.ledger.topups import TopUps
from gateway.store import dump, log
from gateway.store.database import open_store
from gateway.store.migrate import newest
from gateway.store.tables import metadata


async def refused(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def rows(store):
    def work(connection):
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table.name != "facts"
        }

    return await store.read(work)


async def leaves(store):
    return await store.read(lambda c: [log.read_leaf(c, i) for i in range(log.size(c))])


async def busy(store, clock):
    """Do a bit of everything that an account can live through."""
    ledger, topups, buyers = ledger_of(store, clock), TopUps(store, clock), Buyers(store, clock)
    first = await ledger.charge(order(1))
    await ledger.record(first, b"answer", {"draw-1": Release(b"drawn")})
    await topups.propose("T1", "data/a", 40, 3, "more", "acme/eve")
    await topups.decide("T1", "acme/bob", approve=True)
    await buyers.cap("org/ana", Cap(order().amount * 9, "CNY", Per.MONTH))
    await ledger.replay(order(7, rho=0, delta=0), b"again")
    await ledger.fail(await ledger.charge(order(2)), "cause")
    await meter_of(store, clock).refuse("R1", '{"dataset": "shop", "reason": "raw_rows"}')
    return ledger


async def test_a_backup_comes_back_whole_on_either_store(store, fresh, tmp_path):
    clock = Clock()
    await busy(store, clock)
    made = await store.read(lambda c: dump.backup(c, tmp_path / "b.zip"))
    assert (tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    assert made["log_size"] == 9
    await fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip"))
    assert await rows(fresh) == await rows(store)
    await refused(store.read(lambda c: dump.backup(c, tmp_path / "b.zip")), "settings_invalid")
    await refused(fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip")), "settings_invalid")


async def test_a_restored_store_wins_no_budget_back(store, fresh, tmp_path):
    clock = Clock()
    ledger = await busy(store, clock)
    (old, _) = (await meter_of(store, clock).events(None, 1, billing=True, provided=frozenset()))[0]
    await store.read(lambda c: dump.backup(c, tmp_path / "b.zip"))
    assert isinstance(await ledger.charge(order(3)), Charge)  # after the backup: the last that the buyer can pay
    whole = await leaves(store)
    await fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip"))
    restored, replaying = ledger_of(fresh, clock), Replaying(fresh, clock, "gw")
    await refused(restored.charge(order(4)), "store_fenced")
    assert "backup of 9 leaves" in await replaying.fenced()
    await refused(meter_of(fresh, clock).events(old, 1, billing=True, provided=frozenset()), "bad_request")
    await refused(replaying.replay([b'{"kind":"refused"}', *whole[1:]]), "log_corrupt")
    assert await replaying.replay(whole) == 1
    assert await replaying.fenced() is None
    assert await restored.balances(ACCOUNTS) == await ledger.balances(ACCOUNTS)
    assert await Buyers(fresh, clock).spending("org/ana") == await Buyers(store, clock).spending("org/ana")
    assert [t.state for t in await TopUps(fresh, clock).of_account("a")] == ["approved"]
    await refused(restored.charge(order(4)), "budget_exhausted")
    assert json.loads((await leaves(fresh))[-1])["kind"] == "epoch"
    ((cursor, _), *_) = await meter_of(fresh, clock).events(None, 1, billing=True, provided=frozenset())
    assert cursor.startswith("2-")


async def restored_after(store, fresh, clock, path, meanwhile):
    """Restore a backup of a running query and a failed one; return the log that `meanwhile` made after the backup."""
    ledger = ledger_of(store, clock)
    charge, second = await ledger.charge(order(1)), await ledger.charge(order(2))
    await store.read(lambda c: dump.backup(c, path))
    await meanwhile(ledger, charge, second)
    await fresh.run(lambda c: dump.restore(c, path))
    clock.pass_(60)  # every lease has ended
    return await leaves(store)


async def test_nothing_is_written_behind_the_fence(store, fresh, tmp_path):
    clock = Clock()
    await busy(store, clock)
    await store.read(lambda c: dump.backup(c, tmp_path / "b.zip"))
    await ledger_of(store, clock).charge(order(3))
    await fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip"))
    restored, meter, topups = ledger_of(fresh, clock), meter_of(fresh, clock), TopUps(fresh, clock)
    await refused(meter.refuse("R2", '{"dataset": "shop", "reason": "raw_rows"}'), "store_fenced")
    await refused(restored.replay(order(8, rho=0, delta=0), b"again"), "store_fenced")
    await refused(topups.propose("T2", "data/a", 40, 3, "more", "acme/eve"), "store_fenced")
    await refused(Buyers(fresh, clock).cap("org/ana", Cap(D(1), "CNY", Per.DAY)), "store_fenced")
    await refused(restored.excuse("org/ana", "shop"), "store_fenced")
    assert await Replaying(fresh, clock, "gw").replay(await leaves(store)) == 1


async def test_what_was_answered_after_the_backup_is_not_drawn_again_for_its_old_charge(store, fresh, tmp_path):
    clock = Clock()

    async def meanwhile(ledger, charge, second):
        await ledger.record(charge, b"answer", {"draw-1": Release(b"drawn")})
        await ledger.fail(second, "cause")

    whole = await restored_after(store, fresh, clock, tmp_path / "b.zip", meanwhile)
    restored, replaying = ledger_of(fresh, clock), Replaying(fresh, clock, "gw")
    await refused(restored.charge(order(1)), "store_fenced")
    assert await replaying.replay(whole) == 2
    await refused(restored.charge(order(1)), "answer_expired")
    assert await restored.charge(order(2)) == Failed("Q2")
    assert await restored.failures("org/ana", "shop") == 1
    found = await fresh.read(reconcile)
    assert found.differences == ()


async def test_whom_the_provider_excused_after_the_backup_stays_excused(store, fresh, tmp_path):
    clock = Clock()

    async def meanwhile(ledger, charge, second):
        await ledger.fail(charge, "cause")
        assert await ledger.excuse("org/ana", "shop") == 1
        clock.pass_(60)
        await ledger.charge(order(2, question="another by now"))

    whole = await restored_after(store, fresh, clock, tmp_path / "b.zip", meanwhile)
    assert [json.loads(leaf).get("excused") for leaf in whole if b'"kind":"failed"' in leaf] == [None, True]
    assert json.loads(next(leaf for leaf in whole if b'"kind":"excused"' in leaf))["queries"] == ["Q1"]
    await Replaying(fresh, clock, "gw").replay(whole)
    assert await ledger_of(fresh, clock).failures("org/ana", "shop") == 0
    assert (await fresh.read(reconcile)).differences == ()


async def test_what_its_buyer_cancelled_after_the_backup_stays_cancelled(store, fresh, tmp_path):
    clock = Clock()

    async def meanwhile(ledger, charge, second):
        assert await ledger.cancel("org/ana", "Q1") == "cancelled"

    whole = await restored_after(store, fresh, clock, tmp_path / "b.zip", meanwhile)
    await Replaying(fresh, clock, "gw").replay(whole)
    await refused(ledger_of(fresh, clock).charge(order(1)), "query_cancelled")
    assert (await fresh.read(reconcile)).differences == ()


async def test_what_ran_at_a_backup_whose_log_is_lost_is_given_up(store, fresh, tmp_path):
    clock = Clock()

    async def meanwhile(ledger, charge, _second):
        await ledger.record(charge, b"answer", {"draw-1": Release(b"drawn")})

    await restored_after(store, fresh, clock, tmp_path / "b.zip", meanwhile)
    await Replaying(fresh, clock, "gw").write_off(("eve", "bob"), "the disk is gone")
    restored = ledger_of(fresh, clock)
    assert await restored.charge(order(1)) == Failed("Q1"), "its answer may have left: one charge, one draw"
    assert await restored.failures("org/ana", "shop") == 0
    assert (await fresh.read(reconcile)).differences == ()


async def test_a_store_that_is_not_fenced_has_nothing_to_catch_up_with(store):
    clock = Clock()
    await busy(store, clock)
    replaying = Replaying(store, clock, "gw")
    await refused(replaying.replay(await leaves(store)), "bad_request")
    await refused(replaying.write_off(("eve", "bob"), "why not"), "bad_request")


async def test_two_persons_open_a_store_without_its_log(store, fresh, tmp_path):
    clock = Clock()
    await busy(store, clock)
    await store.read(lambda c: dump.backup(c, tmp_path / "b.zip"))
    await fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip"))
    replaying = Replaying(fresh, clock, "gw")
    for one in (("eve", "EVE"), ("eve", " eve"), ("eve", " "), ("", "bob")):
        await refused(replaying.write_off(one, "stopped at the backup"), "two_persons")
    await replaying.write_off(("eve", "bob"), "stopped at the backup")
    assert isinstance(await ledger_of(fresh, clock).charge(order(3)), Charge)
    said = [json.loads(leaf) for leaf in await leaves(fresh)]
    assert [leaf["persons"] for leaf in said if leaf["kind"] == "epoch"] == [["eve", "bob"]]


async def test_what_is_free_and_a_cap_that_was_lifted_leave_no_money_behind(store):
    clock = Clock()
    buyers = Buyers(store, clock)
    await ledger_of(store, clock).charge(order(1, amount=D(0)))
    await buyers.cap("org/ana", Cap(D(9), "CNY", Per.DAY))
    await buyers.cap("org/ana", Cap(D(9), "CNY", Per.DAY), lift=True)
    folded = fold(await leaves(store))
    assert (folded.money, folded.caps) == ({}, {})
    assert folded.accounts["data/a"].uses == 1


async def test_the_log_alone_tells_every_balance(store):
    clock = Clock()
    ledger = await busy(store, clock)
    folded = fold(await leaves(store))
    for balance in await ledger.balances(ACCOUNTS):
        spent = folded.accounts[balance.key]
        assert (spent.rho, spent.delta, spent.uses) == (balance.rho_spent, balance.delta_spent, balance.uses)
    (spending,) = await Buyers(store, clock).spending("org/ana")
    assert folded.money["purse/org/ana", "CNY", "2026-11"] == spending.spent[Per.MONTH]


@pytest.mark.parametrize("harm", ["cut", "table", "row", "leaf", "version", "none"])
async def test_a_damaged_backup_is_refused_whole(tmp_path, harm):
    store = await open_store(tmp_path / "a")
    await busy(store, Clock())
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    await store.read(lambda c: dump.backup(c, good))
    await store.close()
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if harm == "table" and name == "accounts.jsonl":
                continue
            if harm == "row" and name == "accounts.jsonl":
                content = content.split(b"\n", 1)[1]
            if harm == "leaf" and name == "log_leaves.jsonl":
                content = content.split(b"\n", 1)[1]
            if harm == "version" and name == dump.MANIFEST:
                content = content.replace(newest().encode(), b"0000")
            target.writestr(name, content)
    if harm == "cut":
        bad.write_bytes(good.read_bytes()[:-40])
    fresh = await open_store(tmp_path / "b")
    if harm == "none":
        await fresh.run(lambda c: dump.restore(c, bad))
    else:
        await refused(fresh.run(lambda c: dump.restore(c, bad)), "settings_invalid")
        assert await fresh.read(log.size) == 0
    await fresh.close()
