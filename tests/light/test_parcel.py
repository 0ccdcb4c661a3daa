"""Arrays as bytes: every array of the kinds that results have comes back to the bit, and damaged bytes are refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from spectralcal.records.light.parcel import from_bytes, pack_bits, to_bytes, unpack_bits

KINDS = ["<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "|u1", "|b1", "<f8", "<f4", "<f2", "<U3"]
ARRAYS = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


@given(st.dictionaries(st.text(max_size=6), ARRAYS, max_size=4))
def test_arrays_come_back_to_the_bit(arrays):
    back = from_bytes(to_bytes(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


def test_numbers_that_are_float32_take_four_bytes():
    values = np.random.default_rng(0).random(1000).astype(np.float32)
    sizes = [len(to_bytes({"a": array})) for array in (values, values.astype(float), values.astype(float) + 1e-12)]
    assert sizes[1] == sizes[0]
    assert sizes[2] - sizes[0] == 4000


def test_small_integers_take_one_byte():
    assert len(to_bytes({"a": np.arange(-100, 100)})) < 200 + 100


@given(st.lists(st.integers(0, 63).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, 2**width - 1)))))
def test_bits_come_back(pairs):
    widths, values = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    packed = pack_bits(values, widths)
    assert packed.size == (int(widths.sum()) + 7) // 8
    assert unpack_bits(packed, widths).tolist() == values.tolist()


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="fit into their widths"):
        pack_bits(np.array([4]), np.array([2]))
    with pytest.raises(ValueError, match="expected 16 bits, got 8"):
        unpack_bits(np.zeros(1, np.uint8), np.array([16]))
    with pytest.raises(ValueError, match="expected booleans, numbers or text"):
        to_bytes({"a": np.array([None])})


CONTENT = to_bytes({"a": np.arange(30.0), "b": np.array(["x", "yz"]), "c": np.arange(5) * 1000})


@settings(max_examples=400)
@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255), st.integers(0, len(CONTENT)))
def test_damaged_bytes_raise_nothing_but_value_errors(place, change, end):
    damaged = bytearray(CONTENT)
    damaged[place] ^= change
    with contextlib.suppress(ValueError):
        from_bytes(bytes(damaged[:end]) if end % 2 else bytes(damaged))


@pytest.mark.parametrize(
    "head",
    [
        '{"a":{"type":"<f8","shape":[99999999999],"planes":0}}',
        '{"a":{"type":"<U9999999","shape":[999],"text":[]}}',
        '{"a":{"type":"|O","shape":[1],"planes":1}}',
        '{"a":{"type":"<i8","shape":[-1],"planes":1}}',
        '{"a":{"type":"<i8","shape":[3],"planes":9}}',
        '{"a":{"type":"<f8","shape":[3],"planes":2}}',
        '{"a":[]}',
        "[]",
        "{",
    ],
)
def test_no_list_of_arrays_makes_the_reader_allocate_or_unpickle(head):
    text = head.encode()
    with pytest.raises(ValueError):  # noqa: PT011  any message
        from_bytes(len(text).to_bytes(4, "little") + text + bytes(64))
