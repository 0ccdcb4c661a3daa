"""Families of scores, one file each: what a study's `evaluation.scorers` names."""
