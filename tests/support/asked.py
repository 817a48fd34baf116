"""The `gateway` that a shell of a test finds: has its words run by a fork, with its descriptors, environment and folder.

Its own text is the command (support.commands writes it so): it loads nothing but what it needs, and ends as the fork does.
"""

import json
import os
import signal
import socket
import sys

NAME = "gateway-of-tests"


def main() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.connect("\0" + NAME)
        words = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
        socket.send_fds(asked, [len(words).to_bytes(4, "big")], [0, 1, 2])
        asked.sendall(words)
        with asked.makefile() as answers:
            pid = int(answers.readline())
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda caught, _: os.kill(pid, caught))
            sys.exit(int(answers.readline()))


if __name__ == "__main__":
    main()
