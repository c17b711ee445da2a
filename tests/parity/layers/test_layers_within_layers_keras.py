"""Weights of layers that hold layers: their order and names are Keras's."""

import keras
import numpy as np

import cbackprop as cb


def test_weights_in_the_order_of_keras():
    def make(k):
        class Inner(k.layers.Layer):
            def build(self, input_shape):
                self.frozen = self.add_weight(shape=(2,), trainable=False, name="frozen")
                self.dense = k.layers.Dense(2, name="dense")
                self.dense.build(input_shape)
                self.own = self.add_weight(shape=(3,), name="own")

            def call(self, inputs):
                return self.dense(inputs)

        class Outer(k.layers.Layer):
            def __init__(self):
                super().__init__(name="outer")
                self.listed = []
                self.last = Inner(name="last")
                self.listed.append(Inner(name="listed"))
                self.model = k.Sequential([k.Input((2,)), k.layers.Dense(2, name="d")])

            def call(self, inputs):
                return self.model(self.last(self.listed[0](inputs)))

        outer = Outer()
        outer(np.ones((1, 2), "float32"))
        return [(w.shape, w.path.rpartition("/")[2]) for w in outer.weights], [w.path for w in outer.weights]

    ours, theirs = make(cb), make(keras)
    assert ours[0] == theirs[0]
    assert ours[1][:8] == theirs[1][:8]
