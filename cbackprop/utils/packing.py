"""Pack inputs, targets and sample weights into a tuple, and split data sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.foreign_arrays import from_foreign
from cbackprop.random import generator
from cbackprop.tensor import flatten, map_structure
from cbackprop.utils.samples import Samples, stacked
from cbackprop.validation import check_boolean, check_integer

__all__ = ["pack_x_y_sample_weight", "split_dataset", "unpack_x_y_sample_weight"]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Pack inputs, targets and sample weights as a data set returns them: a tuple, or only the inputs.

    Parameters
    ----------
    x : array_like, or lists or dicts of them
    y, sample_weight : array_like, or lists or dicts of them, optional

    Returns
    -------
    tuple, or `x` alone
        Without targets, inputs that are a list or a tuple are packed into a tuple of length 1, so that their items are
        not taken for targets.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.pack_x_y_sample_weight("x", "y")
    ('x', 'y')
    """
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (list, tuple)) else x


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Unpack inputs, targets and sample weights of a batch of a data set; ``None`` for those that are missing.

    Parameters
    ----------
    data : object, or tuple of one to three

    Raises
    ------
    ValueError
        If it is a tuple of another length.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.unpack_x_y_sample_weight(("x", "y"))
    ('x', 'y', None)
    """
    parts = tuple(data) if isinstance(data, (list, tuple)) else (data,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"data must be (x,), (x, y) or (x, y, sample_weight), but got {len(parts)} parts.")
    return (*parts, None, None)[:3]  # type: ignore[return-value]


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Split arrays or a data set into two parts, for example for training and validation.

    Parameters
    ----------
    dataset : array_like, or nested tuples, lists and dicts of arrays with the same number of samples
        Arrays may be those of PyTorch and JAX. Also a dataset with a length and a sample at each index, such as those
        of PyTorch.
    left_size, right_size : int or float, optional
        A number of samples, or a fraction between 0 and 1. If one is left out, that part gets the remaining samples.
    shuffle : bool, default False
        Whether samples are drawn at random. Otherwise the left part gets the first samples.
    seed : int, optional
        Seed of the order; random by default.
    preferred_backend : {"torch"} or other str, optional
        With "torch" both parts are datasets of samples for PyTorch's loaders; otherwise they are arrays.

    Returns
    -------
    tuple of two
        They are nested like `dataset`. Without `shuffle` they are views of its arrays. With "torch" each part has a
        length and returns samples that are nested like `dataset`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If both sizes are missing or they are too large, or arrays have different numbers of samples.

    References
    ----------
    Arguments and defaults are those of Keras 3, which returns data sets of TensorFlow or PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> (x, y), (x_test, y_test) = cb.utils.split_dataset((np.zeros((10, 3)), np.zeros(10)), left_size=0.8)
    >>> len(x), len(x_test)
    (8, 2)
    """
    indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") and not hasattr(dataset, "__array__")
    if indexed and not isinstance(dataset, (list, tuple, dict)):
        dataset = stacked(dataset)
    arrays = map_structure(lambda leaf: np.asarray(from_foreign("dataset", leaf)), dataset)
    counts = {len(leaf) if leaf.ndim else None for leaf in flatten(arrays)}
    if len(counts) != 1 or None in counts:
        raise ValueError(f"dataset must hold arrays with as many samples, but they have {sorted(map(str, counts))}.")
    count = len(flatten(arrays)[0])
    left, right = _sizes(left_size, right_size, count)
    order: Any = None
    if check_boolean("shuffle", shuffle):
        order = generator(None if seed is None else check_integer("seed", seed, 0)).permutation(count)

    def part(begin: int, end: int) -> Any:
        rows = slice(begin, end) if order is None else order[begin:end]
        found = map_structure(lambda leaf: leaf[rows], arrays)
        return Samples(found) if preferred_backend == "torch" else found

    return part(0, left), part(left, left + right)


def _sizes(left_size: Any, right_size: Any, count: int) -> tuple[int, int]:
    if left_size is None and right_size is None:
        raise ValueError("left_size or right_size must be given.")
    left, right = _size("left_size", left_size, count, down=False), _size("right_size", right_size, count, down=True)
    left, right = count - (right or 0) if left is None else left, count - (left or 0) if right is None else right
    if left + right > count or left < 1 or right < 1:
        raise ValueError(
            f"left_size={left_size!r} and right_size={right_size!r} are {left} and {right} of {count} samples: "
            "each part must have at least one sample, and both together at most all samples."
        )
    return left, right


def _size(name: str, size: Any, count: int, down: bool) -> int | None:
    if size is None:
        return None
    if isinstance(size, float):
        if not 0 < size < 1:
            raise ValueError(f"{name} must be a fraction between 0 and 1 or a number of samples, but got {size!r}.")
        return int(size * count) if down else round(size * count)
    return check_integer(name, size, 1, count)
