"""The claims ledger: a verdict for everything that the paper asserts. One file per group of claims.

A group assigns ``CLAIM`` a mapping from a claim's id (``paper/claims.csv``) to the function that decides it.
"""
