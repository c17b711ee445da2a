"""Makes the coefficients in cbackprop/compiled/kernels/elementary.pxd, the highest power first.

python benchmarks/coefficients.py [name ...]        (needs mpmath)

Each function f is approximated by a ratio of polynomials P(x) / Q(x) whose greatest weighted error is as small as
possible. This is found by repeated least squares of P - f Q (Lawson): each time, the weights are divided by the last Q
and multiplied by the last errors, until all errors are about equal. For float32 the coefficients are rounded one after
the other, the most important first. After each one the others are fitted again, so that they make up for the rounding.
"""

import sys

import numpy as np
from mpmath import atan2, atanh, cos, cosh, erfc, exp, expm1, fsum, log, lu_solve, matrix, mp, mpf, pi, sin, sqrt, tanh

STEPS = 30  # of Lawson's iteration
FLOOR = mpf(10) ** -12  # no point loses all its weight


def values_of(found, part, points):
    """P (part 0) or Q (part 1) at the points."""
    degree = max(j for which, j in found if which == part)
    return [mp.polyval([found[part, j] for j in range(degree, -1, -1)], x) for x in points]


def fit(f, weight, points, degrees, fixed, start=None):
    """The least greatest error, and {(0, j): coefficient j of P, (1, j): coefficient j of Q}, those in `fixed` kept.

    `start` is a fit to begin with.
    """
    keys = [(part, j) for part in (0, 1) for j in range(degrees[part] + 1)]
    free = [key for key in keys if key not in fixed]
    values = [f(x) for x in points]
    weights = [weight(x) for x in points]
    lawson, best = [mpf(1)] * len(points), (mpf("inf"), None)
    q = values_of(start, 1, points) if start else lawson
    span = max(abs(x) for x in points)
    for step in range(STEPS):
        rows, right = [], []
        for x, y, w, m, d in zip(points, values, weights, lawson, q, strict=True):
            terms = {(part, j): sqrt(m) * w / d * (-y if part else 1) * (x / span) ** j for part, j in keys}
            rows.append([terms[key] for key in free])
            right.append(-fsum(terms[key] * fixed[key] * span ** key[1] for key in fixed))
        columns = list(zip(*rows, strict=True))
        normal = matrix([[fsum(map(mp.fmul, a, b)) for b in columns] for a in columns])
        solution = lu_solve(normal, matrix([fsum(map(mp.fmul, a, right)) for a in columns]))
        found = fixed | {key: solution[i] / span ** key[1] for i, key in enumerate(free)}
        p, q = (values_of(found, part, points) for part in (0, 1))
        errors = [abs((a / b - y) * w) for a, b, y, w in zip(p, q, values, weights, strict=True)]
        best = min(best, (max(errors), found), key=lambda pair: pair[0])
        if step > 1:
            mean = fsum(map(mp.fmul, lawson, errors)) / len(points)
            lawson = [max(m * error / mean, FLOOR) for m, error in zip(lawson, errors, strict=True)]
    return best


def rounded(f, weight, points, degrees, fixed, where):
    """`fit`, one coefficient after the other rounded to float32; `where` is a point at which their weights count."""
    error, found = fit(f, weight, points, degrees, fixed)
    total = [values_of(found, part, [where])[0] for part in (0, 1)]
    free = [key for key in found if key not in fixed]
    for key in sorted(free, key=lambda key: -abs(found[key] * where ** key[1] / total[key[0]])):
        fixed = fixed | {key: mpf(float(np.float32(float(found[key]))))}
        if len(fixed) < len(found):
            error, found = fit(f, weight, points, degrees, fixed, found)
    return error, fixed


def half_tanh(u):
    """t / x with tanh(x) = 2 t / (1 + t^2), so that t = tanh(x / 2), u = x^2."""
    return tanh(sqrt(u) / 2) / sqrt(u)


def third_erf(u):
    """t / x with erf(x) = t (3 - t^2) / 2, so that t = 2 sin(asin(erf(x)) / 3), u = x^2."""
    rest = erfc(sqrt(u))
    return 2 * sin(atan2(1 - rest, sqrt(rest * (2 - rest))) / 3) / sqrt(u)


def third_erf_weight(u):
    """The effect of a relative error of t on erf(x), which is 0 where t = 1."""
    t = third_erf(u) * sqrt(u)
    return (3 - 3 * t * t) / (3 - t * t) / third_erf(u)


def mills(z):
    """Phi(-z) e^(z^2 / 2)."""
    return exp(z * z / 2) * erfc(z / sqrt(2)) / 2


def expm1_rest(r):
    """(e^r - 1 - r) / r^2."""
    return (expm1(r) - r) / r**2


def log_rest(z):
    """(2 artanh(s) - 2 s) / s^3, z = s^2."""
    return (2 * atanh(sqrt(z)) - 2 * sqrt(z)) / (sqrt(z) * z)


def inverse(f):
    return lambda x: 1 / f(x)


def nodes(low, high, power=2):
    """Chebyshev's points between the bounds, drawn towards the lower one by a power above 1."""
    count = 240
    return [low + (high - low) * ((1 - cos(pi * (k + mpf(1) / 2) / count)) / 2) ** power for k in range(count)]


# The common factor of P and Q is free. 7/8, 7/4 and 21/16 were the best of those tried. Rounding changes a number more
# if it is just above a power of two.
# name: function, weight of its absolute error, points, degrees, fixed coefficients, point of balance
LOG2 = mpf("0.69325")
WHOLE = {(1, 0): mpf(1)}
TANH = {(0, 0): mpf(7) / 8, (1, 0): mpf(7) / 4}
FITS = {
    "expm1 float32": (expm1_rest, lambda r: r**2 / expm1(r), nodes(-LOG2, LOG2, 1), (5, 0), WHOLE, LOG2),
    "expm1 float64": (expm1_rest, lambda r: r**2 / expm1(r), nodes(-LOG2, LOG2, 1), (11, 0), WHOLE, None),
    "tanh float32": (half_tanh, lambda u: 1 / (half_tanh(u) * cosh(sqrt(u))), nodes(0, 74), (2, 3), TANH, mpf(4)),
    "erf float32": (third_erf, third_erf_weight, nodes(0, mpf("15.5")), (4, 4), {(1, 0): mpf(7) / 8}, mpf(4)),
    "erf float64": (third_erf, third_erf_weight, nodes(0, 35), (10, 9), {(1, 0): mpf(21) / 16}, None),
    "log1p float32": (log_rest, lambda z: z, nodes(0, mpf("0.0401"), 1), (2, 0), WHOLE, mpf("0.04")),
    "log1p float64": (log_rest, lambda z: z, nodes(0, mpf("0.0401"), 1), (6, 0), WHOLE, None),
    "tail_ratio float32": (mills, inverse(mills), nodes(0, mpf("14.6"), 3), (4, 5), {(1, 0): mpf(7) / 4}, mpf(1)),
    "tail_ratio float64": (mills, inverse(mills), nodes(0, 39, 3), (9, 10), {(1, 0): mpf(7) / 4}, None),
}


def main(names):
    mp.dps = 60
    for name in names or FITS:
        *problem, where = FITS[name]
        error, found = fit(*problem) if where is None else rounded(*problem, where)
        print(f"{name}: 2^{float(log(error, 2)):.1f}")
        for part, label in enumerate("PQ"):
            print(" ", label, *(repr(float(found[key])) for key in sorted(found, reverse=True) if key[0] == part))


main(sys.argv[1:])
