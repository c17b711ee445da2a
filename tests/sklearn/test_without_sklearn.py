"""Without scikit-learn everything else works, and the estimators say what to install."""

import subprocess
import sys

SCRIPT = """
import sys
sys.modules["sklearn"] = None
import cbackprop
assert not [name for name in sys.modules if name.startswith("sklearn.")]
try:
    import cbackprop.sklearn
except ImportError as error:
    print(error)
"""


def test_import():
    done = subprocess.run([sys.executable, "-P", "-c", SCRIPT], capture_output=True, text=True)
    assert done.stdout == 'cbackprop.sklearn needs scikit-learn: pip install "cbackprop[sklearn]".\n', done.stderr
