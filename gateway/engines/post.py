"""Step 11, finish: the gateway's own locked in-memory DuckDB over released tables. No exact row ever comes here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from gateway.catalog.listing import Listing, LookedUp
from gateway.engines.bars import Bars, bars, spread_sql
from gateway.engines.faults import FAULTS, FAULTY_RULES
from gateway.engines.lookups import look_up
from gateway.engines.rendering import safe_rows
from gateway.engines.shown import MAX_ROWS, FinishedRows, Rows, Shown, direct, limit_of, shown_of
from gateway.engines.streams import stream
from gateway.engines.tables import cells_of, drawn_cells, draws_table, numbered_rows
from gateway.errors import GatewayError
from gateway.privacy.intervals import Redraws, draws_for
from gateway.privacy.measurement import Derived, Finish, Measurement, NoisyTable

_LOCKS = (
    "SET enable_external_access = false",
    "SET autoload_known_extensions = false",
    "SET autoinstall_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET memory_limit = '1GB'",
    "SET max_temp_directory_size = '0KiB'",
    "SET max_expression_depth = 1000",
    "SET threads = 1",
    "SET TimeZone = 'UTC'",
    f"SET disabled_optimizers = '{FAULTY_RULES}'",
)


def _opened() -> duckdb.DuckDBPyConnection:
    """Return a database in memory, with everything else shut."""
    connection = duckdb.connect(":memory:", config={"temp_directory": ""})
    for statement in (*_LOCKS, "SET lock_configuration = true"):
        connection.execute(statement)
    return connection


class PostProcessor:
    """Runs the finish SQL of one answer at a time; keeps no table afterwards."""

    def __init__(self) -> None:
        self._connection = _opened()

    def finish(
        self,
        tables: Sequence[NoisyTable],
        reads: Mapping[str, bytes],
        measurements: Sequence[Measurement],
        finish: Finish,
        seed: int,
        row_limit: int | None,
    ) -> FinishedRows:
        """Return the answer's rows with a 95 % interval for every noisy cell.

        `reads` holds public rows by name as Arrow IPC streams. Raises GatewayError `too_large` where those are more
        than MAX_ROWS.
        """
        shown = shown_of(tables, measurements)
        limit = limit_of(row_limit)
        with self._holding(shown, reads):
            fetched = self._connection.execute(finish.sql).fetchmany(limit + 1)
            self._connection.abort()  # whatever lies beyond the limit is not computed
            rows, truncated = fetched[:limit], len(fetched) > limit
            columns = list(zip(*rows, strict=True)) or [()] * len(finish.columns)
            found = direct(columns, finish, shown) | self._redrawn(rows, finish, shown, seed)
        width = len(finish.columns)
        ordered = {c.name: found[c.name] for c in finish.columns if c.name in found}
        return FinishedRows(safe_rows(columns[:width], len(rows)), ordered, truncated)

    def derive(
        self,
        tables: Sequence[NoisyTable],
        reads: Mapping[str, bytes],
        measurements: Sequence[Measurement],
        derived: Derived,
    ) -> bytes:
        """Return released rows that a later measurement reads, as an Arrow IPC stream under their column ids."""
        with self._holding(shown_of(tables, measurements), reads):
            table = self._connection.sql(derived.sql).to_arrow_table()
        assert tuple(table.column_names) == tuple(name for name, _ in derived.columns)  # INVARIANT: as was planned
        return stream(table)

    def look_up(self, sql: str, listings: Mapping[str, Listing]) -> LookedUp:
        """Return the rows of a question over listings. Raises what `lookups.look_up` raises."""
        with self._renewing():
            return look_up(self._connection, sql, listings)

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """Open another database behind a fault: whoever asks next has nothing to do with it."""
        try:
            yield
        except FAULTS:
            self._connection = _opened()
            raise

    @contextmanager
    def _holding(self, shown: Sequence[Shown], reads: Mapping[str, bytes]) -> Iterator[None]:
        """Show every released table under its name, and none of them afterwards."""
        names = [*(s.table.name for s in shown), *reads]
        try:
            for one in shown:
                self._connection.register(one.table.name, cells_of(one.table, one.measurement))
            for name, ipc in reads.items():
                rows = pa.ipc.open_stream(ipc).read_all()
                if rows.num_rows > MAX_ROWS:
                    detail = f"More than {MAX_ROWS:,} public rows would have to be read."
                    raise GatewayError("too_large", detail, "Filter or aggregate the public table first.")
                self._connection.register(name, numbered_rows(rows))
            with self._renewing():
                yield
        finally:
            for name in (*names, "__draws"):
                self._connection.unregister(name)

    def _redrawn(self, rows: Rows, finish: Finish, shown: Sequence[Shown], seed: int) -> Bars:
        """Return intervals of derived columns: redraw the noise, run the same expressions, take quantiles.

        How often is bounded by the rows that one draw makes in all operators. A redraw that does not fit in memory
        leaves the cells without an interval: the answer itself is whole.
        """
        derived = [column for column in finish.columns if column.noisy and column.direct is None]
        nothing: Bars = {column.name: [None] * len(rows) for column in derived}
        if not derived or finish.redraw_sql is None:
            return nothing
        redraws = Redraws(seed)
        try:
            with self._renewing():
                self._draw(shown, redraws, 0)
                draws = draws_for(self._work(finish.redraw_sql))
                if draws == 0:
                    return nothing
                self._draw(shown, redraws, draws)
                found = self._connection.execute(spread_sql(finish.redraw_sql, finish.identity, derived)).fetchall()
        except duckdb.Error:
            return nothing
        tellers = [row[len(finish.columns) :] for row in rows]
        return bars(found, finish.identity, derived, tellers, draws)

    def _draw(self, shown: Sequence[Shown], redraws: Redraws, draws: int) -> None:
        """Show other tables in their place: draw 0 as released, then `draws` with fresh noise."""
        for one in shown:
            self._connection.register(one.table.name, drawn_cells(one.table, one.measurement, redraws, draws))
        self._connection.register("__draws", draws_table(draws))

    def _work(self, sql: str) -> int:
        """Return how many rows all operators of a statement make together."""
        found = self._connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}").fetchall()
        profile = json.loads(found[0][1])
        return int(profile["query"]["total_intermediate_rows"])
