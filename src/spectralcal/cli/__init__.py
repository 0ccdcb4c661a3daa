"""The command line: `spectralcal <verb>`."""

from spectralcal.cli.main import main

__all__ = ["main"]
