#include "cpu/group_quant.hpp"

namespace vllm {

void per_token_group_quant_fp8_cpu(const GroupQuant& problem) {
  with_element(problem.element, [&]<class T>(T*) {
    quantise_rows(problem, sizeof(T),
                  [in = static_cast<const T*>(problem.in), stride = problem.in_row](
                      std::int64_t row, std::int64_t first, int count, float* __restrict values) VLLM_ROWS {
                    const T* __restrict from = in + row * stride + first;
#pragma GCC ivdep
                    for (int i = 0; i < count; ++i) values[i] = to_float(from[i]);
                  });
  });
}

}  // namespace vllm
