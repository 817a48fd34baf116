"""The doors of a DuckDB connection are shut: no file, no setting, no variable of ours is to be had over it."""

import duckdb
import pyarrow as pa
import pytest

from gateway.engines.duckdb_source import connect


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "COPY t TO '/tmp/never.csv'",
        "ATTACH '/tmp/never.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '10GB'",
        "RESET lock_configuration",
        "PRAGMA threads = 8",
        "CREATE TABLE u AS SELECT 1",
        "UPDATE t SET x = 1",
        "DROP TABLE t",
        "EXPORT DATABASE '/tmp/never'",
    ],
)
def test_the_doors_of_a_connection_are_shut(file, sql):
    connection = connect(str(file), 64, 1)
    with pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()
    assert connection.execute("SELECT COUNT(*) FROM t").fetchall() == [(3,)]
    connection.close()


SHUT = {
    "access_mode": "read_only",
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
    "temp_directory": "",
    "max_temp_directory_size": "0 bytes",
    "max_expression_depth": 1000,
    "TimeZone": "UTC",
    "lock_configuration": True,
}


def test_every_setting_that_shuts_a_connection_is_there(file):
    connection = connect(str(file), 64, 1)
    found = {name: connection.execute(f"SELECT current_setting('{name}')").fetchall()[0][0] for name in SHUT}
    connection.close()
    assert found == SHUT


def test_a_variable_of_ours_is_not_read_as_a_table(file):
    secret = pa.table({"x": [1]})
    connection = connect(str(file), 64, 1)
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM secret").fetchall()
    connection.close()
    assert secret.num_rows == 1
