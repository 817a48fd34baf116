"""Relations as the generator hands them on, and the tables that they begin with."""

from dataclasses import dataclass

from support.generated.values import Column

OWNER, ORDER = "customer_id", "order_id"


@dataclass(frozen=True, slots=True)
class Relation:
    """What stands in FROM. `owner` and `order` tell whether it holds the unit's key and the chain key.

    `unit` and `once` tell that no two rows have one customer, or one order.
    """

    sql: str
    columns: tuple[Column, ...]
    owner: bool = True
    order: bool = False
    unit: bool = False
    once: bool = False

    def of(self, alias: str) -> list[Column]:
        return [column.of(alias) for column in self.columns]

    def keys(self, alias: str) -> list[str]:
        return [f"{alias}.{name}" for name, held in ((OWNER, self.owner), (ORDER, self.order)) if held]


def _columns(*texts: str) -> tuple[Column, ...]:
    return tuple(Column(*text.split(":")) for text in texts)


CUSTOMERS = Relation("customers", _columns("cohort:text:gfj"), unit=True)
PURCHASES = Relation(
    "purchases",
    _columns(
        "purchased_on:date:gfj",
        "quantity:whole:gfa",
        "basket:text:gf",
        "amount:exact:a",
        "score:float:af",
        "gift:truth:gf",
        "weight:float:gfa",
    ),
)
ORDERS = Relation("orders", _columns("status:text:gf"), order=True, once=True)
LINES = Relation("lines", _columns("price:exact:af", "discount:float:a", "flag:truth:gf"), owner=False, order=True)
