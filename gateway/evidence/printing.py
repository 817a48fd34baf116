"""The filing pack as a page to print or send: one HTML file that asks no address for anything."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = "filing.html"


def page(content: Mapping[str, object]) -> str:
    """Return a filing pack as one printable HTML page; every text of it is escaped."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(TEMPLATE).render(content)
