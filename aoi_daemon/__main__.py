"""`python -m aoi_daemon` is `aoi-daemon`; the stages are started by this file's path.

Either way Python puts a folder before all others, the current one or this one, in which a file json.py or numpy.py
would be taken for the real one. `-P` is not in Python 3.10. So it is taken out again before anything is imported;
the package itself is the one that this file is of, wherever that lies.
"""

import sys


def main(argv: list[str] | None = None) -> int:
    """As `aoi_daemon.cli.main`; Ctrl-C while that is loaded is no traceback either."""
    try:
        from aoi_daemon.cli import main as run  # noqa: PLC0415

        return run(argv)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del sys.path[0]
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
    import aoi_daemon  # noqa: F401  # its modules are found through it from now on

    del sys.path[0]
    sys.exit(main())
