"""The names that tab completion offers for a model.

A model is a layer, and the library itself uses many of its attributes. They are of no use to most users, so they are
hidden here. They have no underscore because authors of layers need some of them.
"""

from __future__ import annotations

__all__ = ["HIDDEN"]

HIDDEN = frozenset(
    """
    activated activates_in_python activation adjustable always_shown argument argument_names as_activation at_rest
    axes_of_one_sample batch_input_shape call_settings call_signature callback_states check_built_for
    check_float_types check_inputs check_more_inputs compile_settings compiled_activation complete_call connect
    couples_samples expand expand_activation fixes_batch_size flops function gradient_flops graph graph_arguments
    has_open_inputs has_own_variables holds_layers id_range implementation input_arguments input_structure
    is_activation is_model is_python is_view joined_shapes keeps_delta kind_of_layers largest_id_range lasting
    lay_down_engine makes_mask mask_rule metric_directions metrics_of_layers multiply_adds n_inputs nodes
    note_loss only_looks output_dtype output_has_mask output_structure overwrites_input plan plan_for plans
    reads_output reads_rows rearranges refuse_unknown resolve restart_engine restore_training results_of_metrics
    resume_at run run_shown save_training settle_position shapes_of_call stop_evaluating stop_predicting taken
    takes_only tensors_for training_position
    """.split()  # noqa: SIM905
)
