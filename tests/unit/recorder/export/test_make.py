"""Exports, read back by other programs' readers."""

import csv
import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path

import cv2
import numpy as np
import pytest

from aoi_daemon.cli import main
from aoi_daemon.engine.labels import read_pairs
from aoi_daemon.messages import Defect, Reason
from aoi_daemon.recorder.export.choice import Choice
from aoi_daemon.recorder.export.csv import CsvRows
from aoi_daemon.recorder.export.make import export, png_size
from aoi_daemon.recorder.export.table import write_csv
from aoi_daemon.records import parts
from aoi_daemon.records.database import RecordsError, writing
from aoi_daemon.records.queries import parts_of
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import NOON, PRODUCT, make_outcome

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def kept(records):
    """Six parts: 1 passed, 2 confirmed, 3 false call, 4 not reviewed, 5 LATE, 6 confirmed without a picture."""
    records.folder.joinpath("images").mkdir()
    rows = {}
    for part, reason in enumerate((Reason.NONE, Reason.DEFECT, Reason.DEFECT, Reason.DEFECT, Reason.LATE, Reason.DEFECT), 1):
        rows[part] = records.add(part, reason)
        if part != 6:
            for kind in ("frame", "template"):
                name = f"images/{part}-{kind}.png"
                cv2.imwrite(str(records.folder / name), np.full((HEIGHT, WIDTH), part, np.uint8))
                records.add_image(rows[part], kind, file=name)
    for part, verdict in ((2, "defect"), (3, "false_call"), (6, "defect")):
        review(records.writer, rows[part], verdict, by="=anna", note="-dust, \"much\"", at=NOON)
    return records


def run(kept, kind, out: Path, unreviewed=False, **choice):
    return export(kept.folder, Choice(**choice), kind, out, unreviewed=unreviewed)


def uid(part):
    return f"{'f' * 32}-{part}"


def test_csv_is_read_back_as_it_was(kept, tmp_path):
    done = run(kept, "csv", tmp_path / "parts.csv")
    with (tmp_path / "parts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert done.parts == len(rows) == 6
    assert [row["passed"] for row in rows] == ["1", "0", "0", "0", "0", "0"]
    second = rows[1]
    assert (second["uid"], second["reason"], second["review"]) == (uid(2), "DEFECT", "defect")
    assert second["defects"] == "short 0.9 1 2 30 40; open 0.5 5 6 7 8"
    assert (second["review_by"], second["review_note"]) == ("'=anna", "'-dust, \"much\""), "no formula for a spreadsheet"
    assert rows[0]["review"] == "" and rows[0]["worst_class"] == ""
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["csv", "jsonl", "coco", "yolo", "boards"])
def test_an_export_is_for_its_user_and_the_group_alone(kept, tmp_path, kind):
    before = os.umask(0o022)
    try:
        out = tmp_path / "out"
        assert main(["export", "--format", kind, "--records", str(kept.folder), "--out", str(out), "--unreviewed"]) == 0
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    for path in (out, *out.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path


def test_jsonl_has_one_object_a_line(kept, tmp_path):
    run(kept, "jsonl", tmp_path / "parts.jsonl", only="rejects")
    rows = [json.loads(line) for line in (tmp_path / "parts.jsonl").read_text().splitlines()]
    assert [row["part"] for row in rows] == [2, 3, 4, 5, 6]
    assert rows[0]["defects"][0] == {"class": "short", "score": 0.9, "box": [1.0, 2.0, 30.0, 40.0]}
    assert rows[0]["review_note"] == '-dust, "much"' and rows[2]["review"] is None


def test_both_tables_have_the_plcs_number_and_say_whether_it_let_the_part_go(records, tmp_path):
    """The number is 0 where it is not known, as everywhere but in JSON to a broker."""
    records.add(1)
    records.add(2, trigger_id=70_000, bypassed=True)
    export(records.folder, Choice(), "csv", tmp_path / "parts.csv")
    with (tmp_path / "parts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["trigger_id"], row["bypassed"]) for row in rows] == [("0", "0"), ("70000", "1")]
    export(records.folder, Choice(), "jsonl", tmp_path / "parts.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "parts.jsonl").read_text().splitlines()]
    assert [(row["trigger_id"], row["bypassed"]) for row in rows] == [(0, False), (70_000, True)]


def test_a_table_goes_to_stdout_too(kept):
    out = io.StringIO()
    with redirect_stdout(out):
        assert run(kept, "jsonl", Path("-"), only="faults").parts == 1
    assert json.loads(out.getvalue())["reason"] == "LATE"


def test_coco_has_the_reviewed_parts_with_their_boxes(kept, tmp_path):
    done = run(kept, "coco", tmp_path / "coco")
    assert (done.parts, dict(done.left_out)) == (2, {"not reviewed": 3, "without a picture": 1})
    body = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    images = {image["id"]: image for image in body["images"]}
    assert {image["file_name"] for image in images.values()} == {f"{uid(2)}.png", f"{uid(3)}.png"}
    for image in images.values():
        found = cv2.imread(str(tmp_path / "coco" / "images" / image["file_name"]), cv2.IMREAD_GRAYSCALE)
        assert found.shape == (image["height"], image["width"]) == (HEIGHT, WIDTH)
    names = {category["id"]: category["name"] for category in body["categories"]}
    assert names == {1: "open", 2: "short"}
    found = [(images[a["image_id"]]["file_name"], names[a["category_id"]], a["bbox"], a["area"]) for a in body["annotations"]]
    assert found == [(f"{uid(2)}.png", "short", [1.0, 2.0, 29.0, 38.0], 1102.0), (f"{uid(2)}.png", "open", [5.0, 6.0, 2.0, 2.0], 4.0)]
    assert len({a["id"] for a in body["annotations"]}) == 2


def test_yolo_boxes_lead_back_to_the_pixels(kept, tmp_path):
    assert run(kept, "yolo", tmp_path / "yolo", unreviewed=True).parts == 4
    labels = {path.stem: path.read_text() for path in (tmp_path / "yolo" / "labels").iterdir()}
    assert {path.stem for path in (tmp_path / "yolo" / "images").iterdir()} == set(labels) == {uid(n) for n in (1, 2, 3, 4)}
    assert labels[uid(1)] == labels[uid(3)] == ""
    first = [float(word) for word in labels[uid(2)].splitlines()[0].split()]
    number, cx, cy, width, height = first
    corners = ((cx - width / 2) * WIDTH, (cy - height / 2) * HEIGHT, (cx + width / 2) * WIDTH, (cy + height / 2) * HEIGHT)
    assert number == 1 and np.allclose(corners, (1, 2, 30, 40), atol=1e-3)
    assert (tmp_path / "yolo" / "data.yaml").read_text() == 'train: images\nval: images\nnames:\n  0: "open"\n  1: "short"\n'


def test_boards_are_what_qualify_reads(kept, tmp_path):
    run(kept, "boards", tmp_path / "boards")
    good, bad = sorted(read_pairs(tmp_path / "boards", class_count=2), key=lambda pair: len(pair.boxes))
    assert good.is_good and (good.name, bad.name) == (uid(3), uid(2))
    assert bad.boxes.tolist() == [[1, 2, 30, 40], [5, 6, 7, 8]]
    assert [PRODUCT.classes[index] for index in bad.classes] == ["short", "open"]
    assert cv2.imread(str(bad.template_path), cv2.IMREAD_GRAYSCALE).max() == 2


def test_a_box_at_the_very_edge_is_still_inside(kept, tmp_path, records):
    row = records.add(9, Reason.DEFECT, defects=(Defect(0, 0.9, 62.7, 46.9, 64.0, 48.0), Defect(0, 0.8, -4.0, -4.0, 1.2, 1.4)))
    for kind in ("frame", "template"):
        records.add_image(row, kind, file="images/2-frame.png")
    review(records.writer, row, "defect", by="a", at=NOON)
    run(kept, "boards", tmp_path / "boards", single=str(row))
    (pair,) = read_pairs(tmp_path / "boards", class_count=2)
    assert pair.boxes.tolist() == [[62, 46, 64, 48], [0, 0, 1, 1]]


def test_a_part_without_its_template_is_no_board(kept, tmp_path):
    (kept.folder / "images" / "2-template.png").unlink()
    done = run(kept, "boards", tmp_path / "boards")
    assert (done.parts, done.left_out["without a template of its size"]) == (1, 1)


def test_bundles_with_other_classes_do_not_mix_in_numbers(kept, tmp_path, records):
    from aoi_daemon.records import parts
    from aoi_daemon.records.database import writing

    with writing(records.writer):
        other = parts.product_id(records.writer, parts.Product(1, "demo", "cd" * 8, ("short", "open"), 50.0))
        records.writer.execute("UPDATE parts SET product_id = ? WHERE part = 3", (other,))
    with pytest.raises(RecordsError, match="different classes"):
        run(kept, "boards", tmp_path / "boards")
    assert not list(tmp_path.glob("*boards*"))
    assert run(kept, "coco", tmp_path / "coco").parts == 2, "names are names"


def test_times_and_recipes_choose(kept, tmp_path):
    def parts(**choice):
        run(kept, "jsonl", tmp_path / "x", **choice)
        return [json.loads(line)["part"] for line in (tmp_path / "x").read_text().splitlines()]

    assert parts(since=NOON + 2, until=NOON + 4) == [2, 3]
    assert parts(recipe="demo") == [1, 2, 3, 4, 5, 6]
    assert parts(recipe="other") == []
    assert parts(single=uid(4)) == [4]
    with pytest.raises(RecordsError, match="--part 77: there is no such part"):
        parts(single="77")


def test_nothing_to_export_says_why_and_leaves_nothing(kept, tmp_path):
    with pytest.raises(RecordsError, match=r"nothing to export \(1 rejected for no defect\)"):
        run(kept, "coco", tmp_path / "coco", only="faults", unreviewed=True)
    assert list(tmp_path.glob("*coco*")) == []


def test_a_folder_that_is_there_is_not_written_into(kept, tmp_path):
    with pytest.raises(RecordsError, match="is there already"):
        run(kept, "yolo", tmp_path)


def test_a_place_that_does_not_exist_is_named(kept, tmp_path):
    for kind in ("csv", "coco"):
        with pytest.raises(RecordsError, match="folder that it is to lie in"):
            run(kept, kind, tmp_path / "none" / "out")


def test_a_failure_half_way_leaves_the_old_file(kept, tmp_path, monkeypatch):
    out = tmp_path / "parts.csv"
    out.write_text("old")
    monkeypatch.setattr("aoi_daemon.recorder.export.csv.iso", lambda at: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        run(kept, "csv", out)
    assert out.read_text() == "old" and [path.name for path in tmp_path.glob(".*")] == []


def test_a_picture_that_retention_took_meanwhile_is_left_out(kept, tmp_path):
    (kept.folder / "images" / "2-frame.png").unlink()
    done = run(kept, "coco", tmp_path / "coco")
    assert (done.parts, done.left_out["its picture's file is gone"]) == (1, 1)


def test_a_file_that_is_no_png_has_no_size(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    assert png_size(tmp_path / "x.png") is None
    assert png_size(tmp_path / "none.png") is None


def test_the_rows_of_many_parts_are_written_as_those_of_one(records, tmp_path):
    """Two ways to one table: what few parts have, texts that a spreadsheet computes, times at the edge of a second."""
    odd = parts.Product(7, "=1+1, \"x\"", "", ("@class;=2", "b"), 20.0)
    with writing(records.writer):
        product = parts.product_id(records.writer, odd)
        run = parts.run_id(records.writer, "-run,", "li;=ne\n", NOON)
    for number in range(1, 41):
        at = NOON + number // 3 + (0.9999996, 0.0004999, 0.25)[number % 3] - 0.5
        reason = (Reason.NONE, Reason.DEFECT, Reason.LATE)[number % 3]
        fields = {"answered_ns": 0} if number % 7 == 0 else {}
        with writing(records.writer):
            parts.insert_part(
                records.writer, make_outcome(number, reason, **fields), run=(records.run, run)[number % 2], at=at, camera="=top",
                product=odd, product_row=product,
            )  # fmt: skip
    for row in (2, 4, 7):
        records.add_image(row, camera="=top", file=f"images/{row}.png")
        records.add_image(row, kind="template", camera="=top", file="templates/=1,.png")
        records.add_image(row, camera="side", file="images/side.png")
    review(records.writer, 2, "false_call", by="+anna", note="a;=b\n\"c\"", at=NOON + 0.0019999)
    records.writer.execute("UPDATE parts SET proof = id % 4 WHERE id % 3")
    ids = list(range(1, 50))
    slow, quick = io.StringIO(newline=""), io.StringIO(newline="")
    write_csv(iter(parts_of(records.reader, ids)), slow)
    assert CsvRows(records.reader, quick).write(ids) == 40
    assert quick.getvalue().split("\r\n") == slow.getvalue().split("\r\n")
    assert CsvRows(records.reader, io.StringIO(), "demo").write(ids) == 0
