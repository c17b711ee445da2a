"""What a spec and the code that computes it must agree on: shapes, weights, targets, and what an optimizer works on.

Compiled code and the NumPy twin import these modules, so they stand on the lowest floor.
"""
