"""Images in files and as arrays, beside Keras."""

import io

import keras
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import cbackprop as cb
from cbackprop import utils
from cbackprop.utils.pillow import decode

RNG = np.random.default_rng(0)


def pixels(height=6, width=9, channels=3):
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first", None])
def test_array_to_img(channels, scale, data_format):
    x = pixels(channels=channels).astype("float32") / 2 + 20
    x = x.transpose(2, 0, 1) if data_format == "channels_first" else x
    mine, theirs = (which.utils.array_to_img(x, data_format, scale) for which in (cb, keras))
    assert mine.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    back = [which.utils.img_to_array(mine, data_format) for which in (cb, keras)]
    np.testing.assert_array_equal(*back, strict=True)


def test_large_grey_numbers_need_32_bits():
    x = np.array([[[0.0], [1000.0]]])
    mine, theirs = (which.utils.array_to_img(x, scale=False) for which in (cb, keras))
    assert mine.mode == theirs.mode == "I"
    assert np.asarray(mine).tolist() == np.asarray(theirs).tolist() == [[0, 1000]]


def test_constant_images_and_other_types():
    assert np.asarray(utils.array_to_img(np.full((2, 2, 1), 7.0))).tolist() == [[0, 0], [0, 0]]
    assert np.asarray(utils.array_to_img([[[1], [3]]], dtype="float64")).tolist() == [[0, 255]]
    assert np.asarray(utils.array_to_img([[[-1.0], [254.9]]], scale=False)).tolist() == [[255, 254]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 2)), r"x must be one image with 3 axes, but got the shape \(2, 2\)"),
        (np.zeros((2, 2, 2)), r"1, 3 or 4 channels, but got the shape \(2, 2, 2\)"),
        (np.zeros((0, 2, 1)), "must have pixels"),
        (np.full((2, 2, 1), np.nan), "x must be finite"),
    ],
)
def test_arrays_that_are_no_images(x, message):
    with pytest.raises(ValueError, match=message):
        utils.array_to_img(x)


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg", "jpeg", "JPG", "gif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_the_same(tmp_path, suffix, channels):
    x = pixels(channels=channels)
    for name, which in (("mine", cb), ("theirs", keras)):
        which.utils.save_img(tmp_path / f"{name}.{suffix}", x)
    assert (tmp_path / f"mine.{suffix}").read_bytes() == (tmp_path / f"theirs.{suffix}").read_bytes()


def test_saving_elsewhere_and_in_given_formats(tmp_path):
    x = pixels(channels=4)
    with pytest.warns(UserWarning, match="JPEG format does not support RGBA"):
        utils.save_img(tmp_path / "a.jpg", x)
    assert utils.load_img(tmp_path / "a.jpg", "rgba").size == (9, 6)
    file = io.BytesIO()
    utils.save_img(file, x, file_format="png", scale=False)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(file, "rgba")), x)
    utils.save_img(str(tmp_path / "b"), x, file_format="png", compress_level=0)
    assert (tmp_path / "b").stat().st_size > x.size
    utils.save_img(tmp_path / "c.png", x.transpose(2, 0, 1), "channels_first", scale=False)
    np.testing.assert_array_equal(utils.img_to_array(utils.load_img(tmp_path / "c.png", "rgba")), x)
    with pytest.raises(ValueError, match="unknown file extension"):
        utils.save_img(tmp_path / "d", x)
    with pytest.raises(ValueError, match="file_format must be one that Pillow writes, such as 'png', but got 'xyz'"):
        utils.save_img(tmp_path / "d.xyz", x)
    with pytest.raises(TypeError, match="file_format must be a string, but got int"):
        utils.save_img(tmp_path / "d.png", x, file_format=3)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "1", "I;16"])
@pytest.mark.parametrize("color_mode", ["grayscale", "rgb", "rgba"])
def test_color_modes(tmp_path, mode, color_mode):
    image = Image.fromarray(pixels()).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        image = Image.fromarray(RNG.integers(0, 2**16, (6, 9), dtype=np.uint16))
    image.save(tmp_path / "a.png")
    mine, theirs = (which.utils.load_img(tmp_path / "a.png", color_mode) for which in (cb, keras))
    assert mine.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (20, 7), (6, 9), (2, 11)])
def test_sizes(tmp_path, interpolation, keep, size):
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    made = [
        which.utils.load_img(
            str(tmp_path / "a.png"), target_size=size, interpolation=interpolation, keep_aspect_ratio=keep
        )
        for which in (cb, keras)
    ]
    np.testing.assert_array_equal(*map(np.asarray, made), strict=True)


def test_paths_of_all_kinds(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    path = tmp_path / "a.png"
    for given in (path, str(path), str(path).encode(), io.BytesIO(path.read_bytes())):
        assert utils.load_img(given).size == (9, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": 3}, "path must be a path or an io.BytesIO, but got int"),
        ({"color_mode": "hsv"}, "color_mode must be one of 'grayscale', 'rgb', 'rgba', but got 'hsv'"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"target_size": (1, 2, 3)}, "target_size must be two integers"),
        ({"target_size": (0, 2)}, r"target_size must be at least 1 .*, but got 0"),
        ({"target_size": (2.5, 2)}, "target_size must be an integer"),
        ({"keep_aspect_ratio": 1}, "keep_aspect_ratio must be True or False"),
    ],
)
def test_mistakes(tmp_path, arguments, message):
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        utils.load_img(**({"path": tmp_path / "a.png"} | arguments))


def test_files_that_are_no_images(tmp_path):
    with pytest.raises(FileNotFoundError):
        utils.load_img(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UnidentifiedImageError, match=r"text.png' is not an image file"):
        utils.load_img(tmp_path / "text.png")
    with pytest.raises(UnidentifiedImageError, match="path is not an image file"):
        utils.load_img(io.BytesIO(b"no image"))
    Image.fromarray(pixels(60, 60)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:300])
    with pytest.raises(OSError, match=r"half.png' is damaged and cannot be read as an image: "):
        utils.load_img(tmp_path / "half.png")


def test_decoding_keeps_what_the_file_holds(tmp_path):
    x = pixels(channels=4)
    Image.fromarray(x).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(str(tmp_path / "a.png"), "rgba"), x)
    np.testing.assert_array_equal(decode(str(tmp_path / "a.png"), "rgb"), x[:, :, :3])
    grey = decode(str(tmp_path / "a.png"), "grayscale")
    assert grey.shape == (6, 9, 1)
    np.testing.assert_allclose(grey[:, :, 0], x[:, :, :3] @ [0.299, 0.587, 0.114], atol=1)
    wide = RNG.integers(0, 2**16, (6, 9), dtype=np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(decode(str(tmp_path / "wide.png"), "grayscale")[:, :, 0], wide >> 8)
    assert decode(str(tmp_path / "wide.png"), "rgb").shape == (6, 9, 3)


def test_the_first_frame_counts(tmp_path):
    frames = [Image.fromarray(np.full((4, 5, 3), value, np.uint8)) for value in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode(str(tmp_path / "a.gif"), "rgb").max() == 0


def test_a_palette_with_transparency_warns_of_nothing(tmp_path, recwarn):
    image = Image.fromarray(pixels()).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes(range(256)))
    assert decode(str(tmp_path / "a.png"), "rgb").shape == (6, 9, 3)
    assert not recwarn.list


def test_a_part_has_at_least_one_pixel(tmp_path):
    """Keras takes an empty part of an image in this case."""
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    image = utils.load_img(tmp_path / "a.png", target_size=(1, 50), keep_aspect_ratio=True)
    np.testing.assert_array_equal(image, utils.load_img(tmp_path / "a.png").crop((0, 2, 9, 3)).resize((50, 1), 0))
