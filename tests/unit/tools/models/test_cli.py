from tools.models import cli, train


def test_a_row_is_asked_for_full_paths_however_the_folder_is_named(tmp_path, monkeypatch):
    """anomalib tells a picture by its full path alone, and its answers are looked up below the boards' folder."""
    asked = []
    monkeypatch.setattr(train, "train_one", lambda *words: asked.append(words) or 0)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "--out", "models", "--one", "padim"]) == 0
    [(name, out, wanted)] = asked
    assert (name, out, wanted.boards, wanted.runs) == (
        "padim", tmp_path / "models", tmp_path / "models" / "boards", tmp_path / "models" / "runs",
    )  # fmt: skip
