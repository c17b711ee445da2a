"""image_dataset_from_directory: image files in folders as a data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.config import check_data_format
from cbackprop.models.sources.prefetch import Prefetch
from cbackprop.processors import usable
from cbackprop.random import draw_seed
from cbackprop.row_batches import RowBatches
from cbackprop.utils.image_resizing import METHODS, crop_to_ratio, pad_to_ratio, resize
from cbackprop.utils.images import check_size
from cbackprop.utils.pillow import CHANNELS, decode, pillow
from cbackprop.validation import (
    ArgumentTypeError,
    check_boolean,
    check_choice,
    check_integer,
    check_items,
    check_memory,
    check_number,
    check_path,
)

__all__ = ["ImageBatches", "image_dataset_from_directory"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
SUBSETS = ("training", "validation", "both", None)
# More threads than this only take memory for the batches that they make.
MOST_WORKERS = 8


class ImageBatches(RowBatches):
    """A data set of image files, made by `image_dataset_from_directory`.

    Threads read and decode the files ahead of training. Batches do not depend on the number of threads.

    Attributes
    ----------
    class_names : list of str or None
        The names of the classes in the order of their numbers; ``None`` without labels.
    file_paths : list of str
        The files, in the order of the first pass.
    labels : ndarray or None
        The class numbers of these files, int32.
    label_mode : {"int", "categorical", "binary", None}
        The form of the targets in batches.
    """

    def __init__(
        self,
        file_paths: Sequence[str],
        labels: NDArray[np.int32] | None,
        class_names: list[str] | None,
        label_mode: str | None,
        reader: ImageReader,
        batch_size: int | None,
        seed: int | None,
    ) -> None:
        workers = min(usable(), MOST_WORKERS)
        super().__init__(len(file_paths), batch_size, seed, False, workers, workers + 2)
        self.file_paths = list(file_paths)
        self.labels: Any = labels
        self.class_names: Any = class_names
        self.label_mode, self.reader = label_mode, reader

    def part(self, rows: Any, seed: int | None = None) -> ImageBatches:
        """Some of the images as a data set of its own, shuffled in later passes if there is a seed.

        Parameters
        ----------
        rows : array_like of int
            Numbers of images, as in `file_paths`.
        seed : int, optional
        """
        chosen = np.asarray(rows, np.intp)
        paths = [self.file_paths[row] for row in chosen]
        labels = None if self.labels is None else self.labels[chosen]
        return ImageBatches(paths, labels, self.class_names, self.label_mode, self.reader, self.batch_size, seed)

    def rows(self, rows: Any) -> Any:
        """The images of these files, and their labels if there are any."""
        if self.batch_size is None:
            images = self.reader.read(self.file_paths[rows])
        else:
            numbers = np.arange(len(self.file_paths))[rows]
            images = np.stack([self.reader.read(self.file_paths[number]) for number in numbers])
        return images if self.labels is None else (images, self._encoded(self.labels[rows]))

    def _encoded(self, labels: Any) -> Any:
        """Class numbers as targets."""
        if self.label_mode == "categorical":
            return (np.arange(len(self.class_names or [])) == np.asarray(labels)[..., None]).astype(np.float32)
        return np.asarray(labels, np.float32)[..., None] if self.label_mode == "binary" else labels

    def __iter__(self) -> Iterator[Any]:
        """Yield all batches, which threads make ahead; if images are shuffled, in another order each time."""
        return self._read_ahead(self.new_pass())

    def _read_ahead(self, tasks: Iterator[Any]) -> Iterator[Any]:
        ahead = Prefetch(tasks, self.rows, self.workers, self.max_queue_size)
        try:
            yield from ahead
        finally:
            ahead.close()


class ImageReader:
    """Reads image files as arrays of one size.

    Parameters
    ----------
    size : tuple (height, width)
    color_mode : {"grayscale", "rgb", "rgba"}
    interpolation : str
    fit : {"stretch", "crop", "pad"}, default "stretch"
        What is done with images of another shape.
    data_format : {"channels_last", "channels_first"}, default "channels_last"
    """

    def __init__(
        self,
        size: tuple[int, int],
        color_mode: str = "rgb",
        interpolation: str = "bilinear",
        fit: str = "stretch",
        data_format: str = "channels_last",
    ) -> None:
        self.size, self.color_mode, self.interpolation = size, color_mode, interpolation
        self.fit, self.data_format = fit, data_format

    def read(self, path: str) -> NDArray[np.float32]:
        """The image in a file, with numbers from 0 to 255.

        Raises
        ------
        OSError, ValueError
            If it cannot be read.
        """
        pixels = decode(path, self.color_mode)
        if self.fit == "pad":
            image = pad_to_ratio(pixels, *self.size, self.interpolation)
        else:
            pixels = crop_to_ratio(pixels, *self.size) if self.fit == "crop" else pixels
            image = resize(pixels, *self.size, self.interpolation)
        return image.transpose(2, 0, 1) if self.data_format == "channels_first" else image


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Make a data set of the image files in a folder, for `fit`, `evaluate` and `predict`.

    The folder has a folder for each class::

        folder/cats/1.jpg
        folder/cats/2.png
        folder/dogs/1.jpg

    BMP, GIF (the first frame), JPEG and PNG files are read, also those in folders within the folders of the classes.
    A folder beside those of the classes is left out if it begins with a dot.

    Parameters
    ----------
    directory : str or path-like
    labels : "inferred", list of int or None, default "inferred"
        The class of an image is its folder, or the number for it in a list, in the order of the sorted paths, or it has
        none. Unless labels are inferred, folders have no meaning.
    label_mode : {"int", "categorical", "binary", None}, default "int"
        Targets are class numbers (int32), one-hot rows (float32), a column of zeros and ones for two classes (float32),
        or there are none.
    class_names : list of str, optional
        The folders to take, in the order of the class numbers; by default all, sorted.
    color_mode : {"rgb", "grayscale", "rgba"}, default "rgb"
        Images have 3, 1 or 4 channels. Of numbers with 16 bits, the upper 8 are used.
    batch_size : int, optional
        The number of images in a batch, 32 by default. With ``None`` the data set returns single images.
    image_size : int or tuple (height, width), default (256, 256)
        All images are resized to this size.
    shuffle : bool, default True
        Whether images are in a new random order in each pass. If not, they are in the order of the sorted paths.
    seed : int, optional
        Seed of the orders; random by default.
    validation_split : float, optional
        The fraction of the images that is held out.
    subset : {"training", "validation", "both"}, optional
        Which part to return; ``"both"`` returns both in a list. The validation part of ``"both"`` is not shuffled.
    interpolation : str, default "bilinear"
        How to resize: ``"bilinear"``, ``"nearest"``, ``"bicubic"``, ``"area"``, ``"lanczos3"``, ``"lanczos5"``,
        ``"gaussian"`` or ``"mitchellcubic"``. Only ``"area"`` averages over all pixels when images become much smaller.
    follow_links : bool, default False
        Whether to visit folders that are symbolic links.
    crop_to_aspect_ratio : bool, default False
        Resize without distortion, only the part in the middle that fits.
    pad_to_aspect_ratio : bool, default False
        Resize without distortion, and fill the rest with zeros.
    data_format : {"channels_last", "channels_first"}, optional
        Where the axis of the channels is; `config.image_data_format` by default.
    format : {"tf", "grain"}, default "tf"
        Accepted for scripts written for Keras; it has no effect.
    verbose : bool, default True
        Whether to print how many files and classes were found.

    Returns
    -------
    ImageBatches, or list of two
        A `PyDataset` of batches ``(images, targets)``, or of images alone. Images are float32 from 0 to 255 with the
        shape (images, height, width, channels). It has the attributes ``class_names`` and ``file_paths``.

    Raises
    ------
    ImportError
        If Pillow is not installed: ``pip install "cbackprop[images]"``.
    OSError
        If `directory` cannot be read.
    TypeError, ValueError
        If an argument is wrong, or there are no images. A damaged file raises a ValueError that names it, when its
        batch is made.

    Notes
    -----
    A seed gives the same first order, and the same parts for training and validation, as in Keras. Later orders are
    random permutations of all images, where Keras shuffles within some batches. `fit` does not shuffle the batches of
    such a data set, as Keras does not. Numbers are those of TensorFlow's ``tf.image.resize`` except for rounding, if
    both decode a file alike: decoders of JPEG files may differ by a few steps of 255. The orientation that cameras
    write beside the pixels is not used, as in Keras.

    References
    ----------
    Arguments, defaults, order and labels are those of Keras 3, which returns a data set of TensorFlow.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         for number, name in enumerate(["cats", "cats", "dogs"]):
    ...             os.makedirs(f"{folder}/{name}", exist_ok=True)
    ...             cb.utils.save_img(f"{folder}/{name}/{number}.png", np.full((9, 5, 3), 100.0), scale=False)
    ...         images = cb.utils.image_dataset_from_directory(folder, image_size=(4, 4), shuffle=False, verbose=False)
    ...         (x, y), names = images[0], images.class_names
    ...     except ImportError:  # without Pillow
    ...         x, y, names = np.zeros((3, 4, 4, 3)), np.array([0, 0, 1]), ["cats", "dogs"]
    >>> x.shape, y.tolist(), names
    ((3, 4, 4, 3), [0, 0, 1], ['cats', 'dogs'])
    """
    folder = check_path("directory", directory)
    check_choice("label_mode", label_mode, ("int", "categorical", "binary", None))
    if batch_size is not None:
        check_integer("batch_size", batch_size, 1)
    mixed = check_boolean("shuffle", shuffle)
    seed = None if seed is None else check_integer("seed", seed, 0, 2**32 - 1)
    follow, tell = check_boolean("follow_links", follow_links), check_boolean("verbose", bool(verbose))
    _check_split(validation_split, subset, mixed, seed)
    if format not in ("tf", "grain"):
        raise ValueError(f"format must be 'tf' or 'grain', but got {format!r}.")
    reader = _reader(
        image_size, color_mode, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, data_format, batch_size
    )
    pillow("image_dataset_from_directory").preinit()  # before several threads open files

    if labels is None or label_mode is None:
        labels = label_mode = None
    paths, numbers, names = _indexed(folder, labels, class_names, follow)
    if tell:
        print(f"Found {len(paths)} files" + ("." if names is None else f" belonging to {len(names)} classes."))
    if not paths:
        raise ValueError(_nothing_found(folder, labels, names, follow))
    _check_labels(numbers, label_mode, names)
    order = np.arange(len(paths))
    if mixed:
        seed = draw_seed() if seed is None else seed
        np.random.RandomState(seed).shuffle(order)  # as Keras, so that the parts are the same

    whole = ImageBatches(paths, numbers, names, label_mode, reader, batch_size, None)
    kept = seed if mixed else None
    if validation_split is None or subset is None:
        return whole.part(order, kept)
    held_out = _held_out(len(paths), validation_split, folder)
    training, validation = order[:-held_out], order[-held_out:]
    if tell and subset != "validation":
        print(f"Using {len(training)} files for training.")
    if tell and subset != "training":
        print(f"Using {len(validation)} files for validation.")
    if subset == "both":
        return [whole.part(training, kept), whole.part(validation)]
    return whole.part(training if subset == "training" else validation, kept)


def _check_split(validation_split: Any, subset: Any, shuffle: bool, seed: int | None) -> None:
    if validation_split is not None:
        check_number("validation_split", validation_split, 0, 1, open_minimum=True, open_maximum=True)
    check_choice("subset", subset, SUBSETS)
    if (validation_split is None) != (subset is None):
        given, missing = ("subset", "validation_split") if subset else ("validation_split", "subset")
        raise ValueError(f"If {given} is given, {missing} must be given as well.")
    if validation_split is not None and shuffle and seed is None:
        raise ValueError("validation_split with shuffle=True needs a seed, so that both parts have no image in common.")


def _reader(
    image_size: Any, color_mode: Any, interpolation: Any, crop: Any, pad: Any, data_format: Any, batch_size: int | None
) -> ImageReader:
    """The reader for these arguments, which it checks."""
    check_choice("color_mode", color_mode, tuple(CHANNELS))
    size = check_size("image_size", image_size)
    check_memory("A batch", (batch_size, *size, CHANNELS[color_mode]))
    method = interpolation.lower() if isinstance(interpolation, str) else interpolation
    check_choice("interpolation", method, METHODS)
    crop, pad = check_boolean("crop_to_aspect_ratio", crop), check_boolean("pad_to_aspect_ratio", pad)
    if crop and pad:
        raise ValueError("Only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True.")
    fit = "crop" if crop else "pad" if pad else "stretch"
    return ImageReader(size, color_mode, method, fit, check_data_format(data_format))


def _indexed(
    folder: str, labels: Any, class_names: Any, follow: bool
) -> tuple[list[str], NDArray[np.int32] | None, list[str] | None]:
    """The files in order, the number of each one's class, and the names of the classes."""
    inferred = isinstance(labels, str) and labels == "inferred"
    if not inferred and class_names is not None:
        raise ValueError('class_names can only be given with labels="inferred".')
    if inferred:
        names = _class_folders(folder, class_names)
        groups = [_image_files(os.path.join(folder, name), follow) for name in names]
        numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(group) for group in groups])
        return [path for group in groups for path in group], numbers, names
    if not os.path.isdir(folder):
        os.listdir(folder)  # raises the right error for anything else
    if labels is None:
        return _image_files(folder, follow), None, None
    if isinstance(labels, str):
        raise ValueError(f'labels must be "inferred", a list of integers or None, but got {labels!r}.')
    given = check_items("labels", labels, '"inferred", a list of integers or None')
    numbers = np.array([check_integer("labels", label, 0, 2**31 - 1) for label in given], np.int32)
    paths = _image_files(folder, follow)
    if len(numbers) != len(paths):
        raise ValueError(
            f"labels must match the number of files, but there are {len(numbers)} labels, and {len(paths)} files in "
            f"{folder!r}."
        )
    return paths, numbers, [str(label) for label in np.unique(numbers)]


def _class_folders(folder: str, class_names: Any) -> list[str]:
    """The names of the folders of the classes, in the order of their numbers."""
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if class_names is None:
        return found
    names = check_items("class_names", class_names, "a list of names of folders")
    if any(not isinstance(name, str) for name in names):
        raise ArgumentTypeError(f"class_names must be names of folders, but got {class_names!r}.")
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise ValueError(f"class_names must be folders in {folder!r}, which has {found}, but got {unknown} as well.")
    if len(set(names)) < len(names):
        raise ValueError(f"class_names must be different from each other, but got {names}.")
    return names


def _image_files(folder: str, follow: bool) -> list[str]:
    """The image files in a folder and all folders within, sorted by folder and name."""

    def fail(error: OSError) -> None:
        raise error

    found = []
    for root, folders, names in os.walk(folder, followlinks=follow, onerror=fail):
        if follow:
            _check_links(root, folders)
        found.append((root, sorted(name for name in names if _is_image(name))))
    return [os.path.join(root, name) for root, names in sorted(found) for name in names]


def _check_links(root: str, folders: Sequence[str]) -> None:
    """Refuse links to folders around them, which would be walked through again and again."""
    for path in (os.path.join(root, name) for name in folders):
        if os.path.islink(path) and Path(os.path.realpath(root)).is_relative_to(os.path.realpath(path)):
            raise ValueError(f"follow_links: {path!r} is a link to a folder around it.")


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _nothing_found(folder: str, labels: Any, names: list[str] | None, follow: bool) -> str:
    text = f"No images found in directory {folder!r}. Allowed formats: {', '.join(SUFFIXES)}."
    if labels == "inferred" and _image_files(folder, follow):
        text += " It has no folder for each class; with labels=None its images are read without labels."
    elif names:
        shown = ", ".join(map(repr, names[:10]))
        text += f" Its folder {shown} is empty." if len(names) == 1 else f" Its folders {shown} are empty."
    return text


def _check_labels(numbers: NDArray[np.int32] | None, label_mode: str | None, names: list[str] | None) -> None:
    """Check that these class numbers can be encoded in this mode."""
    if numbers is None or names is None or label_mode == "int":
        return
    if label_mode == "binary" and len(names) != 2:
        raise ValueError(f'label_mode="binary" needs exactly 2 classes, but there are {len(names)}: {names}.')
    if numbers.max() >= len(names):
        raise ValueError(
            f"label_mode={label_mode!r} needs labels from 0 to {len(names) - 1}, because there are {len(names)} "
            f"different ones, but got {numbers.max()}."
        )


def _held_out(count: int, fraction: float, folder: str) -> int:
    """How many of the images are for validation."""
    held_out = int(fraction * count)
    if not 0 < held_out < count:
        raise ValueError(
            f"validation_split={fraction} of the {count} images in {folder!r} leaves {held_out} for validation and "
            f"{count - held_out} for training: both must be at least 1."
        )
    return held_out
