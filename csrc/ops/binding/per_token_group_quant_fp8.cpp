#include "binding/group_quant.hpp"
#include "binding/operator.hpp"

namespace vllm {
namespace {

void quantise(const Tensor& input, const Tensor& output, const Tensor& scales, std::int64_t group_size, double eps) {
  const GroupQuant problem = group_quant_of(input, output, scales, group_size, eps, 1);
  if (output.numel() == 0) return;
  run(input, problem, per_token_group_quant_fp8_cpu, VLLM_CUDA_VERSION(per_token_group_quant_fp8_cuda));
}

const Operator self("per_token_group_quant_fp8",
                    "(Tensor input, Tensor(a!) output, Tensor(b!) scales, int group_size=128, float eps=1e-10) -> ()",
                    TORCH_BOX(&quantise));

}  // namespace
}  // namespace vllm
