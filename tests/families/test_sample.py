"""A telling sample of `scripts/families`: each entry once broke where rows share a batch, a cache or a chunk."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.sweep.build import build_text
from scripts.sweep.report import Verdict
from scripts.sweep.text_check import check_text

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # transformers', over configs


def run(name: str, folder: Path) -> Verdict:
    build_text(name, folder / "model")
    return check_text(name, folder / "model").verdict()


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("llama", {"chunked prefill", "batch", "groups", "batched prefill"}),
        ("nemotron-nas", {"chunked prefill", "batch", "groups", "batched prefill"}),  # caches that are never written
        ("gemma2:e", {"chunked prefill", "batch", "batched prefill"}),
        ("gemma3n:e", {"chunked prefill", "batch"}),  # layers that reuse others' keys and values
        ("afm7:e", {"chunked prefill", "batch", "batched prefill"}),
        ("internlm2", {"chunked prefill", "batch", "groups", "batched prefill"}),
        ("longcat_flash_ngram", {"chunked prefill", "batch"}),  # rows of one token decode alone
        ("recurrent_gemma", {"chunked prefill", "batch"}),
        ("plamo3:e", {"batch"}),  # its answers depend on where a prompt is cut
    ],
)
def test_exact(tmp_path: Path, name: str, shared: set[str]) -> None:
    found = run(name, tmp_path)
    assert (found.word, set(found.sharing)) == ("exact", shared), found.why


def test_blocks_cut_over_slots_are_served_row_by_row(tmp_path: Path) -> None:
    found = run("minimax_m3_vl", tmp_path)
    assert (found.word, found.sharing) == ("row by row", ("chunked prefill",)), found.why
    assert "logits differ" in found.why
