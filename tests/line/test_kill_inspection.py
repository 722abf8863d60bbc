"""`tools.gpu.kill_inspection` on a real line, with ONNX Runtime in the GPU's place."""

import json

import pytest

from tools.gpu.kill_inspection import main


@pytest.mark.long
def test_the_kill_is_measured_and_nothing_passes_until_ready_is_back(boards, bundle, tmp_path, capsys):
    """READY=0 in time, READY again with the golden parts proven anew; what was measured is JSON."""
    words = ["--boards", boards, "--bundle", bundle, "--parts", 30, "--takt-ms", 25, "--threads", 1]
    file = tmp_path / "kill.json"
    code = main([str(word) for word in (*words, "--json", file)])
    result = json.loads(file.read_text())
    assert (code, result["failed"]) == (0, [])
    assert json.loads(capsys.readouterr().out) == result
    assert 0 < result["ready_0_ms"] < result["ready_again_ms"]
    assert result["parts_between"] > 0 and result["passed_between"] == result["unproven_passes"] == []
    assert (result["golden_passed"], result["restarts"]) == (True, 1)
    assert result["passed_after"] > 0
