from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.data_url import decode_base64, decode_data_url, is_data_url
from gateway.media.source import Allowance, MediaSource, Piece
from shared.errors import InvalidRequest, PayloadTooLarge

DATA = b"\x89PNG\r\n\x1a\n\xff\xfe"
TEXT = base64.b64encode(DATA).decode()


def piece(media="image", each=100):
    return Piece(MediaSource("messages[0].content[1]", media), Allowance(each, 2**30))


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{TEXT}",
        f"DATA:IMAGE/PNG;BASE64,{TEXT}",
        f"data:image/svg+xml;charset=utf-8;base64,{TEXT}",
        f"data:;base64,{TEXT}",
        f"data:application/octet-stream;base64,{TEXT}",
        "data:image/png;base64," + TEXT.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        "data:image/png;base64," + TEXT[:4] + "\r\n " + TEXT[4:],
    ],
)
def test_a_data_url(url):
    assert is_data_url(url)
    assert decode_data_url(url, piece()) == DATA


@pytest.mark.parametrize(
    ("media", "declared", "fits"),
    [
        ("image", "text/plain", False),
        ("image", "video/mp4", False),
        ("video", "video/mp4", True),
        ("video", "image/gif", True),
        ("video", "image/png", False),
        ("audio", "audio/wav", True),
        ("audio", "video/webm", True),
        ("audio", "image/png", False),
    ],
)
def test_the_declared_type_must_not_contradict_the_part(media, declared, fits):
    url = f"data:{declared};base64,{TEXT}"
    if fits:
        assert decode_data_url(url, piece(media)) == DATA
    else:
        with pytest.raises(InvalidRequest, match=f"another type than {media}"):
            decode_data_url(url, piece(media))


@pytest.mark.parametrize("url", ["data:", "data:image/png", f"data:image/png,{TEXT}", f"data:image/png;base64 {TEXT}"])
def test_a_data_url_without_base64(url):
    with pytest.raises(InvalidRequest, match="data:TYPE;base64,DATA") as caught:
        decode_data_url(url, piece())
    assert caught.value.param == "messages[0].content[1]"


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "AA=", "AAAA=", "AA==AAAA", "AA-_", "ÄÄÄÄ", "AAAA%", "\x00AAA", "===="]
)
def test_not_base64(text):
    with pytest.raises(InvalidRequest, match="not valid base64"):
        decode_base64(text, piece())


@pytest.mark.parametrize("text", ["", "\n"])
def test_nothing_at_all(text):
    with pytest.raises(InvalidRequest, match="empty"):
        decode_base64(text, piece())


def test_the_size_is_told_before_anything_is_decoded():
    assert decode_base64(base64.b64encode(bytes(100)).decode(), piece(each=100)) == bytes(100)
    with pytest.raises(PayloadTooLarge, match="larger than 100 bytes") as caught:
        decode_base64("?" * 140, piece(each=100))
    assert (caught.value.param, caught.value.status) == ("messages[0].content[1]", 413)


@given(st.binary(min_size=1, max_size=99))
def test_what_was_encoded_comes_back(data):
    assert decode_base64(base64.b64encode(data).decode(), piece()) == data


@pytest.mark.parametrize("size", [3 * 2**18, 3 * 2**18 + 1, 2**20 + 2])
def test_large_data_is_decoded_in_slices(size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    text = base64.b64encode(data).decode()
    assert decode_base64(text, piece(each=2**21)) == data
    with pytest.raises(InvalidRequest, match="not valid base64"):  # an end at the end of the first slice
        decode_base64(text[: 2**20 - 2] + "==" + text[2**20 :] + "AAAA", piece(each=2**21))
