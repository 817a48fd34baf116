"""How a question that runs is shown: its stage and the time since it was asked. Nothing here is part of an answer."""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

ASKED = "asked"
"""What is shown until the gateway names a stage."""
TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How a question stands: the last stage the gateway told, and the seconds since it was asked."""

    stage: str
    elapsed_s: float

    def __str__(self) -> str:
        return f"{self.stage}  {self.elapsed_s:.0f} s"


class Display(Protocol):
    """Where progress is shown."""

    def show(self, progress: Progress) -> None: ...
    def close(self) -> None: ...


Wanted = bool | Callable[[Progress], None] | None
"""True: show it; False: do not; a function: call it; None: show it where somebody looks."""


class Nothing:
    """Shows nothing."""

    def show(self, progress: Progress) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """Tells a function of the program."""

    tell: Callable[[Progress], None]

    def show(self, progress: Progress) -> None:
        self.tell(progress)

    def close(self) -> None:
        """Do nothing: the program was told each stage."""


_TERMINAL = threading.Lock()
"""Held by the one question that standard error shows."""


class Terminal:
    """A line with a spinner on standard error, taken away at the end. Made and closed while _TERMINAL is held."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - loaded where a terminal shows it
        from rich.text import Text  # noqa: PLC0415

        self._text = Text
        self._status = Console(stderr=True, highlight=False, markup=False).status(Text(ASKED))
        self._status.start()

    def show(self, progress: Progress) -> None:
        self._status.update(self._text(str(progress)))

    def close(self) -> None:
        self._status.stop()
        _TERMINAL.release()


class Notebook:
    """A line of HTML below the cell, updated in place and emptied at the end."""

    def __init__(self, display: Callable[..., Any], html: Callable[[str], Any]) -> None:
        self._html = html
        self._handle = display(html(""), display_id=True)

    def show(self, progress: Progress) -> None:
        text = f'<div role="status" style="opacity:.7">{escape(str(progress))} &hellip;</div>'
        self._handle.update(self._html(text))

    def close(self) -> None:
        self._handle.update(self._html(""))


class Shown:
    """Keeps a display up to date while a question is asked, from a thread of its own: the asker waits for bytes."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._stage = ASKED
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._display: Display = Nothing()
        self._began = 0.0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._began = monotonic()
        self._display = _display(self._wanted)
        if isinstance(self._display, Terminal | Notebook):
            self._thread = threading.Thread(target=self._tick, name="gateway-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._display.close()

    def reached(self, stage: str) -> None:
        """Show another stage."""
        self._stage = stage
        self._show()

    def told(self, words: str) -> None:
        """Say one line for good, where somebody looks."""
        if isinstance(self._display, Terminal | Notebook):
            print(words, file=sys.stderr)  # noqa: T201 - to the person who stopped the question

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            self._show()

    def _show(self) -> None:
        with self._lock:
            self._display.show(Progress(self._stage, monotonic() - self._began))


def _display(wanted: Wanted) -> Display:
    if callable(wanted):
        return Told(wanted)
    if wanted is False:
        return Nothing()
    notebook = _notebook()
    if notebook is not None:
        return notebook
    looked_at = wanted or sys.stderr.isatty()
    return Terminal() if looked_at and _TERMINAL.acquire(blocking=False) else Nothing()


def _notebook() -> Notebook | None:
    """Return a display of the notebook that the program runs in; None elsewhere. Loads nothing."""
    shell, display = sys.modules.get("IPython.core.getipython"), sys.modules.get("IPython.display")
    running = None if shell is None else shell.get_ipython()
    if display is None or running is None or not hasattr(running, "kernel"):
        return None
    return Notebook(display.display, display.HTML)
