"""The process on the other side of a worker: takes calls from its standard input, one at a time.

Started as gateway.workers.starting and gateway.workers.forking say. Never here: anything of one role;
the handler is named in the first frame. The process ends when its standard input closes, whatever it is doing,
so that a parent that was killed leaves nobody behind.
"""

import ctypes
import importlib
import json
import os
import pickle
import queue
import resource
import signal
import sys
import threading
import traceback
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO, cast

from gateway.errors import GatewayError
from gateway.workers import frames
from gateway.workers.role import Handler, Role

_MAX_TEXT = 4_000
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def main() -> None:
    """Serve calls until the standard input closes."""
    calls, answers = _take_channel()
    first = frames.read(calls)
    if first is None:
        return
    role: Role = pickle.loads(first[1])  # noqa: S301 - from our own parent, the trusted direction
    _limit(role)
    sys.meta_path.insert(0, _Without())
    sys.path.extend(role.python_path)
    inbox: queue.SimpleQueue[tuple[int, str, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(calls, inbox), daemon=True).start()
    try:
        module, _, function = role.factory.partition(":")
        handler: Handler = getattr(importlib.import_module(module), function)(dict(role.config))
    except Exception:  # noqa: BLE001 - reported to the parent, then the process ends
        _answer(answers, {"call": 0, "failed": _trace()})
        return
    if not role.writes_files:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _answer(answers, {"call": 0, "ok": {}})
    while True:
        number, method, pickled = inbox.get()
        _allow_cpu(role.cpu_s)
        header, payload = _serve(handler, number, method, pickled)
        _answer(answers, header, payload)
        if inbox.empty():
            handler.rest()


class _Without(MetaPathFinder):
    """Hides pandas, which no worker uses: Arrow loads it to see whether a list is one of its columns.

    That is half a second of a worker's first call, and 50 MiB, both told as what the call took.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


def _take_channel() -> tuple[BinaryIO, BinaryIO]:
    """Return the real standard input and output, and leave /dev/null and stderr in their place.

    A library that prints, or C code that writes to descriptor 1, so cannot forge a frame.
    """
    calls = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return cast("BinaryIO", calls), cast("BinaryIO", answers)


def _limit(role: Role) -> None:
    os.nice(role.nice)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if role.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (role.memory_bytes, role.memory_bytes))
    if sys.platform == "linux":
        # The listening thread needs the interpreter's lock; compiled code that never lets go of it must die too.
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NAME, f"gw-{role.name}".encode())  # what ps and top show


def _allow_cpu(seconds: int | None) -> None:
    """Let this call take so much processor time more than the process has used; then the kernel ends it."""
    if seconds is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit if hard < 0 else min(limit, hard), hard))


def _listen(calls: BinaryIO, inbox: "queue.SimpleQueue[tuple[int, str, bytes]]") -> None:
    while True:
        try:
            frame = frames.read(calls)
        except (frames.BadFrame, OSError):
            frame = None
        if frame is None:
            os._exit(0)
        head = frames.strict_json(frame[0])
        inbox.put((head["call"], head["method"], frame[1]))


def _serve(handler: Handler, number: int, method: str, pickled: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and payload that answer one call. A process out of memory ends instead."""
    try:
        argument = pickle.loads(pickled)  # noqa: S301 - from our own parent, the trusted direction
        header, payload = handler.handle(method, argument)
    except GatewayError as error:
        return {"call": number, "error": _plain(error)}, b""
    except MemoryError:
        # What a process can still do after this is anyone's guess; a fresh one is soon there.
        os.write(2, b"out of memory\n")
        os._exit(70)
    except Exception:  # noqa: BLE001 - a handler's fault must not end the process; the parent logs it
        return {"call": number, "failed": _trace()}, b""
    return {"call": number, "ok": header}, payload


def _plain(error: GatewayError) -> dict[str, Any]:
    at = error.position
    return {
        "code": error.code,
        "detail": error.detail,
        "hint": error.hint,
        "position": None if at is None else [at.line, at.column],
        "fingerprint": error.fingerprint,
    }


def _trace() -> str:
    return traceback.format_exc(limit=-8)[-_MAX_TEXT:]


def _answer(answers: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    try:
        text = json.dumps(header, allow_nan=False).encode()
    except (TypeError, ValueError):
        text = json.dumps({"call": header["call"], "failed": _trace()}).encode()
        payload = b""
    left = memoryview(frames.encode(text, payload))
    while left:
        left = left[answers.write(left) :]


if __name__ == "__main__":
    main()
