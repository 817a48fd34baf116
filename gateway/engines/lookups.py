"""Listings in a locked DuckDB: tables about tables, registered for one question. No data of anybody is in them."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from gateway.catalog.listing import BIGINT, BOOLEAN, VARCHAR, Listing, LookedUp
from gateway.engines.rendering import safe
from gateway.errors import GatewayError

MAX_ROWS = 100_000

_ARROW = {VARCHAR: pa.string(), BIGINT: pa.int64(), BOOLEAN: pa.bool_()}


def look_up(connection: duckdb.DuckDBPyConnection, sql: str, listings: Mapping[str, Listing]) -> LookedUp:
    """Return the rows of a question over listings by name; none of them is known afterwards.

    Raises GatewayError `unknown_column` where a name is none of theirs, `type_mismatch` where a value does not fit,
    `too_large` beyond MAX_ROWS rows.
    """
    try:
        for name, listing in listings.items():
            connection.register(name, _table(listing))
        connection.execute(sql)
        rows = connection.fetchmany(MAX_ROWS + 1)
        connection.abort()  # whatever lies beyond the limit is not computed
        columns = [(name, str(type_)) for name, type_, *_ in connection.description or ()]
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
        known = "; ".join(f"{name}: {', '.join(c for c, _ in one.columns)}" for name, one in listings.items())
        detail = "A name or a type in this question of the catalogue does not fit."
        raise GatewayError("unknown_column", detail, f"Columns of {known}." if known else "Name a table.") from None
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException):
        raise GatewayError("type_mismatch", "A value does not fit its type.", "Compare like with like.") from None
    finally:
        for name in listings:
            connection.unregister(name)
    if len(rows) > MAX_ROWS:
        raise GatewayError("too_large", f"More than {MAX_ROWS:,} rows of the catalogue.", "Filter, or write LIMIT.")
    return LookedUp(columns, [[safe(value) for value in row] for row in rows])


def _table(listing: Listing) -> pa.Table:
    values = list(zip(*listing.rows, strict=True)) or [()] * len(listing.columns)
    arrays = [pa.array(cells, _ARROW[type_]) for cells, (_, type_) in zip(values, listing.columns, strict=True)]
    return pa.table(arrays, names=[name for name, _ in listing.columns])
