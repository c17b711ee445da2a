"""Arguments of losses, metrics, regularizers and constraints that are set between two runs: both engines use them."""

import numpy as np
import pytest
from argument_cases import CASES, X, Y


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("case", CASES)
def test_as_if_made_so(case, engine):
    """The next run is that of a model whose loss, metric, ... had the value from then on; the optimizer goes on."""
    make, use, name, value = CASES[case]

    def run(changes):
        thing = make()
        model = use(thing, engine)
        model.fit(X, Y, shuffle=False, verbose=0)
        if changes == "set":
            setattr(thing, name, value)
        elif changes == "another model":
            other = make()
            setattr(other, name, value)
            again = use(other, engine)
            again.fit(X, Y, shuffle=False, verbose=0)  # makes slots
            again.set_weights(model.get_weights())
            again.optimizer.iterations = 1
            for slot, old in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
                slot.assign(old)
            model = again
        losses_of_fit = model.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"]
        return [*model.get_weights(), losses_of_fit, model.evaluate(X, Y, verbose=0)]

    found, expected, before = run("set"), run("another model"), run("nothing")
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert any(not np.allclose(a, b, atol=1e-6) for a, b in zip(found, before, strict=True))
