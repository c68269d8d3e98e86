"""XXH3 with 64 bits, seed 0 and the default secret, as xxHash 0.8 defines it.

Kafka hashes the topics of a consumer group with it, to see whether they have changed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_PRIME64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
_PRIME_MX1: Final = 0x165667919E3779F9
_PRIME_MX2: Final = 0x9FB21C651E98DF25

_SECRET: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_STRIPE = struct.Struct("<8Q")
_STRIPE_BYTES: Final = 64
_STRIPES_PER_BLOCK: Final = (len(_SECRET) - _STRIPE_BYTES) // 8
_BLOCK_BYTES: Final = _STRIPE_BYTES * _STRIPES_PER_BLOCK
_KEYS = [_STRIPE.unpack_from(_SECRET, 8 * stripe) for stripe in range(_STRIPES_PER_BLOCK)]
_SCRAMBLE_KEYS = _STRIPE.unpack_from(_SECRET, len(_SECRET) - _STRIPE_BYTES)
_LAST_KEYS = _STRIPE.unpack_from(_SECRET, len(_SECRET) - _STRIPE_BYTES - 7)


def xxh3_64(data: bytes) -> int:
    """The hash of `data`, an unsigned number of 64 bits."""
    for length_max, hash_of in _BY_LENGTH:
        if len(data) <= length_max:
            return hash_of(data)
    return _long(data)


def _u32(data: bytes, at: int) -> int:
    return int(_U32.unpack_from(data, at)[0])


def _u64(data: bytes, at: int) -> int:
    return int(_U64.unpack_from(data, at)[0])


def _swap64(value: int) -> int:
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def _rotate_left(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _fold(left: int, right: int) -> int:
    product = left * right
    return (product ^ product >> 64) & _MASK


def _avalanche(value: int) -> int:
    value ^= value >> 37
    value = value * _PRIME_MX1 & _MASK
    return value ^ value >> 32


def _avalanche_64(value: int) -> int:
    value ^= value >> 33
    value = value * _PRIME64[1] & _MASK
    value ^= value >> 29
    value = value * _PRIME64[2] & _MASK
    return value ^ value >> 32


def _empty(_: bytes) -> int:
    return _avalanche_64(_u64(_SECRET, 56) ^ _u64(_SECRET, 64))


def _up_to_3(data: bytes) -> int:
    length = len(data)
    combined = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
    return _avalanche_64(combined ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))


def _up_to_8(data: bytes) -> int:
    length = len(data)
    value = (_u32(data, length - 4) + (_u32(data, 0) << 32)) & _MASK
    value ^= _u64(_SECRET, 8) ^ _u64(_SECRET, 16)
    value ^= _rotate_left(value, 49) ^ _rotate_left(value, 24)
    value = value * _PRIME_MX2 & _MASK
    value ^= (value >> 35) + length
    value = value * _PRIME_MX2 & _MASK
    return value ^ value >> 28


def _up_to_16(data: bytes) -> int:
    length = len(data)
    low = _u64(data, 0) ^ _u64(_SECRET, 24) ^ _u64(_SECRET, 32)
    high = _u64(data, length - 8) ^ _u64(_SECRET, 40) ^ _u64(_SECRET, 48)
    return _avalanche((length + _swap64(low) + high + _fold(low, high)) & _MASK)


def _mix(data: bytes, at: int, secret_at: int) -> int:
    return _fold(_u64(data, at) ^ _u64(_SECRET, secret_at), _u64(data, at + 8) ^ _u64(_SECRET, secret_at + 8))


def _up_to_128(data: bytes) -> int:
    length = len(data)
    total = length * _PRIME64[0]
    for pair in range((length - 1) // 32 + 1):
        total += _mix(data, 16 * pair, 32 * pair)
        total += _mix(data, length - 16 * (pair + 1), 32 * pair + 16)
    return _avalanche(total & _MASK)


def _up_to_240(data: bytes) -> int:
    length = len(data)
    total = length * _PRIME64[0]
    for part in range(8):
        total += _mix(data, 16 * part, 16 * part)
    total = _avalanche(total & _MASK)
    for part in range(8, length // 16):
        total += _mix(data, 16 * part, 16 * (part - 8) + 3)
    total += _mix(data, length - 16, 136 - 17)
    return _avalanche(total & _MASK)


def _accumulate(lanes: list[int], words: tuple[int, ...], keys: tuple[int, ...]) -> None:
    for lane in range(8):
        word = words[lane]
        keyed = word ^ keys[lane]
        lanes[lane ^ 1] = lanes[lane ^ 1] + word & _MASK
        lanes[lane] = lanes[lane] + (keyed & 0xFFFFFFFF) * (keyed >> 32) & _MASK


def _long(data: bytes) -> int:
    lanes = [_PRIME32[2], *_PRIME64[:4], _PRIME32[1], _PRIME64[4], _PRIME32[0]]
    length = len(data)
    for stripe in range((length - 1) // _STRIPE_BYTES):
        in_block = stripe % _STRIPES_PER_BLOCK
        _accumulate(lanes, _STRIPE.unpack_from(data, stripe * _STRIPE_BYTES), _KEYS[in_block])
        if in_block == _STRIPES_PER_BLOCK - 1 and (stripe + 1) * _STRIPE_BYTES <= (length - 1) // _BLOCK_BYTES * (
            _BLOCK_BYTES
        ):
            lanes = [
                (lane ^ lane >> 47 ^ key) * _PRIME32[0] & _MASK for lane, key in zip(lanes, _SCRAMBLE_KEYS, strict=True)
            ]
    _accumulate(lanes, _STRIPE.unpack_from(data, length - _STRIPE_BYTES), _LAST_KEYS)
    total = length * _PRIME64[0]
    for pair in range(4):
        keys = _u64(_SECRET, 11 + 16 * pair), _u64(_SECRET, 19 + 16 * pair)
        total += _fold(lanes[2 * pair] ^ keys[0], lanes[2 * pair + 1] ^ keys[1])
    return _avalanche(total & _MASK)


_BY_LENGTH: Final[tuple[tuple[int, Callable[[bytes], int]], ...]] = (
    (0, _empty),
    (3, _up_to_3),
    (8, _up_to_8),
    (16, _up_to_16),
    (128, _up_to_128),
    (240, _up_to_240),
)
