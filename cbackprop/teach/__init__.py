"""Exercises of the course in the documentation, and a function that checks their answers."""

from cbackprop.absent import explain
from cbackprop.teach.check import check
from cbackprop.teach.exercise import Exercise, exercises

__all__ = ["Exercise", "check", "exercises"]


explain(__name__)
