"""What is installed is what the lock files say, and they say what pyproject.toml asks for."""

import re
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locks import __main__ as command
from tools.locks import licences, pins, resolve

HASH = "sha256:" + "0" * 64
PYPROJECT = """
[build-system]
requires = ["setuptools>=68"]
[project]
name = "aoi-daemon"
dependencies = ["numpy>=1.24,<3", "tomli>=2; python_version < '3.11'"]
[project.optional-dependencies]
gpu = ["pycuda>=2024.1"]
page = ["jinja2>=3.1,<4"]
demo = ["aoi-daemon[page]", "rich>=13"]
dev = ["aoi_daemon[demo]", "pytest>=8", "rtx==1; platform_machine == 'x86_64'"]
"""


def held(*words: str) -> list[pins.Pin]:
    return [pins.Pin(Requirement(each), (HASH,)) for each in words]


def inner_of(name: str, extra: str) -> list[Requirement]:
    """What an installed package asks for with this extra; none is installed of what another machine needs."""
    try:
        inner = [Requirement(each) for each in metadata.requires(name) or ()]
    except metadata.PackageNotFoundError:
        return []
    found = [each for each in inner if each.marker is None or each.marker.evaluate({"extra": extra})]
    for each in found:
        each.marker = None
    return found


class TestAgreement:
    def test_the_lock_files_are_of_this_pyproject(self):
        """Make them anew: ./tools/lock"""
        assert pins.all_disagreements() == []

    def test_every_package_has_one_version_and_its_hashes_and_no_other_place_to_come_from(self):
        for name in pins.SETS:
            text = pins.lock_file(name).read_text()
            for pin in pins.read_pins(text):
                assert pin.version and pin.hashes, pin.requirement
                assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in pin.hashes)
            assert not re.search(r"://|--(?!hash=)\w", "\n".join(pins.entries(text)))

    def test_no_package_stays_in_the_lock_that_nothing_needs_any_more(self):
        """By what the packages that are installed here say of themselves."""
        asked = pins.wanted((pins.ROOT / "pyproject.toml").read_text())["dev"]
        needed, looked = set(), set()
        while asked:
            each = asked.pop()
            if each.marker is not None and not each.marker.evaluate({"extra": ""}):
                continue
            name = canonicalize_name(each.name)
            needed.add(name)
            for extra in {"", *each.extras} - {seen for of, seen in looked if of == name}:
                looked.add((name, extra))
                asked += inner_of(name, extra)
        here = {pin.name for pin in pins.read_pins(pins.lock_file("dev").read_text())
                if pin.requirement.marker is None or pin.requirement.marker.evaluate()}  # fmt: skip
        assert here - needed == set(), "make the lock anew: ./tools/lock"

    def test_an_extra_has_what_the_extras_that_it_names_have_and_gpus_are_not_locked(self):
        asked = {name: sorted({each.name for each in found}) for name, found in pins.wanted(PYPROJECT).items()}
        assert asked["build"] == ["setuptools"]
        assert asked["line"] == ["jinja2", "numpy", "rich", "setuptools", "tomli"]
        assert asked["dev"] == sorted([*asked["line"], "pytest", "rtx"])

    @pytest.mark.parametrize(
        ("asked", "there", "told"),
        [
            ("numpy>=1.24,<3", ["numpy==2.4"], ""),
            ("numpy>=1.24,<3", [], "not in the lock (Python 3.10, x86_64)"),
            ("numpy>=1.24,<3", ["numpy==3.1"], "the lock has 3.1 (Python 3.10, x86_64)"),
            ("numpy>=1.24,<3", ["numpy==2.2 ; python_full_version < '3.11'"], "not in the lock (Python 3.11, x86_64)"),
            ("numpy>=2.3", ["numpy==2.2; python_full_version < '3.11'", "numpy==2.4; python_full_version >= '3.11'"], "the lock has 2.2"),
            ("tomli>=2; python_version < '3.11'", ["tomli==2.5 ; python_full_version < '3.11'"], ""),
            ("rtx==1", ["rtx==1 ; platform_machine == 'x86_64'"], "not in the lock (Python 3.10, aarch64)"),
            ("rtx==1; platform_machine == 'x86_64'", ["rtx==1 ; platform_machine == 'x86_64'"], ""),
            ("Tomli_W>=1", ["tomli-w==1.2"], ""),
            ("numpy", ["numpy>=2.4"], "numpy>=2.4: no version or no hash"),
        ],
    )  # fmt: skip
    def test_what_is_missing_or_another_on_any_python_or_machine_is_told(self, asked, there, told):
        lines = pins.disagreements([Requirement(asked)], held(*there))
        assert bool(lines) == bool(told)
        assert any(told in line for line in lines) or not told

    def test_a_package_without_a_hash_is_told(self):
        assert pins.disagreements([], [pins.Pin(Requirement("numpy==2.4"), ())]) == ["numpy==2.4: no version or no hash"]

    @pytest.mark.parametrize("line", ["--index-url https://example.org/simple", "-e .", "--find-links /opt/wheels", "-r ../x.txt"])
    def test_a_line_that_leads_elsewhere_is_refused(self, line):
        with pytest.raises(ValueError, match=r"."):
            pins.read_pins(f"{line}\n")

    def test_ranges_of_what_a_line_runs_with_end_at_what_was_tested(self):
        asked = pins.wanted((pins.ROOT / "pyproject.toml").read_text())
        build = {each.name for each in asked["build"]}
        open_ended = [
            str(each) for each in asked["line"]
            if each.name not in build and not any(part.operator in ("<", "<=", "==", "~=") for part in each.specifier)
        ]  # fmt: skip
        assert open_ended == []


class TestMaking:
    """`./tools/lock`, with a uv that writes what it is told."""

    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pins, "FOLDER", tmp_path)
        return tmp_path

    @pytest.fixture
    def uv(self, tmp_path):
        """It pins each requirement at the version after ==, or 9, and tells what it was called with."""
        program = tmp_path / "uv"
        program.write_text(
            f"#!{sys.executable}\nimport os, re, sys\n"
            f"open({str(tmp_path / 'called')!r}, 'a').write(' '.join(sys.argv[1:]) + str(sorted(k for k in os.environ if 'PIP_' in k)) + '\\n')\n"
            "out = sys.argv[sys.argv.index('--output-file') + 1]\n"
            "names = [re.split('[<>=; ]', line)[0] for line in sys.stdin.read().split('\\n') if line]\n"
            f"open(out, 'w').write(''.join(f'{{name}}==9 \\\\\\n    --hash={HASH}\\n' for name in names))\n"
        )
        program.chmod(0o755)
        return program

    def test_each_file_includes_the_one_before_it_and_holds_the_rest(self, folder, uv):
        made = resolve.resolve(pins.wanted(PYPROJECT), uv, upgrade=False)
        resolve.write(made)
        assert [line for line in made["dev"].splitlines() if line.startswith("-r")] == ["-r line.txt"]
        assert {pin.name for pin in pins.read_pins(made["dev"])} == {
            "setuptools", "numpy", "tomli", "jinja2", "rich", "pytest", "rtx",
        }  # fmt: skip
        assert made["dev"].count("==9") == 2
        assert f"jinja2==9 \\\n    --hash={HASH}\n" in made["line"]

    def test_settings_of_the_machine_lead_it_nowhere_else(self, folder, uv, monkeypatch):
        for key in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"):
            monkeypatch.setenv(key, "/opt/elsewhere")
        monkeypatch.setenv("PIP_CERT", "/etc/cert.pem")
        resolve.resolve(pins.wanted(PYPROJECT), uv, upgrade=False)
        for line in (folder / "called").read_text().splitlines():
            assert "--no-config --default-index https://pypi.org/simple" in line
            assert "'PIP_CERT', 'PIP_CONFIG_FILE'" in line
            assert "PIP_FIND_LINKS" not in line and "PIP_EXTRA_INDEX_URL" not in line
        assert not {key for key in resolve.plain_environment() if key.startswith("UV_")}

    def test_versions_stay_unless_newer_ones_are_asked_for(self, folder, tmp_path):
        pins.lock_file("line").write_text(f"-r build.txt\nnumpy==2.0 --hash={HASH}\n")
        program = tmp_path / "uv"
        program.write_text(
            f"#!{sys.executable}\nimport pathlib, sys\nout = pathlib.Path(sys.argv[sys.argv.index('--output-file') + 1])\n"
            "out.write_text(out.read_text() if out.exists() else '')\n"
        )
        program.chmod(0o755)
        asked = pins.wanted(PYPROJECT)
        assert "numpy==2.0" in resolve.resolve(asked, program, upgrade=False)["dev"]
        assert "numpy" not in resolve.resolve(asked, program, upgrade=True)["dev"]

    def test_without_uv_it_says_how_to_get_it_and_changes_nothing(self, folder, capsys):
        assert command.main(["--uv", str(folder / "nothing")]) == 2
        assert "pip install uv" in capsys.readouterr().err
        assert list(folder.glob("*.txt")) == []


class TestLicences:
    def test_every_locked_package_is_in_the_list_with_its_versions_and_a_licence(self):
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in licences.LIST.read_text().splitlines()]
        rows = {row[0]: row for row in cells if len(row) == 5}
        for pin in pins.read_pins(pins.lock_file("dev").read_text()):
            assert pin.version in rows[pin.name][1].split(", "), f"{pin.requirement}: make the list anew, ./tools/lock"
            assert rows[pin.name][2]

    def test_everything_of_others_in_the_package_is_in_the_list_with_its_licence_beside_it(self):
        package = pins.ROOT / "aoi_daemon"
        others = {file for kind in ("*.woff*", "*.ttf", "*.otf", "*.min.js", "*.min.css") for file in package.rglob(kind)}
        assert others
        known = {file for files in licences.VENDORED for file in pins.ROOT.glob(files)}
        assert others == known
        for file in others:
            assert list(file.parent.glob("OFL*")) + list(file.parent.glob("LICENSE*")), file
        listed = licences.LIST.read_text()
        assert [files for files in licences.VENDORED if any(pins.ROOT.glob(files)) and files not in listed] == []

    @pytest.mark.parametrize(
        ("fields", "licence", "home"),
        [
            (["License-Expression: MIT", "License: other"], "MIT", ""),
            (["License: BSD-3-Clause", "Classifier: License :: OSI Approved :: BSD License"], "BSD-3-Clause", ""),
            ([f"License: {'a long text ' * 9}", "Classifier: License :: OSI Approved :: MIT License"], "MIT License", ""),
            (["License: MIT", "Project-URL: Changelog, https://c", "Project-URL: Source, https://s"], "MIT", "https://s"),
            (["License: MIT", "Home-page: https://h", "Project-URL: Source, https://s"], "MIT", "https://h"),
            ([], "", ""),
        ],
    )  # fmt: skip
    def test_a_licence_is_read_from_where_a_package_names_it(self, tmp_path, fields, licence, home):
        folder = tmp_path / "x-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: x", "Version: 1", *fields, ""]))
        about = metadata.Distribution.at(folder).metadata
        assert licences.licence_of(about) == licences.Licence(licence, home)


class TestInstalling:
    """`tools/lib/venv.sh` and the container fetch nothing that the lock does not hold."""

    def test_the_environment_is_installed_by_hash_what_builds_it_first(self, tmp_path):
        pip = tmp_path / "python"
        pip.write_text('#!/bin/sh\necho "$@"\n')
        pip.chmod(0o755)
        words = f'. tools/lib/venv.sh; PY="{pip}"; install_locked dev'
        ended = subprocess.run(["bash", "-c", words], cwd=pins.ROOT, capture_output=True, text=True, check=True, timeout=30)
        first, second, third = ended.stdout.splitlines()
        assert first.endswith(f"--require-hashes --requirement {pins.ROOT}/tools/locks/build.txt")
        assert second.endswith(f"--require-hashes --no-build-isolation --requirement {pins.ROOT}/tools/locks/dev.txt")
        assert third.endswith(f"--no-deps --no-build-isolation --editable {pins.ROOT}")

    def test_the_container_installs_by_hash_but_for_what_it_compiles_for_its_own_cuda(self):
        text = (pins.ROOT / "tools/container/Dockerfile").read_text()
        found = re.findall(r"pip install ([^\\&\n]*)", text)
        assert len(found) == 4
        assert [words for words in found if "--require-hashes" not in words and "--no-deps" not in words] == [
            '--no-cache-dir "pycuda>=2024.1,<2027" '
        ]
