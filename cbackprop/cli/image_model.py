"""ImageModel: a network for images, with the names of its classes and the form of its images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from cbackprop import saving
from cbackprop.utils.image_folders import ImageBatches, ImageReader
from cbackprop.utils.images import check_size
from cbackprop.utils.pillow import CHANNELS

__all__ = ["INTERPOLATION", "ImageModel", "knows_images", "load_image_model"]

# The name of the text in a model's file that contains this information.
EXTRA = "images"
# Averages over all pixels, so that no detail is lost when photographs are reduced.
INTERPOLATION = "area"


class ImageModel:
    """A classifier of image files.

    Parameters
    ----------
    model : Model
        It takes images with numbers from 0 to 255, and returns a probability for each class.
    class_names : sequence of str
    size : tuple (height, width)
    color_mode : {"grayscale", "rgb", "rgba"}

    Raises
    ------
    ValueError
        If these do not match.
    """

    def __init__(self, model: Any, class_names: Sequence[str], size: tuple[int, int], color_mode: str) -> None:
        self.model, self.class_names, self.size, self.color_mode = model, list(class_names), size, color_mode
        shapes = [tensor.shape[1:] for tensor in (*model.inputs, *model.outputs)]
        if shapes != [(*size, CHANNELS[color_mode]), (len(self.class_names),)]:
            raise ValueError(f"The model has inputs and outputs of the shapes {shapes}, which do not fit its images.")

    @property
    def reader(self) -> ImageReader:
        """The function that reads files for the network."""
        return ImageReader(self.size, self.color_mode, INTERPOLATION)

    def predict(self, paths: Sequence[str]) -> NDArray[Any]:
        """The probabilities (files, classes) of the images in these files.

        Raises
        ------
        OSError, ValueError
            If a file cannot be read.
        """
        batches = ImageBatches(paths, None, None, None, self.reader, 32, None)
        found: NDArray[Any] = self.model.predict(batches, verbose=0)
        return found

    def save(self, path: str) -> None:
        """Write network, names and form of the images into one file."""
        config = {"class_names": self.class_names, "image_size": list(self.size), "color_mode": self.color_mode}
        saving.save_model(self.model, path, extras={EXTRA: json.dumps(config)})

    def __repr__(self) -> str:
        return f"<ImageModel of {len(self.class_names)} classes>"


def knows_images(path: str) -> bool:
    """Whether a model's file contains names of classes of images."""
    return EXTRA in saving.load_extras(path)


def load_image_model(path: str) -> ImageModel:
    """Load a model that `ImageModel.save` wrote.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is damaged.
    """
    text = saving.load_extras(path)[EXTRA]
    try:
        config = json.loads(text)
        names, mode = config["class_names"], config["color_mode"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or mode not in CHANNELS:
            raise ValueError(f"it has the classes {names!r} and the color mode {mode!r}")
        size = check_size("image_size", config["image_size"])
        return ImageModel(saving.load_model(path), names, size, mode)
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{path!r} is damaged: what it says about its images cannot be used: {error}") from error
