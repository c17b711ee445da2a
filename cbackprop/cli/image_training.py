"""``cbackprop train FOLDER``: train a small convolutional network on a folder of images for each class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np

import cbackprop as cb
from cbackprop import layers, tables
from cbackprop.cli.confusion import confusion_text
from cbackprop.cli.console import counted, note, number, say, show_grid, tracked
from cbackprop.cli.early_stopping import fit_until_best
from cbackprop.cli.files import listed
from cbackprop.cli.image_files import images_in
from cbackprop.cli.image_model import INTERPOLATION, ImageModel
from cbackprop.cli.settings import check_outputs, plot_history, settings
from cbackprop.utils.image_folders import ImageBatches
from cbackprop.utils.pillow import CHANNELS

__all__ = ["AUGMENTATIONS", "run", "show_results"]

EPOCHS = 50
UNITS = [64]
# Images that take no more memory than this are read only once, and kept.
MOST_BYTES = 2**30
# Random changes of training images, each of a strength that suits usual photographs.
AUGMENTATIONS: dict[str, Callable[[], Any]] = {
    "flip": lambda: layers.RandomFlip("horizontal", name="flip"),
    "shift": lambda: layers.RandomTranslation(0.1, 0.1, name="shift"),
    "rotate": lambda: layers.RandomRotation(0.05, name="rotate"),
    "zoom": lambda: layers.RandomZoom(0.15, name="zoom"),
    "brightness": lambda: layers.RandomBrightness(0.2, name="brightness"),
    "contrast": lambda: layers.RandomContrast(0.2, name="contrast"),
}


def run(folder: str, options: Any) -> None:
    """Read the images, split them, train, report scores, and save."""
    check_outputs(options)
    options.epochs = options.epochs or EPOCHS
    images = find(folder, options)
    train, held_out = divide(images, options)
    with settings(options.threads, options.floatx):
        cb.utils.set_random_seed(options.seed)
        model = ImageModel(build(images.class_names, options), images.class_names, options.image_size, options.color)
        train_data, held_out_data = in_memory(train, options), in_memory(held_out, options)
        history, seconds = fit(model.model, train_data, held_out_data, options)
        if options.save:
            model.save(options.save)
        tell(model, train, held_out, history, seconds)
        shares = np.bincount(train.labels, minlength=len(model.class_names)) / len(train.file_paths)
        scored, data, what = (
            (train, train_data, "trained on") if held_out is None else (held_out, held_out_data, "held out")
        )
        show_results(model, scored, data, f"{counted(len(scored.file_paths), 'image')} {what}", shares)
        if options.plot:
            plot_history(history, options.plot)


def find(folder: str, options: Any) -> ImageBatches:
    """The images in the subfolders of a folder. Subfolders without images are left out."""
    arguments = {
        "color_mode": options.color,
        "image_size": options.image_size,
        "interpolation": INTERPOLATION,
        "batch_size": options.batch_size or 32,
    }
    images = images_in(folder, **arguments)
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    empty = [name for name, count in zip(images.class_names, counts, strict=True) if not count]
    if empty:
        if not options.quiet:
            note(f"left out because there are no images in them: {listed(empty)}")
        names = [name for name in images.class_names if name not in empty]
        images = images_in(folder, class_names=names, **arguments)
    if len(images.class_names) < 2:
        raise ValueError(f"{folder!r} must have a folder with images for each of 2 classes or more, but has only one.")
    return images


def divide(images: ImageBatches, options: Any) -> tuple[ImageBatches, ImageBatches | None]:
    """The images to train on, and those to hold out, if any: the same fraction of each class."""
    rows = np.arange(len(images.file_paths))
    if not options.validation:
        return images.part(rows, options.seed), None
    try:
        parts = tables.split({"row": rows, "label": images.labels}, options.validation, "label", options.seed)
    except ValueError as error:
        raise ValueError(f"--validation{str(error).removeprefix('share')}") from None
    return images.part(parts[0]["row"], options.seed), images.part(parts[1]["row"])


def build(class_names: list[str], options: Any) -> Any:
    """The compiled network: convolutions, each halving height and width, and dense layers."""
    height, width = options.image_size
    if min(height, width) < 2 ** len(options.filters):
        raise ValueError(
            f"--image-size must be at least {2 ** len(options.filters)} for {len(options.filters)} convolutions, each "
            f"of which halves height and width, but got {height}x{width}."
        )
    model = cb.Sequential([cb.Input((height, width, CHANNELS[options.color]), name="image")], name="images")
    for name in options.augment:
        model.add(AUGMENTATIONS[name]())
    model.add(layers.Rescaling(1 / 255, name="scaled"))
    for index, filters in enumerate(options.filters, 1):
        model.add(layers.Conv2D(filters, 3, padding="same", activation=options.activation, name=f"convolution_{index}"))
        model.add(layers.MaxPooling2D(name=f"pooling_{index}"))
    model.add(layers.Flatten(name="flat"))
    for index, units in enumerate(UNITS if options.layers is None else options.layers, 1):
        model.add(layers.Dense(units, activation=options.activation, name=f"hidden_{index}"))
        if options.dropout:
            model.add(layers.Dropout(options.dropout, name=f"dropout_{index}"))
    model.add(layers.Dense(len(class_names), "softmax", name="class"))
    config = {} if options.learning_rate is None else {"learning_rate": options.learning_rate}
    optimizer = cb.optimizers.get({"class_name": options.optimizer, "config": config})
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def in_memory(images: ImageBatches | None, options: Any) -> Any:
    """The images and labels as arrays; the dataset itself if they would take too much memory."""
    if images is None:
        return None
    shape = (len(images.file_paths), *options.image_size, CHANNELS[options.color])
    if 4 * np.prod(shape, dtype=float) > MOST_BYTES:
        return images
    x, y, filled = np.empty(shape, np.float32), np.empty(len(images.file_paths), np.int32), 0
    for batch, labels in tracked(images, len(images), "batches read", options.quiet):
        x[filled : filled + len(batch)], y[filled : filled + len(batch)] = batch, labels
        filled += len(batch)
    return x, y


def fit(model: Any, train: Any, held_out: Any, options: Any) -> tuple[Any, float]:
    """Train until the validation loss no longer falls, and keep the weights of its lowest value."""
    arrays = {"x": train} if isinstance(train, ImageBatches) else {"x": train[0], "y": train[1]}
    batch_size = None if isinstance(train, ImageBatches) else options.batch_size
    train_model = partial(model.fit, **arrays, validation_data=held_out, batch_size=batch_size)
    return fit_until_best(train_model, held_out, options)


def tell(model: ImageModel, train: ImageBatches, held_out: ImageBatches | None, history: Any, seconds: float) -> None:
    """Print how the network was trained."""
    values = history.history["loss" if held_out is None else "val_loss"]
    best = 1 + min(range(len(values)), key=values.__getitem__)
    say(
        f"{counted(len(train.file_paths), 'image')} of {len(model.class_names)} classes; "
        f"{counted(model.model.count_params(), 'weight')} trained for {counted(len(values), 'epoch')} in "
        f"{seconds:.2f} s; those of epoch {best} are kept"
    )


def show_results(model: ImageModel, images: ImageBatches, data: Any, title: str, shares: Any = None) -> None:
    """Print scores and the confusion matrix.

    Parameters
    ----------
    model : ImageModel
    images : ImageBatches
    data : tuple of ndarray, or ImageBatches
        The same images in memory, if they are there.
    title : str
    shares : ndarray, optional
        The share of each class in training. The scores of guessing by them are printed as well.
    """
    in_order = images.part(np.arange(len(images.file_paths)))
    probabilities = model.model.predict(in_order if isinstance(data, ImageBatches) else data[0], verbose=0)
    scores = tables.classification_scores(images.labels, probabilities)
    rows = [[name, number(value)] for name, value in scores.items()]
    header = ["", "model"]
    if shares is not None:
        header.append("commonest class")
        trivial = tables.classification_scores(images.labels, np.tile(shares, (len(probabilities), 1)))
        rows = [[name, value, number(trivial[name])] for name, value in rows]
    show_grid(title, header, rows)
    click.echo(confusion_text(images.labels, probabilities.argmax(axis=1), model.class_names))
