"""Sound for training and tests: espeak-ng's voice, and encoding through PyAV."""

from __future__ import annotations

import io
import subprocess

import av
import numpy as np
from numpy.typing import NDArray

from workers.media.audio import SAMPLE_RATE, AudioFile

Samples = NDArray[np.float32]

# name: (container, codec, rate, bit rate)
FORMATS = {
    "wav": ("wav", "pcm_s16le", SAMPLE_RATE, None),
    "mp3": ("mp3", "libmp3lame", SAMPLE_RATE, 32000),
    "ogg": ("ogg", "libopus", 48000, 24000),
    "webm": ("webm", "libopus", 48000, 24000),
    "m4a": ("mp4", "aac", SAMPLE_RATE, 48000),
    "flac": ("flac", "flac", SAMPLE_RATE, None),
}


def spoken(text: str, voice: str) -> Samples:
    """16 kHz; needs espeak-ng on the machine."""
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    at = wav.index(b"data")
    # A stream's header doesn't tell its length.
    header = bytearray(wav[: at + 8])
    header[4:8] = (len(wav) - 8).to_bytes(4, "little")
    header[at + 4 : at + 8] = (len(wav) - at - 8).to_bytes(4, "little")
    return decoded(bytes(header) + wav[at + 8 :])


def decoded(data: bytes) -> Samples:
    return np.concatenate(list(AudioFile(data).blocks()))


def encoded(samples: Samples, name: str) -> bytes:
    """A file in one of `FORMATS`."""
    container, codec, rate, bits = FORMATS[name]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        if bits:
            stream.bit_rate = bits
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return buffer.getvalue()
