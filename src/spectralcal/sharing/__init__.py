"""Sharing results: export and import, verification, and reports on what a result was made from."""
