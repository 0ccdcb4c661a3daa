"""Rethinking Model Calibration through Spectral Entropy Regularization in Medical Image Segmentation (ICLR 2026)."""
