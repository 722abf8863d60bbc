"""What all tests share."""

import os
import resource
import signal
import time

import pytest

from tests import skips, times

# Taken out: what a test starts, pytest too, notes nothing there.
NOTES = {name: os.environ.pop(name, "") for name in (skips.VARIABLE, times.VARIABLE)}

try:
    from hypothesis import HealthCheck, settings
except ImportError:
    settings = None  # tests/gpu may run where there is pytest and nothing else of ours


def pytest_addoption(parser):
    parser.addoption(
        "--explore", type=int, metavar="N", help="other examples in each run, and N times as many where a test does not say how many"
    )
    parser.addoption("--kills", type=int, default=4, help="SIGKILLs of tests/line/test_kills.py (8 in CI, 200 for the proof)")
    parser.addoption("--reloads", type=int, default=8, help="reloads of tests/line/test_reload.py (15 in CI, 500 for the proof)")
    parser.addoption("--standstills", type=int, default=6, help="PLCs that stand still, tests/line/test_failsafe.py (20 in CI)")
    parser.addoption("--viky-s", type=float, default=3, help="seconds of tests/line/test_genicam.py (6 in CI, 60 for the proof)")
    parser.addoption(
        "--broker-parts", type=int, default=200, help="parts that wait for the broker, tests/processes/test_publisher.py (2000 for the proof)"
    )
    parser.addoption("--plc-words", type=int, default=60_000, help="random words of tests/properties/test_plc_program.py (1000000 for the proof)")
    parser.addoption("--plc-parts", type=int, default=3_000, help="parts of its lines (100000 for the proof)")
    parser.addoption("--wheel-parts", type=int, default=40, help="parts of the demo in tests/wheel (200 for the proof)")
    parser.addoption("--screenshots", metavar="DIR", help="tests/browser: keep a picture of each page in DIR")
    parser.addoption("--beside-kills", type=int, default=3, help="SIGKILLs of recorder, page and publisher, tests/line/test_beside.py (6 in CI, 50 for the proof)")
    parser.addoption("--peer-parts", type=int, default=60, help="parts before a libmodbus server, tests/line/peers (3000 for the proof; a tenth of it before each other)")
    parser.addoption("--recorder-kills", type=int, default=3, help="SIGKILLs of the recorder, tests/processes/test_recorder.py (50 for the proof)")
    parser.addoption("--forward-interruptions", type=int, default=9, help="kills and full disks while records are brought forward, tests/unit/records/test_interrupted.py (500 for the proof)")


def pytest_configure(config):
    config.measured = []
    if settings:
        draw(config.getoption("--explore"))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs the suite in the background starts it so, and every program under test would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def draw(explore):
    """A commit's examples are the same in each run, so that what turns CI red is the commit.

    How fast a busy machine draws and judges them is no fault of what is judged; a test that hangs has pytest's time-out.
    """
    always = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("suite", derandomize=True, **always)
    settings.register_profile("explore", max_examples=100 * (explore or 1), **always)
    settings.load_profile("explore" if explore else "suite")


def process_wide():
    """What all tests of a process share, and what one that is not written with care takes along to the next."""
    wakeup_fd = signal.set_wakeup_fd(-1)
    if wakeup_fd != -1:
        signal.set_wakeup_fd(wakeup_fd)
    handlers = {number.name: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1)}
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_CORE")}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return {"handlers": handlers, "blocked": blocked, "wakeup_fd": wakeup_fd, "limits": limits, "zone": (time.tzname, time.timezone), "folder": os.getcwd()}


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = process_wide()
    yield
    assert process_wide() == before, "a test leaves to the next what it changed"


@pytest.fixture
def measured(request):
    """Write down what a row of the fail-safe table took; printed at the end of the run."""

    def note(row: str, what: str, ms: float) -> None:
        request.config.measured.append((row, what, ms))

    return note


def pytest_terminal_summary(terminalreporter, config):
    skipped = terminalreporter.stats.get("skipped", ())
    skips.note(NOTES, [(report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in skipped])
    ran = [report for reports in terminalreporter.stats.values() for report in reports if hasattr(report, "duration")]
    times.note(NOTES, [(report.nodeid, report.duration) for report in ran])
    if config.measured:
        terminalreporter.section("fail-safe table, as measured in this run")
        for row, what, ms in sorted(config.measured):
            terminalreporter.write_line(f"{row:<42} {what:<44} {ms:8.1f} ms")
