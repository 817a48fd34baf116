"""The worked example of a policy, what its engine would find, and the dataset that it makes."""

from pathlib import Path

from gateway.catalog.build import build
from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection
from gateway.catalog.load import parse

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "policies" / "cdnow.yaml").read_text(encoding="utf-8")


def table(name, *columns, kind="table"):
    return EngineTable(name, kind, tuple(EngineColumn(*c) for c in columns), ())


FOUND = Inspection(
    "1:2:3",
    (
        table("customers", ("customer_id", "BIGINT", False), ("cohort", "VARCHAR", False)),
        table(
            "purchases", ("purchase_id", "BIGINT", False), ("customer_id", "BIGINT", False), ("purchased_on", "DATE", False),
            ("quantity", "INTEGER", False), ("basket", "VARCHAR", True), ("amount", "DECIMAL(10,2)", False),
        ),
        table("calendar", ("day", "DATE", False), ("month", "VARCHAR", False)),
    ),
    (("calendar", "month", ("1997-01", "1997-02")), ("calendar", "day", None)),
    (),
)  # fmt: skip


def made(text=TEXT, found=FOUND):
    return build(parse(text, "cdnow.yaml"), found, data_version="v1", base=Path("/data"))
