"""Prepared cases: the manifest, the split of patients, and the arrays behind them."""
