"""Which of the console's two languages a request is answered in, and the words in it."""

from collections.abc import Callable

from aiohttp import web

from gateway.web.console.words import WORDS

COOKIE = "gateway_language"
LANGUAGES = ("en", "zh")
TAGS = {"en": "en", "zh": "zh-Hans"}
"""What the pages' `lang` says."""

Say = Callable[..., str]


def language_of(request: web.Request) -> str:
    """Return the language that was chosen by the switch, else the first of ours that the browser prefers."""
    chosen = request.cookies.get(COOKIE)
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("Accept-Language", ""))


def preferred(accepted: str) -> str:
    """Return the language that a header Accept-Language likes best of ours; English where it likes none."""
    best, liked = "en", 0.0
    for part in accepted.split(","):
        tag, _, rest = part.strip().partition(";")
        name = tag.strip().casefold().partition("-")[0]
        weight = _weight(rest.strip())
        if name in LANGUAGES and weight > liked:
            best, liked = name, weight
    return best


def _weight(parameter: str) -> float:
    if not parameter.startswith("q="):
        return 1.0
    try:
        return float(parameter[2:])
    except ValueError:
        return 0.0


def sayer(language: str) -> Say:
    """Return what says a word of the table; the values that it names are put into it."""
    column = LANGUAGES.index(language)

    def say(word: str, **values: object) -> str:
        text = WORDS[word][column]
        return text.format(**values) if values else text

    return say
