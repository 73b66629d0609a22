// One GEMM kernel, for the configuration that the build names (a row of shared/gemm_configs.def).
#include "device/gemm/kernel.cuh"

namespace {
using deep_gemm::Kind;
constexpr deep_gemm::KernelConfig kConfig{DEEP_GEMM_CONFIG_ARGS};
}  // namespace

extern "C" __global__ void __launch_bounds__(kConfig.threads(), 1)
    gemm(const __grid_constant__ deep_gemm::GemmArguments arguments) {
  deep_gemm::gemm<kConfig>(arguments);
}
