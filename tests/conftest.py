import signal
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import cbackprop as cb

# So that a failed `assert` in them shows its values, too.
pytest.register_assert_rewrite(*(path.stem for path in (Path(__file__).parent / "shared").glob("*.py")))


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: needs Chromium; where it is absent, the test is left out")
    config.addinivalue_line("markers", "h5py: needs h5py, for files of Keras; where it is absent, the test is left out")


def pytest_runtest_setup(item):
    if item.get_closest_marker("browser") is not None and import_module("browser").PROGRAM is None:
        pytest.skip("Chromium is not here")
    if item.get_closest_marker("h5py") is not None:
        pytest.importorskip("h5py")


@pytest.fixture
def interrupts():
    """Let interrupts work as in a terminal. Programs that a shell starts in the background ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_start():
    """Every test starts from the same seed, the default float type and number of threads, and fresh names of layers."""
    cb.utils.set_random_seed(0)
    cb.utils.clear_session(free_memory=False)
    yield
    cb.config.set_floatx("float32")
    cb.config.set_num_threads("auto")


@pytest.fixture
def every_step_is_shared(monkeypatch):
    """Threads share also those steps that are too small for it to pay."""
    monkeypatch.setattr("cbackprop.engine.thread_trials.LEAST_WORK", 1)
