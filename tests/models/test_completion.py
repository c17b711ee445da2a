"""Tab completion on a model."""

import pytest

import cbackprop as cb
from cbackprop import layers

# Names of Keras's models, and those of this library's own that its documentation shows.
OFFERED = set(
    """
    activity_regularizer add_loss add_weight build build_from_config built call compile compile_from_config compiled
    compute_dtype compute_loss compute_mask compute_metrics compute_output_shape count_params dtype evaluate export
    fit from_config get_build_config get_compile_config get_config get_layer get_metrics_result get_weights history
    input input_names input_shape inputs jit_compile layers load_own_variables load_weights loss losses metrics
    metrics_names metrics_variables name non_trainable_variables non_trainable_weights optimizer output output_names
    class_names output_shape outputs path predict predict_on_batch reset_metrics run_eagerly save save_own_variables
    save_weights set_weights steps_per_execution stop_training summary supports_masking test_on_batch to_json
    train_on_batch trainable trainable_variables trainable_weights variable_dtype variables weights backward
    check_gradients gradients trace stepper hvp ggnvp
    """.split()  # noqa: SIM905
)


@pytest.mark.parametrize("sequential", [True, False])
def test_what_is_offered(sequential):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    if not sequential:
        model = cb.Model(model.inputs, model.outputs)
    model.compile("adam", "mse")
    model.fit([[1.0, 2.0, 3.0]], [[1.0, 2.0]], verbose=0)
    found = {name for name in dir(model) if not name.startswith("_")}
    assert found == OFFERED | ({"add", "pop"} if sequential else set())


def test_what_users_add_is_offered():
    class Named(cb.Sequential):
        def describe(self):
            return self.note

    model = Named([cb.Input((3,)), layers.Dense(2)])
    model.note = 3
    assert {"describe", "note"} <= set(dir(model))
