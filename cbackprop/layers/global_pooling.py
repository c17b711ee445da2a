"""GlobalMaxPooling and GlobalAveragePooling: the maximum or mean of all of a signal, an image or a volume."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import registry
from cbackprop.layers.spatial import SpatialLayer, Transposed
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean

__all__ = [
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
]


def _call_with_mask(inputs: Any, mask: Any = None, training: Any = None) -> None:
    """The arguments of a call. The mask may be given by position, as in Keras."""


class GlobalPooling(SpatialLayer):
    """Base of layers that make one number of each channel."""

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.keepdims = check_boolean("keepdims", keepdims)

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """Axes of length 1 or, without `keepdims`, no axes besides the channels."""
        return (1,) * self.rank if self.keepdims else (), channels

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add the step of the layer; where the channels come first, behind one that moves them.

        It reads the mask of its input, if masks matter. Nothing is to be moved back: other axes are of length 1.
        """
        (x,) = inputs
        hidden = [] if x.mask is None or not self.supports_masking else [x.mask]
        if self.data_format == "channels_first":
            dims = (*range(2, self.rank + 2), 1)
            operation = Transposed(f"{self.name}/channels_last", self.dtype, dims)
            x = steps.add(operation, [x], (*x.shape[1:], x.shape[0]))
        return self.expand_activation(steps, steps.add(self, [x, *hidden], shape), shape)


@registry.register("GlobalMaxPool1D")
class GlobalMaxPooling1D(GlobalPooling):
    """The maximum of each channel of a signal.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    keepdims : bool, default False
        Keep the other axes, with length 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, channels), output (batch, channels), with `keepdims`
    (batch, 1, channels). With ``data_format="channels_first"``, the channels follow the batch.

    dL/dinput is dL/doutput at the maximum of each channel, in equal shares if several are as large, and 0 elsewhere.
    NaN is larger than all numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.array([[[1.0, 8.0], [5.0, 6.0], [3.0, 7.0]]])
    >>> cb.layers.GlobalMaxPooling1D()(x)
    array([[5., 8.]], dtype=float32)
    """

    rank = 1
    implementation = "pooling.GlobalMaxPooling"


@registry.register("GlobalMaxPool2D")
class GlobalMaxPooling2D(GlobalPooling):
    """The maximum of each channel of an image.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    keepdims : bool, default False
        Keep the other axes, with length 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output (batch, channels), with `keepdims`
    (batch, 1, 1, channels). With ``data_format="channels_first"``, the channels follow the batch.

    dL/dinput is dL/doutput at the maximum of each channel, in equal shares if several are as large, and 0 elsewhere.
    NaN is larger than all numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(12.0).reshape(1, 2, 3, 2)
    >>> cb.layers.GlobalMaxPooling2D()(x)
    array([[10., 11.]], dtype=float32)
    >>> cb.layers.GlobalMaxPooling2D(keepdims=True)(x).shape
    (1, 1, 1, 2)
    """

    rank = 2
    implementation = "pooling.GlobalMaxPooling"


@registry.register("GlobalMaxPool3D")
class GlobalMaxPooling3D(GlobalPooling):
    """The maximum of each channel of a volume.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    keepdims : bool, default False
        Keep the other axes, with length 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output (batch, channels), with `keepdims`
    (batch, 1, 1, 1, channels). With ``data_format="channels_first"``, the channels follow the batch.

    dL/dinput is dL/doutput at the maximum of each channel, in equal shares if several are as large, and 0 elsewhere.
    NaN is larger than all numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 2, 2, 2, 2)
    >>> cb.layers.GlobalMaxPooling3D()(x)
    array([[14., 15.]], dtype=float32)
    """

    rank = 3
    implementation = "pooling.GlobalMaxPooling"


@registry.register("GlobalAvgPool1D")
class GlobalAveragePooling1D(GlobalPooling):
    """The mean of each channel of a signal.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    keepdims : bool, default False
        Keep the other axes, with length 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, channels), output (batch, channels), with `keepdims`
    (batch, 1, channels). With ``data_format="channels_first"``, the channels follow the batch.

    dL/dinput is dL/doutput / elements of a channel.

    If the input has a mask, only steps that count are in the mean and get a gradient; if there are none, it is NaN. The
    output has no mask.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or the input has another number of axes, or its mask
        is not one of the steps.

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014, arXiv:1312.4400. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.array([[[1.0, 8.0], [5.0, 6.0], [3.0, 7.0]]])
    >>> cb.layers.GlobalAveragePooling1D()(x)
    array([[3., 7.]], dtype=float32)
    >>> cb.layers.GlobalAveragePooling1D()(x, mask=np.array([[True, False, True]]))
    array([[2. , 7.5]], dtype=float32)
    """

    rank = 1
    implementation = "pooling.GlobalAveragePooling"
    supports_masking = True
    call_signature: ClassVar[inspect.Signature] = inspect.signature(_call_with_mask)

    def _mask_shape(self, input_shape: Shape) -> Shape:
        """A value for each step."""
        return (input_shape[0], input_shape[2]) if self.data_format == "channels_first" else input_shape[:-1]

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: the output has no mask."""

    def mask_rule(
        self, shapes: list[tuple[int, ...]], masks: list[tuple[int, ...] | None], output: tuple[int, ...]
    ) -> Any:
        """None: the output has no mask. That of the input must be one of the steps."""
        steps = shapes[0][1 if self.data_format == "channels_first" else 0]
        if masks[0] is not None and masks[0] != (steps,):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs a mask of {steps} steps for a sample, but got one of shape "
                f"{masks[0]}."
            )
        return None


@registry.register("GlobalAvgPool2D")
class GlobalAveragePooling2D(GlobalPooling):
    """The mean of each channel of an image.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    keepdims : bool, default False
        Keep the other axes, with length 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output (batch, channels), with `keepdims`
    (batch, 1, 1, channels). With ``data_format="channels_first"``, the channels follow the batch.

    dL/dinput is dL/doutput / elements of a channel.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or the input has another number of axes.

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014, arXiv:1312.4400. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(12.0).reshape(1, 2, 3, 2)
    >>> cb.layers.GlobalAveragePooling2D()(x)
    array([[5., 6.]], dtype=float32)
    """

    rank = 2
    implementation = "pooling.GlobalAveragePooling"


@registry.register("GlobalAvgPool3D")
class GlobalAveragePooling3D(GlobalPooling):
    """The mean of each channel of a volume.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    keepdims : bool, default False
        Keep the other axes, with length 1.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output (batch, channels), with `keepdims`
    (batch, 1, 1, 1, channels). With ``data_format="channels_first"``, the channels follow the batch.

    dL/dinput is dL/doutput / elements of a channel.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or the input has another number of axes.

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014, arXiv:1312.4400. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 2, 2, 2, 2)
    >>> cb.layers.GlobalAveragePooling3D()(x)
    array([[7., 8.]], dtype=float32)
    """

    rank = 3
    implementation = "pooling.GlobalAveragePooling"
