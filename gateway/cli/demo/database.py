"""The demo's DuckDB file: real purchases as customers + purchases, and a public calendar.

Reads the compact CDNOW copy alone (policies/data/PROVENANCE.md); never touches a provider's own data.
"""

import lzma
import os
from pathlib import Path

COMPACT_NAME = "cdnow.csv.xz"
PURCHASES = 69_659

# A basket names how many CDs and the price band of one of them: a column that nobody could list beforehand.
# Bands compare amounts with multiples of the quantity, so that no division rounds.
_BASKET = """
    CASE WHEN quantity = 1 THEN '1 CD'
         WHEN quantity <= 10 THEN quantity || ' CDs'
         WHEN quantity <= 20 THEN '11-20 CDs'
         ELSE 'over 20 CDs' END
    || ', ' ||
    CASE WHEN amount = 0 THEN 'free'
         WHEN amount < 8 * quantity THEN 'bargain'
         WHEN amount < 12 * quantity THEN 'low price'
         WHEN amount < 14 * quantity THEN 'mid price'
         WHEN amount < 16 * quantity THEN 'standard price'
         WHEN amount < 20 * quantity THEN 'high price'
         ELSE 'premium' END
"""

_SOURCE = """
    CREATE TEMP TABLE source AS
    FROM read_csv($1, header = false, auto_detect = false, delim = ',', columns = {
        'purchase_id': 'BIGINT', 'customer_id': 'BIGINT', 'purchased_on': 'DATE',
        'quantity': 'INTEGER', 'amount': 'DECIMAL(10, 2)'
    })
"""

_STATEMENTS = (
    """
    CREATE TABLE customers (
        customer_id BIGINT PRIMARY KEY,
        cohort VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE purchases (
        purchase_id BIGINT PRIMARY KEY,
        customer_id BIGINT NOT NULL REFERENCES customers (customer_id),
        purchased_on DATE NOT NULL,
        quantity INTEGER NOT NULL,
        basket VARCHAR NOT NULL,
        amount DECIMAL(10, 2) NOT NULL
    )
    """,
    """
    CREATE TABLE calendar (
        day DATE PRIMARY KEY,
        month VARCHAR NOT NULL,
        quarter VARCHAR NOT NULL,
        weekday INTEGER NOT NULL
    )
    """,
    """
    INSERT INTO customers
    SELECT customer_id, strftime(min(purchased_on), '%Y-%m') FROM source GROUP BY customer_id ORDER BY customer_id
    """,
    f"""
    INSERT INTO purchases
    SELECT purchase_id, customer_id, purchased_on, quantity, {_BASKET}, amount FROM source ORDER BY purchase_id
    """,
    """
    INSERT INTO calendar
    SELECT day, strftime(day, '%Y-%m'), year(day) || '-Q' || quarter(day), isodow(day)
    FROM (
        SELECT CAST(unnest(generate_series(DATE '1997-01-01', DATE '1998-06-30', INTERVAL 1 DAY)) AS DATE) AS day
    )
    """,
)


def read_source(compact: Path) -> list[str]:
    """Return the log as CSV lines: purchase_id (the line, from 1), customer_id, purchased_on, quantity, amount."""
    lines = lzma.decompress(compact.read_bytes()).decode("ascii").splitlines()[1:]
    # INVARIANT: the copy is whole; a shorter one would make every figure of the documentation wrong.
    assert len(lines) == PURCHASES, "the compact copy of CDNOW is not complete"
    return [f"{number},{line}" for number, line in enumerate(lines, start=1)]


def build(compact: Path, target: Path) -> None:
    """Build the database beside `target` and put it in place by one rename, so that no reader sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    draft.unlink(missing_ok=True)
    text = target.with_name(f".{target.name}.csv")
    text.write_text("\n".join(read_source(compact)), encoding="ascii")
    import duckdb  # noqa: PLC0415 - every command of the gateway imports this module

    connection = duckdb.connect(str(draft))
    try:
        connection.execute(_SOURCE, [str(text)])
        for statement in _STATEMENTS:
            connection.execute(statement)
        connection.execute("DROP TABLE source")
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
        text.unlink()
    os.replace(draft, target)  # noqa: PTH105 - atomic on every system, where Path.rename is not
