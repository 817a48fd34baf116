"""The demo's folder: a copy of the policy, the database beside it, and the gateway's own state."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo.database import COMPACT_NAME, build
from gateway.errors import GatewayError

POLICY_NAME = "cdnow.yaml"
MARK = ".gateway-demo"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo keeps its things; `root` is a folder that only the demo writes to."""

    root: Path

    @property
    def policies(self) -> Path:
        return self.root / "policies"

    @property
    def database(self) -> Path:
        """The file that the policy names, relative to the policy."""
        return self.policies / "data" / "cdnow.duckdb"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def log(self) -> Path:
        """What the gateway itself prints."""
        return self.root / "gateway.log"

    @property
    def ready(self) -> bool:
        return self.database.exists() and (self.policies / POLICY_NAME).exists()


@contextmanager
def held(stage: Stage) -> Iterator[None]:
    """Hold the folder for one demo. Raises GatewayError where another holds it: its state must not go from under it."""
    stage.root.mkdir(parents=True, exist_ok=True)
    folder = os.open(stage.root, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(folder)
        detail = f"A demo is running in {stage.root}."
        raise GatewayError("settings_invalid", detail, "Stop it first, or name another folder with --state.") from None
    try:
        yield
    finally:
        os.close(folder)


def source_policies() -> Path:
    """Return the folder of the worked example. Raises GatewayError where only the package is installed."""
    folder = Path(__file__).resolve().parents[3] / "policies"
    if not (folder / POLICY_NAME).exists() or not (folder / "data" / COMPACT_NAME).exists():
        raise GatewayError(
            "settings_invalid",
            "the demo's policy and data are not beside the package",
            "run it from a checkout: make demo",
        )
    return folder


def prepare(stage: Stage) -> None:
    """Make the folder anew: policy copied, database built, no state. Raises GatewayError for a folder not ours."""
    source = source_policies()
    if stage.root.exists():
        # Only a folder that an earlier demo made is ever removed.
        if any(stage.root.iterdir()) and not (stage.root / MARK).exists():
            raise GatewayError(
                "settings_invalid",
                f"{stage.root} holds files that no demo made",
                "name another folder with --state",
            )
        for path in stage.root.iterdir():  # the folder itself stays: it is what `held` locks
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    stage.policies.mkdir(parents=True)
    (stage.root / MARK).write_text("made by `gateway demo`, which removes this folder when it starts again\n")
    shutil.copyfile(source / POLICY_NAME, stage.policies / POLICY_NAME)
    build(source / "data" / COMPACT_NAME, stage.database)
    stage.state.mkdir(mode=0o700)
