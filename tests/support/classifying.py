"""Proposals of policies: the command that makes them, and what a provider does who confirms one."""

import os
import re

from support.starting import ended

GRANTED = """
grants:
  - {to: {organisation: widgets}, purposes: [research]}
"""


def command(*arguments, **environment):
    """Run the gateway's command; return what became of it."""
    return ended([*map(str, arguments)], {**os.environ, **environment})


def confirmed(text):
    """Return a proposal whose provider has looked at every place, had it reviewed and granted it."""
    text = re.sub(r"^confirm:.*?\n\n", "", text, flags=re.DOTALL | re.MULTILINE)
    return text.replace("  # reviewed_by: whoever", "  reviewed_by: somebody  # whoever") + GRANTED
