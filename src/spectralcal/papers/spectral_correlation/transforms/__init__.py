"""Corruptions of test images that the paper names, in the readings that its words allow."""
