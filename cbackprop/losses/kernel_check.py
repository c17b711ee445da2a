"""What kernels of losses and metrics need of the spec that they work for: a user's subclass may say something else."""

from __future__ import annotations

from typing import Any

__all__ = ["check_kernel", "check_sums", "checked_layout"]


def check_kernel(kernel: Any, spec: Any, linked: bool = False) -> None:
    """Refuse a spec whose targets or activation are others than those that the kernel is written for.

    A kernel `reads` one form of targets, several (a tuple), or any (``None``), and can take over the activations that
    are its `links`.

    Raises
    ------
    TypeError
        If targets of another form would be read, or an activation taken over that the kernel does not compute.
    """
    name, function = type(spec).__name__, type(kernel).__name__
    forms = (kernel.reads,) if isinstance(kernel.reads, str) else kernel.reads
    if forms is not None and getattr(spec, "sparse_y_pred", False):
        forms = ("values",)  # class numbers as predictions are compared with targets that are shaped like them
    if forms is not None and spec.target_kind not in forms:
        raise TypeError(
            f"{name}.target_kind must be {' or '.join(map(repr, forms))}, the targets that its kernel {function} "
            f"reads, but is {spec.target_kind!r}."
        )
    if linked and getattr(spec, "link", None) not in kernel.links:
        known = " or ".join(map(repr, [*kernel.links, None]))
        raise TypeError(f"{name}.link must be {known}, what its kernel {function} can take over, but is {spec.link!r}.")


def check_sums(kernel: Any, spec: Any, width: int, needed: int) -> None:
    """Refuse a metric whose `size` is not the number of sums that its kernel writes to.

    Raises
    ------
    ValueError
        If it is another number.
    """
    size = spec.size(width)
    if size != needed:
        raise ValueError(
            f"{type(spec).__name__}.size({width}) must be {needed}, the sums that its kernel {type(kernel).__name__} "
            f"adds to, but is {size!r}."
        )


def checked_layout(spec: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the `layout` of a loss of groups says of samples of this shape.

    Raises
    ------
    ValueError
        If samples were read as of another size, or along axes that are not there.
    """
    found, axes = spec.layout(shape)
    fits = found in (shape, shape[-1:]) and set(axes) <= set(range(len(found)))
    if not fits or (not axes and not spec.couples_samples):
        raise ValueError(
            f"{type(spec).__name__}.layout({shape}) must be the shape or its last axis, and axes of it, "
            f"but is {(found, axes)}."
        )
    return found, axes
