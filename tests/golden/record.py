"""Record golden values: ``python tests/golden/record.py [PART ...]``, for example ``losses/ce`` or ``training``.

Without a name all parts are recorded. A part whose numbers changed while its integer did not is refused. What is
written says which numbers changed; commit it with the change that made them.

``--deviations`` writes nothing and prints how far each part is from its file on this machine, to judge the tolerances.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests/support")]

from golden.catalogue import Part, parts  # noqa: E402
from golden.compare import differences  # noqa: E402
from golden.recording import recording  # noqa: E402
from golden.verdict import fresh  # noqa: E402

from golden import store  # noqa: E402


def main(arguments: list[str], folder: Path = store.VALUES) -> int:
    """Record the named parts in `folder`; 1 if one was refused or is unknown."""
    every = parts()
    names = [name for name in arguments if name != "--deviations"] or list(every)
    unknown = [name for name in names if name not in every]
    if unknown:
        print(f"unknown part '{unknown[0]}'; expected one of: {', '.join(every)}", file=sys.stderr)
        return 1
    work = deviation if "--deviations" in arguments else record
    integers = {name: part.integer for name, part in every.items()}
    done = [work(every[name], integers, folder) for name in names]
    return int(not all(done))


def record(part: Part, integers: dict[str, int], folder: Path) -> bool:
    """Write the file of a part if that is due, and say so; False if it is refused."""
    try:
        now = fresh(part, integers)
    except LookupError as error:
        print(f"refused: {error}", flush=True)
        return False
    outcome = recording(part, store.read(part.name, folder), now)
    if outcome.golden is not None:
        store.write(part.name, outcome.golden, folder)
    print(outcome.said, flush=True)
    return not outcome.refused


def deviation(part: Part, integers: dict[str, int], folder: Path) -> bool:
    """Print the largest relative deviation of a part's floats, and what is not equal though it is exact."""
    stored = store.read(part.name, folder)
    now = fresh(part, integers)
    found = sorted(differences(stored.values, now.values, 0.0), key=lambda each: -each.size) if stored else []
    exact = [each.name for each in found if not each.size]
    first = f" at {found[0].name}" if found and found[0].size else ""
    odd = f"; not equal: {', '.join(exact[:3])}" if exact else ""
    print(f"{part.name}: {found[0].size if found else 0.0:.1e}{first}{odd}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
