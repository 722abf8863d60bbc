"""Read picture files as they were meant, or refuse them by name: the one reader for every picture in the product.

Process: any. Blocks: in the disk and the decoder. A file is read once: what is hashed can be what is decoded.

PNG, JPEG, BMP and TIFF, told by what is in the file; its name does not count. What is read, and how:

- 8 bits a sample, gray or colour: as it is. Gray of a colour file is its luma (BT.601, as OpenCV's and libjpeg's
  decoders have it); colour of a gray file is the gray three times. Interlaced and progressive files are read.
- 1, 2 or 4 bits gray: 0 is black, the greatest is 255, and what lies between them evenly. A palette: its colours.
- 9 to 16 bits gray, kept as 16: with the depth stated, `value >> (bits - 8)`; a value of 2**bits or more is
  refused, and so is a depth stated for a file of 8 bits. Nothing in such a file says what white is.
- EXIF orientation (TIFF: its own tag): the picture as a person sees it, before anything looks at its size.

Refused: transparency of any kind, CMYK and other colours, 16 bit colour, floating point, signed values, 12 bit JPEG,
several pictures in a file (animation, pages), any side over 16384 px, what is cut short or damaged, and everything
but a regular file. PNG has check sums. JPEG must be complete, but holds no check sum: damage between its marks is
not seen. BMP and TIFF are decoded by Pillow and by OpenCV, which must agree: OpenCV passes over damage in silence.
"""

from aoi_daemon.pictures.decoders import LONGEST_PX
from aoi_daemon.pictures.files import SUFFIXES, list_pictures, natural, read_bytes
from aoi_daemon.pictures.read import (
    LEAST_BITS,
    MOST_BITS,
    Channels,
    decode_picture,
    picture_is_indexed,
    picture_is_turned,
    picture_size,
    read_picture,
    size_of,
)

__all__ = [
    "LEAST_BITS",
    "LONGEST_PX",
    "MOST_BITS",
    "SUFFIXES",
    "Channels",
    "decode_picture",
    "list_pictures",
    "natural",
    "picture_is_indexed",
    "picture_is_turned",
    "picture_size",
    "read_bytes",
    "read_picture",
    "size_of",
]
