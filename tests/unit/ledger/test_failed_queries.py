"""Failed queries on both stores: the charge stays, a buyer with two is refused, a provider sees why and excuses."""

from support.stores import START, order, refused, spent

from gateway.ledger.model import Allowance, Charge, Failed


async def test_failures_on_one_dataset_are_nothing_to_another(ledger):
    await ledger.fail(await ledger.charge(order(1)), "cause")
    await ledger.fail(await ledger.charge(order(2, dataset="other")), "cause")
    assert await ledger.failures("org/ana", "shop") == 1
    assert isinstance(await ledger.charge(order(3)), Charge), "two failures, but one on each dataset"


async def test_after_a_failure_a_buyer_runs_one_query_at_a_time(ledger):
    allowance = Allowance("g", None, None, at_once=8)
    await ledger.fail(await ledger.charge(order(1, allowance=allowance, accounts=())), "cause")
    assert isinstance(await ledger.charge(order(2, allowance=allowance, accounts=())), Charge)
    await refused(ledger.charge(order(3, allowance=allowance, accounts=())), "too_many_running")
    assert isinstance(await ledger.charge(order(4, allowance=allowance, accounts=(), dataset="other")), Charge)


async def test_a_failed_query_lets_its_draws_go(ledger):
    await ledger.fail(await ledger.charge(order(1, draws=("shared",))), "cause")
    assert isinstance(await ledger.charge(order(2, draws=("shared",))), Charge)


async def test_a_question_that_changed_is_not_redone(ledger, clock):
    await ledger.charge(order())
    clock.pass_(6)
    assert await ledger.charge(order(question="another policy version")) == Failed("Q1")
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Failed("Q1")
    assert await ledger.failures("org/ana", "shop") == 0, "none of the buyer's doing"


async def test_failure_keeps_the_charge_and_counts(ledger):
    charge = await ledger.charge(order())
    await ledger.fail(charge, "the engine said no")
    assert await spent(ledger) == [(20, 5), (20, 5)]
    assert await ledger.failures("org/ana", "shop") == 1
    assert await ledger.failures("org/bob", "shop") == 0
    assert await ledger.charge(order()) == Failed("Q1")


async def test_a_buyer_admitted_before_a_second_failure_is_refused_at_the_charge(ledger):
    for number in (1, 2):
        await ledger.fail(await ledger.charge(order(number)), f"cause {number}")
    await refused(ledger.charge(order(3)), "buyer_suspended")
    assert await spent(ledger) == [(40, 10), (40, 10)]
    assert await ledger.query("Q3") is None
    assert isinstance(await ledger.charge(order(4, buyer="org/bob", draws=("other",))), Charge), "nobody else's doing"


async def test_failures_are_shown_to_the_provider_and_excused(ledger):
    for number in (1, 2):
        await ledger.fail(await ledger.charge(order(number)), f"cause {number}")
    found = await ledger.failed("shop")
    assert [(f.query_id, f.buyer, f.charged_at, f.note) for f in found] == [
        ("Q1", "org/ana", START, "cause 1"),
        ("Q2", "org/ana", START, "cause 2"),
    ]
    assert await ledger.failed("other") == ()
    assert await ledger.excuse("org/bob", "shop") == 0
    assert await ledger.excuse("org/ana", "other") == 0
    assert await ledger.excuse("org/ana", "shop") == 2
    assert await ledger.failures("org/ana", "shop") == 0
    assert await ledger.failed("shop") == ()
    assert await ledger.charge(order(1)) == Failed("Q1"), "one charge, one draw: it is not done again"
    assert await spent(ledger) == [(40, 10), (40, 10)], "the charges stay"
