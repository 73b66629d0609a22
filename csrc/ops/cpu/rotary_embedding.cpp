#include "shared/rotary_embedding.hpp"

#include <algorithm>
#include <type_traits>

#include "cpu/versions.hpp"

namespace vllm {
namespace {

// Halves of a head may be rotated in place: each element is read before it is written.
template <class T, class A>
VLLM_INLINE void rotate_halves(const T* in, T* out, const A* __restrict cos, const A* __restrict sin,
                               std::int64_t pairs) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < pairs; ++i) {
    const float x = to_float(in[i]), y = to_float(in[pairs + i]), c = to_float(cos[i]), s = to_float(sin[i]);
    out[i] = from_float<T>(x * c - y * s);
    out[pairs + i] = from_float<T>(y * c + x * s);
  }
}

template <class T, class A>
VLLM_INLINE void rotate_neighbours(const T* in, T* out, const A* __restrict cos, const A* __restrict sin,
                                   std::int64_t pairs) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < pairs; ++i) {
    const float x = to_float(in[2 * i]), y = to_float(in[2 * i + 1]), c = to_float(cos[i]), s = to_float(sin[i]);
    out[2 * i] = from_float<T>(x * c - y * s);
    out[2 * i + 1] = from_float<T>(y * c + x * s);
  }
}

template <class T, class A>
VLLM_INLINE void rotate_token(const RotaryEmbedding& p, std::int64_t token) {
  const std::int64_t position = p.long_positions ? static_cast<const std::int64_t*>(p.positions)[token]
                                                 : static_cast<const std::int32_t*>(p.positions)[token];
  const A* cos = static_cast<const A*>(p.angles) + position * p.angles_row;
  for (const RotaryHeads& each : p.tensors) {
    for (std::int64_t head = 0; head < each.heads; ++head) {
      const T* in = static_cast<const T*>(each.in) + token * each.in_token + head * each.in_head;
      T* out = static_cast<T*>(each.out) + token * each.out_token + head * each.out_head;
      if (p.neox) {
        rotate_halves(in, out, cos, cos + p.pairs, p.pairs);
      } else {
        rotate_neighbours(in, out, cos, cos + p.pairs, p.pairs);
      }
      if (in != out) std::copy(in + 2 * p.pairs, in + p.head_size, out + 2 * p.pairs);
    }
  }
}

template <class T, class A>
void rotate_all(const RotaryEmbedding& problem) {
  const std::int64_t heads = problem.tensors[0].heads + problem.tensors[1].heads;
  for_rows(problem.tokens, 2 * heads * problem.head_size * static_cast<std::int64_t>(sizeof(T)),
           [p = problem](std::int64_t begin, std::int64_t end) VLLM_ROWS {
             for (std::int64_t token = begin; token < end; ++token) rotate_token<T, A>(p, token);
           });
}

}  // namespace

void rotary_embedding_cpu(const RotaryEmbedding& problem) {
  with_element(problem.element, [&]<class T>(T*) {
    if (problem.float_angles) return rotate_all<T, float>(problem);
    if constexpr (!std::is_same_v<T, float>) rotate_all<T, T>(problem);
  });
}

}  // namespace vllm
