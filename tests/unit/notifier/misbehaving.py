"""An SMTP server and a webhook, each written from sockets up, that misbehave as they are told. Run as a process.

`python misbehaving.py smtp|http` prints the port. Each line on standard input is a JSON list of faults for the
connections to come, one each (null: leave them as they are); after them all goes well. Each line on standard output is what happened.

A fault is {"at": STAGE, "do": ACTION, ...}. Nothing is imported from the program that is tested.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import sys
import threading
import time
from collections import deque

MUTE_S = 20.0
print_lock = threading.Lock()


def tell(**what):
    with print_lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


class Gone(Exception):
    """The connection has ended."""


class Session:
    def __init__(self, connection, fault, options):
        self.connection = connection
        self.fault = fault
        self.options = options
        self.buffer = b""

    def send(self, data):
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Gone from error

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def more(self):
        try:
            data = self.connection.recv(65536)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self.buffer += data

    def drip(self, data):
        for byte in data:
            self.send(bytes([byte]))
            time.sleep(0.1)

    def act(self, stage):
        """Do what was told for this stage; True where the session goes on as if nothing were wrong."""
        if self.fault.get("at") != stage:
            return True
        do = self.fault["do"]
        tell(fault=self.fault)
        if do == "close":
            raise Gone
        if do == "mute":
            until = time.monotonic() + MUTE_S
            self.connection.settimeout(MUTE_S)
            while time.monotonic() < until:
                self.more()
        if do == "drip":
            self.drip(b"250-" + b"x" * 500 + b"\r\n")
            raise Gone
        if do == "endless":
            while True:
                self.send(b"250-and so on\r\n" * 4096)
        if do == "garbage":
            self.send(b"\xff\x00\xfe no server \x1b[31m says this\r\n")
            return False
        if do == "long":
            self.send(b"250 " + b"y" * 200_000 + b"\r\n")
            return False
        if do == "weird":
            self.send(b"199 what\r\n")
            return False
        self.send(f"{do} 4.7.1 said {self.options.get('secret', '')} {self.fault.get('text', 'no')}\r\n".encode())
        return False


class Smtp(Session):
    def run(self):
        if self.options.get("tls") == "tls":
            self.wrap()
        if self.act("greet"):
            self.send(b"220 test ESMTP\r\n")
        sender, to, secure = "", [], self.options.get("tls") == "tls"
        while True:
            line = self.line().decode("latin-1")
            verb = line[:4].upper()
            if verb == "EHLO":
                if self.act("ehlo"):
                    offers = ["test"] + ([] if self.options.get("plain_7bit") else ["8BITMIME", "SIZE 100000"])
                    offers += ["STARTTLS"] if self.options.get("tls") == "starttls" and not secure else []
                    offers += ["AUTH PLAIN LOGIN"] if self.options.get("password") and secure else []
                    self.send("".join(f"250{'-' if i + 1 < len(offers) else ' '}{o}\r\n" for i, o in enumerate(offers)).encode())
            elif verb == "HELO":
                self.send(b"250 test\r\n")
            elif verb == "STAR":
                if self.act("starttls"):
                    injected = b"250 injected\r\n" * (self.fault.get("do") == "inject")
                    self.send(b"220 go\r\n" + injected)
                    self.buffer = b""
                    self.wrap()
                    secure = True
            elif verb == "AUTH":
                if self.act("auth"):
                    good = base64.b64encode(f"\0{self.options['user']}\0{self.options['password']}".encode()).decode()
                    self.send(b"235 good\r\n" if line.split()[-1] == good else b"535 5.7.8 bad\r\n")
            elif verb == "MAIL":
                if self.act("mail"):
                    sender = line
                    self.send(b"250 ok\r\n")
            elif verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                if self.fault.get("to", address) == address and not self.act("rcpt"):
                    continue
                to.append(address)
                self.send(b"250 ok\r\n")
            elif verb == "DATA":
                if self.act("data"):
                    self.send(b"354 go on\r\n")
                    self.body(sender, to)
                    to = []
            elif verb == "QUIT":
                if self.act("quit"):
                    self.send(b"221 bye\r\n")
                raise Gone
            elif verb == "RSET":
                to = []
                self.send(b"250 ok\r\n")
            else:
                self.send(b"500 what\r\n")

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.options["certificate"])
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError as error:
            raise Gone from error

    def body(self, sender, to):
        if self.fault.get("at") == "content":  # in the middle of what is sent
            self.act("content")
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b"..") else line)
        taken = dict(taken=to, sender=sender, mail=b"\r\n".join(lines).decode("latin-1"), longest=max(map(len, lines)))
        if self.fault.get("at") == "taken":
            tell(**taken)
            self.act("taken")
        elif self.act("body"):
            tell(**taken)
            self.send(b"250 queued\r\n")


class Http(Session):
    def run(self):
        if self.options.get("tls"):
            self.wrap()
        self.act("accept")
        head = []
        while line := self.line():
            head.append(line.decode("latin-1"))
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        while len(self.buffer) < int(fields.get("content-length", 0)):
            self.more()
        got = dict(request=head[0], headers=fields, body=self.buffer.decode())
        do = self.fault.get("do") if self.fault.get("at") == "answer" else 200
        if isinstance(do, int):
            if 200 <= do < 300:
                tell(taken=[""], **got)
            else:
                tell(fault=self.fault, **got)
            more = self.fault.get("headers", "")
            text = self.fault.get("text", f"said {self.options.get('secret', '')}").encode()
            self.send(f"HTTP/1.1 {do} Word\r\nContent-Length: {len(text)}\r\n{more}\r\n".encode() + text)
            return
        if self.fault.get("taken"):
            tell(taken=[""], **got)
        if do == "continue":
            while True:
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 4096)
        if do == "headers":
            self.send(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.send(b"x: y\r\n" * 4096)
        if do == "body":
            self.send(b"HTTP/1.1 200 OK\r\n\r\n")
            tell(taken=[""], **got)
            while True:
                self.send(b"z" * 65536)
        self.act("answer")

    wrap = Smtp.wrap


def serve(kind, options):
    faults = deque()

    def told():
        for line in sys.stdin:
            wanted = json.loads(line)
            if wanted is not None:
                faults.clear()
                faults.extend(wanted)
            tell(ready=True)

    listener = socket.create_server(("127.0.0.1", 0))
    tell(port=listener.getsockname()[1])
    threading.Thread(target=told, daemon=True).start()

    def one(connection):
        session = kind(connection, faults.popleft() if faults else {}, options)
        try:
            session.run()
        except (Gone, ValueError):
            pass
        finally:
            session.connection.close()

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    serve({"smtp": Smtp, "http": Http}[sys.argv[1]], json.loads(sys.argv[2]))
