from pathlib import Path

import cv2
import numpy as np
import pytest


class Folder:
    """A folder of images, made as a test goes along. Image n is filled with the gray value n."""

    def __init__(self, path: Path):
        self.path = path

    def add(self, name, value=0, width=32, height=24):
        image = np.full((height, width), value, np.uint8)
        assert cv2.imwrite(str(self.path / name), image)
        return self

    def add_all(self, count, pattern="board{}.png"):
        for value in range(count):
            self.add(pattern.format(value), value)
        return self

    def add_pair(self, name, value=0, label=None, **size):
        self.add(f"{name}_test.png", value, **size)
        self.add(f"{name}_temp.png", value + 100, **size)
        if label is not None:
            self.write(f"{name}.txt", label)
        return self

    def write(self, name, text):
        (self.path / name).write_text(text)
        return self


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "boards"
    path.mkdir()
    return Folder(path)


@pytest.fixture
def video(tmp_path):
    """Makes a video of `count` frames; frame n is filled with the gray value 8 n."""

    def make(count, width=32, height=24):
        path = tmp_path / "line.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, (width, height))
        for n in range(count):
            writer.write(np.full((height, width, 3), 8 * n, np.uint8))
        writer.release()
        return path

    return make
