"""Rewrite operators of a graph whose batch is not the first axis."""
