"""Check that the spec of a loss or metric fits its compiled kernel; a user's subclass may have changed it."""

from __future__ import annotations

from typing import Any

from cbackprop.contract.implementation import name_of

__all__ = ["check_kernel", "check_sums", "checked_layout"]


def check_kernel(kernel: Any, spec: Any, linked: bool = False) -> None:
    """Refuse a spec whose form of targets, or linked activation, the kernel does not support.

    The kernel's `reads` has the forms of targets that it reads: one, several (a tuple) or any (``None``). Its `links`
    are the activations of the last layer that it can compute together with the loss.

    Raises
    ------
    TypeError
        If the kernel reads other forms of targets, or cannot compute the activation.
    """
    name, function = type(spec).__name__, name_of(kernel)
    forms = (kernel.reads,) if isinstance(kernel.reads, str) else kernel.reads
    if forms is not None and getattr(spec, "sparse_y_pred", False):
        forms = ("values",)  # predictions that are class numbers need targets of their own shape
    if forms is not None and spec.target_kind not in forms:
        raise TypeError(
            f"{name}.target_kind must be {' or '.join(map(repr, forms))}, the targets that its kernel {function} "
            f"reads, but is {spec.target_kind!r}."
        )
    if linked and getattr(spec, "link", None) not in kernel.links:
        known = " or ".join(map(repr, [*kernel.links, None]))
        raise TypeError(f"{name}.link must be {known}, which its kernel {function} supports, but is {spec.link!r}.")


def check_sums(kernel: Any, spec: Any, width: int, needed: int) -> None:
    """Refuse a metric whose `size` is not the number of sums that its kernel writes.

    Raises
    ------
    ValueError
        If the numbers differ.
    """
    size = spec.size(width)
    if size != needed:
        raise ValueError(
            f"{type(spec).__name__}.size({width}) must be {needed}, the sums that its kernel {name_of(kernel)} "
            f"adds to, but is {size!r}."
        )


def checked_layout(spec: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The checked result of the `layout` of a loss along axes, for samples of this shape.

    Raises
    ------
    ValueError
        If the layout has another size than the samples, or names axes that do not exist.
    """
    found, axes = spec.layout(shape)
    fits = found in (shape, shape[-1:]) and set(axes) <= set(range(len(found)))
    if not fits or (not axes and not spec.couples_samples):
        raise ValueError(
            f"{type(spec).__name__}.layout({shape}) must be the shape or its last axis, and axes of it, "
            f"but is {(found, axes)}."
        )
    return found, axes
