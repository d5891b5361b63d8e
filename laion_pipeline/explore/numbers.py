"""Doubles as whole numbers in the same order, since JSON's reader in the index rounds doubles."""

import struct

import numpy as np
import pyarrow as pa

_ALL_BUT_SIGN = 0x7FFF_FFFF_FFFF_FFFF


def whole_of(number: float) -> int:
    """The whole number of 64 bits that stands where the double does among all others."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number + 0.0))  # of the two zeros, the one
    return int(bits if bits >= 0 else bits ^ _ALL_BUT_SIGN)


def double_of(whole: int) -> float:
    """The double that a whole number stands for."""
    bits = whole if whole >= 0 else whole ^ _ALL_BUT_SIGN
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])


def wholes_of(numbers: pa.Array) -> pa.Array:
    """`whole_of` each; null where there is none."""
    held = numbers.to_numpy(zero_copy_only=False) + 0.0
    bits = held.view(np.int64)
    wholes = np.where(bits >= 0, bits, bits ^ _ALL_BUT_SIGN)
    return pa.array(wholes, pa.int64(), mask=numbers.is_null().to_numpy(zero_copy_only=False))
