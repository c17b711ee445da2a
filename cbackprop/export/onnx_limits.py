"""Which ONNX files are written and read: versions of the operator set, and the size of a file."""

__all__ = ["LARGEST_FILE", "OLDEST_READ", "OLDEST_UNCHANGED", "OPSET", "UNCHANGED"]

# The default operator set of written files: the first with all operators in the form that is used here, so that as many
# runtimes as possible can run them. None of these operators has changed up to the newest set.
OPSET = 21
# The oldest operator set that can be read. In older sets, axes are attributes and Softmax works on matrices.
OLDEST_READ = 13
# Operators that have not changed from OLDEST_UNCHANGED to `OLDEST_READ`, except that more types were allowed.
OLDEST_UNCHANGED = 9
UNCHANGED = frozenset(
    {"Add", "Cast", "Concat", "Exp", "Identity", "MatMul", "Mul", "Neg", "Relu", "Sigmoid", "Sub", "Tanh"}
)
# The size limit of protocol buffers, in which ONNX files are written.
LARGEST_FILE = 2**31 - 1
