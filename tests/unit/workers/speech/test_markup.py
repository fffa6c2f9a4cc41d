from __future__ import annotations

import pytest

from workers.speech.markup import strip_markup


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<b>bold</b>", "bold"),
        ('<speak>Hi<break time="1s"/>you</speak>', "Hi you"),
        ('<a href="https://example.org">there</a>', "there"),
        ("if a<b and c>d", "if a<b and c>d"),
        ("a <b> c", "a <b> c"),
        ("List<String>", "List<String>"),
        ("<!-- hidden --> seen", "seen"),
        ("fish &amp; chips &lt;3", "fish & chips <3"),
        ("**bold** and _italic_ and `code`", "bold and italic and code"),
        ("2 * 3 and 4*5", "2 * 3 and 4*5"),
        ("snake_case __init__", "snake_case init"),
        ("## Title\n> quote\n- item\n1. first", "Title\nquote\nitem\n1. first"),
        ("- [ ] to do\n- [x] done", "to do\ndone"),
        ("#1 and C# and #tag", "#1 and C# and #tag"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("```python\nx = 1\n```", "\nx = 1\n"),
        ("one -- two", "one — two"),
        ("run --help", "run --help"),
        ("~~gone~~ ~5", "gone ~5"),
        ("[text](https://example.org)", "text"),
        ("---", ""),
    ],
)
def test_only_markup_goes(text: str, left: str) -> None:
    assert " ".join(strip_markup(text).split(" ")).strip(" ").replace("  ", " ") == left
