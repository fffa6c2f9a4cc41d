"""Image files from a request, as RGB pictures.

What a file claims to be is checked on its header, before a pixel is decoded; afterwards the picture is turned as its
EXIF says and laid on white where it is transparent. Of an animation, the first frame counts.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from shared.errors import InvalidRequest, PayloadTooLarge

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MAX_PIXELS = 64_000_000

# Pillow's own guard warns through process-wide filters; `decode_image` holds the header against the caller's limit.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """`pixels` is RGB; `digest` is equal for equal pixels and size, whatever the file was."""

    pixels: Image.Image
    digest: str


def decode_image(data: bytes | memoryview, *, param: str, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decodes an image file. `param` names it in errors.

    Raises InvalidRequest for what is no readable image, PayloadTooLarge for more than `max_pixels` pixels.
    """
    opened = _open(data, param)
    width, height = opened.size
    if width * height > max_pixels:
        raise PayloadTooLarge(
            f"the image at {param} has {width} x {height} pixels; at most {max_pixels / 1e6:g} megapixels are accepted",
            param=param,
        )
    pixels = _decode(opened, param)
    return DecodedImage(pixels, digest(pixels))


def digest(pixels: Image.Image) -> str:
    """SHA-256 of an RGB picture's size and pixels."""
    found = hashlib.sha256(f"{pixels.mode} {pixels.width} {pixels.height} ".encode())
    found.update(pixels.tobytes())
    return found.hexdigest()


def readable_formats() -> tuple[str, ...]:
    """The formats that this Pillow can read; AVIF is an optional part of it."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open(data: bytes | memoryview, param: str) -> Image.Image:
    """Reads the header only."""
    if not len(data):
        raise InvalidRequest(f"the image at {param} is empty (0 bytes)", param=param)
    formats = readable_formats()
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        raise InvalidRequest(
            f"the data at {param} is not an image that can be read; supported are {', '.join(formats)}", param=param
        ) from None
    except Exception as error:
        # A codec's header parser raises whatever it likes on hostile bytes.
        raise _broken(param, error) from error


def _decode(opened: Image.Image, param: str) -> Image.Image:
    try:
        opened.load()
        return _rgb(_upright(opened))
    except Exception as error:
        # So does its decoder.
        raise _broken(param, error) from error


def _broken(param: str, error: Exception) -> InvalidRequest:
    return InvalidRequest(f"the image at {param} is damaged or cut off: {error}", param=param)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, OSError):
        return image  # the picture is whole; only its EXIF block is not


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip 16 bits to 8 instead of scaling them.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(_scaled(np.asarray(image, np.float64), whole=image.mode == "I"))
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _scaled(levels: npt.NDArray[np.float64], whole: bool) -> npt.NDArray[np.uint8]:
    """32-bit levels as 8 bits; `whole`: integers. White is 1 in floats, or the most that fits into the bytes used."""
    levels = np.nan_to_num(levels, nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    most = float(levels.max(initial=0.0))
    whites = (255.0, 65535.0, 2.0**31 - 1) if whole else (1.0, 255.0, 65535.0)
    white = next((white for white in whites if most <= white), most)
    return (levels * (255.0 / white)).round().astype(np.uint8)
