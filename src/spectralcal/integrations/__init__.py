"""Losses and metrics in the shapes that other libraries expect: a file for each library, imported by its name.

``spectralcal.integrations.monai`` needs MONAI and ``spectralcal.integrations.torchmetrics`` torchmetrics; importing
this package needs neither.
"""
