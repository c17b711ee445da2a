import numpy as np
import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Theirs would spend most of the time in threads of BLAS that get in each other's way."""
    with threadpool_limits(1):
        yield
