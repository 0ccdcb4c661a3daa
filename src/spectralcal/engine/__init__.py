"""Training and prediction: an explicit loop whose every step is a function of the seed and the step number."""
