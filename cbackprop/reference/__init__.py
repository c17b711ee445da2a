"""The NumPy twin: every layer, activation, loss, metric and optimizer again, in readable NumPy code.

Each module and class has the name of its compiled counterpart. Tests check that both engines give the same numbers.
"""
