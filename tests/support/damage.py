"""Ways to damage a file: bits, cuts, headers, nodes of JSON and YAML, cells of CSV, members of archives.

Each takes the bytes of a good file and a random generator and gives other bytes; what is drawn decides everything.
"""

from __future__ import annotations

import copy
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import yaml

Way = Callable[[bytes, random.Random], bytes]

#: numbers, texts and shapes that programs trip over
STRANGE = (None, True, -1, 0, 1e308, 10**40, float("nan"), "", "NA", "../x", "日本", "a" * 300, [], {}, [[]],
           {"a": {"b": []}}, "1e-3", "\x00", -0.0, 255, 256, 2**31, [1, "a"], {"0": None})  # fmt: skip
BYTES = (b"", b"\x00" * 16, b"\xff" * 8, b"nan", b"-1", b"1e999", b"\n\n", b",,,", b'"', b"{", b"\xef\xbb\xbf",
         "é".encode("latin-1"))  # fmt: skip
TEXTS = ("", "nan", "NA", "inf", "-1", "1e999", "x", '"', "日本", "a" * 300, "0x1", "None", "0", "[]")
#: what YAML gives a meaning to
MARKS = ("\t", "&a [*a]", "*a", "!!python/object/apply:os.getcwd []", "!!binary x", "? ", "- - -", "<<: ", "%", "@",
         "!!set {a}", "2026-01-01", "0o7", "1:30", "~", "{", "'", ": ", "#")  # fmt: skip


def ways_of(kind: str) -> tuple[Way, ...]:
    """The ways that fit a kind of file; some stand twice, because they find more."""
    common: tuple[Way, ...] = (flipped, cut, spliced)
    return {
        "json": (*common, nested, strange_node, strange_node, strange_node, strange_node, strange_node),
        "yaml": (*common, nested, strange_mark, strange_node, strange_node, strange_node),
        "csv": (*common, strange_cell, strange_cell, strange_cell, strange_row),
        "text header": (*common, strange_field, strange_field, strange_field),
        "header": (*common, overwritten, overwritten),
        "npz": (*common, repacked, repacked, repacked),
        "zip": (*common, repacked, repacked, repacked),
        "safetensors": (*common, overwritten, strange_head, strange_head),
    }[kind]


def flipped(content: bytes, draw: random.Random) -> bytes:
    """Some bits of the first kilobyte, or of anywhere, turned."""
    damaged, reach = bytearray(content), draw.choice((352, len(content)))
    for _ in range(draw.choice((1, 2, 8))):
        if damaged:
            damaged[draw.randrange(min(reach, len(damaged)))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def cut(content: bytes, draw: random.Random) -> bytes:
    """The beginning, or all but the beginning, or nothing."""
    place = draw.randrange(len(content) + 1)
    return draw.choice((content[:place], content[place:], b"", content[:-1]))


def spliced(content: bytes, draw: random.Random) -> bytes:
    """Something put in between, or a piece twice."""
    place, length = draw.randrange(len(content) + 1), draw.randrange(1, 64)
    return content[:place] + draw.choice((*BYTES, content[place : place + length])) + content[place:]


def overwritten(content: bytes, draw: random.Random) -> bytes:
    """A few bytes of the header replaced by a number that means trouble in some format."""
    values = [np.array(v, t).tobytes() for t in ("<f4", "<i2", "<i4") for v in (0, -1, 1, 32767)]
    values += [np.array(v, "<f4").tobytes() for v in (np.nan, np.inf, 1e-30, 1e30)]
    piece, place = draw.choice(values), draw.randrange(0, min(352, len(content)) + 1) // 4 * 4
    return content[:place] + piece + content[place + len(piece) :]


def strange_field(content: bytes, draw: random.Random) -> bytes:
    """A header of lines (MetaImage, NRRD) one of whose values, or words of a value, is another, or without a line."""
    lines = content.split(b"\n")
    ends = (number for number, line in enumerate(lines) if not line.strip() or line.startswith(b"ElementDataFile"))
    number = draw.randrange(next(ends) + 1)
    key, sign, value = re.fullmatch(rb"(?s)([^=:]*)([=:]*)(.*)", lines[number]).groups()
    words = value.split(b" ")
    values = (b"", b"-1", b"0", b"1e30", b"nan", b"99999999999", b"LIST", b"x", b"3 3", b"../x", b"%03d.raw 1 3 1")
    words[draw.randrange(len(words))] = draw.choice(values)
    lines[number] = draw.choice((b"", key + sign, key + sign + b" ".join(words), key + sign + b" ".join(words)))
    return b"\n".join(lines)


def nested(content: bytes, draw: random.Random) -> bytes:
    """Brackets without end, alone or in the place of what follows some place."""
    deep = draw.choice((b"[", b'{"a":', b"- ", b"[{")) * draw.choice((50, 3000, 100_000))
    return deep if draw.random() < 0.5 else content[: draw.randrange(len(content) + 1)] + deep


def strange_mark(content: bytes, draw: random.Random) -> bytes:
    """A YAML file with a sign that means something to YAML in the place of a value, or before a line."""
    lines = content.decode().split("\n")
    number, mark = draw.randrange(len(lines)), draw.choice(MARKS)
    key, sign, _ = lines[number].partition(": ")
    lines[number] = key + sign + mark if sign and draw.random() < 0.7 else mark + lines[number]
    return "\n".join(lines).encode()


def strange_node(content: bytes, draw: random.Random) -> bytes:
    """A JSON or YAML file one of whose values, or keys, is another."""
    return _json(changed_tree(yaml.safe_load(content), draw), draw)


def changed_tree(tree: object, draw: random.Random) -> object:
    """Nested mappings and lists in which a value, or a key, is another."""
    tree = copy.deepcopy(tree)
    holder, key = draw.choice(list(_spots(tree)))
    if isinstance(holder, dict) and draw.random() < 0.3:
        kept = holder.pop(key)
        if draw.random() < 0.6:
            holder[draw.choice(("", "x", "日本", "nan", str(key).upper()))] = kept
    else:
        holder[key] = draw.choice(STRANGE)
    return tree


def strange_cell(content: bytes, draw: random.Random) -> bytes:
    """A CSV file one of whose cells is another."""
    lines = content.decode("utf-8").split("\n")
    row = draw.randrange(len(lines))
    cells = lines[row].split(",")
    cells[draw.randrange(len(cells))] = draw.choice(TEXTS)
    lines[row] = ",".join(cells)
    return "\n".join(lines).encode()


def strange_row(content: bytes, draw: random.Random) -> bytes:
    """A CSV file with a row twice, away, in another place, longer or shorter, or without its first line."""
    lines = content.decode("utf-8").split("\n")
    row = lines.pop(draw.randrange(len(lines)))
    others = ([], [row, row], [row + ",x"], [row.rpartition(",")[0]])
    place = draw.randrange(len(lines) + 1)
    return "\n".join([*lines[:place], *draw.choice(others), *lines[place:]]).encode()


def repacked(content: bytes, draw: random.Random) -> bytes:
    """A zip file whose checksums hold, but a member of it is damaged, away, twice, or has another name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    number = draw.randrange(len(members))
    name, inner, packing = members[number]
    names = ("", "../x.npy", "/x", "x" * 300, "日本.json", name.upper(), name + "/")
    change = draw.choice(("content", "content", "content", "content", "name", "away", "twice"))
    if change == "content":
        members[number] = (name, _changed_member(name, inner, draw), packing)
    elif change == "name":
        members[number] = (draw.choice(names), inner, packing)
    elif change == "away":
        del members[number]
    else:
        members.append(members[number])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, inner, packing in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = packing
            archive._writecheck = lambda _: None  # a name may stand twice
            archive.writestr(info, inner)
    return buffer.getvalue()


def strange_head(content: bytes, draw: random.Random) -> bytes:
    """A safetensors file whose list of tensors is another, its length right."""
    length = int.from_bytes(content[:8], "little")
    head = _json(changed_tree(json.loads(content[8 : 8 + length]), draw), draw)
    return len(head).to_bytes(8, "little") + head + content[8 + length :]


def _changed_member(name: str, content: bytes, draw: random.Random) -> bytes:
    if name.endswith(".npy"):
        return _changed_array(content, draw)
    # The members of a light cell are called as the files that they stand for, and are no text.
    text = content.isascii() and b"\0" not in content
    if name.endswith(".json") and text:
        return strange_node(content, draw)
    if name.endswith(".csv") and text:
        return strange_cell(content, draw)
    return draw.choice((flipped, cut, spliced))(content, draw)


def _changed_array(content: bytes, draw: random.Random) -> bytes:
    """An npy file of other values, another type or another shape, or one that is damaged."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    flat = array.ravel()
    changes: list[Callable[[], object]] = [
        lambda: flat[: flat.size // 2], lambda: array[None], lambda: array[..., :0], lambda: array.astype("U8"),
        lambda: array.astype(np.float16), lambda: array.astype(np.complex64), lambda: array.astype(object),
        lambda: np.array(0), lambda: array.T, lambda: np.zeros(0, array.dtype), lambda: array.astype("M8[s]"),
    ]  # fmt: skip
    if flat.size and array.dtype.kind in "iuf":
        values = (0, 1, 100, -1, np.nan, np.inf) if array.dtype.kind == "f" else (0, 1, 100)
        changes += 4 * [lambda: _with_value(array, draw.randrange(flat.size), draw.choice(values))]
    if draw.random() < 0.2:
        return draw.choice((flipped, cut, spliced))(content, draw)
    buffer = io.BytesIO()
    with np.errstate(all="ignore"):
        try:
            np.save(buffer, np.asarray(draw.choice(changes)()))
        except (ValueError, TypeError):  # text is no time
            return cut(content, draw)
    return buffer.getvalue()


def _with_value(array: np.ndarray, index: int, value: float) -> np.ndarray:
    changed = array.copy()
    changed.flat[index] = value
    return changed


def _json(tree: object, draw: random.Random) -> bytes:
    return json.dumps(tree, ensure_ascii=draw.random() < 0.5, default=str).encode("utf-8", "surrogatepass")


def _spots(tree: object) -> Iterator[tuple[object, object]]:
    """Every place of a value in nested mappings and lists."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _spots(tree[key])
