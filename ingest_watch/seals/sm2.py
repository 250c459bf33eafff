"""Verify SM2 signatures with SM3, by integer arithmetic on the recommended curve.

GB/T 32918.2-2016 (verification, and the digest Z of the signer), GB/T 32918.5-2017 (the curve),
GB/T 35276 (the identity 1234567812345678 where none is agreed). Verifies only: nothing here is
secret, so nothing needs constant time, and it must never be used to sign.
"""

from dataclasses import dataclass

_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A = _P - 3
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
_IDENTITY = b"1234567812345678"

_Point = tuple[int, int]
# x/z², y/z³, z; z = 0 is the point at infinity.
_Jacobian = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sm2Key:
    """A public key: a point of the curve."""

    x: int
    y: int

    def __post_init__(self) -> None:
        if not (0 <= self.x < _P and 0 <= self.y < _P):
            raise ValueError("the coordinates are out of range")
        if (self.y * self.y - (self.x * self.x * self.x + _A * self.x + _B)) % _P:
            raise ValueError("the point is not on the curve")

    def signer_prefix_input(self) -> bytes:
        """Return what SM3 is taken of to get Z, which stands before the message."""
        length_bits = (8 * len(_IDENTITY)).to_bytes(2, "big")
        numbers = b"".join(each.to_bytes(32, "big") for each in (_A, _B, *_G, self.x, self.y))
        return length_bits + _IDENTITY + numbers

    def verifies(self, r: int, s: int, digest: bytes) -> bool:
        """Tell whether (r, s) signs `digest`, which is SM3 of Z and the message."""
        if not (0 < r < _N and 0 < s < _N):
            return False
        t = (r + s) % _N
        if t == 0:
            return False
        point = _affine(_add(_multiply(_G, s), _multiply((self.x, self.y), t)))
        return point is not None and (int.from_bytes(digest, "big") + point[0]) % _N == r


def sm2_key(encoded: bytes) -> Sm2Key:
    """Read an uncompressed point (04 ‖ x ‖ y); raises ValueError if it is none of the curve's."""
    if len(encoded) != 65 or encoded[0] != 4:
        raise ValueError("not an uncompressed point of 65 bytes")
    return Sm2Key(int.from_bytes(encoded[1:33], "big"), int.from_bytes(encoded[33:], "big"))


def _double(point: _Jacobian) -> _Jacobian:
    x, y, z = point
    if z == 0 or y == 0:
        return (1, 1, 0)
    squared_y = y * y % _P
    s = 4 * x * squared_y % _P
    # a = -3, so 3x² + az⁴ is 3(x - z²)(x + z²).
    squared_z = z * z % _P
    m = 3 * (x - squared_z) * (x + squared_z) % _P
    new_x = (m * m - 2 * s) % _P
    return new_x, (m * (s - new_x) - 8 * squared_y * squared_y) % _P, 2 * y * z % _P


def _add(one: _Jacobian, other: _Jacobian) -> _Jacobian:
    if one[2] == 0:
        return other
    if other[2] == 0:
        return one
    x1, y1, z1 = one
    x2, y2, z2 = other
    z1_squared, z2_squared = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * z2_squared % _P, x2 * z1_squared % _P
    s1, s2 = y1 * z2_squared * z2 % _P, y2 * z1_squared * z1 % _P
    if u1 == u2:
        return _double(one) if s1 == s2 else (1, 1, 0)
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    h_squared = h * h % _P
    h_cubed, v = h_squared * h % _P, u1 * h_squared % _P
    x = (r * r - h_cubed - 2 * v) % _P
    return x, (r * (v - x) - s1 * h_cubed) % _P, h * z1 * z2 % _P


def _multiply(point: _Point, factor: int) -> _Jacobian:
    total: _Jacobian = (1, 1, 0)
    addend: _Jacobian = (*point, 1)
    while factor:
        if factor & 1:
            total = _add(total, addend)
        addend = _double(addend)
        factor >>= 1
    return total


def _affine(point: _Jacobian) -> _Point | None:
    x, y, z = point
    if z == 0:
        return None
    inverse = pow(z, -1, _P)
    return x * inverse * inverse % _P, y * inverse * inverse * inverse % _P
