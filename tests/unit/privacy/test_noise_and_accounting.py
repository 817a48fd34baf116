"""Budgets, scales, thresholds and draws: what is charged is what the mechanism loses, rounded up."""

import math
from decimal import Decimal as D
from fractions import Fraction

import pytest

from gateway.catalog.model import Accounting, Budget
from gateway.errors import GatewayError
from gateway.privacy import accounting, noise, norms
from gateway.privacy.measurement import Noise
from gateway.privacy.units import budget_of_epsilon, epsilon_of_budget, epsilon_of_rho, rho_of_epsilon


def test_a_requests_epsilon_buys_half_its_square():
    assert rho_of_epsilon(D("0.2")) == 20_000_000_000
    assert epsilon_of_rho(20_000_000_000) == pytest.approx(0.2)


@pytest.mark.parametrize("epsilon", ["0.000001", "0.1", "1", "10", "1000", "1000000000"])
def test_limits_convert_back_to_no_more_than_was_given(epsilon):
    rho, delta = accounting.limits(D(epsilon), D("1e-6"))
    assert delta == 500_000_000_000
    value = rho / 1e12
    # the closed form of Bun and Steinke is looser than the tight conversion: it gives a rho that is surely affordable
    log = math.log(1 / 5e-7)
    affordable = (math.sqrt(log + float(epsilon)) - math.sqrt(log)) ** 2
    assert value >= affordable * (1 - 1e-9) - 1e-12
    assert value <= float(epsilon)


@pytest.mark.parametrize(
    ("epsilon", "delta"),
    [("10", "1e-6"), ("0.1", "1e-5"), ("0.006762", "0.168"), ("3", "0.9999"), ("1e-12", "0.5"), ("0.001", "1e-30")]
    + [("10100", "1e-6"), ("20000", "1e-6"), ("1000000000", "1e-6"), ("200", "1e-300")],
)
def test_a_limit_is_the_last_that_every_step_of_a_bisection_finds(epsilon, delta):
    """The search starts near the place: what it finds is what it finds from the widest ends."""
    half = Fraction(D(delta)) / 2
    at, target = (accounting._down(float(value), Fraction(value)) for value in (half, D(epsilon)))
    low, high = 0, math.floor(Fraction(D(epsilon)) * 10**12)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if accounting._epsilon(middle, at) <= target else (low, middle - 1)
    assert accounting.limits(D(epsilon), D(delta))[0] == low


def test_whatever_is_given_is_rounded_down_to_whole_units():
    assert rho_of_epsilon(D("0.0000015")) == 1  # 1.125 units
    assert budget_of_epsilon(D("0.0000000000019"), Accounting.PURE) == 1
    assert accounting.limits(D("0.5000000000019"), D(0), Accounting.PURE) == (500_000_000_001, 0)
    assert accounting.limits(D(1), D("3e-18"))[1] == 1  # half of it is a unit and a half
    for epsilon in ("0.1", "1", "3.7"):
        rho, _ = accounting.limits(D(epsilon), D("1e-6"))
        assert accounting._epsilon(rho, 5e-7) <= float(epsilon) < accounting._epsilon(rho + 1_000, 5e-7)
    budgets = [Budget(D("0.123999"), D(0)), Budget(D(4), D(0))]
    assert accounting.largest_payable(budgets, Accounting.PURE) == D("0.123")


@pytest.mark.parametrize("epsilon", [50_000, 10**9])
def test_a_limit_beyond_the_tight_conversion_keeps_within_the_closed_form(epsilon):
    value = accounting.limits(D(epsilon), D("1e-6"))[0] / 1e12
    # Bun and Steinke 2016, proposition 1.3
    assert value + 2 * math.sqrt(value * math.log(1 / 5e-7)) == pytest.approx(epsilon, rel=1e-9)


def test_more_epsilon_is_more_rho():
    limits = [accounting.limits(D(e), D("1e-6"))[0] for e in ("0.5", "1", "2", "4", "40000", "50000")]
    assert limits == sorted(limits)
    assert len(set(limits)) == len(limits)


@pytest.mark.parametrize(("epsilon", "delta"), [("0", "1e-6"), ("1", "0"), ("1", "1"), ("-1", "0.1")])
def test_no_budget_without_epsilon_and_delta(epsilon, delta):
    with pytest.raises(GatewayError) as caught:
        accounting.limits(D(epsilon), D(delta))
    assert caught.value.code == "policy_invalid"


def test_what_is_shown():
    epsilon, delta = accounting.display(20_000_000_000, 1000, D("1e-6"))
    assert epsilon == pytest.approx(0.93, abs=0.01)  # rho 0.02 at delta 5e-7
    assert delta == pytest.approx(5e-7 + 1e-15)
    assert accounting.display(0, 0, D("1e-6"))[0] == 0
    assert accounting.queries_allowed(100, 30) == 3
    assert accounting.queries_allowed(100, 0) == 100
    assert accounting._down(0.1, Fraction(1, 10)) < 0.1  # the float is above the fraction


@pytest.mark.parametrize("norm", [1.0, 40.0, 2.0**40])
def test_laplace_noise_is_charged_in_epsilon(norm):
    scale, charge = noise.least_scale(Noise.LAPLACE, norm, 2 * 10**11)  # epsilon 0.2
    assert scale == pytest.approx(norm / 0.2, rel=1e-9)
    assert 2 * 10**11 * (1 - 1e-6) <= charge <= 2 * 10**11


@pytest.mark.parametrize("kind", Noise)
def test_all_bounds_of_a_search_cost_the_same(kind):
    scale, charge = noise.least_scale(kind, 3.5, 10**10)
    for norm in (3.5, 5.0, 7.0, 1e12 / 7):
        other = noise.same_loss(3.5, scale, norm)
        assert noise.is_charged(kind, norm, other, charge)
        assert not noise.is_charged(kind, norm, other * 0.999, charge)
        assert not noise.is_charged(kind, norm, other * 1.01, charge)


def test_vectors_side_by_side():
    assert noise.stacked(2.5, 4) == 10
    for norm in (3.0, 0.1, 5.5, 2.0**40 + 1):
        for times in range(2, 9):
            assert Fraction(noise.stacked(norm, times)) >= Fraction(norm) * times


def test_pure_accounting_counts_epsilon():
    assert budget_of_epsilon(D("0.2"), Accounting.PURE) == 2 * 10**11
    assert budget_of_epsilon(D("0.2"), Accounting.ZCDP) == rho_of_epsilon(D("0.2"))
    assert epsilon_of_budget(2 * 10**11, Accounting.PURE) == pytest.approx(0.2)
    assert epsilon_of_budget(rho_of_epsilon(D("0.2")), Accounting.ZCDP) == pytest.approx(0.2)
    assert accounting.limits(D("0.5"), D(0), Accounting.PURE) == (5 * 10**11, 0)
    assert accounting.display(5 * 10**11, 0, D(0), Accounting.PURE) == (0.5, 0.0)
    with pytest.raises(GatewayError):
        accounting.limits(D(0), D(0), Accounting.PURE)


@pytest.mark.parametrize(("l0", "linf", "rho"), [(1, 1, 10**10), (6, 5, 2 * 10**10), (3, 50_000, 10**9), (7, 3, 12345)])
def test_the_scale_is_the_least_that_the_budget_pays(l0, linf, rho):
    scale, charge = noise.least_scale(Noise.GAUSSIAN, norms.l2(l0, linf), rho)
    exact = math.sqrt(l0) * linf / math.sqrt(2 * rho * 1e-12)
    assert exact <= scale * (1 + 1e-12)
    assert scale <= exact * (1 + 1e-6)
    assert rho * (1 - 1e-6) - 1 <= charge <= rho


def test_a_scale_beyond_64_bits_is_refused():
    with pytest.raises(GatewayError) as caught:
        noise.least_scale(Noise.GAUSSIAN, norms.l2(10**6, 2**53), 1)
    assert caught.value.code == "bad_request"


def test_irrational_sensitivities_are_rounded_up():
    for l0, linf in ((2, 1), (3, 7), (6, 5), (10**6 + 1, 2**50)):
        assert Fraction(norms.l2(l0, linf)) ** 2 >= l0 * linf * linf


def test_the_threshold_is_the_least_that_delta_allows():
    threshold, charged = noise.threshold(6, 10.0, 10**9)
    assert charged <= 10**9
    assert noise.threshold_loss(6, 10.0, threshold - 1)[1] > 10**9
    # an independent figure: P(N(0, 100) >= T - 1) summed over six keys is close to delta = 1e-9
    tail = 6 * 0.5 * math.erfc((threshold - 1) / (10 * math.sqrt(2)))
    assert tail == pytest.approx(1e-9, rel=0.5)


def test_no_threshold_for_no_delta():
    with pytest.raises(GatewayError) as caught:
        noise.threshold(1, 10.0, 0)
    assert caught.value.code == "bad_request"


def test_keys_at_or_below_the_threshold_do_not_pass_without_noise():
    tiny = 1e-3
    assert noise.select({1: 50, 2: 51, 3: 52}, tiny, 50) == {2: 51, 3: 52}  # runs at T + 1
    assert noise.select({}, tiny, 50) == {}


@pytest.mark.parametrize("kind", Noise)
def test_draws_are_centred_and_spread_as_claimed(kind):
    deviation_scale = 25.0 if kind is Noise.GAUSSIAN else 25.0 / math.sqrt(2)
    assert noise.deviation(kind, deviation_scale) == pytest.approx(25)
    values = noise.add_noise([1000] * 20_000, kind, deviation_scale)
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    assert abs(mean - 1000) < 6 * 25 / math.sqrt(20_000)
    assert spread == pytest.approx(25, rel=0.05)
    assert noise.add_noise([], kind, 1.0) == []


def test_totals_beyond_the_clamp_are_a_fault():
    with pytest.raises(AssertionError):
        noise.add_noise([2**63 - 1], Noise.GAUSSIAN, 1.0)


@pytest.mark.parametrize("wrong", [[1.5], [2**70], [True]])
def test_what_is_no_whole_number_of_64_bits_is_a_fault(wrong):
    with pytest.raises(AssertionError):
        noise.add_noise(wrong, Noise.GAUSSIAN, 1.0)


def test_many_keys_are_drawn_apart_and_each_of_them_once():
    keys, scale = range(7, 7 + 3 * noise.LONG), 1000.0
    passed = noise.select(dict.fromkeys(keys, 10**6), scale, 10)
    assert sorted(passed) == list(keys)
    drawn = [passed[key] - 10**6 for key in keys]
    mean = sum(drawn) / len(drawn)
    assert abs(mean) < 6 * scale / math.sqrt(len(drawn))
    assert math.sqrt(sum((v - mean) ** 2 for v in drawn) / len(drawn)) == pytest.approx(scale, rel=0.05)
    middle = len(drawn) // 2
    alike = sum(one == other for one, other in zip(drawn[:middle], drawn[middle:], strict=False))
    assert alike < 30  # two draws of this scale are equal once in some 3,500 times
    assert noise.select(dict.fromkeys(keys, 10), 1e-3, 10) == {}  # runs at T + 1, each half of them
    assert noise.select(dict.fromkeys(keys, 11), 1e-3, 10) == dict.fromkeys(keys, 11)
