"""Equations of EinsumDense that mean something."""

import numpy as np

# Equation, sizes of the output's letters, axes of the bias, shape of a sample.
CASES = [
    ("ab,bc->ac", 4, "c", (3,)),
    ("ab,cb->ac", 4, "c", (3,)),
    ("a,b->ab", 4, "b", ()),
    ("ab,bcd->acd", (2, 3), "cd", (4,)),
    ("ab,bcd->adc", (3, 2), "c", (4,)),
    ("abc,cd->abd", (None, 4), "d", (3, 2)),
    ("abc,bd->acd", (None, 4), "cd", (3, 2)),
    ("abc,cd->adb", (4, None), "d", (3, 2)),
    ("abc,bc->abc", (None, None), "bc", (3, 2)),
    ("abc,bc->acb", (None, None), "c", (3, 2)),
    ("abc,bcd->abd", (None, 4), "bd", (3, 2)),
    ("abc,cbd->abd", (None, 4), "d", (3, 2)),
    ("abcd,bce->abde", (None, None, 4), "be", (3, 2, 2)),
    ("abcd,cde->abe", (None, 4), "b", (3, 2, 2)),
    ("abcd,edc->aeb", (4, None), "eb", (3, 2, 2)),
    ("abc,d->abcd", (None, None, 4), None, (3, 2)),
    ("abc,d->ad", (4,), "d", (3, 2)),  # sums over b and c
    ("abc,cd->ad", (4,), "d", (3, 2)),  # sums over b
    ("abb,bc->abc", (None, 4), "c", (3, 3)),  # the diagonal of a sample
    ("abc,ccd->abd", (None, 4), "d", (3, 2)),  # the diagonal of the kernel
    ("...x,xy->...y", 4, "y", (3,)),
    ("...x,xy->...y", 4, "y", (2, 3, 2)),
    ("...xy,yz->...zx", (4, None), "z", (2, 3, 2)),
    ("ab...,bc->ac...", 4, "c", (3,)),
    ("ab...,bc->ac...", 4, "c", (3, 2, 2)),
    ("abc...,bcd->ad...", 4, "d", (3, 2, 2)),
]


def random_case(seed):
    """Letters in any order and roles, of any sizes."""
    rng = np.random.default_rng(seed)
    roles = {letter: rng.choice(["b", "m", "k", "n", "s"]) for letter in "bcdefg"[: rng.integers(2, 7)]}
    sizes = {letter: int(rng.integers(1, 5)) for letter in roles}
    shuffled = lambda kinds: "".join(rng.permutation([a for a, role in roles.items() if role in kinds]))  # noqa: E731
    x, kernel, output = shuffled("bmks"), shuffled("bkn"), shuffled("bmn")
    if not kernel:
        kernel, output, sizes["h"] = "h", output + "h", 2
    bias = "".join(letter for letter in output if rng.random() < 0.5) or None
    shape = tuple(sizes[letter] for letter in x)
    return f"a{x},{kernel}->a{output}", tuple(sizes[letter] for letter in output), bias, shape
