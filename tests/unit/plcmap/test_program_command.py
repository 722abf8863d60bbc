"""`aoi-daemon plc-program` and what check-config says of a part's time."""

from pathlib import Path

import pytest

from aoi_daemon.cli import main
from aoi_daemon.plcmap.program import track

ROOT = Path(__file__).parents[3]


@pytest.fixture
def line(tmp_path):
    def write(more=""):
        for name in ("recipes", "bundles"):
            (tmp_path / name).symlink_to(ROOT / "config" / name)
        file = tmp_path / "line.toml"
        file.write_text((ROOT / "config/line.toml").read_text() + more)
        return str(file)

    return write


def test_it_prints_the_program_of_the_line(line, capsys):
    assert main(["plc-program", "--config", line()]) == 0
    text = capsys.readouterr().out
    assert track() in text and text.startswith("(* AOI verdicts for the line line-1")
    assert "read from: coils" in text


def test_with_registers_it_reads_both_unless_it_is_told_another_way(line, capsys):
    file = line("[plc.registers]\nbase = 0\n")
    for arguments, variant in (([], "both"), (["--variant", "registers"], "registers"), (["--variant", "coils"], "coils")):
        assert main(["plc-program", "--config", file, *arguments]) == 0
        assert f"read from: {variant}" in capsys.readouterr().out


def test_registers_that_are_not_on_are_one_line_and_exit_2(line, capsys):
    file = line()
    assert main(["plc-program", "--config", file, "--variant", "registers"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert "add [plc.registers] with a base" in said.err and file in said.err


def test_the_map_is_csv(line, capsys):
    assert main(["plc-program", "--config", line(), "--map"]) == 0
    assert capsys.readouterr().out.startswith("block,direction,table,offset")


def test_check_config_says_by_when_a_part_must_be_judged(line, capsys):
    assert main(["check-config", "--config", line("[plc.registers]\nbase = 0\n")]) == 0
    assert (
        "each part: judged within 35 ms of its frame, its verdict (2 requests of 5 ms) begun 10 ms before the deadline of 50 ms; else it is rejected"
        in capsys.readouterr().out
    )


def test_check_config_refuses_times_that_cannot_work_with_what_would(line, capsys):
    file = Path(line("[plc.registers]\nbase = 0\n"))
    file.write_text(file.read_text().replace("answer_ms = 5.0", "answer_ms = 17.0"))
    assert main(["check-config", "--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "a deadline and takt of 56.7 ms or plc.answer_ms = 15 or coils alone" in said
