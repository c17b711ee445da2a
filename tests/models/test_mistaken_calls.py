"""Every mistake ends in a clear exception, before any weight has changed."""

from collections import UserDict

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X = np.zeros((6, 3))
Y = np.zeros((6, 2))


def model(loss="mse", units=2, activation=None):
    built = cb.Sequential([cb.Input((3,)), layers.Dense(4), layers.Dense(units, activation=activation)])
    built.compile("sgd", loss, metrics=["accuracy"])
    return built


def classifier():
    return model("sparse_categorical_crossentropy", 3, "softmax")


def two_inputs():
    a, b = cb.Input((3,), name="a"), cb.Input((2,), name="b")
    joined = layers.Concatenate()([a, b])
    built = cb.Model([a, b], [layers.Dense(1, name="u")(joined), layers.Dense(2, name="v")(joined)])
    built.compile("sgd", "mse")
    return built


def with_value(array, value):
    changed = array.copy()
    changed.flat[3] = value
    return changed


class Sparse:
    def toarray(self):
        return X


NAN, INF = float("nan"), float("inf")


class Careless(layers.Layer):
    def __init__(self):
        pass

    def call(self, inputs):
        return inputs


def batches():
    yield X, Y


FIT_MISTAKES = {
    "a mapping that is no dict": (
        model,
        lambda m: m.fit(UserDict(x=X), Y),
        TypeError,
        r"x must hold real numbers, but got an object of type collections.UserDict, which holds .*dict\(x\)",
    ),
    "a mapping of targets": (model, lambda m: m.fit(X, UserDict(y=Y)), TypeError, r"y must hold .*, dict\(y\)"),
    "a mapping of inputs": (
        two_inputs,
        lambda m: m.fit(UserDict(a=X, b=Y), [Y[:, :1], Y]),
        ValueError,
        r"x must be a list or dict of 2 arrays \(\['a', 'b'\]\), but got .*UserDict, which is no dict: dict\(\.\.\.\)",
    ),
    "an object in place of targets": (
        two_inputs,
        lambda m: m.fit([X, Y], Sparse()),
        ValueError,
        r"y must be a list or dict of 2 arrays \(\['u', 'v'\]\), but got an object of type .*Sparse\.$",
    ),
    "rank": (model, lambda m: m.fit(X[0], Y), ValueError, r"x must have shape \(None, 3\), but got \(3,\)"),
    "width": (model, lambda m: m.fit(X[:, :2], Y), ValueError, r"x must have shape \(None, 3\), but got \(6, 2\)"),
    "length": (model, lambda m: m.fit(X, Y[:5]), ValueError, r"y must have 6 samples.*\(5, 2\)"),
    "target width": (model, lambda m: m.fit(X, Y[:, :1]), ValueError, r"y must have the shape.*\(6, 2\).*\(6, 1\)"),
    "no samples": (model, lambda m: m.fit(X[:0], Y[:0]), ValueError, "x holds no samples"),
    "no x": (model, lambda m: m.fit(), ValueError, "x is missing"),
    "no y": (model, lambda m: m.fit(X), ValueError, "y is missing"),
    "dtype": (model, lambda m: m.fit(X.astype(str), Y), TypeError, "x must hold real numbers, but got dtype <U"),
    "objects": (model, lambda m: m.fit(X.astype(object), Y), TypeError, "x must hold real numbers, but got dtype obj"),
    "objects that may be numbers": (model, lambda m: m.fit(X.astype(object), Y), TypeError, r"astype\('float32'\)"),
    "an object": (
        model,
        lambda m: m.fit(object(), Y),
        TypeError,
        "x must hold real numbers, but got an object of type o",
    ),
    "a generator function": (model, lambda m: m.fit(batches), TypeError, "an object of type function. Call it"),
    "one class a row": (
        model,
        lambda m: m.fit(X, [0, 1, 1, 0, 0, 1]),
        ValueError,
        r"sparse_..., or .*to_categorical\(y, 2",
    ),
    "built for another shape": (
        model,
        lambda m: m.build((None, 4)),
        ValueError,
        r"built for \(None, 3\), but got \(None, 4",
    ),
    "a file": (model, lambda m: m.fit("data.csv", Y), TypeError, "object of type str. Read files first, for ex"),
    "names": (
        model,
        lambda m: m.fit(X, Y.astype(str)),
        TypeError,
        r"Convert names of classes .* numpy.unique\(names, return_inv",
    ),
    "complex": (model, lambda m: m.fit(X, Y + 0j), TypeError, "y must hold real numbers, but got dtype complex128"),
    "ragged": (model, lambda m: m.fit([[1, 2, 3], [1, 2]], Y[:2]), ValueError, "x must be one array"),
    "nan in x": (model, lambda m: m.fit(with_value(X, NAN), Y), ValueError, r"x must be finite, but got nan at .*1, 0"),
    "inf in x": (model, lambda m: m.fit(with_value(X, -INF), Y), ValueError, "x must be finite, but got -inf"),
    "nan in y": (model, lambda m: m.fit(X, with_value(Y, NAN)), ValueError, r"y must be finite, but got nan at .*1, 1"),
    "too large": (model, lambda m: m.fit(with_value(X, 1e300), Y), ValueError, "x as float32 must be finite"),
    "label high": (classifier, lambda m: m.fit(X, [0, 1, 2, 3, 0, 0]), ValueError, r"classes in \[0, 3\), but got 3"),
    "label low": (classifier, lambda m: m.fit(X, [0, 1, -1, 0, 0, 0]), ValueError, r"classes in \[0, 3\), but got -1"),
    "label half": (classifier, lambda m: m.fit(X, [0, 1, 0.5, 0, 0, 0]), ValueError, "fraction 0.5"),
    "one-hot": (classifier, lambda m: m.fit(X, np.zeros((6, 3))), ValueError, "one-hot labels go with categorical"),
    "epochs": (model, lambda m: m.fit(X, Y, epochs=-1), ValueError, "epochs must be at least 0, but got -1"),
    "epochs type": (model, lambda m: m.fit(X, Y, epochs=2.5), TypeError, "epochs must be an integer, but got 2.5"),
    "batch size": (model, lambda m: m.fit(X, Y, batch_size=0), ValueError, "batch_size must be at least 1, but got 0"),
    "verbose": (model, lambda m: m.fit(X, Y, verbose=7), ValueError, "verbose must be 'auto', 0, 1 or 2, but got 7"),
    "split": (model, lambda m: m.fit(X, Y, validation_split=1.0), ValueError, "validation_split must be .* below 1"),
    "split empty": (model, lambda m: m.fit(X, Y, validation_split=0.9), ValueError, "leaves one part empty"),
    "validation": (model, lambda m: m.fit(X, Y, validation_data=3), ValueError, r"validation_data: expected a tuple"),
    "val shape": (model, lambda m: m.fit(X, Y, validation_data=(X, Y[:, :1])), ValueError, "y must have the shape"),
    "val size": (
        model,
        lambda m: m.fit(X, Y, validation_data=(X, Y), validation_batch_size=-2),
        ValueError,
        "at least 1",
    ),
    "validation width": (
        model,
        lambda m: m.fit(X, Y, validation_data=(X[:, :1], Y)),
        ValueError,
        "validation_data: x must have shape",
    ),
    "verbose array": (model, lambda m: m.fit(X, Y, verbose=np.zeros(2)), ValueError, "verbose must be 'auto', 0, 1"),
    "large label": (classifier, lambda m: m.fit(X, np.full(6, 2**63, np.uint64)), ValueError, f"but got {2**63}"),
    "masked": (
        model,
        lambda m: layers.Dense(2)(np.ma.masked_array(X, X > 0)),
        TypeError,
        "inputs must not be a masked",
    ),
    "frequency": (model, lambda m: m.fit(X, Y, validation_freq=0), ValueError, "validation_freq must be at least 1"),
    "steps": (model, lambda m: m.fit(X, Y, steps_per_epoch=0), ValueError, "steps_per_epoch must be at least 1"),
    "shuffle": (model, lambda m: m.fit(X, Y, shuffle="yes"), TypeError, "shuffle must be True or False"),
    "callbacks": (model, lambda m: m.fit(X, Y, callbacks=[3]), TypeError, "callbacks must hold Callback objects"),
    "weights": (model, lambda m: m.fit(X, Y, sample_weight=np.ones(5)), ValueError, "one weight for each sample"),
    "nan weight": (
        model,
        lambda m: m.fit(X, Y, sample_weight=np.full(6, NAN)),
        ValueError,
        "sample_weight must be fin",
    ),
    "class weight": (
        classifier,
        lambda m: m.fit(X, [0] * 6, class_weight={3: 1.0}),
        ValueError,
        "class_weight has class 3",
    ),
    "class weight out of range": (
        classifier,
        lambda m: m.fit(X, [0] * 6, class_weight={0: 1e300}),
        ValueError,
        "class_weight must be at most",
    ),
    "sample weight out of range": (
        classifier,
        lambda m: m.fit(X, [0] * 6, sample_weight=np.full(6, 1e300)),
        ValueError,
        "sample_weight must be at most",
    ),
    "class dict": (classifier, lambda m: m.fit(X, [0] * 6, class_weight=7), TypeError, "class_weight must be a dict"),
    "class list": (classifier, lambda m: m.fit(X, [0] * 6, class_weight=[{0: 1}]), ValueError, "use a dict"),
    "one input": (two_inputs, lambda m: m.fit(X, [Y[:, :1], Y]), ValueError, "x must be a list or dict of 2 arrays"),
    "three inputs": (two_inputs, lambda m: m.fit([X, X, X], [Y[:, :1], Y]), ValueError, "x must hold 2 arrays"),
    "wrong key": (two_inputs, lambda m: m.fit({"a": X, "c": X}, [Y[:, :1], Y]), ValueError, r"keys \['a', 'b'\]"),
    "lengths": (two_inputs, lambda m: m.fit([X, Y[:4]], [Y[:, :1], Y]), ValueError, r"as many samples.*\[6, 4\]"),
    "outputs": (two_inputs, lambda m: m.fit([X, Y], Y), ValueError, "y must be a list or dict of 2 arrays"),
    "evaluate": (model, lambda m: m.evaluate(X, Y, batch_size=-1), ValueError, "batch_size must be at least 1"),
    "predict": (model, lambda m: m.predict(X[:, :1]), ValueError, "x must have shape"),
    "predict nan": (model, lambda m: m.predict(with_value(X, NAN)), ValueError, "x must be finite"),
    "on batch": (model, lambda m: m.train_on_batch(X, Y[:2]), ValueError, "y must have 6 samples"),
    "call": (model, lambda m: m(X[0]), ValueError, "x must have shape"),
    "call two": (two_inputs, lambda m: m(X), ValueError, "x must be a list or dict of 2 arrays"),
    "gradients": (model, lambda m: m.gradients(X, Y[:, :1]), ValueError, "y must have the shape"),
    "set number": (model, lambda m: m.set_weights([]), ValueError, "has 4 weights, but got 0"),
    "set shape": (model, lambda m: m.set_weights([np.ones((3, 4)), np.ones(3), Y, Y]), ValueError, r"has shape \(4,\)"),
    "set large": (
        model,
        lambda m: m.set_weights([np.full((3, 4), 1e300), np.ones(4), np.ones((4, 2)), np.ones(2)]),
        ValueError,
        "is float32, which cannot hold",
    ),
    "rate": (
        model,
        lambda m: setattr(m.optimizer, "learning_rate", -1),
        ValueError,
        "learning_rate must be at least 0",
    ),
    "rate nan": (
        model,
        lambda m: setattr(m.optimizer, "learning_rate", NAN),
        ValueError,
        "learning_rate must be finite",
    ),
}


@pytest.mark.parametrize("name", FIT_MISTAKES)
def test_use_of_a_model(name):
    make, act, error, message = FIT_MISTAKES[name]
    built = make()
    before = built.get_weights()
    with pytest.raises(error, match=message):
        act(built)
    for a, b in zip(before, built.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert built.optimizer.iterations == 0
    assert built.optimizer.learning_rate == 0.01


MAKE_MISTAKES = {
    "before compile": (lambda: cb.Sequential([layers.Dense(1)]).fit(X, Y), RuntimeError, "Call compile before fit"),
    "evaluate early": (lambda: cb.Sequential([layers.Dense(1)]).evaluate(X, Y), RuntimeError, "Call compile before ev"),
    "gradients early": (lambda: cb.Sequential([layers.Dense(1)]).gradients(X, Y), RuntimeError, "Call compile before"),
    "no shape": (lambda: layers.Dense(1).count_params(), ValueError, "has no weights yet"),
    "no output": (lambda: layers.Dense(1).output, AttributeError, "has not been called yet"),
    "units": (lambda: layers.Dense(0), ValueError, "units must be at least 1, but got 0"),
    "units type": (lambda: layers.Dense(2.0), TypeError, "units must be an integer, but got 2.0"),
    "activation": (
        lambda: layers.Dense(2, activation="rulu"),
        ValueError,
        "Unknown activation 'rulu'. Did you mean 're",
    ),
    "no function": (lambda: layers.Dense(2, activation=3), TypeError, "Expected an activation, its name or its config"),
    "initializer": (lambda: layers.Dense(2, kernel_initializer="xavier"), ValueError, "Unknown initializer 'xavier'"),
    "argument": (lambda: layers.Dense(2, unit=3), TypeError, "Dense has no argument 'unit'. Did you mean 'units'"),
    "name": (lambda: layers.Dense(2, name=3), TypeError, "name must be a string"),
    "dtype": (lambda: layers.Dense(2, dtype="float16"), ValueError, "Expected dtype 'float32' or 'float64'"),
    "floatx": (lambda: cb.config.set_floatx("half"), ValueError, "Expected dtype 'float32' or 'float64'"),
    "mixed dtypes": (
        lambda: layers.Dense(2, dtype="float64")(cb.Input((3,))),
        ValueError,
        "computes in float64, but its input .* is float32",
    ),
    "trainable": (lambda: layers.Dense(2, trainable="no"), TypeError, "trainable must be True or False"),
    "unknown units": (
        lambda: cb.Sequential([cb.Input((None,)), layers.Dense(1)]),
        ValueError,
        "depend on a size of its input that is not known",
    ),
    "bad format": (
        lambda: model().export("m", format="bad"),
        ValueError,
        "Unrecognized format='bad', only 'onnx': model.export",
    ),
    "format of Keras": (
        lambda: model().export("m", format="tf_saved_model"),
        NotImplementedError,
        "format 'tf_saved_model' cannot be written, only 'onnx'",
    ),
    **{
        f"own {name}": (
            lambda name=name: type("Own", (cb.Model,), {name: lambda self: None}),
            TypeError,
            f"Own defines {name}, which would never be called",
        )
        for name in (
            "call",
            "train_step",
            "compute_loss",
            "compute_metrics",
            "get_metrics_result",
            "make_train_function",
            "metrics",
            "reset_metrics",
        )
    },
    "input below zero": (lambda: cb.Input((-1,)), ValueError, "must be at least 0, but got -1"),
    "input string": (lambda: cb.Input("3"), TypeError, "shape must be a tuple of integers"),
    "dense of vector": (lambda: layers.Dense(2)(cb.Input(())), ValueError, r"needs inputs \(batch, ..., features\)"),
    "another width": (
        lambda: [layer(cb.Input((n,))) for layer in [layers.Dense(2)] for n in (3, 4)],
        ValueError,
        "was built for inputs of width 3",
    ),
    "two for one": (
        lambda: layers.Dense(2)([cb.Input((3,)), cb.Input((3,))]),
        ValueError,
        r"takes 1 input\(s\), but got 2",
    ),
    "one for two": (lambda: layers.Add()(cb.Input((3,))), ValueError, "merges a list of at least 2"),
    "half symbolic": (lambda: layers.Add()([cb.Input((3,)), X]), TypeError, "symbolic tensors and ndarray"),
    "array of tensor": (lambda: np.asarray(cb.Input((3,))), TypeError, "is symbolic: it has no values"),
    "truth of tensor": (lambda: bool(cb.Input((3,))), TypeError, "is symbolic"),
    "same names": (
        lambda: cb.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]),
        ValueError,
        "'a' is there already",
    ),
    "same names in graph": (
        lambda: cb.Model(*(lambda x: (x, layers.Dense(1, name="a")(layers.Dense(1, name="a")(x))))(cb.Input((2,)))),
        ValueError,
        "'a' is used more than once",
    ),
    "disconnected": (
        lambda: cb.Model(cb.Input((2,)), layers.Dense(1)(cb.Input((2,)))),
        ValueError,
        "which is not among",
    ),
    "no tensors": (lambda: cb.Model([], []), TypeError, "inputs` values must be KerasTensors"),
    "arrays for tensors": (
        lambda: cb.Model(X, X),
        ValueError,
        "All `inputs` values must be KerasTensors, made by Input or by layers",
    ),
    "no layer": (
        lambda: cb.Sequential([3]),
        TypeError,
        "Only instances of Layer can be added to a Sequential, but got 3",
    ),
    "class of layers": (
        lambda: cb.Sequential([layers.Flatten]),
        TypeError,
        r"but got the class Flatten\. Forgot the parentheses\?",
    ),
    "another library's layer": (
        lambda: cb.Sequential([type("Dense", (), {"__module__": "keras.src.dense"})()]),
        TypeError,
        r"of type keras\.src\.dense\.Dense: use cbackprop\.layers\.Dense\.$",
    ),
    "constructor that stops at itself": (lambda: cb.Sequential([Careless()]), RuntimeError, r"begin with super\(\)"),
    "its call": (lambda: Careless()(X), RuntimeError, r"Careless\.__init__ must begin with super\(\)"),
    "model with a call": (
        lambda: type("M", (cb.Model,), {"call": len}),
        TypeError,
        "M defines call, which would never",
    ),
    "model with a step": (lambda: type("M", (cb.Sequential,), {"train_step": len}), TypeError, "M defines train_step"),
    "input in the middle": (lambda: cb.Sequential([layers.Dense(1), cb.Input((1,))]), ValueError, "only be the first"),
    "pop nothing": (lambda: cb.Sequential().pop(), ValueError, "no layers to remove"),
    "empty": (lambda: cb.Sequential().predict(X), ValueError, "The model has no layers"),
    "shape of deferred": (lambda: cb.Sequential([layers.Dense(1)]).output_shape, ValueError, "has no shape yet"),
    "call an input": (lambda: layers.InputLayer((2,))(X), TypeError, "cannot be called"),
    "get_layer": (lambda: model().get_layer("x"), ValueError, "No layer is called 'x'"),
    "get_layer both": (lambda: model().get_layer(), ValueError, "either a name or an index"),
    "get_layer index": (lambda: model().get_layer(index=5), ValueError, "has 2 layers, but index 5"),
    "seed": (lambda: cb.utils.set_random_seed(-1), ValueError, "seed must be at least 0"),
    "seed type": (lambda: cb.utils.set_random_seed("1"), TypeError, "seed must be an integer"),
    "setting": (lambda: setattr(cb.optimizers.Adam(), "lr", 0.1), AttributeError, "Adam has no setting 'lr'"),
    "optimizer argument": (lambda: cb.optimizers.Adam(lr=0.1), TypeError, "Adam has no argument 'lr'"),
    "built": (lambda: setattr(model().layers[0], "units", 9), AttributeError, "is built: its units cannot change"),
    "array for a weight": (
        lambda: setattr(model().layers[0], "kernel", np.ones((3, 4))),
        AttributeError,
        r"kernel of Dense 'dense\w*' is a weight.*kernel\.assign\(values\)",
    ),
    "built anew": (lambda: setattr(model().layers[0], "built", False), AttributeError, "weights cannot be made again"),
    "sparse": (lambda: model().predict(Sparse()), TypeError, "by its method toarray"),
    "threads": (lambda: cb.config.set_num_threads(0), ValueError, "n must be at least 1"),
    "lambda callback": (lambda: cb.callbacks.LambdaCallback(on_epoch=len), TypeError, "has no method 'on_epoch'"),
    "lambda function": (lambda: cb.callbacks.LambdaCallback(on_epoch_end=3), TypeError, "must be callable"),
    "momentum": (lambda: cb.optimizers.SGD(momentum=1.5), ValueError, "momentum must be at least 0 and at most 1"),
    "two clips": (lambda: cb.optimizers.SGD(clipnorm=1, clipvalue=1), ValueError, "Only one of clipnorm"),
    "clone": (lambda: cb.models.clone_model(3), TypeError, "clone_model takes a model"),
}


@pytest.mark.parametrize("name", MAKE_MISTAKES)
def test_making_things(name):
    act, error, message = MAKE_MISTAKES[name]
    with pytest.raises(error, match=message):
        act()


COMPILE_MISTAKES = {
    "optimizer": ({"optimizer": "adamm"}, ValueError, "Unknown optimizer 'adamm'. Did you mean 'adam'"),
    "optimizer type": ({"optimizer": 3}, TypeError, "Expected an optimizer"),
    "a loss for an optimizer": ({"optimizer": cb.losses.MeanSquaredError()}, TypeError, "Expected an optimizer"),
    "loss": ({"loss": "mean_square"}, ValueError, "Unknown loss 'mean_square'. Did you mean 'mean_squared_error'"),
    "loss type": ({"loss": 3}, TypeError, "Expected a loss"),
    "another function for a loss": ({"loss": cb.activations.relu}, TypeError, "Expected a loss"),
    "engine type": ({"engine": ["compiled"]}, ValueError, "Unknown engine"),
    "no metrics": ({"loss": "mse", "metrics": 0}, ValueError, "metrics must be a list or a dict, but got 0"),
    "metrics array": ({"loss": "mse", "metrics": np.zeros(2)}, ValueError, "metrics must be a list or a dict"),
    "loss key": ({"loss": {"x": "mse"}}, ValueError, "loss has a key 'x'"),
    "reduction": ({"loss": cb.losses.MeanSquaredError(reduction=None)}, ValueError, "has no reduction"),
    "loss weight": ({"loss": "mse", "loss_weights": [-1]}, ValueError, "loss_weights.* must be at least 0"),
    "metric": ({"loss": "mse", "metrics": ["acuracy"]}, ValueError, "Unknown metric 'acuracy'"),
    "metric type": ({"loss": "mse", "metrics": [3]}, TypeError, "Expected a metric"),
    "metrics type": ({"loss": "mse", "metrics": "mae"}, ValueError, "metrics must be a list or a dict"),
    "engine": ({"loss": "mse", "engine": "numpy"}, ValueError, "Unknown engine 'numpy'"),
}


@pytest.mark.parametrize("name", COMPILE_MISTAKES)
def test_compile(name):
    arguments, error, message = COMPILE_MISTAKES[name]
    built = model()
    settings = built.optimizer, built._settings, built._objectives
    with pytest.raises(error, match=message):
        built.compile(**{"optimizer": "sgd", **arguments})
    assert (built.optimizer, built._settings, built._objectives) == settings
    built.fit(X, Y, verbose=0)


def test_fit_without_a_loss():
    built = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    built.compile("sgd")
    with pytest.raises(ValueError, match="fit needs a loss"):
        built.fit(X, Y)
    assert built.predict(X, verbose=0).shape == (6, 2)


def test_a_model_inside_another_cannot_change():
    inner = cb.Sequential([cb.Input((3,)), layers.Dense(4)])
    outer = cb.Sequential([cb.Input((3,)), inner, layers.Dense(2)])
    for change in (inner.pop, lambda: inner.add(layers.Dense(40))):
        with pytest.raises(ValueError, match="is part of another model"):
            change()
    outer.compile("sgd", "mse")
    outer.fit(X, Y, verbose=0)


@pytest.mark.parametrize("masked", ["x", "y"])
def test_masked_arrays_are_refused(masked):
    arrays = {"x": X, "y": Y}
    arrays[masked] = np.ma.masked_array(arrays[masked], mask=True)
    with pytest.raises(TypeError, match=f"{masked} must not be a masked array"):
        model().fit(**arrays)


def test_a_subclass_of_a_layer_computes_as_the_layer_does():
    class Named(layers.Dense):
        pass

    assert cb.Sequential([cb.Input((3,)), Named(2)]).predict(X, verbose=0).shape == (6, 2)


def test_big_endian_data_is_data():
    built = model()
    built.fit(X.astype(">f8"), Y.astype(">f4"), verbose=0)
    with pytest.raises(ValueError, match="x must be finite"):
        built.fit(with_value(X, NAN).astype(">f4"), Y)


@pytest.mark.parametrize("base", [cb.Model, cb.Sequential])
def test_a_method_that_is_set_later_and_never_called(base):
    class Own(base):
        pass

    Own.train_step = lambda self, data: {}
    with pytest.raises(TypeError, match="Own defines train_step, which would never be called"):
        Own() if base is cb.Sequential else Own(x := cb.Input((1,)), x)


def test_a_rule_of_an_optimizer_that_is_set_later():
    class Own(cb.optimizers.SGD):
        pass

    Own.update_step = lambda self, gradient, variable, learning_rate: None
    with pytest.raises(TypeError, match="Own defines update_step, which training would never call"):
        cb.Sequential([layers.Dense(1)]).compile(Own())
