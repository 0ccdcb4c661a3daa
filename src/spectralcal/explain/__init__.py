"""Where a segmentation network looks: Grad-CAM maps of layers and targets by name, and scores of such maps."""

from spectralcal.explain.cam import cam_scores, grad_cam, layer_names

__all__ = ["cam_scores", "grad_cam", "layer_names"]
