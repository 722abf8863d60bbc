"""`./tools/test --models`: do models of other programs give here what they give at home? See __main__.py."""
