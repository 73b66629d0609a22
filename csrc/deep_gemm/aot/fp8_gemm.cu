// One FP8 GEMM kernel, for the configuration that the build names (a row of shared/fp8_gemm_configs.def).
#include "device/fp8_gemm/kernel.cuh"

namespace {
constexpr deep_gemm::KernelConfig kConfig{DEEP_GEMM_CONFIG_ARGS};
}

extern "C" __global__ void __launch_bounds__(kConfig.threads(), 1)
    fp8_gemm(const __grid_constant__ deep_gemm::GemmArguments arguments) {
  deep_gemm::fp8_gemm<kConfig>(arguments);
}
