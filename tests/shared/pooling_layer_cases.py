"""Ways to make pooling layers, with the shapes that they take: a part of `layer_cases.LAYERS`."""

from __future__ import annotations

from cbackprop import layers

POOLING = {
    "MaxPooling1D": [
        (lambda: layers.MaxPooling1D(), [(7, 3)]),
        (lambda: layers.MaxPooling1D(3, 2, "same"), [(5, 2)]),  # with a stride of 1, ONNX's own evaluator fails
        (lambda: layers.MaxPooling1D(300, 7, "same"), [(311, 1)]),
        (lambda: layers.MaxPooling1D(2, data_format="channels_first"), [(3, 5)]),
    ],
    "MaxPooling2D": [
        (lambda: layers.MaxPooling2D(), [(5, 4, 9)]),
        (lambda: layers.MaxPooling2D((3, 2), 1), [(4, 3, 2)]),
        (lambda: layers.MaxPooling2D(2, (1, 3), "same"), [(3, 5, 3)]),
        (lambda: layers.MaxPooling2D(5, 1, "same"), [(6, 5, 1)]),
        (lambda: layers.MaxPooling2D(2, data_format="channels_first"), [(2, 5, 4)]),
    ],
    "MaxPooling3D": [
        (lambda: layers.MaxPooling3D(), [(2, 3, 4, 2)]),
        (lambda: layers.MaxPooling3D((1, 2, 3), (2, 1, 2), "same"), [(3, 2, 4, 2)]),
    ],
    "AveragePooling1D": [
        (lambda: layers.AveragePooling1D(2), [(7, 3)]),
        (lambda: layers.AveragePooling1D(3, 1, "same"), [(5, 2)]),
        (lambda: layers.AveragePooling1D(2, data_format="channels_first"), [(3, 5)]),
    ],
    "AveragePooling2D": [
        (lambda: layers.AveragePooling2D(2), [(5, 4, 9)]),
        (lambda: layers.AveragePooling2D((3, 2), 1), [(4, 3, 2)]),
        (lambda: layers.AveragePooling2D(2, (1, 3), "same"), [(3, 5, 3)]),
        (lambda: layers.AveragePooling2D(2, data_format="channels_first"), [(2, 5, 4)]),
    ],
    "AveragePooling3D": [
        (lambda: layers.AveragePooling3D(2), [(2, 3, 4, 2)]),
        (lambda: layers.AveragePooling3D((1, 2, 3), (2, 1, 2), "same"), [(3, 2, 4, 2)]),
    ],
    "GlobalMaxPooling1D": [
        (lambda: layers.GlobalMaxPooling1D(), [(5, 3)]),
        (lambda: layers.GlobalMaxPooling1D("channels_first", keepdims=True), [(3, 5)]),
    ],
    "GlobalMaxPooling2D": [
        (lambda: layers.GlobalMaxPooling2D(keepdims=True), [(3, 2, 3)]),
        (lambda: layers.GlobalMaxPooling2D("channels_first"), [(3, 2, 4)]),
    ],
    "GlobalMaxPooling3D": [(lambda: layers.GlobalMaxPooling3D(), [(2, 3, 2, 2)])],
    "GlobalAveragePooling1D": [
        (lambda: layers.GlobalAveragePooling1D(), [(5, 3)]),
        (lambda: layers.GlobalAveragePooling1D("channels_first", keepdims=True), [(3, 5)]),
    ],
    "GlobalAveragePooling2D": [
        (lambda: layers.GlobalAveragePooling2D(keepdims=True), [(3, 2, 3)]),
        (lambda: layers.GlobalAveragePooling2D("channels_first"), [(3, 2, 4)]),
    ],
    "GlobalAveragePooling3D": [(lambda: layers.GlobalAveragePooling3D(), [(2, 3, 2, 2)])],
    "AdaptiveMaxPooling1D": [(lambda: layers.AdaptiveMaxPooling1D(3), [(7, 2)])],
    "AdaptiveMaxPooling2D": [
        (lambda: layers.AdaptiveMaxPooling2D((2, 3)), [(5, 4, 3)]),
        (lambda: layers.AdaptiveMaxPooling2D(2, "channels_first"), [(3, 3, 4)]),
    ],
    "AdaptiveMaxPooling3D": [(lambda: layers.AdaptiveMaxPooling3D((1, 2, 3)), [(2, 3, 4, 2)])],
    "AdaptiveAveragePooling1D": [(lambda: layers.AdaptiveAveragePooling1D(3), [(7, 2)])],
    "AdaptiveAveragePooling2D": [
        (lambda: layers.AdaptiveAveragePooling2D((2, 3)), [(5, 4, 3)]),
        (lambda: layers.AdaptiveAveragePooling2D(2, "channels_first"), [(3, 3, 4)]),
    ],
    "AdaptiveAveragePooling3D": [(lambda: layers.AdaptiveAveragePooling3D((1, 2, 3)), [(2, 3, 4, 2)])],
}
