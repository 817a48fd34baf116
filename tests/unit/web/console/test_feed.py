"""What a supervisor is shown of the log: the newest leaves of its bundles, what deserves a look, how far witnesses are."""

import base64
import json

import pytest
from support.consoles import CHECKPOINT

from gateway.errors import GatewayError
from gateway.evidence.offline.layout import WIDTH, pack, read_path
from gateway.web.console.feed import LOOKED_AT, Leaf, heads, newest


class Log:
    """A log of so many leaves, each of which says its index; a witness has seen `seen` of them."""

    def __init__(self, size, seen=None):
        self.size = size
        self.seen = seen
        self.asked = []

    async def tile(self, _caller, path):
        self.asked.append(path)
        tile = read_path(path)
        assert tile.level is None
        assert tile.end <= self.size
        return pack([json.dumps({"kind": "refused", "at": at}).encode() for at in range(tile.start, tile.end)])

    async def checkpoint(self, *, witnessed=False):
        if witnessed and self.seen is None:
            raise GatewayError("not_found", "No witness has signed yet.")
        lines = CHECKPOINT.replace("\n1\n", f"\n{self.seen if witnessed else self.size}\n")
        signature = base64.b64encode(bytes(76)).decode()
        return lines + (f"\u2014 w.example {signature}\n" if witnessed else "")


@pytest.mark.parametrize("size", [0, 1, WIDTH - 1, WIDTH, WIDTH + 1, LOOKED_AT, LOOKED_AT + 1, 3 * WIDTH + 7])
async def test_the_newest_leaves_come_first_and_none_is_left_out(size):
    log = Log(size)
    found = await newest(log, None, size)
    assert [leaf.index for leaf in found] == list(range(size - 1, max(0, size - LOOKED_AT) - 1, -1))
    assert [leaf.content["at"] for leaf in found] == [leaf.index for leaf in found]
    assert len(log.asked) <= 3


@pytest.mark.parametrize(
    ("content", "alert"),
    [
        ({"kind": "failed"}, True),
        ({"kind": "failed", "cancelled": True}, False),
        ({"kind": "failed", "excused": True}, False),
        ({"kind": "flooded"}, True),
        ({"kind": "refused"}, False),
        ({"kind": "charged"}, False),
    ],
)
def test_what_deserves_a_look(content, alert):
    assert Leaf(0, content).deserves_a_look is alert


async def test_a_log_that_no_witness_has_seen_says_so():
    head = await heads(Log(7))
    assert (head.witnessed, head.unwitnessed, head.names) == (None, 7, [])


async def test_how_far_a_witness_is_behind():
    head = await heads(Log(7, seen=5))
    assert (head.witnessed.size, head.unwitnessed, head.names) == (5, 2, ["w.example"])
