"""A report that could not be written is refused before the work that it would tell of."""

import argparse
from pathlib import Path

import pytest

from aoi_daemon.kit.report_file import check_report


@pytest.mark.parametrize(
    ("name", "said"),
    [(".", "--json {}: is a folder; name a file"), ("none/r.json", "--json {}: its folder does not exist")],
)
def test_a_file_that_cannot_be_written_is_one_line_and_exit_code_2(tmp_path, capsys, name, said):
    file = tmp_path / name
    with pytest.raises(SystemExit) as ended:
        check_report(argparse.ArgumentParser(), "--json", file)
    assert ended.value.code == 2
    assert said.format(file) in capsys.readouterr().err


@pytest.mark.parametrize("file", [None, Path("r.json"), Path("/dev/stdout")])
def test_what_can_be_written_is_taken(file):
    check_report(argparse.ArgumentParser(), "--json", file)
