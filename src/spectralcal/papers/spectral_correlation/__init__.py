"""Harmonized Spatial and Spectral Learning for Robust and Generalized Medical Image Segmentation (ICPR 2024)."""
