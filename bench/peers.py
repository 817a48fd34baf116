"""What other systems reached on the same queries: facts measured once, copied here with where and when.

Measured 2026-11-23 on 2 cores with Python 3.11: TPC-H SF1, unit = customer, epsilon 1, delta 1e-7 for the whole query
(Tumult and PipelineDP at SF0.1). `hand` is a hand-written bounded DuckDB query with OpenDP noise whose clamps were
chosen by looking at the data, which a product may not do. Errors are mean relative errors in percent.
"""

from dataclasses import dataclass

MEASURED = "2026-11-23 on 2 cores, Python 3.11"
SYSTEMS = ("hand", "SmartNoise 1.0.10", "Qrlew 0.9.27", "OpenDP Polars 0.16", "Tumult 0.21", "PipelineDP 0.3")

FAILS = "refused"
NOTHING = "no cell"


@dataclass(frozen=True, slots=True)
class Peers:
    """One query's errors by system, one figure or text for each column (the last one stands for those missing)."""

    hand: tuple[float | str, ...]
    smartnoise: tuple[float | str, ...]
    qrlew: tuple[float | str, ...]
    opendp: tuple[float | str, ...]
    tumult: tuple[float | str, ...]
    pipelinedp: tuple[float | str, ...]

    def columns(self, index: int) -> list[float | str]:
        """Return each system's figure for one column."""
        systems = (self.hand, self.smartnoise, self.qrlew, self.opendp, self.tumult, self.pipelinedp)
        return [one[min(index, len(one) - 1)] for one in systems]

    def best(self, index: int) -> float | None:
        """Return the least error of a system that did not look at the data; None where none answered."""
        return min((one for one in self.columns(index)[1:] if isinstance(one, float)), default=None)


PEERS = {
    "W1": Peers((0.003,), (0.004,), (0.015,), (0.003,), (0.03,), (0.11,)),
    "W2": Peers((0.31, 0.07), (28.6,), (0.13, 1.18), (28.6,), (28.7,), (1.3, 0.5)),
    "W3": Peers((0.38,), (80.0,), (0.84,), (0.71,), (18.6,), (18.7,)),
    "W4": Peers((0.19,), (25.7,), (FAILS,), (1.3,), (1.5,), (2.2,)),
    "W5": Peers((0.06, 0.55, 0.28), (0.04, 0.04, 0.02), (FAILS,), (0.01, FAILS), (0.04, FAILS), (0.1, 0.9, 0.5)),
    "W6": Peers(("-",), (FAILS,), (FAILS,), (0.28, 0.11), (0.04,), (0.42, 0.63)),
    "W7": Peers((NOTHING,), (NOTHING,), (NOTHING,), (NOTHING,), (NOTHING,), (NOTHING,)),
    "W7m": Peers((3.5,), ("-",), ("-",), (28.6,), (NOTHING,), (NOTHING,)),
    "W8": Peers((0.07,), (80.0,), (0.51,), (0.42,), (18.5,), (18.6,)),
}
"""SmartNoise, OpenDP, Tumult and PipelineDP were given hand-made joins where they refuse them (W3, W5, W7, W8)."""
