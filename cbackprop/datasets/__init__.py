"""Data to train on at once: nothing here needs a network connection, and nothing is read before `load_data` is called.

=================  =====================================================  ==========================
module             what `load_data` gives                                 where it comes from
=================  =====================================================  ==========================
``digits``         1,797 handwritten digits of 8 x 8 pixels, 10 classes   bundled
``fashion_mnist``  70,000 articles of clothing, 28 x 28, 10 classes       files on the user's disk
``xor``            the exclusive or, exact or with noise                  computed
``spirals``        two spirals wound round each other, 2 classes          computed
=================  =====================================================  ==========================

`read_idx` reads any file in the IDX format, the one that MNIST and its relatives come in.
"""

from cbackprop.datasets import digits, fashion_mnist, spirals, xor
from cbackprop.datasets.idx import read_idx

__all__ = ["digits", "fashion_mnist", "read_idx", "spirals", "xor"]
