#include "shared/moe_unpermute.hpp"

#include <algorithm>

#include "cpu/versions.hpp"

namespace vllm {
namespace {

constexpr std::int64_t kPiece = 512;  // sums that stay in the first cache

template <class T>
VLLM_INLINE void add(const T* __restrict in, float weight, float* __restrict sums, std::int64_t count) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) sums[i] += weight * to_float(in[i]);
}

template <class T>
VLLM_INLINE void store(const float* __restrict sums, T* __restrict out, std::int64_t count) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) out[i] = from_float<T>(sums[i]);
}

template <class T>
VLLM_INLINE void sum_token(const MoeUnpermute& p, std::int64_t token) {
  for (std::int64_t first = 0; first < p.columns; first += kPiece) {
    const std::int64_t count = std::min(kPiece, p.columns - first);
    float sums[kPiece] = {};
    for (std::int64_t slot = token * p.choices; slot < (token + 1) * p.choices; ++slot) {
      const std::int64_t row = p.row_of_slot[slot];
      const float weight = p.weights == nullptr ? 1.0F : p.weights[slot];
      if (row >= 0) add(static_cast<const T*>(p.in) + row * p.in_row + first, weight, sums, count);
    }
    store(sums, static_cast<T*>(p.out) + token * p.out_row + first, count);
  }
}

}  // namespace

void moe_unpermute_cpu(const MoeUnpermute& problem) {
  with_element(problem.element, [&]<class T>(T*) {
    for_rows(problem.tokens, (problem.choices + 1) * problem.columns * static_cast<std::int64_t>(sizeof(T)),
             [p = problem](std::int64_t begin, std::int64_t end) VLLM_ROWS {
               for (std::int64_t token = begin; token < end; ++token) sum_token<T>(p, token);
             });
  });
}

}  // namespace vllm
