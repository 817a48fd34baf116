"""The image's own steps, in a bare Debian root: what docker/Dockerfile says is done there, and a gateway served.

No container engine is needed, but root, debootstrap and Debian's packages: part of `make check`. The base image's
Python stands for Debian's; a step that this reading of the Dockerfile does not know fails the test.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support.gateways import POLICY
from support.shop import empty_database, fill

ROOT = Path(__file__).resolve().parents[2]
PORT = 18_081


def steps(text):
    """Return (instruction, rest) of a Dockerfile, lines that end in a backslash joined."""
    joined = text.replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines()]
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]


def debian(folder):
    """Make a bare Debian with Python and return its path."""
    site = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[0]
    target = folder / "debian"
    command = ["debootstrap", "--variant=minbase", "--include=python3,python3-venv,python3-pip", "bookworm"]
    subprocess.run([*command, str(target), site], check=True, capture_output=True, timeout=900)
    (target / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    return target


class Image:
    """A root that a Dockerfile's instructions are carried out in."""

    def __init__(self, root, wheels):
        self.root, self.folder, self.user = root, "/", None
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
        # packages come from a folder beside, hashes and all: the root needs no network
        self.building = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
        shutil.copytree(wheels, root / "wheels")
        self.health = self.command = self.entry = None

    def take(self, instruction, rest):
        match instruction:
            case "FROM" | "STOPSIGNAL" | "EXPOSE" | "VOLUME":
                return
            case "ENV":
                for word in shlex.split(rest):
                    name, _, value = word.partition("=")
                    self.environment[name] = value.replace("$PATH", self.environment["PATH"])
            case "WORKDIR":
                self.folder = rest
                (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(rest)
            case "RUN":
                done = self.run(["sh", "-c", rest], self.building)
                assert done.returncode == 0, done.stdout + done.stderr
            case "USER":
                self.user = rest
            case "HEALTHCHECK":
                self.health = json.loads(rest.partition("CMD")[2])
            case "ENTRYPOINT":
                self.entry = json.loads(rest)
            case "CMD":
                self.command = json.loads(rest)
            case _:
                raise AssertionError(f"{instruction} is not known here")

    def _copy(self, rest):
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            assert words[1] == words[2]  # both stages are the same root here
            return
        *sources, target = words
        place = self.root / self.folder.lstrip("/")
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (place / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place / target)

    def started(self, command, **options):
        user = ["--userspec", self.user] if self.user else []
        inside = ["chroot", *user, str(self.root), "/usr/bin/env", "-C", self.folder, *command]
        return subprocess.Popen(inside, env={**self.environment, **options.pop("env", {})}, text=True, **options)

    def run(self, command, env):
        with self.started(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            output, _ = process.communicate(timeout=900)
        return subprocess.CompletedProcess(command, process.returncode, output, "")


@pytest.fixture
def image(tmp_path):
    """Carry out every step of the Dockerfile."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.fail("this takes root and debootstrap: apt-get install debootstrap")
    wheels = tmp_path / "wheels"
    base = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", str(wheels)]
    for name in ("runtime", "build"):
        subprocess.run([*base, "-r", str(ROOT / "requirements" / f"{name}.txt")], check=True, timeout=900)
    for folder in (tmp_path, tmp_path.parent):  # its user has to get there
        folder.chmod(0o755)
    made = Image(debian(tmp_path), wheels)
    subprocess.run(["mount", "-t", "proc", "proc", str(made.root / "proc")], check=True)
    try:
        for instruction, rest in steps((ROOT / "docker" / "Dockerfile").read_text()):
            if instruction == "FROM":
                made.folder = "/"
            made.take(instruction, rest)
        yield made
    finally:
        subprocess.run(["umount", str(made.root / "proc")], check=True)


@pytest.fixture
def served(image):
    policies = image.root / "policies"
    policies.mkdir()
    (policies / "shop.yaml").write_text(POLICY)
    connection = empty_database(policies / "shop.duckdb")
    fill(connection, 3, 200)
    connection.close()
    command = [*image.entry, *(str(PORT) if word == "8080" else word for word in image.command)]
    with (image.root.parent / "log").open("w") as log:
        process = image.started(command, stdout=subprocess.PIPE, stderr=log)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait(timeout=20)
    process.stdout.close()


@pytest.mark.long
def test_the_images_steps_make_a_gateway_that_serves_without_rights(image, served):
    assert served.stdout.readline().startswith("listening on"), (image.root.parent / "log").read_text()
    health = [word.replace("8080", str(PORT)) for word in image.health]
    deadline = time.monotonic() + 60
    while (done := image.run(health, {})).returncode != 0:
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.5)
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=10) as reply:
        assert json.loads(reply.read())["datasets"] == {"open": 1, "shut": 0}
    assert "\nUid:\t10001\t10001\t10001\t10001\n" in Path(f"/proc/{served.pid}/status").read_text()
    # nothing outside /state and /tmp is its own to write to; /var and /run are read-only in the compose file
    find = (
        "find / -xdev -writable -not -path '/proc*' -not -path '/dev*' -not -type l 2>/dev/null | cut -d/ -f2 | sort -u"
    )
    assert set(image.run(["sh", "-c", find], {}).stdout.split()) <= {"state", "tmp", "var", "run"}
    served.send_signal(signal.SIGTERM)
    assert served.wait(timeout=60) == 0
