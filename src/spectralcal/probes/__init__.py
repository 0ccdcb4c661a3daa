"""Measurements on trained networks beyond the scores of single cells, one file each: what figures and claims need."""
