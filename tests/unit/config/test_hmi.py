"""[hmi].proxies: an address, or a network that is no larger than a plant's."""

import pytest
from pydantic import ValidationError

from aoi_daemon.config.hmi import HmiSection


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5/32", "10.0.0.5"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("FD00:0::1", "fd00::1"),
        ("fd00::/16", "fd00::/16"),
    ],
)
def test_a_proxy_is_kept_in_its_short_form(written, kept):
    assert HmiSection(proxies=[written]).proxies == (kept,)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("10.0.0.0/7", "so large a network is no proxy's.* a network of /8 or smaller"),
        ("0.0.0.0/0", "a network of /8 or smaller"),
        ("fc00::/15", "a network of /16 or smaller"),
        ("proxy.example", "write the address that the proxy connects from, as 10.0.0.5, or 10.0.0.0/24"),
        ("10.0.0.5/24", "has host bits set; write the address"),
        ("10.0.0.05", "write the address"),
        ("", "write the address"),
    ],
)
def test_what_is_none_is_refused_with_what_to_write(written, told):
    with pytest.raises(ValidationError, match=told):
        HmiSection(proxies=[written])
