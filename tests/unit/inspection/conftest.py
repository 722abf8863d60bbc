"""The products of the golden parts' tests."""

from tests.unit.golden.conftest import looker

__all__ = ["looker"]
