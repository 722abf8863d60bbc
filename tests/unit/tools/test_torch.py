"""The trainer's torch: without CUDA where there is no GPU, and nothing is downloaded before it is told."""

import json
import subprocess
import sys

import pytest

from tools.locks import torch


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose PATH has an `nvidia-smi` that says this, or none."""

    def make(said: str | None, code: int = 0):
        monkeypatch.setenv("PATH", str(tmp_path))
        if said is not None:
            (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n")
            (tmp_path / "nvidia-smi").chmod(0o755)

    return make


@pytest.mark.parametrize(
    ("said", "code", "found"),
    [("GPU 0: NVIDIA T4 (UUID: GPU-1)", 0, True), ("No devices were found", 0, False), ("NVIDIA-SMI has failed", 9, False), (None, 0, False)],
)  # fmt: skip
def test_a_gpu_is_what_the_driver_names(machine, said, code, found):
    machine(said, code)
    assert torch.has_gpu() is found


class TestInstall:
    @pytest.fixture
    def pip(self, tmp_path, monkeypatch):
        """A pip that reports one wheel of 3 MB for whatever it is asked, and writes down its words."""
        wheel = tmp_path / "torch.whl"
        wheel.write_bytes(b"0" * 3_000_000)
        install = [
            {"metadata": {"name": "torch", "version": "2.9.0+cpu"}, "download_info": {"url": wheel.as_uri()}},
            {"metadata": {"name": "sympy", "version": "1.14"}, "download_info": {"url": "gone://nowhere/sympy.whl"}},
        ]
        (tmp_path / "report.json").write_text(json.dumps({"install": install}))
        program = tmp_path / "pip.py"
        program.write_text(
            "import pathlib, sys\n"
            f"here = pathlib.Path({str(tmp_path)!r})\n"
            "with (here / 'words').open('a') as file: file.write(' '.join(sys.argv[1:]) + '\\n')\n"
            "if '--dry-run' in sys.argv: print((here / 'report.json').read_text())\n"
            "elif (here / 'broken').exists(): sys.exit(1)\n"
        )
        monkeypatch.setattr(torch, "_PIP", (sys.executable, str(program)))
        monkeypatch.setattr(torch, "_is_there", lambda asked: False)
        return tmp_path

    def test_without_a_gpu_the_release_of_the_index_without_cuda_is_taken(self, pip, monkeypatch, capfd):
        monkeypatch.setattr(torch, "has_gpu", lambda: False)
        assert torch.main() == 0
        first, dry, real = (pip / "words").read_text().splitlines()
        assert first.startswith("--dry-run --report - --no-deps --retries 1 ")
        assert f" --index-url {torch.CPU_INDEX} torch" in first
        assert dry == f"--dry-run --report - torch==2.9.0+cpu --extra-index-url {torch.CPU_INDEX}"
        assert real == f"torch==2.9.0+cpu --extra-index-url {torch.CPU_INDEX}"
        assert capfd.readouterr().out.splitlines() == [
            "downloading torch without CUDA: there is no NVIDIA GPU: 2 packages, 3.0 MB, and 1 files of unknown size",
            "  torch 2.9.0+cpu: 3.0 MB", "  sympy 1.14: size unknown",
        ]  # fmt: skip

    def test_with_a_gpu_it_is_pypis(self, pip, monkeypatch, capfd):
        monkeypatch.setattr(torch, "has_gpu", lambda: True)
        assert torch.main() == 0
        assert torch.CPU_INDEX not in (pip / "words").read_text()
        assert "downloading torch for the NVIDIA GPU: 2 packages" in capfd.readouterr().out

    def test_a_failure_names_the_command_to_use_with_another_source(self, pip, monkeypatch, capfd):
        monkeypatch.setattr(torch, "has_gpu", lambda: True)
        (pip / "broken").touch()
        assert torch.main() == 1
        assert "torch is not installed: pip has failed; one that is there is taken" in capfd.readouterr().err

    def test_where_only_one_with_cuda_is_found_none_is_downloaded(self, pip, monkeypatch, capfd):
        monkeypatch.setattr(torch, "has_gpu", lambda: False)
        report = pip / "report.json"
        report.write_text(report.read_text().replace("2.9.0+cpu", "2.9.1"))
        assert torch.main() == 1
        assert len((pip / "words").read_text().splitlines()) == 1
        assert "without CUDA for this machine, or is not reached" in capfd.readouterr().err

    def test_what_is_there_is_not_downloaded_again(self, pip, monkeypatch):
        monkeypatch.setattr(torch, "_is_there", lambda asked: str(asked).startswith("torch"))
        assert torch.main() == 0
        assert not (pip / "words").exists()


def test_it_runs_before_torch_is_there():
    ended = subprocess.run(
        [sys.executable, "-c", "import sys, tools.locks.torch; sys.exit('torch' in sys.modules)"], check=False, timeout=60
    )
    assert ended.returncode == 0
