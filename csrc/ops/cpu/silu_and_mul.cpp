#include "shared/silu_and_mul.hpp"

#include <algorithm>

#include "cpu/halves.hpp"
#include "cpu/versions.hpp"

namespace vllm {
namespace {

template <class T>
VLLM_INLINE void row(const T* __restrict gate, const T* __restrict up, T* __restrict out, std::int64_t columns) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < columns; ++i) out[i] = from_float<T>(silu(to_float(gate[i])) * to_float(up[i]));
}

VLLM_INLINE void row(const Half* gate, const Half* up, Half* out, std::int64_t columns) {
  for (std::int64_t first = 0; first < columns; first += kRun) {
    const int count = static_cast<int>(std::min<std::int64_t>(kRun, columns - first));
    float gates[kRun], ups[kRun];
    widen(gate + first, gates, count);
    widen(up + first, ups, count);
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) gates[i] = silu(gates[i]) * ups[i];
    narrow(gates, out + first, count);
  }
}

}  // namespace

void silu_and_mul_cpu(const SiluAndMul& problem) {
  with_element(problem.element, [&]<class T>(T*) {
    for_rows(problem.rows, 3 * problem.columns * static_cast<std::int64_t>(sizeof(T)),
             [p = problem](std::int64_t begin, std::int64_t end) VLLM_ROWS {
               for (std::int64_t r = begin; r < end; ++r) {
                 const T* gate = static_cast<const T*>(p.in) + r * p.in_row;
                 row(gate, gate + p.columns, static_cast<T*>(p.out) + r * p.out_row, p.columns);
               }
             });
  });
}

}  // namespace vllm
