from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.errors import InvalidRequest, PayloadTooLarge
from workers.media.image import decode_image, readable_formats

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
PARAM = "messages[0].content[1].image_url"
LOSSLESS = ("PNG", "GIF", "BMP", "TIFF")
LOSSY = ("JPEG", "WEBP", "AVIF")


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def two_colors() -> Image.Image:
    image = Image.new("RGB", (40, 30), RED)
    image.paste(BLUE, (20, 0, 40, 30))
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header promises this size; its pixels are a few compressed zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_formats_give_the_exact_pixels(form: str) -> None:
    decoded = decode_image(encoded(two_colors(), form), param=PARAM)
    assert decoded.pixels.mode == "RGB"
    assert decoded.pixels.tobytes() == two_colors().tobytes()


@pytest.mark.parametrize("form", LOSSY)
def test_lossy_formats_give_the_colors(form: str) -> None:
    if form not in readable_formats():
        pytest.skip(f"this Pillow is built without {form}")
    decoded = decode_image(encoded(two_colors(), form, quality=95), param=PARAM)
    found = np.asarray(decoded.pixels).astype(int)
    assert np.abs(found[15, 5] - RED).max() < 12
    assert np.abs(found[15, 35] - BLUE).max() < 12


def test_data_may_come_as_a_memoryview() -> None:
    assert decode_image(memoryview(encoded(two_colors(), "PNG")), param=PARAM).pixels.size == (40, 30)


def test_exif_orientation_turns_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn by 90 degrees clockwise
    pixels = decode_image(encoded(two_colors(), "JPEG", exif=exif, quality=95), param=PARAM).pixels
    assert pixels.size == (30, 40)
    top, bottom = np.asarray(pixels)[5, 15], np.asarray(pixels)[35, 15]
    assert top[0] > 200
    assert bottom[2] > 200


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_is_ignored() -> None:
    data = encoded(two_colors(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xffnonsense")
    assert decode_image(data, param=PARAM).pixels.size == (40, 30)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0)).convert("LA" if mode == "LA" else "RGBA")
    data = encoded(image.convert("P"), "GIF", transparency=0) if mode == "P" else encoded(image, "PNG")
    assert decode_image(data, param=PARAM).pixels.getpixel((1, 1)) == WHITE


def test_half_transparent_parts_are_mixed_with_white() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    pixel = decode_image(encoded(image, "PNG"), param=PARAM).pixels.getpixel((0, 0))
    assert pixel == (127, 127, 127)


def test_sixteen_bit_gray_is_scaled_and_not_clipped() -> None:
    image = Image.fromarray(np.full((4, 4), 32768, np.uint16))
    assert decode_image(encoded(image, "PNG"), param=PARAM).pixels.getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize(
    "levels",
    [
        np.array([[0, 32768, 65535]], np.int32),
        np.array([[0, 2**30, 2**31 - 1]], np.int32),
        np.array([[0, 128, 255]], np.int32),
        np.array([[0, 0.5, 1]], np.float32),
        np.array([[0, 128, 255]], np.float32),
        np.array([[np.nan, 0.5, 1]], np.float32),
    ],
)
def test_32_bit_levels_are_scaled(levels: np.ndarray) -> None:
    pixels = decode_image(encoded(Image.fromarray(levels), "TIFF"), param=PARAM).pixels
    assert [pixels.getpixel((x, 0))[0] for x in range(3)] == pytest.approx([0, 128, 255], abs=1)


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert decode_image(data, param=PARAM).pixels.getpixel((4, 4))[0] > 220


def test_an_animation_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data, param=PARAM).pixels.getpixel((0, 0)) == RED


def test_the_digest_tells_pixels_and_not_files_apart() -> None:
    png, bmp = (decode_image(encoded(two_colors(), form), param=PARAM) for form in ("PNG", "BMP"))
    wide = decode_image(encoded(Image.new("RGB", (6, 4), RED), "PNG"), param=PARAM)
    tall = decode_image(encoded(Image.new("RGB", (4, 6), RED), "PNG"), param=PARAM)
    assert png.digest == bmp.digest
    assert len({png.digest, wide.digest, tall.digest}) == 3


@pytest.mark.parametrize(
    "data", [b"hello, I am a text file\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7"]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"not an image that can be read; supported are PNG, JPEG") as caught:
        decode_image(data, param=PARAM)
    assert caught.value.param == PARAM


def test_formats_beyond_the_list_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="not an image"):
        decode_image(encoded(two_colors(), "PPM"), param=PARAM)


def test_zero_bytes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"is empty \(0 bytes\)"):
        decode_image(b"", param=PARAM)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_cut_file_is_refused(form: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, form)
    with pytest.raises(InvalidRequest) as caught:
        decode_image(data[: int(len(data) * share)], param=PARAM)
    assert PARAM in caught.value.message


def test_damaged_bytes_are_refused_or_decoded_but_never_raise_anything_else() -> None:
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8))
    outcomes = set()
    for form in (*LOSSLESS, "JPEG", "WEBP"):
        whole = np.frombuffer(encoded(noise, form), np.uint8)
        for _ in range(30):
            data = whole.copy()
            data[rng.integers(0, len(data), 6)] = rng.integers(0, 255, 6)
            try:
                outcomes.add(decode_image(data.tobytes(), param=PARAM).pixels.mode)
            except (InvalidRequest, PayloadTooLarge) as error:
                outcomes.add(type(error).__name__)
    assert outcomes >= {"RGB", "InvalidRequest"}


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000), (2_000_000_000, 2)])
def test_too_many_pixels_are_refused_on_the_header(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("a pixel was decoded"))
    with pytest.raises(PayloadTooLarge, match=rf"{width} x {height} pixels; at most 64 megapixels") as caught:
        decode_image(png_claiming(width, height), param=PARAM)
    assert caught.value.param == PARAM


def test_the_limit_is_the_callers() -> None:
    data = encoded(two_colors(), "PNG")
    assert decode_image(data, param=PARAM, max_pixels=1200).pixels.size == (40, 30)
    with pytest.raises(PayloadTooLarge):
        decode_image(data, param=PARAM, max_pixels=1199)
