// One GEMM kernel, for the configuration that the build names (a row of shared/gemm_configs.def).
#include "device/gemm/kernel.cuh"

namespace {
using deep_gemm::Kind;
constexpr deep_gemm::KernelConfig kConfig{DEEP_GEMM_CONFIG_ARGS};

// The rule that a row breaks, as a template's argument: a compiler prints those, letter by letter, and
// cmake/compile_cubin.sh joins the letters.
struct Rule {
  char text[64]{};
  constexpr explicit Rule(const char* reason) {
    for (int i = 0; reason != nullptr && reason[i] != 0; ++i) text[i] = reason[i];
  }
};
template <Rule kBroken>
constexpr bool holds() {
  static_assert(kBroken.text[0] == 0, "a row of shared/gemm_configs.def breaks the rule that is named here");
  return true;
}
static_assert(holds<Rule(deep_gemm::invalid_reason(kConfig))>());
}  // namespace

extern "C" __global__ void __launch_bounds__(kConfig.threads(), kConfig.blocks)
    gemm(const __grid_constant__ deep_gemm::GemmArguments arguments) {
  deep_gemm::gemm<kConfig>(arguments);
}
