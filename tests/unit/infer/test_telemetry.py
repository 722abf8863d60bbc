"""ONNX Runtime keeps to itself what it runs: nothing is sent from a line, or kept to be sent."""

import os
import subprocess
import sys

LIST_WHAT_IS_OPEN = """
import os
import aoi_daemon.infer.onnx.executor
for fd in os.listdir("/proc/self/fd"):
    try:
        print(os.readlink(f"/proc/self/fd/{fd}"))
    except OSError:
        pass  # the listing's own
"""


def test_the_runtime_keeps_no_cache_to_be_sent(tmp_path):
    # In continuous integration it sends nothing by itself: then there would be nothing to be seen.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")}
    found = subprocess.run(
        [sys.executable, "-c", LIST_WHAT_IS_OPEN], env={**kept, "HOME": str(tmp_path)},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "onnxruntime.db" not in found.stdout
    assert not list(tmp_path.iterdir())
