"""Claims of the paper, grouped by what decides them."""
