"""The stages of a query's path that take time: what progress, metrics and traces call them."""

from enum import StrEnum


class Stage(StrEnum):
    """One part of the path (docs/ARCHITECTURE.md); the numbers are those of its list."""

    IDENTIFY = "identify"  # 2
    PLAN = "plan"  # 3 to 6, in a killable process
    PRICE = "price"  # 7
    LEASE = "lease"  # an engine is held before the charge
    CHARGE = "charge"  # 8
    EXECUTE = "execute"  # 9
    RELEASE = "release"  # 10
    FINISH = "finish"  # 11
    RECORD = "record"  # 12
