#include "cuda/group_quant.cuh"

void vllm::per_token_group_quant_fp8_cuda(const GroupQuant& problem, void* stream) {
  launch_group_quant<false>("per_token_group_quant_fp8", problem, stream);
}
