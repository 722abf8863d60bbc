"""What is read from a picture file, by rule, and what is refused by name."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from aoi_daemon.errors import PictureError
from aoi_daemon.pictures import LONGEST_PX, decode_picture, list_pictures, picture_size, read_picture

WIDTH, HEIGHT = 37, 23
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
RNG = np.random.default_rng(12)
GRAY = cv2.GaussianBlur(RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8), (0, 0), 1.5)
RGB = cv2.GaussianBlur(RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 1.5)
DEEP = RNG.integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
DEEP[3, 5] = 4095


def saved(pixels, kind="PNG", **options) -> bytes:
    """`pixels`, an array or a picture of Pillow's, as a file of `kind`."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width=WIDTH, height=HEIGHT, depth=8, colour=0, *, rows: bytes | None = None, more: bytes = b"") -> bytes:
    """A PNG of our own, whose head may say what no writer would."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rows = bytes(height * (width + 1)) if rows is None else rows
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def oriented(pixels, kind: str, orientation: int, **options) -> bytes:
    """The file of a camera held in one of eight ways."""
    if kind == "TIFF":
        return saved(pixels, kind, tiffinfo={274: orientation}, **options)
    exif = Image.Exif()
    exif[274] = orientation
    return saved(pixels, kind, exif=exif, **options)


def seen(pixels, orientation: int):
    """What a person sees of it, by another way than the reader's own: the meaning of the eight numbers."""
    turn = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: np.rot90(np.fliplr(a)),
        6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(np.fliplr(a), -1), 8: np.rot90,
    }  # fmt: skip
    return turn[orientation](pixels)


def opencv(raw: bytes, channels: int):
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR)
    return image.reshape(*image.shape[:2], channels)


def bmp_of_5_bits() -> bytes:
    """5 bits a colour: one decoder stretches 31 to 255, the other to 248."""
    pixels = np.arange(16, dtype="<u2").tobytes() * 2
    info = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 16, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + info + pixels


def jpeg_of(depth: int) -> bytes:
    """The beginning of a JPEG whose samples have `depth` bits."""
    frame = struct.pack(">HBHHB", 11, depth, HEIGHT, WIDTH, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xc1" + frame + bytes(20) + b"\xff\xd9"


# -- what is read ----------------------------------------------------------------------------------------------------

AS_BEFORE = {
    **{f"{kind} {name}": saved(pixels, kind) for kind in FORMATS for name, pixels in (("gray", GRAY), ("colour", RGB))},
    "progressive JPEG": saved(RGB, "JPEG", progressive=True, quality=60),
    "JPEG 4:2:0": saved(RGB, "JPEG", subsampling=2),
    "JPEG 4:4:4": saved(RGB, "JPEG", subsampling=0, quality=95),
    "JPEG kept as RGB": saved(RGB, "JPEG", keep_rgb=True),
    "LZW TIFF": saved(RGB, "TIFF", compression="tiff_lzw"),
    "deflated TIFF": saved(GRAY, "TIFF", compression="tiff_adobe_deflate"),
    "inverted TIFF": saved(GRAY, "TIFF", tiffinfo={262: 0}),
    "palette PNG": saved(Image.fromarray(RGB).quantize(16), "PNG"),
    "palette BMP": saved(Image.fromarray(RGB).quantize(16), "BMP"),
    "palette TIFF": saved(Image.fromarray(RGB).quantize(16), "TIFF"),
    "PNG with a colour space": png(16, 1, colour=2, rows=bytes(range(49)), more=chunk(b"sRGB", b"\0")),
    "PNG with a bad profile": png(more=chunk(b"iCCP", b"x\0\0" + zlib.compress(b"none"))),
    "PNG of 4 bits": png(4, 1, depth=4, rows=b"\0\x05\xaf"),
    "PNG of 2 bits": png(4, 1, depth=2, rows=b"\0\x1b"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AS_BEFORE)
def test_what_has_8_bits_has_the_values_that_opencv_reads(name, channels, capfd):
    """Bit by bit, and nothing on stderr: recipes and thresholds were made with these values."""
    raw = AS_BEFORE[name]
    wanted = opencv(raw, channels)
    capfd.readouterr()
    found = decode_picture(raw, name, channels)
    assert (found.dtype, found.flags["C_CONTIGUOUS"]) == (np.uint8, True)
    assert np.array_equal(found, wanted)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_black_and_white_is_0_and_255(kind):
    white = RNG.integers(0, 2, (HEIGHT, WIDTH)).astype(bool)
    assert np.array_equal(decode_picture(saved(white, kind), "a", 1)[:, :, 0], np.where(white, 255, 0))


def test_an_interlaced_png_is_read():
    """Adam7: of one pixel in eight there is nothing but the first of seven passes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1))
    raw = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\x7b")) + chunk(b"IEND", b"")
    assert decode_picture(raw, "a", 1).tolist() == [[[123]]]


def test_the_name_of_a_file_does_not_say_what_is_in_it(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(GRAY, "BMP"))
    assert np.array_equal(read_picture(tmp_path / "a.png", 1)[:, :, 0], GRAY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("bits", "values"), [(9, 512), (10, 1024), (12, 4096), (15, 2**15), (16, 2**16)])
def test_a_stated_depth_says_what_white_is(kind, bits, values):
    deep = RNG.integers(0, values, (HEIGHT, WIDTH)).astype(np.uint16)
    deep[0, 0] = values - 1
    for channels in (1, 3):
        found = decode_picture(saved(deep, kind), "a", channels, bits=bits)
        assert found.shape == (HEIGHT, WIDTH, channels)
        assert found[0, 0].tolist() == [255] * channels
        assert all(np.array_equal(found[:, :, c], deep >> (bits - 8)) for c in range(channels))


# -- what is refused -------------------------------------------------------------------------------------------------

MANY = {"save_all": True, "append_images": [Image.fromarray(255 - GRAY)]}
RGBA = np.dstack([RGB, np.full((HEIGHT, WIDTH), 255, np.uint8)])
REFUSED = {
    "16 bits, no depth": (saved(DEEP), None, "greatest value 4095: state bits = 12"),
    "16 bit TIFF, no depth": (saved(DEEP, "TIFF"), None, "greatest value 4095: state bits = 12"),
    "16 bits that look like 8": (saved(DEEP >> 5), None, "greatest value 127: state bits = 9"),
    "16 bits in full": (saved(np.full((4, 4), 65535, np.uint16)), None, "greatest value 65535: state bits = 16"),
    "a depth too small": (saved(DEEP), 10, r"greatest value 4095 does not fit bits = 10 \(at most 1023\)"),
    "a value of 2**bits": (saved(np.full((4, 4), 1024, np.uint16)), 10, "greatest value 1024 does not fit bits = 10"),
    "a depth for 8 bits": (saved(GRAY), 12, "has 8 bits a sample, bits = 12 is stated: take `bits` out"),
    "a depth for 1 bit": (saved(GRAY > 9), 12, "has 1 bits a sample, bits = 12 is stated"),
    "a depth for a JPEG": (saved(GRAY, "JPEG"), 12, "has 8 bits a sample, bits = 12 is stated"),
    "16 bit colour PNG": (png(2, 2, 16, 2, rows=bytes(26)), 12, "16 bits a sample in colour"),
    "16 bit colour TIFF": (cv2.imencode(".tif", np.zeros((4, 4, 3), np.uint16))[1].tobytes(), 12, "16 bits a sample in"),
    "floating point": (saved(GRAY.astype(np.float32), "TIFF"), None, "floating-point"),
    "signed values": (saved(Image.fromarray(GRAY.astype(np.int32)), "TIFF"), None, "signed values"),
    "alpha": (saved(RGBA), None, "has transparency.*save it without"),
    "gray and alpha": (saved(Image.fromarray(GRAY).convert("LA")), None, "has transparency"),
    "a transparent colour": (saved(GRAY, transparency=3), None, "has transparency"),
    "alpha in a palette": (saved(Image.fromarray(RGB).quantize(8), transparency=0), None, "has transparency"),
    "alpha in a TIFF": (saved(RGBA, "TIFF"), None, "has transparency"),
    "alpha in a BMP": (cv2.imencode(".bmp", RGBA)[1].tobytes(), None, "has transparency"),
    "CMYK JPEG": (saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), None, "has CMYK colours"),
    "CMYK TIFF": (saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"), None, "colours other than gray or RGB"),
    "Lab TIFF": (saved(Image.fromarray(RGB).convert("LAB"), "TIFF"), None, "colours other than gray or RGB"),
    "12 bit JPEG": (jpeg_of(12), None, "JPEG of 12 bits a sample"),
    "animated PNG": (saved(GRAY, **MANY), None, "several pictures"),
    "pages": (saved(GRAY, "TIFF", **MANY), None, "several pictures"),
    "MPO": (saved(RGB, "MPO", **MANY), None, "several pictures"),
    "animated GIF": (saved(GRAY, "GIF", **MANY), None, "is a GIF: PNG, JPEG, BMP and TIFF are read"),
    "WebP": (saved(RGB, "WEBP"), None, "is a WebP"),
    "JPEG 2000": (saved(RGB, "JPEG2000"), None, "is a JPEG 2000"),
    "empty": (b"", None, "is empty"),
    "text": (b"no picture at all", None, r"is no picture \(17 bytes\)"),
    "zero size": (png(0, 5), None, "is 0 x 5 px; allowed are 1 to 16384"),
    "a bomb": (png(LONGEST_PX + 1, 5), None, "is 16385 x 5 px; allowed"),
    "a bomb of a BMP": (saved(GRAY, "BMP")[:18] + struct.pack("<ii", 99_999, 99_999) + saved(GRAY, "BMP")[26:], None, "larger than"),
    "a TIFF packed by zstd": (saved(GRAY, "TIFF", compression="zstd"), None, "one that OpenCV cannot decode"),
    "5 bits a colour": (bmp_of_5_bits(), None, "two decoders read in two ways"),
    "too few rows": (png(rows=bytes(99)), None, "is a damaged PNG"),
    "a wrong check sum": (saved(GRAY)[:60] + b"\0\0" + saved(GRAY)[62:], None, "a check sum before byte"),
    "an orientation of 9": (oriented(RGB, "JPEG", 9), None, "EXIF orientation is 9, allowed are 1 to 8"),
    "a TIFF's orientation of 0": (oriented(RGB, "TIFF", 0), None, "orientation is 0"),
    "EXIF that is none": (saved(RGB, "JPEG", exif=b"Exif\0\0nothing of the kind"), None, "is a damaged EXIF"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_as_it_seems_is_refused_in_one_line_and_nothing_else_is_said(name, tmp_path, capfd):
    """OpenCV, libjpeg, libtiff and Pillow print or warn of half of these, and give a picture all the same."""
    raw, bits, why = REFUSED[name]
    (tmp_path / "board.png").write_bytes(raw)
    with pytest.raises(PictureError, match=rf"^\S+board\.png: [^\n]*{why}[^\n]*$"):
        read_picture(tmp_path / "board.png", 1, bits=bits)
    if name != "too few rows":  # whose writer made right check sums over wrong data: libpng has its say
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_as_large_as_a_frame_may_be_is_no_bomb(kind, recwarn):
    raw = saved(np.zeros((4, LONGEST_PX), np.uint8), kind)
    assert decode_picture(raw, "a", 1).shape == (4, LONGEST_PX, 1)
    assert not recwarn


def test_damage_in_a_compressed_tiff_is_noticed():
    """OpenCV leaves black what it cannot unpack, without a word: a template like that lets defects pass."""
    flat = np.full((200, 200), 77, np.uint8)
    flat[50:60] = RNG.integers(0, 256, (10, 200))
    raw = bytearray(saved(flat, "TIFF", compression="tiff_lzw"))
    at = struct.unpack_from("<I", raw, 4)[0] // 2 if raw[:2] == b"II" else 400
    raw[at : at + 20] = b"\xff" * 20
    assert (opencv(bytes(raw), 1)[:, :, 0] != flat).any()
    with pytest.raises(PictureError, match="is a damaged TIFF"):
        decode_picture(bytes(raw), "a", 1)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_short_anywhere_never_gives_a_picture(kind, options):
    """The last byte counts, too: PNG's IEND, JPEG's EOI."""
    if options and kind != "TIFF":
        return
    raw = saved(RGB[:9, :8], kind, **options)
    assert decode_picture(raw, "a", 3).shape == (9, 8, 3)
    for end in range(len(raw)):
        with pytest.raises(PictureError, match=r"^a: is (a PNG that is cut short|no picture|empty|a damaged [^P])"):
            decode_picture(raw[:end], "a", 3)


def test_a_tiff_whose_head_comes_first_is_not_read_beyond_its_end():
    """Most writers put the pixels last."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in {256: 8, 257: 9, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 9, 279: 72}.items():
        tags[tag] = value
    file = io.BytesIO()
    tags.save(file)
    raw = file.getvalue() + bytes(range(72))
    assert decode_picture(raw, "a", 1).reshape(-1).tolist() == list(range(72))
    for end in range(len(raw)):
        with pytest.raises(PictureError):
            decode_picture(raw[:end], "a", 1)


# -- which way up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_is_read_as_a_person_sees_it(kind, orientation):
    for pixels in (GRAY, RGB, GRAY > 100) if kind != "JPEG" else (GRAY, RGB):
        upright = decode_picture(saved(pixels, kind), "a", 3)
        found = decode_picture(oriented(pixels, kind, orientation), "a", 3)
        assert np.array_equal(found, seen(upright, orientation))
    if kind != "JPEG":
        found = decode_picture(oriented(DEEP, kind, orientation), "a", 1, bits=12)
        assert np.array_equal(found[:, :, 0], seen(DEEP >> 4, orientation))


# -- files and folders -----------------------------------------------------------------------------------------------


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_circle(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "is a folder, not a picture file"),
        (make_pipe, "is a pipe or device, not a picture file"),
        (make_circle, "cannot be read: Too many levels"),
        (lambda path: path.symlink_to("nowhere.png"), "cannot be read: No such file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a pipe or device"),
        (lambda path: None, "cannot be read: No such file"),
    ],
)
@pytest.mark.timeout(10)
def test_what_is_no_file_is_refused_at_once(make, why, tmp_path):
    """A pipe that nobody writes to would be waited for until somebody does."""
    make(tmp_path / "x.png")
    for read in (lambda: read_picture(tmp_path / "x.png", 1), lambda: picture_size(tmp_path / "x.png")):
        with pytest.raises(PictureError, match=rf"x\.png: {why}"):
            read()


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(PictureError, match="is no name of a file"):
        read_picture(Path("a\0.png"), 1)


def test_a_folder_holds_its_pictures_and_nothing_else(tmp_path):
    for name in ("b10.png", "b9.PNG", "b2.TiF", "a.jpeg", "._b2.png", ".hidden.png", ".DS_Store", "b2.txt", "b3.png~"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner.png").write_bytes(b"")
    make_pipe(tmp_path / "pipe.png")
    make_circle(tmp_path / "circle.png")
    (tmp_path / "dangling.png").symlink_to("nowhere")
    (tmp_path / "link.png").symlink_to("b10.png")
    assert [path.name for path in list_pictures(tmp_path)] == ["a.jpeg", "b2.TiF", "b9.PNG", "b10.png", "link.png"]
    with pytest.raises(PictureError, match="nowhere: cannot be listed"):
        list_pictures(tmp_path / "nowhere")


# -- any picture at all ----------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(1, 40), height=st.integers(1, 40), kind=st.sampled_from(["PNG", "BMP", "TIFF"]),
    samples=st.sampled_from(["one", "gray", "deep", "colour", "alpha"]), depth=st.integers(1, 16),
    bits=st.none() | st.integers(9, 16), orientation=st.integers(1, 8), lzw=st.booleans(),
    channels=st.sampled_from([1, 3]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_picture_is_exactly_what_was_written_or_is_refused_by_name(
    width, height, kind, samples, depth, bits, orientation, lzw, channels, seed
):
    """Any size, depth, format and orientation."""
    shape = (height, width, {"colour": 3, "alpha": 4}.get(samples, 1))
    written = np.random.default_rng(seed).integers(0, 2 ** {"one": 1, "deep": depth}.get(samples, 8), shape)
    dtype = {"one": np.bool_, "deep": np.uint16}.get(samples, np.uint8)
    pixels = np.squeeze(written, 2).astype(dtype) if shape[2] == 1 else written.astype(dtype)
    if kind == "BMP":
        if samples in ("deep", "alpha"):
            return
        raw, orientation = saved(pixels, kind), 1
    else:
        raw = oriented(pixels, kind, orientation, **({"compression": "tiff_lzw"} if lzw and kind == "TIFF" else {}))
    right = samples != "alpha" and (bits is not None) == (samples == "deep")
    if samples == "deep" and bits is not None:
        right = int(written.max()) < 1 << bits
    if not right:
        with pytest.raises(PictureError, match=r"^a\.png: "):
            decode_picture(raw, "a.png", channels, bits=bits)
        return
    found = decode_picture(raw, "a.png", channels, bits=bits)
    if samples == "colour" and channels == 1:
        assert np.array_equal(found, seen(opencv(saved(pixels, kind), 1), orientation))
        return
    wanted = written[:, :, ::-1] if samples == "colour" else written
    wanted = wanted * 255 if samples == "one" else wanted >> (bits - 8) if samples == "deep" else wanted
    assert np.array_equal(found, np.broadcast_to(seen(wanted, orientation), found.shape))


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(list(AS_BEFORE)), channels=st.sampled_from([1, 3]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
)  # fmt: skip
def test_any_damage_is_a_picture_of_the_size_that_the_file_says_or_an_error_that_names_it(name, channels, changes):
    raw = bytearray(AS_BEFORE[name])
    for where, value in changes:
        raw[int(where * len(raw))] = value
    try:
        found = decode_picture(bytes(raw), "a.png", channels)
    except PictureError as error:
        assert str(error).startswith("a.png: ")
        assert "\n" not in str(error)
    else:
        assert (found.dtype, found.ndim, found.shape[2]) == (np.uint8, 3, channels)
