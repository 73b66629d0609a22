"""Which GPU a benchmark needs; said in one line before anything is measured."""

from __future__ import annotations


def require_hopper() -> None:
    """Return where torch can use an sm_90 GPU.

    Raises: SystemExit, with what was found.
    """
    import torch

    if not torch.cuda.is_available():
        raise SystemExit(
            f"error: GPU: expected sm_90 (H100, H200, GH200), found none that torch "
            f"{torch.__version__} can use; see python -m vllm.third_party.deep_gemm.doctor"
        )
    major, minor = torch.cuda.get_device_capability()
    if (major, minor) != (9, 0):
        raise SystemExit(
            f"error: GPU: expected sm_90 (H100, H200, GH200), found sm_{major}{minor}; name "
            "another with CUDA_VISIBLE_DEVICES"
        )
