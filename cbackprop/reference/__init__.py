"""The NumPy twin: every layer, activation, loss, metric and optimizer once more, to be read.

Each module and class has the name of its compiled counterpart. They are written as someone who knows
NumPy would write them for speed and clarity; tests hold both engines to the same numbers.
"""
