"""Try the page's doors: one address that holds on to all it gets, while another looks at the line.

    python -m tools.line.doors --port 8080                   the page of a line that runs, on this PC
    python -m tools.line.doors --port 8080 --seconds 30      for longer

From 127.0.0.2: 500 connections that send a byte now and then, 300 quick look-ups, 200 wrong passwords, each with
another forged `X-Forwarded-For`, and streams of pages that are opened and never read. Meanwhile `/api/status` from
127.0.0.1. Each door is tried alone first. Exit code 1 when a look took half a second, or more than one password in ten
was looked at. The audit of that line names each.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import re
import selectors
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

HOST: Final = "127.0.0.1"
STRANGER: Final = "127.0.0.2"
MOST_S: Final = 0.5
_LOOK_EVERY_S: Final = 0.05
_TIMEOUT_S: Final = 20.0
_HALVES: Final = (
    b"",
    b"GET /rejects HTTP/1.1\r\nHost: localhost\r\nX-",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\nContent-Type: application/json\r\n\r\n{",
)
_PATHS: Final = ("/", "/rejects", "/report", "/alarms", "/metrics", "/records/1/frame.jpg")


@dataclass
class Slow:
    """Slow connections: how many were open at a time at most, and how many the page ended."""

    most_open: int = 0
    ended: int = 0


@dataclass
class Looked:
    """What `/api/status` took from elsewhere meanwhile, s."""

    times: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def worst_s(self) -> float:
        """The slowest."""
        return max(self.times, default=float("inf"))


def slow_connections(port: int, count: int, seconds: float) -> Slow:
    """Open `count` at once, send half a request on each, and a byte each second; open a new one for each that ends."""
    found, open_now = Slow(), 0
    until, beat = time.monotonic() + seconds, time.monotonic() + 1
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as owned:

        def begin(number: int) -> None:
            wire = owned.enter_context(socket.socket())
            wire.bind((STRANGER, 0))
            wire.setblocking(False)
            wire.connect_ex((HOST, port))
            selector.register(wire, selectors.EVENT_READ | selectors.EVENT_WRITE, number)

        for number in range(count):
            begin(number)
        while time.monotonic() < until:
            for key, mask in selector.select(0.05):
                wire = key.fileobj
                assert isinstance(wire, socket.socket)
                try:
                    if mask & selectors.EVENT_READ and not wire.recv(65536):
                        raise ConnectionResetError
                    if mask & selectors.EVENT_WRITE:
                        wire.sendall(_HALVES[key.data % len(_HALVES)])
                        selector.modify(wire, selectors.EVENT_READ, key.data)
                        open_now += 1
                        found.most_open = max(found.most_open, open_now)
                except OSError:
                    open_now -= not key.events & selectors.EVENT_WRITE
                    found.ended += 1
                    selector.unregister(wire)
                    wire.close()
            if time.monotonic() > beat:
                beat = time.monotonic() + 1
                for key in list(selector.get_map().values()):
                    wire = key.fileobj
                    assert isinstance(wire, socket.socket)
                    if not key.events & selectors.EVENT_WRITE and key.data % len(_HALVES):
                        with contextlib.suppress(OSError):
                            wire.send(b"x")
                for number in range(count - len(selector.get_map())):
                    begin(number)
    return found


def sleepers(port: int, seconds: float) -> Slow:
    """For `seconds` open pages and their streams as quickly as the page lets us, and read nothing of them.

    As phones do that fall asleep.
    """
    found, until = Slow(), time.monotonic() + seconds
    with contextlib.ExitStack() as owned:
        while time.monotonic() < until:
            page = re.search(rb'data-page="([^"]+)"', ask(port, STRANGER, "/")[1])
            if page is None:
                time.sleep(0.1)  # too many pages a second: refused
                continue
            wire = owned.enter_context(socket.socket())
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.bind((STRANGER, 0))
            try:
                wire.connect((HOST, port))
                wire.sendall(b"GET /page/events?page=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % page[1])
                found.most_open += 1
            except OSError:
                found.ended += 1
    return found


def look_ups(port: int, count: int, at_once: int = 40) -> Counter[int]:
    """`count` requests as quick as they go; answers by status, 0: no answer."""
    return _many(lambda number: ask(port, STRANGER, _PATHS[number % len(_PATHS)])[0], count, at_once)


def wrong_passwords(port: int, count: int, source: str = STRANGER, at_once: int = 10) -> Counter[str]:
    """`count` logins from `source`, each with another made-up address; by why it was refused.

    Only one that was refused for its CREDENTIALS was looked at.
    """
    rng = random.Random(count)

    def one(number: int) -> str:
        forged = ".".join(str(rng.randrange(1, 255)) for _ in range(4))
        headers = {
            "accept": "application/json", "content-type": "application/json", "x-forwarded-for": forged,
            "forwarded": f"for={forged}", "x-real-ip": forged,
        }  # fmt: skip
        body = json.dumps({"name": f"user{number}", "password": f"wrong number {number}"})
        status, answer = ask(port, source, "/login", body, headers)
        try:
            return str(json.loads(answer)["why"]) if status else "no answer"
        except (ValueError, KeyError):
            return f"status {status}"

    return _many(one, count, at_once)


def _many(one: Callable[[int], object], count: int, at_once: int) -> Counter:  # type: ignore[type-arg]
    with ThreadPoolExecutor(at_once) as workers:
        return Counter(workers.map(one, range(count)))


def ask(
    port: int, source: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of a GET, or a POST of `body`, on a connection of its own from `source`; 0: no answer."""
    wire = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S, source_address=(source, 0))
    try:
        wire.request("GET" if body is None else "POST", path, body, headers or {})
        answer = wire.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        wire.close()


@contextlib.contextmanager
def looking(port: int) -> Iterator[Looked]:
    """Meanwhile, ask for `/api/status` from this PC, on a new connection each time."""
    found, stop = Looked(), threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK_EVERY_S):
            began = time.monotonic()
            status, _ = ask(port, HOST, "/api/status")
            found.times.append(time.monotonic() - began)
            found.failed += status != 200

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def main(argv: list[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.line.doors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8080, help="of the page, plain HTTP (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="for all of it together (default: %(default)s)")
    arguments = parser.parse_args(argv)
    port = arguments.port
    if ask(port, HOST, "/api/status")[0] != 200:
        print(f"no page answers at http://{HOST}:{port}/api/status; name its port with --port", file=sys.stderr)
        return 2
    bad = False
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("200 wrong passwords", lambda: wrong_passwords(port, 200)),
        ("30 wrong passwords from this PC", lambda: wrong_passwords(port, 30, HOST, at_once=1)),
        ("300 look-ups", lambda: look_ups(port, 300)),
        ("streams that nobody reads", lambda: sleepers(port, arguments.seconds)),
        ("500 slow connections", lambda: slow_connections(port, 500, arguments.seconds)),
        ("all of it", lambda: together(port, arguments.seconds)),
    )
    for name, work in steps:
        with looking(port) as looked:
            found = work()
        print(f"{name}: {found}; status meanwhile: {len(looked.times)} times, {looked.failed} failed, "
              f"worst {looked.worst_s * 1e3:.0f} ms", flush=True)  # fmt: skip
        bad |= looked.worst_s >= MOST_S or looked.failed > 0
        bad |= isinstance(found, Counter) and found.get("CREDENTIALS", 0) > 20
    return int(bad)


def together(port: int, seconds: float) -> tuple[Slow, Counter[int], Counter[str]]:
    """The three at once, the slow ones for `seconds`."""
    with ThreadPoolExecutor(3) as workers:
        slow = workers.submit(slow_connections, port, 500, seconds)
        looks = workers.submit(look_ups, port, 300)
        passwords = workers.submit(wrong_passwords, port, 200)
        return slow.result(), looks.result(), passwords.result()


if __name__ == "__main__":
    sys.exit(main())
