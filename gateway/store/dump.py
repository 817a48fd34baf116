"""Backups: every row of a store in one snapshot, as a zip of JSON lines that either database takes back.

A restored store stands behind a fence (store/epochs.py): what was charged after the backup is not in it.
"""

import base64
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, insert, select, text

from gateway.errors import GatewayError
from gateway.store import epochs, log, merkle, migrate
from gateway.store.tables import alerts, events, metadata, observations

MANIFEST = "manifest.json"
FORMAT = "controlled-query-gateway store 1"
_CHUNK = 1000


def _damaged(why: str) -> GatewayError:
    return GatewayError("settings_invalid", f"The backup cannot be used: {why}.", "Take another backup.")


def _binary(table: Table) -> set[str]:
    return {column.name for column in table.columns if isinstance(column.type, LargeBinary)}


def backup(connection: Connection, path: Path) -> dict[str, Any]:
    """Write a store into a file that its owner alone can read; return the manifest.

    `connection` holds one snapshot. Raises GatewayError `settings_invalid` where the file is there already.
    """
    size = log.size(connection)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "revision": migrate.current(connection),
        "epoch": epochs.epoch(connection),
        "log_size": size,
        "log_root": merkle.root(size, log.node_reader(connection)).hex(),
        "rows": {},
    }
    try:
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        detail = f"The backup cannot be written to {path.name}: {error.strerror}."
        raise GatewayError("settings_invalid", detail, "Name a file that is not there yet.") from None
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for table in metadata.sorted_tables:
            manifest["rows"][table.name] = _write(connection, table, file)
        file.writestr(MANIFEST, json.dumps(manifest, indent=2, sort_keys=True))
    return manifest


def _write(connection: Connection, table: Table, file: zipfile.ZipFile) -> int:
    binary, count = _binary(table), 0
    with file.open(f"{table.name}.jsonl", "w") as out:
        for row in connection.execute(select(table).order_by(*table.primary_key)).mappings():
            shown = {k: base64.b64encode(v).decode() if k in binary and v is not None else v for k, v in row.items()}
            out.write(json.dumps(shown, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def restore(connection: Connection, path: Path) -> dict[str, Any]:
    """Fill a fresh store from a backup and fence it; return the manifest.

    Raises GatewayError `settings_invalid` where the store is not fresh, or the file is damaged or of another revision.
    """
    if log.size(connection):
        raise GatewayError("settings_invalid", "The store is not empty.", "Restore into a fresh folder or database.")
    try:
        with zipfile.ZipFile(path) as file:
            manifest = json.loads(file.read(MANIFEST))
            if manifest.get("format") != FORMAT or manifest.get("revision") != migrate.current(connection):
                raise _damaged("it was made by another version of the gateway")
            for table in metadata.sorted_tables:
                if _read(connection, table, file) != manifest["rows"][table.name]:
                    raise _damaged(f"rows of {table.name} are missing")
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _damaged(type(error).__name__) from None
    size = log.size(connection)
    root = merkle.root(size, log.node_reader(connection)).hex()
    if (size, root) != (manifest["log_size"], manifest["log_root"]):
        raise _damaged("its log is not the one that it names")
    if connection.dialect.name == "postgresql":  # rows came with their numbers: the next ones follow them
        for name in (events.name, observations.name, alerts.name):
            connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{name}', 'sequence'), MAX(sequence)) FROM {name}")
            )
    epochs.begin(connection, f"restored from a backup of {size} leaves")
    return dict(manifest)


def _read(connection: Connection, table: Table, file: zipfile.ZipFile) -> int:
    count = 0
    for rows in _chunks(table, file):
        connection.execute(insert(table), rows)
        count += len(rows)
    return count


def _chunks(table: Table, file: zipfile.ZipFile) -> Iterator[list[dict[str, Any]]]:
    binary, rows = _binary(table), list[dict[str, Any]]()
    with file.open(f"{table.name}.jsonl") as lines:
        for line in lines:
            row = json.loads(line)
            rows.append({k: base64.b64decode(v) if k in binary and v is not None else v for k, v in row.items()})
            if len(rows) == _CHUNK:
                yield rows
                rows = []
    if rows:
        yield rows
