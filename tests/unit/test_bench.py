"""The benchmarks name what they time: a function that moved would leave a stage without its time."""

from bench.planning import STAGES, called


def test_every_function_that_is_timed_is_found():
    found = {(stage, name) for stage, _, name in called()}
    assert found == {(stage, name) for stage, names in STAGES.items() for name in names}
