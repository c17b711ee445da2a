"""The part of a layer that says which rows of its output count."""

from __future__ import annotations

from typing import Any

from cbackprop.part_of import part_of
from cbackprop.tensor import Shape

__all__ = ["MaskMethods"]


@part_of("Layer")
class MaskMethods:
    """The part of `Layer` that says which mask its output has."""

    name: str

    # Whether the output has a mask, by default the mask of the first input. Otherwise masks end at the layer.
    supports_masking: bool = False

    def _mask_shape(self, input_shape: Shape) -> Shape:
        """The shape of a mask for an input of this shape: a value for each row of the last axis."""
        return input_shape[:-1] if len(input_shape) > 1 else input_shape

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the output for arrays and their masks; ``None`` if there is none.

        Parameters
        ----------
        inputs : ndarray, or list of ndarray
        previous_mask : ndarray of bool, or list of them, optional
            One value for each row of the last axis of the input; ``None`` for an input without a mask.

        Returns
        -------
        ndarray of bool, or None
            One value for each row of the output.
        """
        if not self.supports_masking:
            return None
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """Where the mask of a call's output comes from. Plans call this.

        Parameters
        ----------
        shapes, output : tuple of int
            The shapes of a sample of each input, and of the output.
        masks : list of (tuple of int or None)
            Shapes of the inputs' masks, for a sample.

        Returns
        -------
        int, MaskStep or None
            The number of the input whose mask it is, a step that makes the mask, or ``None`` if there is no mask.

        Raises
        ------
        ValueError
            If a mask does not have a value for each row of the output.
        """
        if not self.supports_masking or not masks or masks[0] is None:
            return None
        if masks[0] != output[:-1]:
            raise ValueError(
                f"Layer {self.name!r} passes on the mask of its input, of shape {masks[0]} for a sample, but its "
                f"output {output} has other rows. Define compute_mask, or set supports_masking to False."
            )
        return 0

    def output_has_mask(self, number: int) -> bool:
        """Whether this one of several outputs has the mask, if its rows fit."""
        return True
