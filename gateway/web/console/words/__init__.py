"""Every word of the console, in English and in Chinese. What the gateway says of a question stays English."""

from gateway.web.console.words.answers import ANSWERS
from gateway.web.console.words.asking import ASKING
from gateway.web.console.words.cases import CASES
from gateway.web.console.words.datasets import DATASETS
from gateway.web.console.words.exchange import EXCHANGE
from gateway.web.console.words.frame import FRAME
from gateway.web.console.words.models import MODELS
from gateway.web.console.words.sandbox import SANDBOX
from gateway.web.console.words.watching import WATCHING

WORDS = FRAME | DATASETS | ASKING | SANDBOX | MODELS | ANSWERS | CASES | EXCHANGE | WATCHING
