"""A folder of Parquet tables as Spark sees it: its files, what marks them, and views that read exactly those.

Each table is a folder of its name, with Parquet files in it and nothing else: no folders below, no other format. All of
it blocks, and runs in a session's thread.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.engines.spark_frames import fetched
from gateway.errors import GatewayError

File = tuple[str, int, int]
"""Path, length, and modification time in microseconds."""

SUFFIX = ".parquet"
_PATTERNS = frozenset("*?[]{}\\")
"""Signs of a path that Hadoop would read as a pattern."""

TYPES = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp_ntz": "TIMESTAMP",
}
"""Spark's types as the gateway names them; of a moment with a zone nothing is computed."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table's files, and the columns that can be computed with, as Spark's own schema of them."""

    files: tuple[File, ...]
    schema: Any = field(compare=False)
    columns: tuple[tuple[str, str], ...]
    """Every column with its type as the gateway names it, or as Spark does."""


Folder = Mapping[str, Table]


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def type_of(text: str) -> str:
    """Return a type as the catalog of the gateway names it; as Spark does, where nothing computes with it."""
    return text.upper() if text.startswith("decimal(") else TYPES.get(text, text)


def understood(type_text: str) -> bool:
    return type_text in TYPES.values() or type_text.startswith("DECIMAL(")


# -- files ------------------------------------------------------------------------------------------------------------


def listed(spark: Any, folders: Sequence[str]) -> tuple[File, ...]:
    """Return every file of some folders and of those below, in the order of their paths; none is opened."""
    found = fetched(
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(list(folders))
        .selectExpr("path", "length", "unix_micros(modificationTime) AS changed")
    )
    return tuple(sorted((row["path"], row["length"], row["changed"]) for row in found.to_pylist()))


def _passed_over(spark: Any, place: str) -> str | None:
    """Return a folder with files in it that begins with _ or a dot: Spark leaves such out of its lists."""
    try:
        found = listed(spark, [f"{place}/[_.]*"])
    except Exception as error:
        if getattr(error, "getCondition", lambda: "")() == "PATH_NOT_FOUND":
            return None
        raise
    name = place.rpartition("/")[2]
    within = (path.rpartition(f"/{name}/")[2] for path, _, _ in found)
    return next((path.partition("/")[0] for path in within if "/" in path), None)


def place_of(uri: str, table: str) -> str:
    return f"{uri.rstrip('/')}/{table}"


def marked(files: Sequence[File]) -> str:
    """Return the mark of some files."""
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def stamp_of(folder: Folder) -> str:
    """Return the mark of a folder: the files of its tables, and their columns."""
    said = [[name, table.files, table.columns] for name, table in sorted(folder.items())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def files_of(folder: Folder) -> tuple[File, ...]:
    return tuple(sorted(file for table in folder.values() for file in table.files))


def read_table(spark: Any, uri: str, name: str) -> Table | None:
    """Return a table of the folder; None where it has no files.

    Raises GatewayError `policy_invalid` for files that are not one plain table.
    """
    place = place_of(uri, name)
    try:
        files = listed(spark, [place])
    except Exception as error:
        if getattr(error, "getCondition", lambda: "")() == "PATH_NOT_FOUND":
            return None
        raise
    if not files:
        return None
    _plain(name, files)
    if (folder := _passed_over(spark, place)) is not None:
        what = f"The folder of '{name}' holds '{folder}', of a write under way or a table format with deleted rows"
        raise _invalid(what, "Write the table's rows into a folder of plain Parquet files")
    schema = spark.read.option("mergeSchema", "true").parquet(*(path for path, _, _ in files)).schema
    columns = tuple((part.name, type_of(part.dataType.simpleString())) for part in schema.fields)
    kept = [part for part, (_, type_text) in zip(schema.fields, columns, strict=True) if understood(type_text)]
    return Table(files, _bare(kept), columns)


def _plain(name: str, files: Sequence[File]) -> None:
    """Refuse what is not a folder of Parquet files."""
    folders = {path.rpartition("/")[0] for path, _, _ in files}
    if len(folders) != 1 or not next(iter(folders)).endswith(f"/{name}"):
        raise _invalid(f"The folder of '{name}' has folders below", "Write the table's files into one folder")
    for path, _, _ in files:
        file = path.rpartition("/")[2]
        if not file.endswith(SUFFIX):
            raise _invalid(f"The folder of '{name}' holds '{file}'", f"Keep files that end in {SUFFIX} there, alone")
        if _PATTERNS & set(path):
            raise _invalid(f"The file '{file}' of '{name}' has a sign of patterns in its path", "Rename it")


def _invalid(what: str, fix: str) -> GatewayError:
    return GatewayError("policy_invalid", f"{what}.", f"{fix}.")


def _bare(kept: Sequence[Any]) -> Any:
    """Return a schema without what its writer noted beside the types."""
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(part.name, part.dataType, nullable=True) for part in kept])


# -- views ------------------------------------------------------------------------------------------------------------


def show(spark: Any, folder: Folder) -> None:
    """Make a view of each table: it reads these files, with this schema."""
    for name, table in folder.items():
        paths = (path for path, _, _ in table.files)
        spark.read.schema(table.schema).parquet(*paths).createOrReplaceTempView(quoted(name))
