"""The examples in docstrings, run; those that need an optional package which is not installed are left out."""

import doctest
import importlib
import pkgutil

import cbackprop

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(cbackprop.__path__, "cbackprop.")
    if not name.startswith(("cbackprop.compiled.", "cbackprop.reference"))
]


class Runner(doctest.DocTestRunner):
    """Ends an example where a part of the library says which extra to install."""

    left_out = False

    def report_unexpected_exception(self, out, test, example, exc_info):
        _, error, _ = exc_info
        self.left_out = isinstance(error, ImportError) and "pip install" in str(error)
        if not self.left_out:
            super().report_unexpected_exception(out, test, example, exc_info)


def run(name):
    """Names of what has failed in a module, and of what was left out."""
    failed, left_out = [], []
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        return [], [name]
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner = Runner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST)
        test.globs["__name__"] = "examples"  # classes in examples are a user's
        failures = runner.run(test).failed
        if runner.left_out:
            left_out.append(test.name)
        elif failures:
            failed.append(test.name)
    return failed, left_out
