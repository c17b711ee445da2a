import os

# Before keras is imported anywhere: the backend that these tests are written for.
os.environ.setdefault("KERAS_BACKEND", "torch")
