"""`python -m bench NAME [options]`; without a name, `performance` and `stall` (`make bench`).

performance: plain SQL beside the bounded query and the whole gateway (bench/performance/). stall: how long the loop
of a whole gateway stands still. planning: what planning takes, by stage. charges: charges a second on both stores.
accuracy: how far answers lie from plain SQL. economy: what a budget answers.
modelling: models of nycflights13 beside the fit without privacy.
"""

import sys
from collections.abc import Callable

from rich.console import Console

from bench import accuracy, charges, economy, modelling, planning, stall
from bench.performance import command as performance

BENCHES: dict[str, Callable[[list[str]], None]] = {
    "performance": performance.main,
    "stall": lambda _: Console().print(stall.measure()),
    "planning": lambda _: Console().print(planning.measure()),
    "charges": lambda _: Console().print(charges.compare()),
    "accuracy": accuracy.main,
    "economy": economy.main,
    "modelling": modelling.main,
}


def main(arguments: list[str]) -> int:
    """Run one bench, or the two of `make bench`. Returns the exit code."""
    if not arguments:
        performance.main([])
        Console().print(stall.measure())
        return 0
    if arguments[0] not in BENCHES:
        print(__doc__)
        return 0 if arguments[0] in ("-h", "--help") else 2
    BENCHES[arguments[0]](arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
