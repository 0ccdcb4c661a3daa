"""Errors that are the user's to mend: one clear line, a non-zero exit, no traceback (:mod:`spectralcal.cli`)."""


class SpectralcalError(Exception):
    """What is wrong, where, what was expected, what was found and what to do, in one line."""


class ConfigError(SpectralcalError):
    """A configuration that cannot be used: unknown key, unknown name, wrong type, impossible combination."""


class DataError(SpectralcalError):
    """A data set, case or file that cannot be used."""


class ResultError(SpectralcalError):
    """A result file that is missing, of another study, or altered."""


def choices(valid: object) -> str:
    """The valid values of something, for the end of an error message: ``'a', 'b' or 'c'``."""
    names = [f"'{name}'" for name in valid]
    if not names:
        return "none"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
