#include "cuda/group_quant.cuh"

void vllm::silu_and_mul_per_token_group_quant_fp8_cuda(const GroupQuant& problem, void* stream) {
  launch_group_quant<true>("silu_and_mul_per_token_group_quant_fp8", problem, stream);
}
