"""Training of one cell: an explicit loop whose every step is a function of the seed and the step number."""
