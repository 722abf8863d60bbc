"""Why a server could not be reached, in words, and what to do about it. Pure."""

from __future__ import annotations

import socket
import ssl

from aoi_daemon.notifier.outcome import Outcome, one_line


def unreachable(error: Exception, at: str, keys: str) -> Outcome:
    """No conversation came about, or it broke; `at` is the server, `keys` the receiver's part of line.toml."""
    what, remedy = _words(error, at, keys)
    return Outcome(what=one_line(what, 400), remedy=remedy, of_server=True)


def unusable(error: OSError | ValueError, keys: str) -> Outcome:
    """A file that the receiver's part of line.toml names cannot be used, or does not hold what it should."""
    if isinstance(error, ssl.SSLError):
        return Outcome(what=f"{keys}.ca_file: {error.reason or error}", remedy="name a PEM file", of_server=True)
    return Outcome(what=f"{keys}: {error}", remedy="mend the file; it is read anew each time", of_server=True)


def too_slow(at: str, timeout_s: float, keys: str) -> Outcome:
    """The time for the attempt was over."""
    remedy = f"look at the server; check network, firewall and {keys}; a slow server needs a larger notices.timeout_s"
    return Outcome(what=f"{at}: not done within {timeout_s:g} s", remedy=remedy, of_server=True)


def _words(error: Exception, at: str, keys: str) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{at}: the server's certificate is not accepted: {error.verify_message}",
            f"{keys}.ca_file must be the CA that signed it, the host a name that stands in it, and it must be in date",
        )
    if isinstance(error, ssl.SSLError):
        return f"{at}: TLS failed: {error.reason or error}", f"does that port speak TLS? Check the port and {keys}.tls"
    if isinstance(error, socket.gaierror):
        return f"{at}: the name is not known ({error.strerror})", "check the host and the name service of this PC"
    if isinstance(error, ConnectionRefusedError):
        return f"{at}: nobody listens there", "start the server, or check host and port"
    if isinstance(error, TimeoutError):
        return f"{at}: no answer", "check network, firewall, host and port"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return f"{at}: the other end hung up", f"its log says why; check the port and {keys}"
    if isinstance(error, OSError) and error.strerror:
        return f"{at}: {error.strerror}", "check network, host and port"
    return f"{at}: {error or type(error).__name__}", "check that this is such a server at all; its log says more"
