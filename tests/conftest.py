import signal
import zlib

import numpy as np
import pytest

import cbackprop as cb


def pytest_addoption(parser):
    parser.addoption("--share", metavar="K/N", help="run one N-th of the tests: those that fall to K, for any whole K")


def pytest_collection_modifyitems(config, items):
    share = config.getoption("--share")
    if share:
        k, n = map(int, share.split("/"))
        items[:] = [item for item in items if (zlib.crc32(item.nodeid.encode()) - k) % n == 0]


@pytest.fixture
def interrupts():
    """Interrupts as in a terminal: what a shell starts in the background ignores them, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_start():
    """Every test starts from the same seed, the default float type, and fresh names of layers."""
    cb.utils.set_random_seed(0)
    cb.utils.clear_session()
    yield
    cb.config.set_floatx("float32")
