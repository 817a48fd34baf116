"""The high-water mark: an older or another store is noticed, and a race or a crash never sets the mark back."""

import threading

import pytest
from support.evidence import evidence_of
from support.stores import Clock, ledger_of, order

from gateway.errors import GatewayError
from gateway.evidence.marks import Mark, MarkFile, check
from gateway.evidence.opening import check_mark
from gateway.ledger.model import Account
from gateway.store import epochs
from gateway.store.database import open_store

WIDE = (Account("data/a", 10**6, 10**6),)


def roots(size):
    return bytes([size]) * 32


@pytest.mark.parametrize(
    ("mark", "size", "epoch", "held"),
    [
        (None, 0, 1, True),
        (Mark(0, roots(0).hex(), 1), 0, 1, True),
        (Mark(5, roots(5).hex(), 1), 5, 1, True),
        (Mark(5, roots(5).hex(), 1), 9, 1, True),
        (Mark(5, roots(5).hex(), 1), 4, 1, False),
        (Mark(5, roots(5).hex(), 1), 0, 1, False),
        (Mark(5, roots(6).hex(), 1), 5, 1, False),
        (Mark(5, roots(6).hex(), 1), 9, 1, False),
        (Mark(5, roots(5).hex(), 2), 9, 1, False),
        (Mark(5, roots(6).hex(), 1), 3, 2, True),
    ],
)
def test_what_a_mark_lets_pass(mark, size, epoch, held):
    if held:
        check(mark, size, roots, epoch)
        return
    with pytest.raises(GatewayError) as refused:
        check(mark, size, roots, epoch)
    assert refused.value.code == "store_rolled_back"


def test_a_mark_only_moves_forward(tmp_path):
    marks = MarkFile(tmp_path)
    assert marks.read() is None
    for size, epoch, kept in (
        (3, 1, (3, 1)),
        (2, 1, (3, 1)),
        (3, 1, (3, 1)),
        (1, 2, (1, 2)),
        (9, 1, (1, 2)),
        (4, 2, (4, 2)),
    ):
        marks.keep(Mark(size, roots(size).hex(), epoch))
        found = MarkFile(tmp_path).read()
        assert (found.size, found.epoch) == kept
    assert [path.name for path in tmp_path.iterdir()] == ["log.mark"], "no draft is left"
    together = [threading.Thread(target=marks.keep, args=(Mark(n, roots(n).hex(), 2),)) for n in range(5, 40)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert MarkFile(tmp_path).read().size == 39


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    MarkFile(tmp_path).keep(Mark(3, roots(3).hex(), 1))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            MarkFile(tmp_path).keep(Mark(4, roots(4).hex(), 1))
    assert MarkFile(tmp_path).read().size == 3
    assert [path.name for path in tmp_path.iterdir()] == ["log.mark"], "no draft is left"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"size": 1}', '{"size": "x", "root": "", "epoch": 1}', "\udcff"])
def test_a_mark_that_cannot_be_read_is_not_taken_for_none(tmp_path, content):
    (tmp_path / "log.mark").write_bytes(content.encode("utf-8", "surrogateescape"))
    for use in (MarkFile(tmp_path).read, lambda: MarkFile(tmp_path).keep(Mark(1, "", 1))):
        with pytest.raises(GatewayError) as refused:
            use()
        assert refused.value.code == "store_rolled_back"


async def test_the_mark_is_durable_before_a_checkpoint_leaves(store, tmp_path, monkeypatch):
    evidence = await evidence_of(store, tmp_path)
    await ledger_of(store, Clock()).charge(order(accounts=WIDE))
    monkeypatch.setattr(MarkFile, "keep", lambda *_: 1 / 0)
    for asked in (evidence.checkpoint(), evidence.receipt("Q1"), evidence.whole()):
        with pytest.raises(ZeroDivisionError):
            await asked


async def test_a_store_that_is_put_back_is_refused_until_its_epoch_has_moved_on(tmp_path):
    folders = [tmp_path / name for name in ("newer", "older")]
    newer, older = [await open_store(folder) for folder in folders]
    evidence = await evidence_of(newer, tmp_path)
    ledger = ledger_of(newer, Clock())
    for number in range(3):
        await ledger.charge(order(number, accounts=WIDE))
    await evidence.checkpoint()
    await check_mark(newer, MarkFile(tmp_path))
    with pytest.raises(GatewayError, match="store_rolled_back"):
        await check_mark(older, MarkFile(tmp_path))
    other = ledger_of(older, Clock())
    for number in range(10, 15):  # longer, and another
        await other.charge(order(number, accounts=WIDE))
    with pytest.raises(GatewayError, match="others than those that were signed"):
        await check_mark(older, MarkFile(tmp_path))
    await older.run(lambda connection: epochs.begin(connection, "restored"))
    await check_mark(older, MarkFile(tmp_path))
    for store in (newer, older):
        await store.close()
