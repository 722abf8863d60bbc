"""Stands in for `aoi-daemon trial`: does what the precision of its order says, as a back end with a fault would."""

import ctypes
import json
import os
import sys
import time

ANSWER = int(sys.argv[1])


def say(**said):
    os.write(ANSWER, json.dumps(said).encode() + b"\n")


order = json.loads(sys.stdin.buffer.read())
does = order["product"]
say(step="opening")
if does == "segfault":
    sys.stderr.write("driver: cannot map the device\n")
    sys.stderr.flush()
    ctypes.string_at(0)
elif does == "hang":
    time.sleep(60)
elif does == "stopped":
    import signal

    os.kill(os.getpid(), signal.SIGSTOP)
elif does == "deaf":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
elif does == "exit":
    os._exit(3)
elif does == "aborts":
    say(step="measuring")
    os.abort()
elif does == "nonsense":
    os.write(ANSWER, b"\xff\x00 not json {{{\n[1]\n")
elif does == "flood":
    # More than any pipe holds: nobody reads it while this runs.
    for _ in range(200):
        os.write(1, b"x" * 100_000)
    say(p95_ms=5.0)
elif does == "infinite":
    os.write(ANSWER, b'{"p95_ms": Infinity}\n')
elif does == "words":
    os.write(ANSWER, b'{"p95_ms": "quick"}\n')
elif does == "refuses":
    say(why="the device is not there")
elif does == "devices":
    say(devices={"cpu": ["fp32"]})
else:
    say(p95_ms=float(does))
