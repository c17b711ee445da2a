import os
import sys

import pytest

# Before keras is imported anywhere: the backend that these tests are written for.
os.environ.setdefault("KERAS_BACKEND", "torch")


def set_float_type(dtype):
    """That of Keras's layers. It keeps its policy once a layer has asked for it, whatever `set_floatx` says later."""
    import keras

    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


@pytest.fixture(autouse=True)
def keras_in_float32():
    """No test leaves Keras in float64."""
    yield
    if "keras" in sys.modules:
        set_float_type("float32")


@pytest.fixture
def keras_in_float64(keras_in_float32):
    set_float_type("float64")


@pytest.fixture
def both_in_float64(monkeypatch, keras_in_float64):
    """Keras and this library. With PyTorch, Keras's matmul rounds to float32: PyTorch's own takes its place."""
    import keras
    import torch
    from keras.src import ops

    import cbackprop as cb

    monkeypatch.setattr(ops, "matmul", lambda a, b: torch.matmul(*map(keras.ops.convert_to_tensor, (a, b))))
    cb.config.set_floatx("float64")
