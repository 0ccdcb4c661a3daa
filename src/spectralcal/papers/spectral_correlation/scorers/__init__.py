"""Scores that the paper prints and the package has no use for elsewhere."""
