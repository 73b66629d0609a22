"""A tensor without memory of its own, for the host code: any type, shape, strides, device, address.

Speaks DLPack's Python protocol, so the binding takes it for a CUDA tensor of some library.
Source of the layout: DLPack 1.3, DLManagedTensor.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

KINDS = {"e4m3": (10, 8), "bf16": (4, 16), "f32": (2, 32), "f16": (2, 16), "int32": (0, 32)}
CUDA = 2
CPU = 1


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    ]


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class FakeTensor:
    """What the binding reads of a tensor; row-major where no strides are given."""

    def __init__(
        self,
        kind: str,
        shape: Sequence[int],
        *,
        strides: Sequence[int] | None = None,
        address: int = 0x10000,
        device: tuple[int, int] = (CUDA, 0),
    ) -> None:
        self.kind, self.device, self.address = kind, device, address
        dense = [1] * len(shape)
        for i in reversed(range(len(shape) - 1)):
            dense[i] = dense[i + 1] * shape[i + 1]
        vector = ctypes.c_int64 * len(shape)
        self._shape = vector(*shape)
        self._strides = vector(*(strides or dense))
        code, bits = KINDS[kind]
        self._managed = _Tensor(
            data=address,
            device_type=device[0],
            device_id=device[1],
            rank=len(shape),
            code=code,
            bits=bits,
            lanes=1,
            shape=self._shape,
            strides=self._strides,
        )

    def transpose(self, first: int, second: int) -> FakeTensor:
        shape, strides = list(self._shape), list(self._strides)
        shape[first], shape[second] = shape[second], shape[first]
        strides[first], strides[second] = strides[second], strides[first]
        return FakeTensor(
            self.kind, shape, strides=strides, address=self.address, device=self.device
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, stream: int | None = None) -> object:
        return _new_capsule(ctypes.addressof(self._managed), b"dltensor", None)
