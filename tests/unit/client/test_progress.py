"""How progress is shown: to a function, a terminal, a notebook, or not at all."""

import io
import sys
import time
import types

import pytest

from gateway.client import progress
from gateway.client.progress import ASKED, Notebook, Nothing, Progress, Shown, Terminal


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_function_is_told_each_stage():
    told = []
    with Shown(told.append) as shown:
        shown.reached("plan")
        shown.reached("execute")
    assert [one.stage for one in told] == ["plan", "execute"]
    assert str(Progress("plan", 3.4)) == "plan  3 s"


def test_nothing_is_shown_where_nobody_looks(capsys):
    for wanted in (None, False):
        with Shown(wanted) as shown:
            assert isinstance(shown._display, Nothing)
            shown.reached("plan")
            shown.told("words")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_stage_and_time_and_keeps_only_what_is_told(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "TICK_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    with Shown(None) as shown:
        assert isinstance(shown._display, Terminal)
        shown.reached("execute")
        with Shown(None) as second:
            assert isinstance(second._display, Nothing), "one line has room for one question"
        time.sleep(0.15)
        shown.told("Query Q1 is cancelled.")
    assert "execute  0 s" in screen.getvalue()
    assert "Query Q1 is cancelled." in screen.getvalue()
    with Shown(True) as again:
        assert isinstance(again._display, Terminal)


def test_a_terminal_is_free_again_after_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    with pytest.raises(KeyError), Shown(None):
        raise KeyError
    with Shown(None) as shown:
        assert isinstance(shown._display, Terminal)


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, html):
        self.shown.append(html)


@pytest.fixture
def notebook(monkeypatch):
    """Return what a notebook shows below its cell."""
    shown = []

    def display(html, *, display_id):
        assert display_id is True
        shown.append(html)
        return Handle(shown)

    shell = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython.core.getipython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display, HTML=str))
    return shown


def test_a_notebook_shows_it_in_place_and_nothing_afterwards(notebook):
    with Shown(None) as shown:
        assert isinstance(shown._display, Notebook)
        shown.reached("<execute>")
    assert "&lt;execute&gt;  0 s" in notebook[1]
    assert (notebook[0], notebook[-1]) == ("", "")


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch, notebook):
    shell = types.SimpleNamespace(get_ipython=types.SimpleNamespace)
    monkeypatch.setitem(sys.modules, "IPython.core.getipython", shell)
    with Shown(None) as shown:
        assert isinstance(shown._display, Nothing)
    assert notebook == []


def test_time_goes_on_while_no_stage_is_told(monkeypatch, notebook):
    monkeypatch.setattr(progress, "TICK_S", 0.01)
    with Shown(None):
        time.sleep(0.1)
    assert sum(ASKED in html for html in notebook) >= 3
