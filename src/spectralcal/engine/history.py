"""history.csv: one row per logged step, one column per quantity."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence


def history_text(rows: Sequence[dict[str, float]]) -> str:
    """Rows as CSV; a quantity that a row lacks is an empty field."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
