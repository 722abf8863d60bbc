from tools.models.rows import NEEDED, ROWS


def test_each_row_has_a_name_and_a_title_of_its_own():
    assert len({row.name for row in ROWS}) == len({row.title for row in ROWS}) == len(ROWS)


def test_every_family_that_is_promised_has_a_row():
    titles = " ".join(row.title for row in ROWS)
    detect = [f"Ultralytics {name} detect" for name in ("v5u", "v8", "v9", "v10", "11", "12", "26")]
    others = ["segment", "classify", "OBB", "RT-DETR", "Faster R-CNN", "RetinaNet", "SSD", "ResNet", "LR-ASPP", "timm", "anomalib", "Keras"]
    assert [name for name in (*detect, *others, "nms=True", "end to end") if name not in titles] == []


def test_rows_that_share_a_training_are_of_one_model():
    by_training = {}
    for row in ROWS:
        assert by_training.setdefault(row.trained, (row.model, row.task)) == (row.model, row.task)


def test_so_much_is_compared_at_least():
    assert NEEDED == {"boxes": 100, "labels": 50, "maps": 50}
