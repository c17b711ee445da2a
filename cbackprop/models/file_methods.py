"""The part of a model that writes and reads files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cbackprop import saving
from cbackprop.layers.layer import registry
from cbackprop.part_of import part_of
from cbackprop.saving.weights_file import restore_training, save_training
from cbackprop.validation import check_boolean

__all__ = ["FileMethods"]

FORMATS_OF_KERAS = ("tf_saved_model", "openvino", "litert", "torch")


class ExportFormatError(NotImplementedError, ValueError):
    """Keras writes models in this format, and this library does not."""


@part_of("Model")
class FileMethods:
    """The part of `Model` that writes and reads files."""

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the whole model to a file, ``.keras`` or safetensors; see `saving.save_model`."""
        saving.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(
        self,
        filepath: Any,
        overwrite: bool = True,
        max_shard_size: float | None = None,
        objects_to_skip: Iterable[Any] | None = None,
    ) -> None:
        """Write weights and the state of the optimizer to a file; see `saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite, max_shard_size, objects_to_skip)

    def load_weights(
        self,
        filepath: Any,
        skip_mismatch: bool = False,
        objects_to_skip: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Read weights from a file, also Keras's, or from a PyTorch ``state_dict``; see `saving.load_weights`."""
        saving.load_weights(self, filepath, skip_mismatch, objects_to_skip, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: None = None,
        *,
        opset_version: int | None = None,
    ) -> None:
        """Write the model to an ONNX file, from which other programs can predict; see `cbackprop.export.onnx`.

        States of stateful layers are further inputs and outputs of the file: ``memory_h`` and ``memory_next_h`` of a
        layer called ``memory``.

        Parameters
        ----------
        filepath : str or path
            An existing file is replaced only when the new one is complete.
        format : {"onnx"}
            Must be given: the default is Keras's, and cannot be written.
        verbose : bool, optional
            Whether to print where the file is; ``None`` means yes, as in Keras.
        input_signature : None
            The inputs of the graph have the shapes and types of the model's, and any number of samples.
        opset_version : int, optional
            The version of ONNX's operators, as `opset` in `cbackprop.export.onnx`.

        Raises
        ------
        ImportError
            If the package onnx is not installed: ``pip install "cbackprop[onnx]"``.
        TypeError, ValueError
            If an argument is wrong, or a layer cannot be written. For the other formats of Keras the error is also a
            NotImplementedError.
        OSError
            If the file cannot be written. An existing file is then unchanged.

        References
        ----------
        Arguments are those of Keras 3.

        Examples
        --------
        >>> import os, tempfile
        >>> import cbackprop as cb
        >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(os.path.join(folder, "model.onnx"), format="onnx", verbose=False)
        """
        # A tool of a higher floor, which needs an optional package.
        from cbackprop.export import onnx_files, onnx_limits

        if format != "onnx":
            known = format in FORMATS_OF_KERAS
            what = f"format {format!r} cannot be written" if known else f"Unrecognized format={format!r}"
            raise (ExportFormatError if known else ValueError)(
                f"{what}, only 'onnx': model.export(filepath, format='onnx'), or cbackprop.export.onnx(model, path). "
                "To use the model in Python, call model.save."
            )
        loud = verbose is None or check_boolean("verbose", verbose)
        if input_signature is not None:
            raise ValueError(
                "input_signature must be None: the inputs of the graph are those of the model, but got "
                f"{input_signature!r}."
            )
        onnx_files.onnx(self, filepath, onnx_limits.OPSET if opset_version is None else opset_version)
        if loud:
            print(f"Saved artifact at '{filepath}'.")

    def save_training(self, filepath: Any) -> None:
        """Write a file for `restore_training`, for `callbacks.BackupAndRestore`."""
        save_training(self, filepath)

    def restore_training(self, filepath: Any) -> None:
        """Read a file of `save_training`. The next `fit` continues from there."""
        restore_training(self, filepath)

    def to_json(self, **kwargs: Any) -> str:
        """`get_config` with the class's name, as JSON, which `models.model_from_json` reads.

        Parameters
        ----------
        **kwargs
            For `json.dumps`, such as ``indent=2``.
        """
        return json.dumps(registry.serialize(self), **kwargs)
