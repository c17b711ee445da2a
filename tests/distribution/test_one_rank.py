"""Tests that need no other rank."""

import subprocess
import sys

import pytest
from mpi_ranks import needs_mpi, succeed

import cbackprop as cb


def test_without_mpi4py_it_says_what_to_install(tmp_path):
    program = "import sys; sys.modules['mpi4py'] = None; import cbackprop as cb; cb.distribution.DataParallel()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "ImportError" in done.stderr
    assert "pip install 'cbackprop[mpi]'" in done.stderr


@pytest.mark.parametrize("name", ["device_mesh", "devices"])
def test_arguments_of_keras_that_mpi_answers(name):
    with pytest.raises(ValueError, match=f"{name} must be None"):
        cb.distribution.DataParallel(**{name: ["cpu:0"]})


@pytest.mark.parametrize("name", ["job_addresses", "num_processes", "process_id"])
def test_arguments_of_initialize(name):
    with pytest.raises(ValueError, match=f"{name} must be None"):
        cb.distribution.initialize(**{name: 1})


def test_own_data_has_no_fixed_pieces():
    with pytest.raises(ValueError, match="deterministic must be False"):
        cb.distribution.DataParallel(auto_shard_dataset=False, deterministic=True)


@pytest.mark.parametrize("value", ["data_parallel", 4, cb.distribution.DataParallel])
def test_a_distribution_of_another_kind(value):
    with pytest.raises(TypeError, match="value must be a DataParallel or None"):
        cb.distribution.set_distribution(value)
    assert cb.distribution.distribution() is None


def test_devices():
    assert cb.distribution.list_devices("CPU") == ["cpu:0"]
    with pytest.raises(ValueError, match="device_type must be 'cpu'"):
        cb.distribution.list_devices("gpu")


@needs_mpi
def test_one_process_alone(tmp_path):
    program = """
import cbackprop as cb
cb.distribution.set_distribution(ranks := cb.distribution.DataParallel())
assert cb.distribution.distribution() is ranks
assert (ranks.rank, ranks.num_processes) == (0, 1)
assert repr(ranks) == "<DataParallel of 1 processes, rank 0>"
model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit([[1.0]], [[1.0]], verbose=0)
"""
    succeed(1, tmp_path, program)
