#include "cpu/group_quant.hpp"

namespace vllm {

void silu_and_mul_per_token_group_quant_fp8_cpu(const GroupQuant& problem) {
  with_element(problem.element, [&]<class T>(T*) {
    quantise_rows(problem, 2 * sizeof(T),
                  [in = static_cast<const T*>(problem.in), stride = problem.in_row, columns = problem.columns](
                      std::int64_t row, std::int64_t first, int count, float* __restrict values) VLLM_ROWS {
                    const T* __restrict gate = in + row * stride + first;
                    const T* __restrict up = gate + columns;
#pragma GCC ivdep
                    for (int i = 0; i < count; ++i) values[i] = silu(to_float(gate[i])) * to_float(up[i]);
                  });
  });
}

}  // namespace vllm
