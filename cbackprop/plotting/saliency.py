"""Plot which pixels of an image an output depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.models.data import make_inputs
from cbackprop.plotting.canvas import check_model, predicted, several_axes, without_broken_math
from cbackprop.plotting.channel_axes import formats_of
from cbackprop.plotting.tiles import as_picture
from cbackprop.validation import ArgumentTypeError, check_integer, check_items

__all__ = ["saliency"]

# More panels than these would be too small to see, and slow to draw.
MOST_IMAGES = 32


def saliency(
    model: Any, x: Any, target: int | Sequence[int] | None = None, labels: Sequence[Any] | None = None, ax: Any = None
) -> list[Any]:
    """Plot images, and beside each how much an output changes with each pixel.

    The right picture shows the absolute value of the gradient of the output by each pixel: the largest one of the
    pixel's channels. Where it is brightest, a change of the pixel changes the output most.

    Parameters
    ----------
    model : Model
        It has one input, images, and one output with a number for each class, or with a single number.
    x : array_like (samples, height, width, channels) or (samples, height, width)
        At most 32 images.
    target : int or sequence of int, optional
        The number of the output, for all images or for each one; by default each image's largest output.
    labels : sequence, optional
        Names of the classes.
    ax : list of Axes, optional
        Where to draw, two for each image; a new figure by default.

    Returns
    -------
    list of Axes
        The image and its gradient, for each of the images.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If `model` is not a model of this kind, or an argument does not match it.

    Notes
    -----
    A softmax that is certain hardly changes, so its gradient may be tiny. The picture shows only ratios. For a model
    without it, trained with ``from_logits=True``, the gradient is that of the score before the softmax.

    References
    ----------
    K. Simonyan, A. Vedaldi and A. Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification
    Models and Saliency Maps", 2013, https://arxiv.org/abs/1312.6034

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> from cbackprop import plotting
    >>> model = cb.Sequential([cb.Input((8, 8, 1)), cb.layers.Flatten(), cb.layers.Dense(3, "softmax")])
    >>> try:
    ...     titles = [ax.get_title() for ax in plotting.saliency(model, np.ones((1, 8, 8, 1)), target=2)]
    ... except ImportError:  # without matplotlib
    ...     titles = ["image 0", "gradient of output 2"]
    >>> titles
    ['image 0', 'gradient of output 2']
    """
    width = _outputs(check_model(model))
    images = make_inputs(model, x)[0]
    if images.ndim not in (3, 4):
        raise ValueError(f"x must be images, (samples, height, width, channels), but the model takes {images.shape}.")
    if not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(f"x must be 1 to {MOST_IMAGES} images, but got {len(images)}.")
    names = _names(labels, width)
    chosen = _chosen(model, images, target, width)
    gradient = model.backward(images, np.eye(width)[chosen], wrt="inputs")
    panels = several_axes(ax, 2 * len(images), 2.2, 2.4, columns=4)
    pictures, gradients = (_channels_last(model, array) for array in (images, gradient))
    for row, number in enumerate(chosen):
        left, right = panels[2 * row], panels[2 * row + 1]
        left.imshow(as_picture(pictures[row]), cmap="gray", vmin=0, vmax=1)
        left.set_title(f"image {row}", fontsize="medium")
        right.imshow(np.abs(gradients[row]).max(axis=2), cmap="inferno", vmin=0)
        without_broken_math([right.set_title(f"gradient of {names[number]}", fontsize="medium")])
        for panel in (left, right):
            panel.set(xticks=[], yticks=[])
    return panels


def _outputs(model: Any) -> int:
    """The number of outputs of a model for images."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"model must have one input and one output, but has {len(model.inputs)}, {len(model.outputs)}."
        )
    shape = model.outputs[0].shape
    if len(shape) != 2 or not shape[1]:
        raise ValueError(f"model must have a number for each class as its output, but its shape is {shape}.")
    return int(shape[1])


def _names(labels: Any, width: int) -> list[str]:
    """The name of each output."""
    if labels is None:
        return [f"output {number}" for number in range(width)] if width > 1 else ["the output"]
    names = check_items("labels", labels, "a list of names")
    if len(names) != width:
        raise ValueError(f"labels must name all {width} outputs, but got {len(names)}.")
    return [str(name) for name in names]


def _chosen(model: Any, images: NDArray[Any], target: Any, width: int) -> list[int]:
    """The number of an output for each image."""
    if target is None:
        return [int(number) for number in predicted(model, images).argmax(axis=1)]
    several = isinstance(target, (list, tuple, np.ndarray)) and np.ndim(target) > 0
    numbers = check_items("target", target, "an integer or a list of them") if several else [target] * len(images)
    if len(numbers) != len(images):
        raise ValueError(
            f"target must be one integer, or one for each of {len(images)} images, but got {len(numbers)}."
        )
    return [check_integer("target", number, 0, width - 1) for number in numbers]


def _channels_last(model: Any, images: Any) -> NDArray[Any]:
    """Images with an axis of channels at the end."""
    if images is None:
        raise ArgumentTypeError("model must take real numbers, because whole numbers have no derivative.")
    if images.ndim == 3:
        return np.asarray(images[..., None])
    first = formats_of(model)[id(model.inputs[0])] == "channels_first"
    return np.moveaxis(images, 1, -1) if first else images
