"""The benchmarks name what they time: a function that moved would leave a stage without its time."""

import subprocess
import sys
from pathlib import Path

from bench.planning import STAGES, called

ROOT = Path(__file__).resolve().parents[2]


def test_every_benchmark_is_there_where_no_test_has_made_room_for_it():
    asked = [sys.executable, "-m", "bench", "--help"]
    done = subprocess.run(asked, cwd=ROOT, env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "performance" in done.stdout


def test_every_function_that_is_timed_is_found():
    found = {(stage, name) for stage, _, name in called()}
    assert found == {(stage, name) for stage, names in STAGES.items() for name in names}
