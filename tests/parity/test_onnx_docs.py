"""What docs/onnx.md shows runs, in the order of the page, and prints what it says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"


@pytest.mark.filterwarnings("ignore")
def test_snippets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(snippets) == 4
    exec("\n".join(snippets), {})
    (said,) = re.findall(r"This prints `(.*)`", text)
    assert said in capsys.readouterr().out
