"""Claims of the paper, each with the function that decides it."""
