"""Scores of predictions against references, case by case."""
