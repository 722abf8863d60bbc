import cv2
import numpy as np
import pytest
from harvesters.util.pfnc import Dictionary
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.acquire.pixels import FORMATS, Converter
from aoi_daemon.errors import CameraSettingError

WIDTH, HEIGHT = 24, 10
PACKED = ("Mono10p", "Mono12p", "Mono10Packed", "Mono12Packed")
CELLS = {"BayerRG8": "RGGB", "BayerGB8": "GBRG", "BayerGR8": "GRBG", "BayerBG8": "BGGR"}


def noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def convert(source_format, channels, source, width=WIDTH, height=HEIGHT, x_padding=0, offset=0):
    converter = Converter(source_format, channels, width, height, x_padding)
    plane = np.full(width * height * channels + 64, 7, np.uint8)
    converter.convert(source, offset, plane)
    size = width * height * channels
    assert (plane[size:] == 7).all(), "nothing is written behind the frame"
    return plane[:size].reshape(converter.shape)


def exact_size(source_format, width=WIDTH, height=HEIGHT):
    return Converter(source_format, 1, width, height).source_bytes


def test_mono8_is_copied_as_it_is():
    source = noise(WIDTH * HEIGHT)
    out = convert("Mono8", 1, source)
    assert out.shape == (HEIGHT, WIDTH, 1)
    assert out.tobytes() == source


def test_mono8_becomes_three_equal_bands():
    out = convert("Mono8", 3, noise(WIDTH * HEIGHT))
    assert (out == out[:, :, :1]).all()


@pytest.mark.parametrize(
    ("source_format", "source", "pixels"),
    [
        # Each pixel value below is the format's full depth; its upper 8 bits are expected.
        ("Mono10", (0x3FF, 0x004, 0x003, 0x200), (0xFF, 0x01, 0x00, 0x80)),
        ("Mono12", (0xFFF, 0x010, 0x00F, 0x800), (0xFF, 0x01, 0x00, 0x80)),
    ],
)
def test_deep_unpacked_pixels_lose_their_lowest_bits(source_format, source, pixels):
    out = convert(source_format, 1, np.array(source, "<u2").tobytes(), width=4, height=1)
    assert tuple(out.ravel()) == pixels


@pytest.mark.parametrize(
    ("source_format", "source", "pixels"),
    [
        # PFNC: a stream of bits, least significant first.
        ("Mono10p", bytes((0xFF, 0x03, 0x00, 0x00, 0x80)), (0xFF, 0x00, 0x00, 0x80)),
        ("Mono10p", bytes((0x00, 0xFC, 0x0F, 0x00, 0x00)), (0x00, 0xFF, 0x00, 0x00)),
        ("Mono12p", bytes((0xFF, 0x0F, 0x00)), (0xFF, 0x00)),
        ("Mono12p", bytes((0x00, 0xF0, 0xFF)), (0x00, 0xFF)),
        # GigE Vision: the upper 8 bits of both pixels around the shared byte.
        ("Mono10Packed", bytes((0x12, 0x33, 0x34)), (0x12, 0x34)),
        ("Mono12Packed", bytes((0x12, 0xFF, 0x34)), (0x12, 0x34)),
    ],
)
def test_packed_pixels_are_where_the_standard_puts_them(source_format, source, pixels):
    out = convert(source_format, 1, source, width=len(pixels), height=1)
    assert tuple(out.ravel()) == pixels


@pytest.mark.parametrize("source_format", PACKED)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_packed_pixels_agree_with_harvesters_own_unpacking(source_format, seed):
    source = noise(exact_size(source_format), seed)
    deep = Dictionary.get_proxy(symbolic=source_format).expand(np.frombuffer(source, np.uint8))
    shift = 2 if "10" in source_format else 4
    assert (convert(source_format, 1, source).ravel() == (deep >> shift)).all()


@pytest.mark.parametrize("source_format", [*PACKED, "Mono10", "Mono12"])
def test_deep_mono_becomes_three_equal_bands(source_format):
    source = noise(exact_size(source_format))
    mono, bgr = convert(source_format, 1, source), convert(source_format, 3, source)
    assert (bgr == mono).all()


@pytest.mark.parametrize("source_format", CELLS)
@pytest.mark.parametrize("colour", ["R", "G", "B"])
def test_a_bayer_frame_of_one_colour_comes_out_in_that_colour(source_format, colour):
    cell = [255 if letter == colour else 0 for letter in CELLS[source_format]]
    mosaic = np.tile(np.array(cell, np.uint8).reshape(2, 2), (HEIGHT // 2, WIDTH // 2))
    bgr = convert(source_format, 3, mosaic.tobytes())
    expected = [255 if letter == colour else 0 for letter in "BGR"]
    assert (bgr[2:-2, 2:-2] == expected).all()
    mono = convert(source_format, 1, mosaic.tobytes())
    weight = {"R": 0.299, "G": 0.587, "B": 0.114}[colour]
    assert abs(mono[2:-2, 2:-2].astype(float) - 255 * weight).max() <= 1


@pytest.mark.parametrize(
    ("source_format", "pixel"),
    [
        ("RGB8", (10, 20, 30)),
        ("BGR8", (30, 20, 10)),
        ("RGBa8", (10, 20, 30, 99)),
        ("BGRa8", (30, 20, 10, 99)),
        ("RGB8Packed", (10, 20, 30)),
        ("BGR8Packed", (30, 20, 10)),
        ("RGBA8Packed", (10, 20, 30, 99)),
        ("BGRA8Packed", (30, 20, 10, 99)),
    ],
)
def test_colour_comes_out_as_bgr_or_weighted_mono(source_format, pixel):
    source = bytes(pixel) * (WIDTH * HEIGHT)
    assert (convert(source_format, 3, source) == (30, 20, 10)).all()
    assert (convert(source_format, 1, source) == round(0.299 * 10 + 0.587 * 20 + 0.114 * 30)).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("source_format", FORMATS)
@pytest.mark.parametrize("x_padding", [1, 2, 7, 64])
def test_line_padding_and_a_leading_offset_change_nothing(source_format, channels, x_padding):
    tight = noise(exact_size(source_format))
    line = len(tight) // HEIGHT
    lines = [tight[row * line : (row + 1) * line] for row in range(HEIGHT)]
    padded = b"\xee" * 5 + (b"\xee" * x_padding).join(lines)
    plain = convert(source_format, channels, tight)
    assert (convert(source_format, channels, padded, x_padding=x_padding, offset=5) == plain).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("source_format", FORMATS)
def test_the_frame_is_written_into_the_plane_itself(source_format, channels):
    # OpenCV answers a dst that it does not like with a new array, and in silence.
    source = noise(exact_size(source_format))
    first = convert(source_format, channels, source)
    second = convert(source_format, channels, noise(len(source), seed=2))
    assert (first != second).any()
    assert (first != 7).any()


@pytest.mark.parametrize("source_format", FORMATS)
def test_a_source_one_byte_short_is_refused(source_format):
    source = noise(exact_size(source_format))
    with pytest.raises(ValueError, match="bytes are no frame"):
        convert(source_format, 1, source[:-1])
    with pytest.raises(ValueError, match="bytes are no frame"):
        convert(source_format, 1, source, offset=1)


def test_a_plane_that_is_too_small_is_refused():
    converter = Converter("Mono8", 3, WIDTH, HEIGHT)
    with pytest.raises(ValueError, match="the plane holds"):
        converter.convert(noise(WIDTH * HEIGHT), 0, np.zeros(WIDTH * HEIGHT * 3 - 1, np.uint8))


@pytest.mark.parametrize("name", ["Mono16", "YUV422_8", "BayerRG12", "mono8", ""])
def test_any_other_format_is_refused_by_name_with_those_that_are_known(name):
    with pytest.raises(CameraSettingError) as caught:
        Converter(name, 1, WIDTH, HEIGHT)
    assert f"pixel format {name} is not supported" in str(caught.value)
    assert "Mono8" in str(caught.value)
    assert "BayerRG8" in str(caught.value)


@pytest.mark.parametrize(("source_format", "width"), [("Mono10p", 641), ("Mono10p", 642), ("Mono12Packed", 641)])
def test_a_width_whose_lines_end_inside_a_byte_is_refused(source_format, width):
    with pytest.raises(CameraSettingError, match=f"Width {width}: lines do not end on a byte"):
        Converter(source_format, 1, width, HEIGHT)


@pytest.mark.parametrize("geometry", [(0, 4, 0), (4, 0, 0), (4, 4, -1)])
def test_an_impossible_geometry_is_refused(geometry):
    with pytest.raises(CameraSettingError, match="is none"):
        Converter("Mono8", 1, *geometry)


def test_bayer_names_are_those_of_pfnc_not_opencvs():
    assert cv2.COLOR_BayerRGGB2BGR == cv2.COLOR_BayerBG2BGR
