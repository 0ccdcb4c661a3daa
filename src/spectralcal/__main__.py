"""``python -m spectralcal``: the command line without an installed script."""

from spectralcal.cli import main

main()
