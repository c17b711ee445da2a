"""MaxPooling and AveragePooling: the maximum or mean of each window of a signal, an image or a volume."""

from __future__ import annotations

from cbackprop.layers.layer import registry
from cbackprop.layers.window_pooling import Pooling, Pooling1D, Pooling2D, Pooling3D

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


@registry.register("MaxPool1D")
class MaxPooling1D(Pooling1D):
    """The maximum of each window of a signal, for each channel: ``output = max of the window``.

    Parameters
    ----------
    pool_size : int, default 2
        Size of the windows.
    strides : int, optional
        Distance of the windows. By default that is their size, so that they are side by side.
    padding : {"valid", "same"}, default "valid"
        "valid": only whole windows. "same": ceil(size / stride) windows; what these lack is added on both sides of the
        input, where it is odd one more at the end.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    name : str, optional
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, channels), output of the same axes; with "valid" padding there are
    floor((size - pool_size) / stride) + 1 windows along each. With ``data_format="channels_first"``, the channels
    follow the batch.

    dL/dinput is dL/doutput at the maximum of each window, at the first one if several are as large, and 0 elsewhere.
    NaN is larger than all numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, the input has another number of axes, or the windows do not
        fit into it.

    References
    ----------
    Ranzato, Huang, Boureau and LeCun, "Unsupervised learning of invariant feature hierarchies with applications to
    object recognition", CVPR 2007. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.array([1.0, 5.0, 2.0, 3.0, 4.0]).reshape(1, 5, 1)
    >>> cb.layers.MaxPooling1D()(x).ravel()
    array([5., 3.], dtype=float32)
    >>> cb.layers.MaxPooling1D(3, strides=1, padding="same")(x).ravel()
    array([5., 5., 5., 4., 4.], dtype=float32)
    """

    implementation = "pooling.MaxPooling"


@registry.register("MaxPool2D")
class MaxPooling2D(Pooling2D):
    """The maximum of each window of an image, for each channel: ``output = max of the window``.

    Parameters
    ----------
    pool_size : int or tuple of 2 int, default (2, 2)
        Size of the windows; one number for all axes.
    strides : int or tuple of 2 int, optional
        Distance of the windows. By default that is their size, so that they are side by side.
    padding : {"valid", "same"}, default "valid"
        "valid": only whole windows. "same": ceil(size / stride) windows; what these lack is added on both sides of the
        input, where it is odd one more at the end.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    name : str, optional
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output of the same axes; with "valid" padding there are
    floor((size - pool_size) / stride) + 1 windows along each. With ``data_format="channels_first"``, the channels
    follow the batch.

    dL/dinput is dL/doutput at the maximum of each window, at the first one if several are as large, and 0 elsewhere.
    NaN is larger than all numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, the input has another number of axes, or the windows do not
        fit into it.

    References
    ----------
    Ranzato, Huang, Boureau and LeCun, "Unsupervised learning of invariant feature hierarchies with applications to
    object recognition", CVPR 2007. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> cb.layers.MaxPooling2D()(x)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    >>> cb.layers.MaxPooling2D((3, 2), strides=1)(x).shape
    (1, 2, 3, 1)
    """

    implementation = "pooling.MaxPooling"


@registry.register("MaxPool3D")
class MaxPooling3D(Pooling3D):
    """The maximum of each window of a volume, for each channel: ``output = max of the window``.

    Parameters
    ----------
    pool_size : int or tuple of 3 int, default (2, 2, 2)
        Size of the windows; one number for all axes.
    strides : int or tuple of 3 int, optional
        Distance of the windows. By default that is their size, so that they are side by side.
    padding : {"valid", "same"}, default "valid"
        "valid": only whole windows. "same": ceil(size / stride) windows; what these lack is added on both sides of the
        input, where it is odd one more at the end.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    name : str, optional
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output of the same axes; with "valid" padding there are
    floor((size - pool_size) / stride) + 1 windows along each. With ``data_format="channels_first"``, the channels
    follow the batch.

    dL/dinput is dL/doutput at the maximum of each window, at the first one if several are as large, and 0 elsewhere.
    NaN is larger than all numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, the input has another number of axes, or the windows do not
        fit into it.

    References
    ----------
    Ranzato, Huang, Boureau and LeCun, "Unsupervised learning of invariant feature hierarchies with applications to
    object recognition", CVPR 2007. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 2, 4, 2, 1)
    >>> cb.layers.MaxPooling3D()(x).ravel()
    array([11., 15.], dtype=float32)
    """

    implementation = "pooling.MaxPooling"


@registry.register("AvgPool1D")
class AveragePooling1D(Pooling):
    """The mean of each window of a signal, for each channel: ``output = sum of the window / its size``.

    Parameters
    ----------
    pool_size : int
        Size of the windows.
    strides : int, optional
        Distance of the windows. By default that is their size, so that they are side by side.
    padding : {"valid", "same"}, default "valid"
        "valid": only whole windows. "same": ceil(size / stride) windows; what these lack is added on both sides of the
        input, where it is odd one more at the end.
        It does not count in means.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    name : str, optional
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, channels), output of the same axes; with "valid" padding there are
    floor((size - pool_size) / stride) + 1 windows along each. With ``data_format="channels_first"``, the channels
    follow the batch.

    dL/dinput is the sum of dL/doutput / size over the windows that an element is in.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, the input has another number of axes, or the windows do not
        fit into it.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE 86(11), 1998. Arguments and defaults are those of Keras 3, where with
    PyTorch as the backend copies of the outermost elements count in padding that is odd.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.array([1.0, 5.0, 2.0, 4.0, 6.0]).reshape(1, 5, 1)
    >>> cb.layers.AveragePooling1D(2)(x).ravel()
    array([3., 3.], dtype=float32)
    >>> cb.layers.AveragePooling1D(2, padding="same")(x).ravel()
    array([3., 3., 6.], dtype=float32)
    """

    rank = 1
    implementation = "pooling.AveragePooling"


@registry.register("AvgPool2D")
class AveragePooling2D(Pooling):
    """The mean of each window of an image, for each channel: ``output = sum of the window / its size``.

    Parameters
    ----------
    pool_size : int or tuple of 2 int
        Size of the windows; one number for all axes.
    strides : int or tuple of 2 int, optional
        Distance of the windows. By default that is their size, so that they are side by side.
    padding : {"valid", "same"}, default "valid"
        "valid": only whole windows. "same": ceil(size / stride) windows; what these lack is added on both sides of the
        input, where it is odd one more at the end.
        It does not count in means.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    name : str, optional
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output of the same axes; with "valid" padding there are
    floor((size - pool_size) / stride) + 1 windows along each. With ``data_format="channels_first"``, the channels
    follow the batch.

    dL/dinput is the sum of dL/doutput / size over the windows that an element is in.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, the input has another number of axes, or the windows do not
        fit into it.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE 86(11), 1998. Arguments and defaults are those of Keras 3, where with
    PyTorch as the backend copies of the outermost elements count in padding that is odd.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> cb.layers.AveragePooling2D(2)(x)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """

    rank = 2
    implementation = "pooling.AveragePooling"


@registry.register("AvgPool3D")
class AveragePooling3D(Pooling):
    """The mean of each window of a volume, for each channel: ``output = sum of the window / its size``.

    Parameters
    ----------
    pool_size : int or tuple of 3 int
        Size of the windows; one number for all axes.
    strides : int or tuple of 3 int, optional
        Distance of the windows. By default that is their size, so that they are side by side.
    padding : {"valid", "same"}, default "valid"
        "valid": only whole windows. "same": ceil(size / stride) windows; what these lack is added on both sides of the
        input, where it is odd one more at the end.
        It does not count in means.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    name : str, optional
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output of the same axes; with "valid" padding there are
    floor((size - pool_size) / stride) + 1 windows along each. With ``data_format="channels_first"``, the channels
    follow the batch.

    dL/dinput is the sum of dL/doutput / size over the windows that an element is in.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, the input has another number of axes, or the windows do not
        fit into it.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE 86(11), 1998. Arguments and defaults are those of Keras 3, where with
    PyTorch as the backend copies of the outermost elements count in padding that is odd.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 2, 4, 2, 1)
    >>> cb.layers.AveragePooling3D(2)(x).ravel()
    array([5.5, 9.5], dtype=float32)
    """

    rank = 3
    implementation = "pooling.AveragePooling"
