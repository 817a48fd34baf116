"""Every word of the console, in English and in Chinese. What the gateway says of a question stays English."""

from gateway.web.console.words.answers import ANSWERS
from gateway.web.console.words.asking import ASKING
from gateway.web.console.words.datasets import DATASETS
from gateway.web.console.words.exchange import EXCHANGE
from gateway.web.console.words.frame import FRAME
from gateway.web.console.words.watching import WATCHING

WORDS = FRAME | DATASETS | ASKING | ANSWERS | EXCHANGE | WATCHING
