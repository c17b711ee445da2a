"""Objects that users register: classes of every family and functions come back from configs and files."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X, Y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
register = cb.saving.register_keras_serializable("own")


@register
def squares(y_true, y_pred):
    error = y_pred - y_true
    return (error**2).mean(axis=-1), 2 * error / error.shape[-1]


@register
def distance(y_true, y_pred):
    return np.abs(y_true - y_pred)


@register
class Regularizer(cb.regularizers.L2):
    pass


@register
class Initializer(cb.initializers.GlorotUniform):
    pass


@register
class Constraint(cb.constraints.NonNeg):
    pass


@register
class Wide(layers.Dense):
    def __init__(self, units, factor=2.0, **kwargs):
        super().__init__(units, **kwargs)
        self.factor = factor


@register
class Slow(cb.optimizers.SGD):
    pass


@register
class Schedule(cb.optimizers.schedules.ExponentialDecay):
    pass


@register
class Loss(cb.losses.Huber):
    pass


@register
class Metric(cb.metrics.MeanSquaredError):
    pass


def make(**settings):
    wide = Wide(
        2, 3.0, kernel_regularizer=Regularizer(0.1), kernel_initializer=Initializer(), bias_constraint=Constraint()
    )
    model = cb.Sequential([cb.Input((3,)), wide])
    model.compile(**settings)
    model.fit(X, Y, verbose=0)
    return model


def through_a_file(model, folder):
    model.save(folder / "m")
    return cb.models.load_model(folder / "m")


COPIES = [through_a_file, lambda model, folder: cb.models.clone_model(model)]


@pytest.mark.parametrize("duplicate", COPIES)
def test_functions(tmp_path, duplicate):
    twin = duplicate(make(optimizer="sgd", loss=squares, metrics=[distance, "mae"]), tmp_path)
    settings = twin.compile_settings()
    assert settings["loss"] is squares
    assert settings["metrics"][0] is distance
    twin.fit(X, Y, verbose=0)


@pytest.mark.parametrize("duplicate", COPIES)
def test_classes(tmp_path, duplicate):
    twin = duplicate(make(optimizer=Slow(Schedule(0.1, 10, 0.5)), loss=Loss(0.3), metrics=[Metric(name="m")]), tmp_path)
    layer, settings = twin.layers[0], twin.compile_settings()
    assert (type(layer), layer.factor) == (Wide, 3.0)
    kinds = [type(thing) for thing in (layer.kernel_regularizer, layer.kernel_initializer, layer.bias_constraint)]
    assert kinds == [Regularizer, Initializer, Constraint]
    assert type(twin.optimizer) is Slow
    assert type(twin.optimizer.argument("learning_rate")) is Schedule
    assert (type(settings["loss"]), settings["loss"].delta) == (Loss, 0.3)
    assert (type(settings["metrics"][0]), settings["metrics"][0].name) == (Metric, "m")
    twin.fit(X, Y, verbose=0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_subclass_of_an_optimizer_takes_the_steps_of_its_base(engine):
    models = [make(optimizer=cls(0.1), loss="mse", engine=engine) for cls in (Slow, cb.optimizers.SGD)]
    models[0].set_weights(models[1].get_weights())
    for model in models:
        model.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])


@pytest.mark.parametrize("name", ["apply", "build", "finalize_variable_values"])
def test_an_optimizer_with_another_method_that_training_would_pass_over_is_refused(name):
    base = getattr(cb.optimizers.SGD, name)
    called = []
    own = type("Own", (cb.optimizers.SGD,), {name: lambda self, *args: (called.append(1), base(self, *args))[1]})
    optimizer = own(0.1)
    with pytest.raises(TypeError, match=f"Own defines {name}, which training would never call.*optimizer.apply"):
        make(optimizer=optimizer, loss="mse")
    weights = [np.ones(2)]
    getattr(optimizer, name)(*([weights, weights] if name == "apply" else [weights]))
    assert called  # a loop of one's own calls it


def test_an_optimizer_with_a_rule_of_its_own_is_refused():
    with pytest.raises(TypeError, match="Own defines update_step, which would never be called"):

        class Own(cb.optimizers.SGD):
            def update_step(self, gradient, variable, learning_rate):
                pass

    class Bare(cb.optimizers.Optimizer):
        pass

    with pytest.raises(TypeError, match="Bare has no rule: derive it"):
        make(optimizer=Bare(0.1), loss="mse")


def test_lambdas_leave_the_model_uncompiled(tmp_path):
    model = make(optimizer="sgd", loss="mse", metrics=[lambda y_true, y_pred: y_pred - y_true])
    with pytest.warns(UserWarning, match="The arguments of compile are not saved: .*<lambda>.* has no name"):
        model.save(tmp_path / "m")
    assert not cb.models.load_model(tmp_path / "m").compiled


def relu(y_true, y_pred):
    return y_pred - y_true


def test_functions_called_like_one_of_the_library(tmp_path):
    """A reader would take the library's."""
    model = make(optimizer="sgd", loss="mse", metrics=[relu])
    with pytest.warns(UserWarning, match="'relu' has the same name as one of this library"):
        model.save(tmp_path / "m")
    with pytest.raises(TypeError, match="'relu' has the same name as one of this library"):
        cb.saving.serialize_keras_object(relu)


def test_what_json_does_not_have():
    things = {"bytes": b"ab", "slice": slice(1, None, 2), "all": ..., "array": np.eye(2), "one": np.float32(2)}
    back = cb.saving.deserialize_keras_object(cb.saving.serialize_keras_object(things))
    assert (back["bytes"], back["slice"], back["all"], back["one"]) == (b"ab", slice(1, None, 2), ..., 2.0)
    np.testing.assert_array_equal(back["array"], np.eye(2))


def test_code_is_never_run():
    config = {"class_name": "__lambda__", "config": {"value": ["x", None, None]}}
    for safe_mode in (True, False):
        with pytest.raises(ValueError, match="could lead to arbitrary code execution"):
            cb.saving.deserialize_keras_object(config, safe_mode=safe_mode)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class_name": "Dense", "config": [1]}, "Expected 'config' to be a dict"),
        ({"class_name": "function", "config": ["a"]}, "Expected 'config' to be a non-null str"),
        ({"class_name": "function", "config": "nobody", "module": "builtins"}, "Unknown function 'nobody'"),
        ({"class_name": "Nobody", "config": {}, "module": "here"}, "Unknown class 'Nobody'"),
        ({"class_name": "Nobody", "config": {}, "module": "keras.layers"}, "Unknown layer 'Nobody'"),
        ({"class_name": "__typespec__", "config": "a"}, "Expected 'config' to be a list or a tuple"),
    ],
)
def test_the_class_of_what_is_raised_is_keras(config, message):
    with pytest.raises(TypeError, match=message):
        cb.saving.deserialize_keras_object(config)


def test_a_name_without_its_package():
    """As Keras wrote functions before 3.7; else a function of another package would be taken for one's own."""
    config = {"class_name": "function", "module": "builtins", "config": "squares"}
    assert cb.saving.deserialize_keras_object(config | {"registered_name": "function"}) is squares
    with pytest.raises(TypeError, match="Unknown function 'squares'"):
        cb.saving.deserialize_keras_object(config | {"registered_name": "squares"})


def test_names_that_are_registered_nowhere():
    config = {"class_name": "Dense", "module": "keras.layers", "registered_name": "a>b", "config": {"units": 1}}
    with pytest.raises(ValueError, match="'Dense' resolved to a Keras built-in"):
        cb.saving.deserialize_keras_object(config)
    assert cb.saving.deserialize_keras_object(config | {"registered_name": None}).units == 1


def test_the_registered_name_of_what_has_none():
    with pytest.raises(TypeError, match="obj must be a class or function, but got 3"):
        cb.saving.get_registered_name(3)
