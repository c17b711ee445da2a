"""Data sets of image files: order, parts and labels are Keras's, and so are the numbers."""

import os

import keras
import numpy as np
import pytest
from keras.src.utils import dataset_utils
from PIL import Image

import cbackprop as cb
from cbackprop import layers, utils
from cbackprop.utils import image_folders

FILES = [
    "a/1.png",
    "a/2.jpg",
    "a/deep/x.bmp",
    "a/deep/0.gif",
    "b/10.png",
    "b/9.png",
    "b/Z.JPEG",
    "c d/é.png",
    "c d/0.png",
]
OTHERS = ["a/notes.txt", ".hidden/1.png", "list.csv"]


@pytest.fixture
def folder(tmp_path):
    """A folder with images of different sizes, in three classes, and other files."""
    random = np.random.default_rng(0)
    for number, name in enumerate(FILES + OTHERS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in OTHERS[::2]:
            path.write_text("no image")
            continue
        Image.fromarray(random.integers(0, 256, (10 + number, 14, 3), dtype=np.uint8)).save(path)
    return tmp_path


def made(folder, **arguments):
    return utils.image_dataset_from_directory(folder, **({"image_size": (6, 5), "verbose": False} | arguments))


def together(dataset):
    """All images and targets of a pass."""
    return [np.concatenate(parts) for parts in zip(*dataset, strict=True)]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("labels", ["inferred", None, [5, 4, 3, 5, 4, 3, 5, 4, 3, 5]])
@pytest.mark.parametrize("directory", [str, lambda path: f"{path}/"])
def test_files_and_labels_are_those_of_keras(folder, shuffle, labels, directory):
    given = directory(folder)
    copy = list(labels) if isinstance(labels, list) else labels
    theirs = dataset_utils.index_directory(given, copy, image_folders.SUFFIXES, shuffle=shuffle, seed=7, verbose=False)
    mine = made(given, labels=labels, shuffle=shuffle, seed=7)
    assert [os.path.normpath(path) for path in mine.file_paths] == [os.path.normpath(path) for path in theirs[0]]
    assert mine.class_names == theirs[2]
    assert (mine.labels is None) == (theirs[1] is None)
    if theirs[1] is not None:
        assert mine.labels.tolist() == list(theirs[1])


@pytest.mark.parametrize("subset", ["training", "validation", "both"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_parts_are_those_of_keras(folder, subset, shuffle):
    paths, labels, _ = dataset_utils.index_directory(
        str(folder), "inferred", image_folders.SUFFIXES, shuffle=shuffle, seed=3, verbose=False
    )
    mine = made(folder, shuffle=shuffle, seed=3, validation_split=0.3, subset=subset)
    parts = dict(zip(["training", "validation"], mine, strict=True)) if subset == "both" else {subset: mine}
    for name, part in parts.items():
        theirs = dataset_utils.get_training_or_validation_split(paths, labels, 0.3, name)
        assert part.file_paths == theirs[0]
        np.testing.assert_array_equal(together(part)[1], theirs[1])
    if subset == "both":
        assert isinstance(mine, list)
        assert parts["validation"].file_paths == [*dict.fromkeys(parts["validation"].file_paths)]


@pytest.mark.parametrize(
    ("interpolation", "size", "color_mode", "data_format"),
    [
        ("bilinear", (6, 5), "rgb", "channels_last"),
        ("bilinear", 14, "grayscale", "channels_first"),
        ("bicubic", (30, 33), "rgba", "channels_first"),
        ("lanczos3", (6, 5), "grayscale", None),
    ],
)
def test_numbers(folder, interpolation, size, color_mode, data_format):
    """JAX resizes as TensorFlow does, which is not needed here; Keras's own bicubic on PyTorch has another constant."""
    import jax

    dataset = made(
        folder, image_size=size, interpolation=interpolation.upper(), color_mode=color_mode, shuffle=False,
        data_format=data_format,
    )  # fmt: skip
    images, _ = together(dataset)
    height, width = (size, size) if isinstance(size, int) else size
    method = {"bilinear": "linear", "bicubic": "cubic"}.get(interpolation, interpolation)
    for path, image in zip(dataset.file_paths, images, strict=True):
        pixels = keras.utils.img_to_array(keras.utils.load_img(path, color_mode))
        shape = (height, width, pixels.shape[2])
        expected = np.asarray(jax.image.resize(pixels, shape, method, antialias=False))
        mine = image.transpose(1, 2, 0) if data_format == "channels_first" else image
        np.testing.assert_allclose(mine, expected, atol=2e-2 if interpolation != "bilinear" else 1e-3)


@pytest.mark.parametrize("size", [(6, 5), (20, 20), (3, 14)])
def test_crop(folder, size):
    images, _ = together(made(folder, image_size=size, crop_to_aspect_ratio=True, shuffle=False))
    for path, image in zip(made(folder, shuffle=False).file_paths, images, strict=True):
        pixels = keras.utils.img_to_array(keras.utils.load_img(path))
        expected = keras.preprocessing.image.smart_resize(pixels, size)
        np.testing.assert_allclose(image, expected, atol=1e-3)


def test_pad(folder):
    images, _ = together(made(folder, image_size=(20, 20), pad_to_aspect_ratio=True, shuffle=False))
    assert images.shape == (9, 20, 20, 3)
    assert not images[0][[0, 1, -1, -2, -3]].any()  # 10 x 14 pixels become 14 x 20
    assert (images[0][2:-4] > 0).mean() > 0.95


def test_forms_of_targets(folder):
    images, numbers = next(iter(made(folder, batch_size=9)))
    assert images.dtype == np.float32
    assert numbers.dtype == np.int32
    _, rows = next(iter(made(folder, label_mode="categorical", shuffle=False, batch_size=9)))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows.argmax(axis=1), made(folder, shuffle=False).labels)
    assert rows.sum(axis=1).tolist() == [1] * 9
    two = made(folder, label_mode="binary", class_names=["c d", "a"], shuffle=False)
    assert two.class_names == ["c d", "a"]
    _, column = next(iter(two))
    assert column.dtype == np.float32
    assert column.tolist() == [[0], [0], [1], [1], [1], [1]]
    for none in ({"labels": None}, {"label_mode": None}):
        alone = made(folder, **none)
        assert alone.class_names is None
        assert sum(len(images) for images in alone) == 10  # the hidden folder's, too, as in Keras
    chosen = made(folder, labels=[0, 1, 2, 0, 1, 2, 0, 1, 2, 0], label_mode="categorical", shuffle=False)
    assert next(iter(chosen))[1].argmax(axis=1).tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_single_images(folder):
    dataset = made(folder, batch_size=None, label_mode="categorical", shuffle=False)
    assert len(dataset) == 9
    image, row = dataset[4]
    assert image.shape == (6, 5, 3)
    assert row.tolist() == [0, 1, 0]
    assert made(folder, batch_size=None, shuffle=False)[8][1] == 2
    assert len([*made(folder, batch_size=None)]) == 9


def test_what_is_printed(folder, capsys):
    made(folder, verbose=True, seed=1, validation_split=0.5, subset="both")
    assert capsys.readouterr().out == (
        "Found 9 files belonging to 3 classes.\nUsing 5 files for training.\nUsing 4 files for validation.\n"
    )
    made(folder, verbose=True, labels=None)
    assert capsys.readouterr().out == "Found 10 files.\n"
    made(folder)
    assert not capsys.readouterr().out


def model():
    cb.utils.set_random_seed(0)
    flat = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3, "softmax")]
    found = cb.Sequential([cb.Input((6, 5, 3)), *flat])
    found.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return found


def test_training_depends_on_the_seed_alone(folder, monkeypatch):
    weights = []
    for workers, seed in ((1, 5), (2, 5), (8, 5), (1, 6)):
        monkeypatch.setattr(image_folders, "usable", lambda workers=workers: workers)
        dataset = made(folder, batch_size=2, seed=seed)
        assert dataset.workers == workers
        fitted = model()
        np.random.seed(seed + workers)  # noqa: NPY002 - must have no effect
        fitted.fit(dataset, validation_data=dataset, epochs=3, verbose=0)
        weights.append(fitted.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])
    assert (weights[0] != weights[3]).any()


def test_orders_differ_between_passes_but_labels_stay_with_images(folder):
    dataset = made(folder, batch_size=9, seed=2)
    order = dict(zip(dataset.file_paths, dataset.labels, strict=True))
    by_image = {image.tobytes(): order[path] for path, image in zip(dataset.file_paths, dataset[0][0], strict=True)}
    passes = []
    for _ in range(4):
        ((images, labels),) = dataset
        assert [by_image[image.tobytes()] for image in images] == labels.tolist()
        passes.append([image.tobytes() for image in images])
    assert len({tuple(each) for each in passes}) == 4
    assert made(folder, batch_size=9).file_paths != made(folder, batch_size=9).file_paths


def test_evaluate_and_predict(folder):
    dataset = made(folder, batch_size=4, shuffle=False)
    x, y = together(dataset)
    fitted = model()
    assert fitted.evaluate(dataset, verbose=0) == pytest.approx(fitted.evaluate(x, y, verbose=0), rel=1e-6)
    np.testing.assert_array_equal(fitted.predict(dataset, verbose=0), fitted.predict(x, verbose=0))


def test_an_iteration_that_stops_early_ends_its_threads(folder):
    import threading

    for _ in made(folder, batch_size=1):
        break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cbackprop-prefetch")]


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "one byte": lambda content: content[:1],
    "noise": lambda content: bytes(np.random.default_rng(0).integers(0, 256, 500, dtype=np.uint8)),
    "text": lambda content: b"not an image",
    "head alone": lambda content: content[:40],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["a/1.png", "a/2.jpg", "a/deep/x.bmp", "a/deep/0.gif"])
def test_damaged_files_are_named(folder, damage, name):
    path = folder / name
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    dataset = made(folder, shuffle=False, batch_size=2)
    with pytest.raises(ValueError, match=f"{name}' is damaged"):
        list(dataset)
    fitted = model()
    with pytest.raises(ValueError, match=f"{name}' is damaged") as caught:
        fitted.fit(dataset, verbose=0)
    assert any("batch" in note for note in caught.value.__notes__)


def test_files_that_vanish_are_named(folder):
    dataset = made(folder, shuffle=False)
    (folder / "a/1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"a/1\.png"):
        list(dataset)


def test_files_of_other_formats_are_refused(folder):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "a/1.png", format="tiff")
    with pytest.raises(
        ValueError, match=r"a/1.png' is damaged, or not a file in one of the formats BMP, GIF, JPEG, PNG"
    ):
        list(made(folder))


def test_links(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "deep").mkdir()
    (folder / "b/9.png").rename(other / "deep/9.png")
    (folder / "b/link").symlink_to(other)
    assert len(made(folder).file_paths) == 8
    assert f"{folder}/b/link/deep/9.png" in made(folder, follow_links=True).file_paths
    (folder / "b/again").symlink_to(folder / "b")
    with pytest.raises(ValueError, match="b/again' is a link to a folder around it"):
        made(folder, follow_links=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "other"}, 'labels must be "inferred", a list of integers or None'),
        ({"labels": 3}, 'labels must be "inferred", a list of integers or None'),
        ({"labels": [0, 1]}, "labels must match the number of files, but there are 2 labels, and 10 files"),
        ({"labels": ["a"] * 10}, "labels must be an integer"),
        ({"labels": [-1] * 10}, "labels must be at least 0"),
        ({"labels": [0] * 10, "class_names": ["a"]}, "class_names can only be given with"),
        ({"labels": None, "class_names": ["a"]}, "class_names can only be given with"),
        ({"labels": [1, 2] * 5, "label_mode": "binary"}, "needs labels from 0 to 1"),
        ({"labels": [0, 2] * 5, "label_mode": "categorical"}, "needs labels from 0 to 1, .* but got 2"),
        ({"label_mode": "other"}, "label_mode must be one of 'int', 'categorical', 'binary', None"),
        ({"label_mode": "binary"}, "needs exactly 2 classes, but there are 3"),
        ({"class_names": ["a", "z"]}, r"class_names must be folders in .* but got \['z'\] as well"),
        ({"class_names": ["a", "a"]}, "class_names must be different"),
        ({"class_names": "ab"}, "class_names must be a list of names"),
        ({"class_names": [1]}, "class_names must be names of folders"),
        ({"class_names": []}, "No images found"),
        ({"color_mode": "hsv"}, "color_mode must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": True}, "batch_size must be an integer"),
        ({"image_size": (0, 5)}, "image_size must be at least 1"),
        ({"image_size": (5,)}, "image_size must be two integers"),
        ({"image_size": "big"}, "image_size must be an integer"),
        ({"image_size": (5.0, 5)}, "image_size must be an integer"),
        ({"image_size": 2**20, "batch_size": 2**20}, "A batch must stand for"),
        ({"shuffle": 1}, "shuffle must be True or False"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**32}, "seed must be"),
        ({"seed": 1.5}, "seed must be an integer"),
        ({"validation_split": 0.2, "seed": 1}, "If validation_split is given, subset must be given"),
        ({"subset": "training"}, "If subset is given, validation_split must be given"),
        ({"validation_split": 0.2, "subset": "other", "seed": 1}, "subset must be one of"),
        ({"validation_split": 0.2, "subset": "training"}, "needs a seed"),
        (
            {"validation_split": 1.0, "subset": "training", "seed": 1},
            "validation_split must be greater than 0 and below 1",
        ),
        ({"validation_split": 0, "subset": "training", "seed": 1}, "validation_split must be"),
        ({"validation_split": 0.01, "subset": "both", "seed": 1}, "leaves 0 for validation and 9 for training"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"interpolation": None}, "interpolation must be one of"),
        ({"follow_links": "no"}, "follow_links must be True or False"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Only one of crop_to_aspect_ratio"),
        ({"data_format": "first"}, "data_format must be"),
        ({"format": "numpy"}, "format must be 'tf' or 'grain', but got 'numpy'"),
    ],
)
def test_mistakes(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        made(folder, **arguments)


def test_folders_without_images(tmp_path):
    with pytest.raises(ValueError, match=r"No images found in directory .* Allowed formats: .bmp"):
        made(tmp_path)
    with pytest.raises(ValueError, match="No images found"):
        made(tmp_path, labels=None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"No images found .* Its folder 'empty' is empty"):
        made(tmp_path)
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"It has no folder for each class; with labels=None"):
        made(tmp_path)
    with pytest.raises(NotADirectoryError):
        made(tmp_path / "1.png")
    with pytest.raises(NotADirectoryError):
        made(tmp_path / "1.png", labels=None)
    with pytest.raises(FileNotFoundError):
        made(tmp_path / "none")
    with pytest.raises(TypeError, match="directory must be a string or a path"):
        made(3)


def test_keras_arguments():
    import inspect

    theirs = inspect.signature(keras.utils.image_dataset_from_directory).parameters
    mine = inspect.signature(utils.image_dataset_from_directory).parameters
    assert [(p.name, p.default) for p in mine.values()] == [(p.name, p.default) for p in theirs.values()]
