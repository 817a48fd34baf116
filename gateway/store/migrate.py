"""The store's schema over time: Alembic revisions, each beside the tables that it makes."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from gateway.errors import GatewayError

FOLDER = Path(__file__).parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """Return the revision that this gateway's tables have."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # INVARIANT: there is a first revision
    return head


def current(connection: Connection) -> str | None:
    """Return the revision of a store, or None of one without tables."""
    return MigrationContext.configure(connection).get_current_revision()


def prepare(connection: Connection, *, migrate: bool) -> None:
    """Make the tables of a fresh store; bring an older one up to date where `migrate` asks for it.

    Raises GatewayError `store_outdated` for a store of another revision.
    """
    found, wanted = current(connection), newest()
    if found == wanted:
        return
    if found is None and inspect(connection).get_table_names():
        hint = "Name an empty database or folder for the gateway's store."
        raise GatewayError("store_outdated", "The store has tables that are not the gateway's.", hint)
    if found is not None:
        known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
        if found not in known:
            hint = "Run the gateway version that wrote it, or a newer one."
            raise GatewayError("store_outdated", f"The store's revision {found} is not known here.", hint)
        if not migrate:
            hint = "Back it up, then run `gateway store migrate`."
            raise GatewayError("store_outdated", f"The store's revision is {found}; this gateway needs {wanted}.", hint)
    command.upgrade(_config(connection), "head")
