"""`python half_open.py PORT COUNT`: so many connections that are begun and never say anything.

Says `begun` when all are there, and holds them until its standard input ends.
"""

import socket
import sys


def main() -> None:
    port, count = int(sys.argv[1]), int(sys.argv[2])
    strangers = [_half_open(port) for _ in range(count)]
    print("begun", flush=True)
    sys.stdin.read()
    for stranger in strangers:
        stranger.close()


def _half_open(port: int) -> socket.socket:
    """It need not even be answered."""
    stranger = socket.socket()
    stranger.setblocking(False)
    stranger.connect_ex(("127.0.0.1", port))
    return stranger


if __name__ == "__main__":
    main()
