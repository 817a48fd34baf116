"""What DuckDB reads: a database file, or a folder with Parquet files for each table. Opening, locking, telling changes.

In a folder, `orders/` with any Parquet files in it is the table `orders`, as is a file `orders.parquet`.
"""

import hashlib
import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import duckdb

from gateway.engines.faults import FAULTY_RULES
from gateway.engines.marks import is_overwritten, mark
from gateway.errors import GatewayError

log = logging.getLogger("gateway.engine")

UNAVAILABLE = "The data cannot be opened now."
SUFFIX = ".parquet"

_PATTERNS = frozenset("*?[")

Table = tuple[str, tuple[Path, ...]]
"""A name and its files, in order of their paths."""


class Changed(Exception):
    """The files are not those that were opened."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def is_folder(path: str) -> bool:
    return Path(path).is_dir()


def tables_of(folder: Path) -> Iterator[Table]:
    """Yield every table of a folder."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            files = tuple(sorted(entry.rglob(f"*{SUFFIX}")))
            if files:
                yield entry.name, files
        elif entry.suffix == SUFFIX:
            yield entry.stem, (entry,)


def stamp_of(path: str) -> str:
    """Return the mark of the data: inode, modification time and size of a file; of a folder a hash of all its files'.

    Raises `engine_unavailable` where there is nothing.
    """
    try:
        if not is_folder(path):
            return mark(Path(path).stat())
        digest = hashlib.sha256()
        found = False
        for name, files in tables_of(Path(path)):
            for file in files:
                digest.update(
                    f"{name}\n{file.relative_to(path)}\n{mark(file.stat())}\n".encode("utf-8", "surrogateescape")
                )
                found = True
    except OSError:
        found = False
    if not found:
        hint = "The provider has to put the data file, or Parquet files for each table, in its place."
        raise GatewayError("engine_unavailable", UNAVAILABLE, hint) from None
    return f"parquet:{digest.hexdigest()}"


def check_unchanged(path: str, stamp: str) -> None:
    """Raise Changed where the data are not those that were opened.

    An open database file is what it was, whatever has its name by now, unless somebody has written over it.
    """
    if stamp_of(path) != stamp if is_folder(path) else is_overwritten(path, stamp):
        raise Changed("the files changed while they were read")


def connect(path: str, memory_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Open a source with everything else shut. Raises `engine_unavailable`, never with the engine's words."""
    folder = is_folder(path)
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": "",
        "allow_unsigned_extensions": "false",
    }
    try:
        if folder:
            _check_plain(Path(path))
            connection = duckdb.connect(":memory:", config=config)
            tables = list(tables_of(Path(path)))
            _check_names(tables)
            _allow(connection, tables)
        else:
            connection = duckdb.connect(path, read_only=True, config={**config, "access_mode": "READ_ONLY"})
            tables = []
        _shut(connection, memory_mb, threads)
        for name, files in tables:
            connection.execute(_view(name, files))
            _check_alike(connection, name, files)
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        log.warning("cannot open the data: %s", error)
        hint = "If a writer holds the file, close it; publish new files by renaming them into place."
        raise GatewayError("engine_unavailable", UNAVAILABLE, hint) from None
    return connection


def _allow(connection: duckdb.DuckDBPyConnection, tables: list[Table]) -> None:
    """Let these very files be read, and nothing else."""
    listed = [str(file) for _, files in tables for file in files]
    connection.execute("SET allowed_paths = $1", [listed])


def _shut(connection: duckdb.DuckDBPyConnection, memory_mb: int, threads: int) -> None:
    for setting in (
        "enable_external_access = false",
        "autoload_known_extensions = false",
        "autoinstall_known_extensions = false",
        "allow_community_extensions = false",
        "python_enable_replacements = false",
        f"memory_limit = '{memory_mb}MB'",
        f"threads = {threads}",
        "max_temp_directory_size = '0KiB'",
        "max_expression_depth = 1000",
        "TimeZone = 'UTC'",
        "enable_profiling = 'no_output'",  # what a statement read is told to the provider
        f"disabled_optimizers = '{FAULTY_RULES}'",
    ):
        connection.execute(f"SET {setting}")


def _view(name: str, files: tuple[Path, ...]) -> str:
    """Return the view that stands for a table: all rows of its files, which all have the same columns."""
    return f"CREATE VIEW {quoted(name)} AS SELECT * FROM read_parquet({_listed(files)}, hive_partitioning = false)"


def _listed(files: tuple[Path, ...]) -> str:
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"


def _check_plain(folder: Path) -> None:
    """Raise `engine_unavailable` unless a folder's Parquet files are plain data, each of which is read once.

    DuckDB takes a path with *, ? or [ for a pattern. What begins with _ or . is by custom no data: files of a write
    that is under way, or the log of a table format, beside which there may be rows that were deleted.
    """
    paths = chain.from_iterable((entry, *entry.rglob("*")) for entry in folder.iterdir())
    for path in paths:
        file = path.suffix == SUFFIX
        if file and _PATTERNS & set(str(path)):
            hint = "The provider has to rename Parquet files with *, ? or [ in their paths."
        elif path.name[0] in "_." and (file or path.is_dir()):
            hint = "The provider has to take away Parquet files and folders whose names begin with _ or a dot."
        else:
            continue
        log.warning("%s is no plain data", path)
        raise GatewayError("engine_unavailable", UNAVAILABLE, hint)


def _check_names(tables: list[Table]) -> None:
    """Raise `engine_unavailable` where two tables have one name: a file and a folder, or but for capitals."""
    names = [name.casefold() for name, _ in tables]
    twice = [name for name, _ in tables if names.count(name.casefold()) > 1]
    if twice:
        log.warning("two tables have one name: %s", ", ".join(twice))
        hint = "The provider has to give each table one folder, or one Parquet file: capitals do not tell them apart."
        raise GatewayError("engine_unavailable", UNAVAILABLE, hint)


def _check_alike(connection: duckdb.DuckDBPyConnection, name: str, files: tuple[Path, ...]) -> None:
    """Raise `engine_unavailable` unless all files of a table have the same columns of the same types.

    DuckDB gives them the first one's: it would leave out columns, round numbers, and fail on rows that do not fit.
    """
    columns = "SELECT LIST(ROW(name, duckdb_type) ORDER BY name, duckdb_type) AS columns"
    each = f"{columns} FROM parquet_schema({_listed(files)}) WHERE duckdb_type IS NOT NULL GROUP BY file_name"
    (found,) = connection.execute(f"SELECT COUNT(DISTINCT columns) FROM ({each})").fetchall()
    if found != (1,):
        log.warning("the files of %s have different columns, or types of them", name)
        hint = "The provider has to write all Parquet files of a table with the same columns and types."
        raise GatewayError("engine_unavailable", UNAVAILABLE, hint)


def refuse_open_writer(path: str) -> None:
    """Raise `engine_unavailable` for a database file that somebody is writing."""
    if Path(f"{path}.wal").exists():
        hint = "Close the writer after CHECKPOINT, or publish a finished copy by renaming it into place."
        raise GatewayError("engine_unavailable", "A writer has not finished with the data file.", hint)
