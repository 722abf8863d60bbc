"""Training, from labels to the exported graph. Needs PyTorch; skipped without it."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from aoi_daemon.kit.boards.generate import generate, write_boards  # noqa: E402  # after the skips
from aoi_daemon.kit.boards.labels import BoardsError  # noqa: E402
from aoi_daemon.kit.boards.options import BoardOptions, Style  # noqa: E402
from tools.detector import checkpoint  # noqa: E402
from tools.detector.augment import OPPOSITE, Strength, augment  # noqa: E402
from tools.detector.cli import main  # noqa: E402
from tools.detector.data import IGNORE, NO_LABEL, SLOTS, TILE_PX, empty_tiles  # noqa: E402
from tools.detector.decoder import Decoder, fused  # noqa: E402
from tools.detector.export import compare, export_onnx  # noqa: E402
from tools.detector.loss import Aim, assign, cell_centres, complete_iou, detection_loss  # noqa: E402
from tools.detector.model import Detector, Shape, parameter_count  # noqa: E402
from tools.detector.plan import Plan  # noqa: E402
from tools.detector.pool import Batch, Pool  # noqa: E402
from tools.detector.stream import BoardStream  # noqa: E402
from tools.detector.train import Trainer  # noqa: E402

# Operators that TensorRT 8.6 to 11 and TensorRT-RTX 1.4 build.
BUILDABLE = {
    "Add", "Cast", "Clip", "Concat", "Constant", "Conv", "Div", "Exp", "Gather", "GatherElements", "MaxPool",
    "Mul", "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice", "Sub", "TopK", "Transpose", "Unsqueeze",
}  # fmt: skip
QUIET = Strength(join=0.0, invert=0.0, shift=0.0, rough=0.0, relight=0.0, soften=0.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An untrained detector with moving averages of its own, exported."""
    torch.manual_seed(1)
    detector = Detector()
    detector.train()(torch.rand(2, 1, 96, 96) * 2 - 1, torch.rand(2, 1, 96, 96) * 2 - 1)
    # Scores spread out, so that ranks are no matter of rounding.
    torch.nn.init.normal_(detector.class_out.weight, std=0.3)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    decoder = Decoder(fused(detector))
    return decoder, path, export_onnx(decoder, path)


def test_the_network_keeps_its_budget():
    """At most 1.2 million parameters."""
    assert parameter_count(Detector()) <= 1_200_000


def test_the_export_keeps_its_contract(exported):
    """Names, types, shapes, opset and operators are those that the daemon and TensorRT rely on."""
    _, path, _ = exported
    model = onnx.load(str(path))
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]

    def signature(values):
        kinds = onnx.TensorProto.DataType
        return {
            value.name: (
                kinds.Name(value.type.tensor_type.elem_type),
                [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
            )
            for value in values
        }

    size = ("UINT8", [1, "height", "width", 1])
    assert signature(model.graph.input) == {"image": size, "template": size}
    assert signature(model.graph.output) == {
        "boxes": ("FLOAT", [1, 100, 4]),
        "scores": ("FLOAT", [1, 100]),
        "classes": ("INT32", [1, 100]),
    }
    assert {node.op_type for node in model.graph.node} <= BUILDABLE
    targets = {a.i for node in model.graph.node if node.op_type == "Cast" for a in node.attribute}
    assert onnx.TensorProto.INT64 not in targets


def test_the_camera_bytes_are_prepared_in_tensorrts_order(exported):
    """Cast, Transpose, Mul, Add on both inputs: Transpose before Cast does not build."""
    model = onnx.load(str(exported[1]))
    for name in ("image", "template"):
        chain, value = [], name
        for _ in range(4):
            (node,) = [node for node in model.graph.node if value in node.input]
            chain.append(node.op_type)
            value = node.output[0]
        assert chain == ["Cast", "Transpose", "Mul", "Add"]


@pytest.mark.parametrize("size", [(640, 640), (512, 768), (64, 96)])
def test_onnx_runtime_computes_what_pytorch_does(exported, size):
    """At square, wide and tiny sizes, in height and width."""
    decoder, path, _ = exported
    difference = compare(decoder, path, *size)
    assert difference["score"] < 1e-4
    assert difference["box_px"] < 0.01


def test_scores_fall_and_classes_are_known(exported):
    """Sorted, between 0 and 1, six classes."""
    session = onnxruntime.InferenceSession(str(exported[1]), providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(1).integers(0, 256, (1, 640, 640, 1)).astype(np.uint8)
    _, scores, classes = session.run(None, {"image": noise, "template": noise})
    assert (np.diff(scores[0]) <= 0).all()
    assert 0 <= scores.min() <= scores.max() <= 1
    assert set(np.unique(classes)) <= set(range(6))


def test_folding_the_normalisation_changes_nothing(exported):
    """The exported weights are the trained ones."""
    detector = Detector().eval()
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        for a, b in zip(detector(image, image), fused(detector)(image, image), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_a_label_goes_to_cells_inside_its_box():
    """At most ten, and none for an empty slot."""
    centres = cell_centres(8, 8, "cpu")
    labels = torch.zeros(1, 2, 4)
    labels[0, 0] = torch.tensor([8.0, 8.0, 56.0, 56.0])
    classes = torch.tensor([[3, NO_LABEL]])
    boxes = torch.tensor([[8.0, 8.0, 56.0, 56.0]]).expand(1, 64, 4)
    owner, taken, strength = assign(torch.full((1, 64, 6), 0.5), boxes, centres, labels, classes)
    assert int(taken.sum()) == 10
    assert (owner[taken] == 0).all()
    assert strength.max() == pytest.approx(1.0)
    x, y = centres[taken[0]].unbind(1)
    assert ((x > 8) & (x < 56) & (y > 8) & (y < 56)).all()


@pytest.mark.parametrize("side", [1, 3, 8])
def test_a_label_smaller_than_a_cell_is_learnt_wherever_it_lies(side):
    """A pin-hole of 1 px between the cells' centres has a cell that answers for it."""
    centres = cell_centres(4, 4, "cpu")
    places = torch.arange(0, 32 - side + 1).float()
    corner = torch.cartesian_prod(places, places)
    labels = torch.cat([corner, corner + side], 1)[:, None]
    scores, classes = torch.full((len(labels), 16, 6), 0.01), torch.zeros(len(labels), 1, dtype=torch.int64)
    boxes = torch.cat([centres - 18, centres + 18], 1).expand(len(labels), -1, -1)
    _, taken, strength = assign(scores, boxes, centres, labels, classes)
    assert (taken.sum(1) >= 1).all()
    assert (strength.amax(1) > 0).all()


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_best_cells_target_is_the_fit_of_its_box_to_the_power_asked_for(power):
    """At 0 a certain defect scores 1, however loose its box; a label that all boxes miss asks for nothing."""
    centres = cell_centres(8, 8, "cpu")
    labels = torch.tensor([[[8.0, 8.0, 40.0, 40.0]]])
    scores, classes = torch.full((1, 64, 6), 0.5), torch.tensor([[3]])
    loose = torch.tensor([[8.0, 8.0, 40.0, 24.0]]).expand(1, 64, 4)
    _, _, strength = assign(scores, loose, centres, labels, classes, fit_power=power)
    assert strength.max() == pytest.approx(0.5**power)
    _, _, nothing = assign(scores, loose + 1000, centres, labels, classes, fit_power=power)
    assert nothing.max() == 0


def test_two_classes_both_likely_cost_more_when_kinds_count():
    """The sigmoids alone punish the second class once; the classes are weighed against each other as well."""
    logits = torch.full((1, 6, 8, 8), -9.0)
    logits[0, 3, 3, 3] = 4.0
    both = logits.clone()
    both[0, 2, 3, 3] = 4.0
    labels, classes = torch.tensor([[[10.0, 10.0, 46.0, 46.0]]]), torch.tensor([[3]])
    reach = torch.full((1, 4, 8, 8), 0.8)

    def cost(logits, kinds):
        return float(detection_loss(logits, reach, labels, classes, Aim(kinds=kinds))[0])

    assert cost(both, 0.5) - cost(logits, 0.5) > 1.02 * (cost(both, 0.0) - cost(logits, 0.0))


def test_a_cell_in_an_ignored_region_costs_nothing():
    """A detection on a label cut by the crop is neither right nor wrong."""
    logits = torch.full((1, 6, 8, 8), -9.0)
    logits[0, 0, 4, 4] = 9.0
    reach = torch.zeros(1, 4, 8, 8)
    labels = torch.tensor([[[24.0, 24.0, 48.0, 48.0]]])
    ignored, _, _ = detection_loss(logits, reach, labels, torch.tensor([[IGNORE]]))
    punished, _, _ = detection_loss(logits, reach, labels, torch.tensor([[NO_LABEL]]))
    assert float(ignored) < 0.5 < float(punished)


def test_complete_iou_of_equal_boxes_is_one():
    """And falls below zero for boxes far apart."""
    box = torch.tensor([[10.0, 10.0, 40.0, 30.0]])
    assert float(complete_iou(box, box)) == pytest.approx(1.0)
    assert float(complete_iou(box, box + 100)) < 0


def test_a_tiny_network_learns_one_board():
    """The loss of a single batch falls to a quarter in thirty steps."""
    torch.manual_seed(2)
    detector = Detector()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    template = torch.ones(2, 1, 96, 96)
    image = template.clone()
    image[:, :, 40:56, 40:56] = -1
    labels = torch.tensor([[[30.0, 30.0, 66.0, 66.0]]] * 2)
    losses = []
    for _ in range(30):
        loss, _, _ = detection_loss(*detector(image, template), labels, torch.tensor([[4]] * 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


def batch_of_squares(count=8):
    """Boards of bare substrate with one dark square each, labelled exactly."""
    rng = np.random.default_rng(3)
    images = torch.full((count, 2, TILE_PX, TILE_PX), 255, dtype=torch.uint8)
    boxes, classes = torch.zeros(count, SLOTS, 4), torch.full((count, SLOTS), NO_LABEL)
    for i in range(count):
        x, y = (int(v) for v in rng.integers(60, 520, 2))
        w, h = (int(v) for v in rng.integers(20, 60, 2))
        images[i, 0, y : y + h, x : x + w] = 0
        boxes[i, 0] = torch.tensor([x, y, x + w, y + h])
        classes[i, 0] = i % 6
    return Batch(
        images,
        boxes,
        classes,
        torch.ones(count, dtype=torch.bool),
        torch.tensor([[0.0, 0.0, TILE_PX, TILE_PX]] * count),
    )


def test_labels_follow_their_boards_through_every_turn_and_join():
    """After joins, turns and crops each whole label frames a dark square exactly, and no square lacks one."""
    torch.manual_seed(4)
    varied = augment(batch_of_squares(), 608, Strength(1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    for image, boxes, classes in zip(varied.images[:, 0].numpy(), varied.boxes, varied.classes, strict=True):
        dark = np.asarray(image < 0, np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(dark)
        squares = {(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:].tolist()}
        labelled = {tuple(int(v) for v in box) for box in boxes[classes != NO_LABEL]}
        assert squares == labelled


def test_inverted_boards_get_the_opposite_class():
    """Open and short, mousebite and spur, copper and pin-hole."""
    batch = batch_of_squares()
    torch.manual_seed(5)
    inverted = augment(batch, TILE_PX, Strength(0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    assert (inverted.images[:, 1] == -1).all()
    assert inverted.classes[:, 0].tolist() == [OPPOSITE[int(k)] for k in batch.classes[:, 0]]


def test_labels_follow_their_boards_through_other_scales():
    """Each label frames its square to the pixel or two that resampling moves an edge by; scans keep two levels."""
    torch.manual_seed(9)
    varied = augment(batch_of_squares(), TILE_PX, Strength(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, scale=1.0))
    assert set(varied.images.unique().tolist()) == {-1.0, 1.0}
    plain = batch_of_squares()
    sizes = []
    for i, (image, boxes, classes) in enumerate(
        zip(varied.images[:, 0].numpy(), varied.boxes, varied.classes, strict=True)
    ):
        _, _, stats, _ = cv2.connectedComponentsWithStats(np.asarray(image < 0, np.uint8))
        assert len(stats) - 1 == int((classes != NO_LABEL).sum())
        for (x, y, w, h, _), box in zip(stats[1:].tolist(), boxes[classes != NO_LABEL].tolist(), strict=True):
            assert np.abs(np.subtract([x, y, x + w, y + h], box)).max() <= 1.0
            sizes.append(w * h / float((plain.boxes[i, 0, 2:] - plain.boxes[i, 0, :2]).prod()))
    assert min(sizes) < 0.95
    assert max(sizes) > 1.05


def test_crops_lie_on_a_part_smaller_than_its_tile():
    """Through turns and mirrors: what is beyond the part fills no crop that fits on it, and surrounds no more than it must."""
    batch = batch_of_squares()
    images = torch.full_like(batch.images, 255)
    images[:, :, :192, :256] = 100
    areas = torch.tensor([[0.0, 0.0, 256.0, 192.0]] * len(images))
    small = replace(batch, images=images, classes=torch.full_like(batch.classes, NO_LABEL), areas=areas)
    for seed in range(8):
        torch.manual_seed(seed)
        assert (augment(small, 160, QUIET).images < 0).all()
        around = (augment(small, 224, QUIET).images < 0).flatten(1).float().mean(1)
        assert torch.allclose(around, torch.tensor(192 / 224))


def test_few_samples_meet_every_turn():
    """A batch of two begins with any of the square's eight symmetries."""
    images = torch.zeros(2, 2, 64, 64, dtype=torch.uint8)
    images[:, :, :10, :30] = 255
    area = torch.tensor([[0.0, 0.0, 64.0, 64.0]] * 2)
    batch = replace(batch_of_squares(2), images=images, areas=area)
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        turned = augment(batch, 64, QUIET).images[:, 0, ::9, ::9]
        seen |= {tuple(image.flatten().tolist()) for image in turned}
    # Mirrors of a rectangle in a corner: four corners, lying and upright.
    assert len(seen) == 8


def test_light_and_noise_leave_labels_alone():
    """Roughening, softening and relighting move no box, and images stay between -1 and 1."""
    torch.manual_seed(6)
    batch = batch_of_squares()
    varied = augment(batch, TILE_PX, Strength(0.0, 0.0, 1.0, 1.0, 1.0, 0.5))
    plain = augment(batch, TILE_PX, QUIET)
    assert torch.equal(varied.boxes, plain.boxes)
    assert varied.images.min() >= -1
    assert varied.images.max() <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve small boards."""
    path = tmp_path_factory.mktemp("boards") / "b"
    write_boards(path, 12, 1, BoardOptions(192, 192, style=Style.BINARY, good_fraction=0.0))
    return path


def test_a_run_leaves_model_metrics_and_pictures_and_can_go_on(folder, tmp_path, capsys):
    """Two passes, then two more with --resume; without it the run is left alone."""
    out = tmp_path / "run"
    arguments = ["--boards", str(folder), "--holdout", "0.25", "--out", str(out), "--device", "cpu"]
    arguments += ["--jobs", "1", "--batch", "4", "--crop", "128"]
    assert main([*arguments, "--epochs", "1"]) == 0
    steps = json.loads((out / "metrics.json").read_text())["training"]["steps"]
    names = {"best.pt", "last.pt", "model.onnx", "metrics.json", "pr_curves.png", "examples.png"}
    assert {path.name for path in out.iterdir()} == names
    assert main([*arguments, "--epochs", "1"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main([*arguments, "--epochs", "2", "--resume"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["training"]["steps"] > steps
    assert metrics["tests"]["holdout"]["boards"] == 3
    again = ["--weights", str(out / "best.pt"), "--test", str(folder), "--out", str(tmp_path / "again")]
    assert main([*again, "--device", "cpu", "--jobs", "1"]) == 0
    assert json.loads((tmp_path / "again" / "metrics.json").read_text())["tests"]["b"]["boards"] == 12


def test_a_run_can_begin_with_the_weights_of_another(tmp_path):
    """Both the network and its average take them over."""
    torch.manual_seed(8)
    weights = Detector()
    trainer = Trainer(Plan(minutes=1), tmp_path, Pool(tiles_of_level(10, 1), 0, torch.device("cpu")))
    trainer.start(weights)
    for network in (trainer.detector, trainer.average):
        assert torch.equal(network.stem[0].weight, weights.stem[0].weight)


def test_parts_without_templates_are_learnt_and_exported_with_their_classes(tmp_path):
    """Labels from masks, two sizes, two classes: the model takes the image alone and says what its classes are."""
    out = tmp_path / "run"
    for folder in ("lids", "test"):
        for i, name in enumerate(("scratch", "dent", "good") * 3):
            place = tmp_path / folder / name
            place.mkdir(parents=True, exist_ok=True)
            part = np.full((160, 160 + 32 * (i % 2)), 150, np.uint8)
            mask = np.zeros_like(part)
            if name != "good":
                mask[40:50, 30 + 8 * i : 40 + 8 * i] = 255
                cv2.imwrite(str(place / f"lid{i}_mask.png"), mask)
            cv2.imwrite(str(place / f"lid{i}.png"), np.where(mask, 40, part))
    arguments = ["--boards", str(tmp_path / "lids"), "--test", str(tmp_path / "test")]
    arguments += ["--no-template", "--classes", "scratch, dent", "--out", str(out)]
    arguments += ["--device", "cpu", "--jobs", "1", "--batch", "4", "--crop", "128,160"]
    assert main([*arguments, "--epochs", "1"]) == 0
    model = onnx.load(str(out / "model.onnx"))
    assert [value.name for value in model.graph.input] == ["image"]
    assert {entry.key: entry.value for entry in model.metadata_props} == {"names": "{0: 'scratch', 1: 'dent'}"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["classes"] == ["scratch", "dent"]
    sizes = {size: test["labels"] for size, test in metrics["tests"]["test"]["by_size"].items()}
    assert sizes == {"160x160": 3, "192x160": 3}
    again = [*arguments[2:], "--weights", str(out / "best.pt")]
    assert main([*again, "--out", str(tmp_path / "again")]) == 0
    assert main([*again, "--classes", "dent,scratch"]) == 2


def test_a_time_that_can_do_nothing_is_refused_and_leaves_nothing(folder, tmp_path, capsys):
    """With what would do; the same folder is then free for it."""
    out = tmp_path / "run"
    arguments = ["--boards", str(folder), "--holdout", "0.25", "--out", str(out), "--device", "cpu", "--jobs", "1"]
    assert main([*arguments, "--batch", "8", "--crop", "192", "--minutes", "0.01"]) == 2
    error = capsys.readouterr().err
    assert "below 100 nothing is learnt; allow" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--generate", "10", "--classes", "a,b"], "classes: generated boards have"),
        (["--generate", "10", "--no-template"], "no-template: generated boards have templates"),
        (["--boards", "x", "--classes", "a,,b"], "classes: 'a,,b'"),
        (["--boards", "x", "--classes", "a,a"], "classes: 'a,a'"),
        (["--boards", "x", "--crop", "128,100"], "crop: 128,100 px, allowed are multiples of 32"),
        (["--boards", "x", "--crop", "wide"], "crop: wide px"),
    ],
)
def test_questions_that_do_not_fit_are_refused(tmp_path, capsys, asked, words):
    """Before anything is read."""
    assert main([*asked, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err


def test_wrong_input_writes_nothing(folder, tmp_path, capsys):
    """One line on the error stream, exit code 2, no run folder."""
    (tmp_path / "b").mkdir()
    for path in folder.iterdir():
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "b" / "board000003_temp.png").unlink()
    out = tmp_path / "run"
    for boards, words in ((tmp_path / "b", "board000003_test.png"), (tmp_path / "none", "no such folder")):
        arguments = ["--boards", str(boards), "--holdout", "0.25", "--out", str(out), "--device", "cpu"]
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert not out.exists()


def test_a_board_to_test_with_is_decoded_before_training(folder, tmp_path, capsys):
    """A damaged one is found at once, not after six minutes."""
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    for path in folder.glob("board00000[01]*"):
        (spoilt / path.name).write_bytes(path.read_bytes())
    image = spoilt / "board000001_test.png"
    image.write_bytes(image.read_bytes()[:100])
    out = tmp_path / "run"
    arguments = ["--boards", str(folder), "--test", str(spoilt), "--out", str(out), "--device", "cpu"]
    assert main(arguments) == 2
    assert "board000001_test.png: is a PNG that is cut short" in capsys.readouterr().err
    assert not out.exists()


def test_boards_trained_on_are_no_test(folder, tmp_path, capsys):
    """The same folder for both would report memory as skill."""
    arguments = ["--boards", str(folder), "--test", str(folder), "--out", str(tmp_path / "r"), "--device", "cpu"]
    assert main(arguments) == 2
    assert "named to train on and to test with" in capsys.readouterr().err


def test_a_stream_delivers_the_series_of_its_seed():
    """Worker processes generate what `generate` would, and end with the context."""
    with BoardStream(7, 1, BoardOptions(good_fraction=0.0)) as stream:
        tiles = None
        while tiles is None:
            tiles = stream.take(1.0)
    board = generate(7, 0, BoardOptions(good_fraction=0.0))
    assert np.array_equal(tiles.images[0], np.stack([board.test, board.template]))
    assert tiles.boxes[0, : len(board.defects)].tolist() == [list(defect.box) for defect in board.defects]
    assert not any(worker.is_alive() for worker in stream._workers)


def test_fresh_boards_replace_the_oldest():
    """Labelled tiles stay, whatever arrives."""
    pool = Pool(tiles_of_level(10, 2), 3, torch.device("cpu"))
    for level in (20, 30, 40):
        pool.add(tiles_of_level(level, 2))
    assert pool.images[:, 0, 0, 0].tolist() == [10, 10, 30, 40, 40]
    assert (pool.arrived, pool.usable_fresh) == (6, 3)


def tiles_of_level(level, count):
    tiles = empty_tiles(count)
    tiles.images[:] = level
    return tiles


def test_a_checkpoint_says_what_parts_it_is_for(tmp_path):
    """And one of before there were other parts is for boards with templates."""
    path = tmp_path / "x.pt"
    shape = Shape(classes=("scratch",), template=False)
    checkpoint.save(path, Detector(shape))
    assert checkpoint.load(path)[0].shape == shape
    checkpoint.save(path, Detector())
    content = torch.load(path, weights_only=True)
    content["shape"] = {name: content["shape"][name] for name in ("widths", "depths", "neck")}
    torch.save(content, path)
    assert checkpoint.load(path)[0].shape == Shape()


def test_a_damaged_checkpoint_is_named(tmp_path):
    """Not a traceback from the depths of pickle."""
    path = tmp_path / "best.pt"
    with pytest.raises(BoardsError, match=r"best.pt: cannot be read"):
        checkpoint.load(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(BoardsError, match=r"best.pt: is not a checkpoint"):
        checkpoint.load(path)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """A crash while writing leaves the one before."""
    path = tmp_path / "x.pt"
    checkpoint.save(path, Detector(), step=1)
    before = path.read_bytes()

    def crash(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", crash)
    with pytest.raises(BoardsError, match="No space left"):
        checkpoint.save(path, Detector(), step=2)
    assert path.read_bytes() == before
