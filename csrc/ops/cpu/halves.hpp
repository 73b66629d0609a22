// Runs of float16 to floats and back, by the processor's own conversions unless the baseline is what it runs.
#pragma once

#include <immintrin.h>

#include "cpu/versions.hpp"

namespace vllm {

inline constexpr int kRun = 256;  // elements; what is made of two runs stays in the first cache

__attribute__((target("avx,f16c"))) inline int widen_eights(const Half* from, float* to, int count) {
  int i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  return i;
}

__attribute__((target("avx,f16c"))) inline int narrow_eights(const float* from, Half* to, int count) {
  int i = 0;
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  return i;
}

inline void widen(const Half* __restrict from, float* __restrict to, int count) {
  int i = instructions() == Instructions::kBaseline ? 0 : widen_eights(from, to, count);
  for (; i < count; ++i) to[i] = to_float(from[i]);
}

inline void narrow(const float* __restrict from, Half* __restrict to, int count) {
  int i = instructions() == Instructions::kBaseline ? 0 : narrow_eights(from, to, count);
  for (; i < count; ++i) to[i] = from_float<Half>(from[i]);
}

}  // namespace vllm
