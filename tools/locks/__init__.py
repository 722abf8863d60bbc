"""What this project installs, by version and hash, and under which licence: `./tools/lock` makes it anew.

`build.txt` builds the project, `line.txt` is what a line runs with (all extras but those below), `dev.txt` what CI
needs. Each includes the one before it, so no two of them can differ. Not locked: `gpu` and `rtx`, which follow the
machine's driver, and `train`, whose torch is another package with and without a GPU (`torch.py`).
"""
