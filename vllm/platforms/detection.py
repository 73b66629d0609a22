"""Decide the platform: a CUDA build of torch and a device that NVML shows make it CUDA, anything
else the CPU.

NVML answers without a CUDA context. Source: NVML API reference, nvmlDeviceGetCudaComputeCapability.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vllm.platforms.interface import DeviceCapability, Platform

_NVML = "libnvidia-ml.so.1"
_TEXT_BYTES = 96


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU as NVML describes it."""

    name: str
    uuid: str
    capability: DeviceCapability


def detect(
    environment: Mapping[str, str] | None = None,
    list_gpus: Callable[[], Sequence[Gpu] | None] | None = None,
    cuda_of_torch: str | None = None,
) -> Platform:
    """Return this process's platform; the arguments stand in for the machine's own answers."""
    environment = os.environ if environment is None else environment
    cuda = cuda_of_torch if cuda_of_torch is not None else _cuda_of_torch()
    if not cuda:
        return Platform(name="cpu", reason="torch is a build without CUDA")
    listed = (list_gpus or gpus_of_nvml)()
    if listed is None:
        return _platform_of_torch(cuda)
    gpus = visible(listed, environment.get("CUDA_VISIBLE_DEVICES"))
    if not gpus:
        return Platform(name="cpu", reason="no CUDA device is visible")
    first = gpus[0]
    return Platform(
        name="cuda",
        reason=f"torch is built for CUDA {cuda}, and a device is visible",
        capability=first.capability,
        device_name=first.name,
    )


def visible(gpus: Sequence[Gpu], selection: str | None) -> list[Gpu]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order: up to the first entry that
    names none.

    Source: CUDA C++ Programming Guide, environment variables.
    """
    if selection is None:
        return list(gpus)
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in selection.split(",")):
        found = _named(gpus, entry)
        if found is None:
            break
        chosen.append(found)
    return chosen


def _named(gpus: Sequence[Gpu], entry: str) -> Gpu | None:
    if entry.isdigit():
        return gpus[int(entry)] if int(entry) < len(gpus) else None
    if entry.startswith("MIG-"):  # Limit: a slice is taken to be one of the first GPU
        return gpus[0] if gpus else None
    return next((gpu for gpu in gpus if entry and gpu.uuid.startswith(entry)), None)


def _platform_of_torch(cuda: str) -> Platform:
    """Ask CUDA itself, which initialises it: only where there is no NVML to ask."""
    import torch

    if not torch.cuda.is_available():
        return Platform(name="cpu", reason="there is no NVML, and CUDA finds no device")
    return Platform(
        name="cuda",
        reason=f"torch is built for CUDA {cuda}, and CUDA itself finds a device",
        capability=DeviceCapability(*torch.cuda.get_device_capability()),
        device_name=torch.cuda.get_device_name(),
    )


def gpus_of_nvml() -> list[Gpu] | None:
    """List the machine's GPUs, none where NVML fails; None where there is no NVML."""
    try:
        nvml = ctypes.CDLL(_NVML)
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return []
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return []
        return [gpu for index in range(count.value) if (gpu := _gpu(nvml, index)) is not None]
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: ctypes.CDLL, index: int) -> Gpu | None:
    handle = ctypes.c_void_p()
    major, minor = ctypes.c_int(), ctypes.c_int()
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != 0:
        return None
    if nvml.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor)):
        return None
    texts = [ctypes.create_string_buffer(_TEXT_BYTES) for _ in range(2)]
    for read, text in zip((nvml.nvmlDeviceGetName, nvml.nvmlDeviceGetUUID), texts, strict=True):
        if read(handle, text, _TEXT_BYTES) != 0:
            return None
    name, uuid = (text.value.decode() for text in texts)
    return Gpu(name=name, uuid=uuid, capability=DeviceCapability(major.value, minor.value))


def _cuda_of_torch() -> str:
    try:
        import torch
    except ImportError:
        return ""
    return str(torch.version.cuda or "")
