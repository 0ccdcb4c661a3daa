"""`spectralcal <verb>`: what the workflow's rules call, and what a person can call by hand.

Every mistake that a user can mend ends as one line on standard error and a non-zero exit; ``--debug`` shows where it
came from.
"""

from __future__ import annotations

import os
import signal
import sys

from spectralcal.base.console import show_any_sign
from spectralcal.base.errors import SpectralcalError
from spectralcal.cli import steps  # noqa: F401 (each adds its verbs, which --help lists in this order)

# isort: split
from spectralcal.cli import predictions, products, sharing, surroundings  # noqa: F401
from spectralcal.cli.app import app


def main(arguments: list[str] | None = None) -> None:
    """Entry point: run a verb, turn errors into one line and an exit code."""
    show_any_sign()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or bool(os.environ.get("SPECTRALCAL_DEBUG"))
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(arguments, standalone_mode=True)
    except SpectralcalError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(_exit_code(error)) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split()) or "no message"
        print(f"error: {type(error).__name__}: {text} (run with --debug for the traceback)", file=sys.stderr)
        raise SystemExit(1) from None


def _exit_code(error: SpectralcalError) -> int:
    """1, or the shell's code of a signal when the run was asked to stop."""
    return 128 + signal.SIGTERM if type(error).__name__ == "Interrupted" else 1


if __name__ == "__main__":
    main()
