"""A fixture: NumPy's and scikit-learn's products take one thread."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """More of them would spend most of the time in each other's way, as the networks are small."""
    with threadpool_limits(1):
        yield
