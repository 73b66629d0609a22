"""`python -m [vllm.third_party.]deep_gemm.doctor [--json]`: what works here, and what to do about
the rest. Exit code 0: kernels run here.

It looks, and launches one small GEMM where torch and a GPU are there. Where the package cannot be
imported, this file runs by itself: `python doctor.py`.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import os
import platform
import re
import signal
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
State = Literal["ok", "warn", "FAIL", "skip"]
MINIMUM_DRIVER = (12, 8)  # what the cubins' toolkit needs of a driver
EXCHANGE_API = (2, 10)  # the first torch with DLPack's C exchange API
OURS = ("vllm-deepgemm", "deep-gemm-hopper")
NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
GET_A_DRIVER = "install the NVIDIA driver, or run on a machine with a Hopper GPU"
REINSTALL = "install the wheel again: pip install --force-reinstall --no-deps WHEEL"
# At the root of a checkout Python takes the package there, whatever is installed.
GET_IT = f"{REINSTALL}; in a checkout: build into it, or start Python in another folder"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at; `advice` is what to do where it is not well."""

    subject: str
    state: State
    found: str
    advice: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a check; return 0 where kernels run here, 1 where they don't."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.doctor" if __package__ else "python doctor.py",
        description=__doc__,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    checks = examine(os.environ)
    well = not any(check.state == "FAIL" for check in checks)
    if options.json:
        data = {"kernels_run_here": well, "checks": [asdict(check) for check in checks]}
        print(json.dumps(data, indent=2))
    else:
        _show(checks, well)
    return 0 if well else 1


def examine(environ: Mapping[str, str]) -> list[Check]:
    """Look at everything that a kernel call needs, the nearest cause of trouble first."""
    binding, extension = _extension()
    driver = _open_driver()
    checks = [extension, *_library(binding), _driver(driver)]
    gpus = list(_gpus(binding, driver))
    usable = any(check.state == "ok" for check in gpus)
    if not usable and not isinstance(driver, str):
        advice = f"kernels need sm_90 (H100, H200, GH200); {_visible(environ)}"
        gpus.append(Check(subject="GPU", state="FAIL", found="no usable GPU", advice=advice))
    checks += [*gpus, _torch(), _gemm(binding, usable=usable), *_packages(), *_settings(environ)]
    return checks


def _extension() -> tuple[Any, Check]:
    """Load what this interpreter would import, with its verdict."""
    wanted = f"{platform.python_implementation()} {platform.python_version()}"
    soabi = sysconfig.get_config_var("SOABI")
    spec = PathFinder.find_spec("_C", [str(HERE)])
    if spec is None or spec.loader is None or spec.origin is None:
        there = ", ".join(sorted(path.name for path in HERE.glob("_C.*.so"))) or "none"
        found = f"no extension for {wanted} ({soabi}) in {HERE}; there: {there}"
        return None, Check(subject="extension", state="FAIL", found=found, advice=GET_IT)
    try:
        binding = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(binding)
    except ImportError as error:
        found = f"{spec.origin}: {error}"
        return None, Check(subject="extension", state="FAIL", found=found, advice=REINSTALL)
    found = f"{Path(spec.origin).name} for {wanted}"
    return binding, Check(subject="extension", state="ok", found=found)


def _library(binding: Any) -> Iterator[Check]:
    """Yield what the library holds, and what it says of itself."""
    if binding is None:
        return
    try:
        cubins = binding.cubins()
        size = sum(map(len, cubins.values())) / 1e6
        found = f"{len(cubins)} for sm_90a, {size:.1f} MB"
        yield Check(subject="cubins", state="ok", found=found)
        counts = ", ".join(f"{count} {name}" for name, count in binding.self_test().items())
        yield Check(subject="self-test", state="ok", found=counts)
    except (RuntimeError, ImportError) as error:
        yield Check(subject="self-test", state="FAIL", found=str(error), advice=REINSTALL)


def _open_driver() -> ctypes.CDLL | str:
    """Return the driver's library, or why there is none."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return str(error)


def _driver(driver: ctypes.CDLL | str) -> Check:
    """Judge the driver by its own version."""
    if isinstance(driver, str):
        return Check(subject="driver", state="FAIL", found=driver, advice=GET_A_DRIVER)
    version = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    release = (version.value // 1000, version.value % 1000 // 10)
    found = f"CUDA {release[0]}.{release[1]}"
    if release < MINIMUM_DRIVER:
        advice = "update the driver: CUDA {}.{} or later".format(*MINIMUM_DRIVER)
        return Check(subject="driver", state="FAIL", found=found, advice=advice)
    return Check(subject="driver", state="ok", found=found)


def _gpus(binding: Any, driver: ctypes.CDLL | str) -> Iterator[Check]:
    """Yield each GPU with the library's own verdict; one that it cannot use is a warning."""
    if isinstance(driver, str):
        return
    code, count = driver.cuInit(0), ctypes.c_int()
    if code or driver.cuDeviceGetCount(ctypes.byref(count)):
        found = f"cuInit: error {code}" + (" (no device)" if code == NO_DEVICE else "")
        advice = "compare `nvidia-smi`: driver and kernel module must be of one version"
        yield Check(subject="GPU", state="warn", found=found, advice=advice)
    for ordinal in range(count.value):
        subject, found = f"GPU {ordinal}", _describe(driver, ordinal)
        try:
            usable = f"{binding.get_num_sms(ordinal)} multiprocessors" if binding else ""
        except RuntimeError as error:
            yield Check(subject=subject, state="warn", found=found, advice=str(error))
        else:
            state: State = "ok" if binding else "skip"
            yield Check(subject=subject, state=state, found=f"{found} {usable}".strip())


def _describe(driver: ctypes.CDLL, ordinal: int) -> str:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(128)
    driver.cuDeviceGet(ctypes.byref(device), ordinal)
    driver.cuDeviceGetName(name, len(name), device)
    numbers = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        number = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
        numbers.append(number.value)
    return f"{name.value.decode(errors='replace')}, sm_{numbers[0]}{numbers[1]}"


def _visible(environ: Mapping[str, str]) -> str:
    shown = environ.get("CUDA_VISIBLE_DEVICES")
    return "see nvidia-smi" if shown is None else f"CUDA_VISIBLE_DEVICES={shown!r} hides the others"


def _torch() -> Check:
    """Judge torch by its metadata: the library needs none, its callers do."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Check(subject="torch", state="skip", found="none: importing the library needs none")
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if release < EXCHANGE_API:
        advice = "torch {}.{} or later passes tensors in less host time".format(*EXCHANGE_API)
        return Check(subject="torch", state="warn", found=version, advice=advice)
    return Check(subject="torch", state="ok", found=version)


def _gemm(binding: Any, *, usable: bool, device: str = "cuda") -> Check:
    """Multiply 128 x 128 ones on the GPU: every element has to be 128."""
    subject = "a GEMM"
    if binding is None or not usable:
        return Check(subject=subject, state="skip", found="no usable GPU or no extension")
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check(subject=subject, state="skip", found=f"needs torch: {error}")
    if not torch.cuda.is_available():
        return Check(subject=subject, state="skip", found="needs a torch with CUDA")
    ones = torch.ones(128, 128, device=device).to(torch.float8_e4m3fn)
    scale_a = torch.ones(1, 128, device=device).t()  # (128, 1), column by column
    scale_b = torch.ones(1, 1, device=device)
    result = torch.empty(128, 128, device=device, dtype=torch.bfloat16)
    try:
        binding.fp8_gemm_nt(ones, scale_a, ones, scale_b, result, None, None)
        right = bool((result == 128).all())
    except (RuntimeError, ValueError, TypeError) as error:
        return Check(subject=subject, state="FAIL", found=str(error), advice="see the message")
    if not right:
        advice = "report it with this output: the machine code is wrong for this GPU"
        return Check(subject=subject, state="FAIL", found="a wrong result", advice=advice)
    return Check(subject=subject, state="ok", found="128 x 128 x 128 in FP8: exact")


def _packages() -> Iterator[Check]:
    """Yield who installed the package; two that share a folder or differ in version are trouble."""
    versions = {name: version for name in OURS if (version := _version(name))}
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    owners = metadata.packages_distributions().get("deep_gemm", [])
    foreign = sorted(set(owners) - {"deep-gemm-hopper"})
    if "deep-gemm-hopper" in owners and foreign:
        found = f"deep_gemm belongs to {', '.join(sorted(set(owners)))}"
        advice = f"pip uninstall {' '.join(foreign)}, then {REINSTALL}"
        yield Check(subject="packages", state="warn", found=found, advice=advice)
    elif len(set(versions.values())) > 1:
        advice = "one process loads one libdeep_gemm.so for both: install the same version"
        yield Check(subject="packages", state="warn", found=found, advice=advice)
    else:
        yield Check(subject="packages", state="ok", found=found or f"a checkout: {HERE}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _settings(environ: Mapping[str, str]) -> Iterator[Check]:
    """Yield what is set for DeepGEMM's JIT and steers nothing here."""
    names = sorted(name for name in environ if name.startswith("DG_"))
    if names:
        advice = "unset them: they steer a JIT, and there is none"
        yield Check(subject="settings", state="warn", found=", ".join(names), advice=advice)


def _show(checks: Sequence[Check], well: bool) -> None:
    width = max(len(check.subject) for check in checks)
    for check in checks:
        print(f"{check.subject.ljust(width)}  {check.state.ljust(4)}  {check.found}")
        if check.advice:
            print(f"{' ' * width}    ->  {check.advice}")
    print("kernels run here" if well else "kernels do not run here")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
