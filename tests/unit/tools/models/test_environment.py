"""tools/lib/models.sh: from which place the programs of the models come."""

import re
import subprocess
from pathlib import Path

from tools import models

LIST = Path(models.__file__).with_name("requirements.txt")
SCRIPT = LIST.parents[1] / "lib" / "models.sh"


def test_torch_is_taken_without_cuda_before_anything_could_bring_it_with(tmp_path):
    """What pip is asked for first names torch and what is built on it: one that is left out comes from PyPI, with 3 GB of CUDA."""
    words = tmp_path / "words"
    python = tmp_path / "python3"
    python.write_text(
        "#!/bin/sh\n"
        f'if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; else echo "$@" >>{words}; fi\n'
    )
    python.chmod(0o755)
    said = f'root={SCRIPT.parents[2]}; find_python() {{ echo {python}; }}; nvidia-smi() {{ return 9; }}; . {SCRIPT}; need_models'
    subprocess.run(["bash", "-euc", said], check=True, env={"AOI_MODELS": str(tmp_path / "models"), "PATH": "/usr/bin:/bin"}, capture_output=True)
    first, second = words.read_text().splitlines()
    asked = set(re.findall(r"(\w+)==", first))
    of_torch = {"torch", "torchvision"}
    assert ("--no-deps" in first, asked) == (True, of_torch)
    assert second.endswith(f"--requirement {LIST}")
