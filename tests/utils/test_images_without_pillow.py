"""Messages without Pillow, which is imported only when it is needed."""

import subprocess
import sys

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import utils


def test_the_library_does_not_import_it():
    script = "import sys, cbackprop.utils; assert 'PIL' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    "use",
    [
        lambda folder: utils.image_dataset_from_directory(folder),
        lambda folder: utils.load_img(folder / "a" / "1.png"),
        lambda folder: utils.array_to_img(np.zeros((2, 2, 1))),
        lambda folder: utils.save_img(folder / "new.png", np.zeros((2, 2, 1))),
    ],
)
def test_the_remedy_is_named(monkeypatch, tmp_path, use):
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")
    with pytest.raises(ImportError, match=r'needs Pillow: pip install "cbackprop\[images\]"'):
        use(tmp_path)


def test_arrays_need_no_pillow():
    assert utils.img_to_array([[1, 2]]).tolist() == [[[1], [2]]]
    first = utils.img_to_array(np.zeros((4, 5, 3)), "channels_first", "float64")
    assert first.shape == (3, 4, 5)
    assert first.dtype == "float64"
    assert utils.img_to_array(np.zeros((4, 5)), "channels_first").shape == (1, 4, 5)
    assert utils.img_to_array(np.zeros((4, 5))).dtype == cb.config.floatx()
    with pytest.raises(ValueError, match=r"img must have 2 axes, or 3 .*, but got the shape \(2,\)"):
        utils.img_to_array([1, 2])
    with pytest.raises(ValueError, match="data_format must be"):
        utils.img_to_array([[1]], "channels")
