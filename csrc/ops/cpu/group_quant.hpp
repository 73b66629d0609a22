// One group of 128 values quantised; the two operators differ in where the values come from.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "cpu/versions.hpp"
#include "shared/group_quant.hpp"

namespace vllm {

// Quantise `count` values and return their scale.
VLLM_INLINE float quantise_group(const float* __restrict values, std::uint8_t* __restrict out, int count,
                                 float smallest) {
  std::uint32_t bits = 0;  // magnitudes compare as their bits do, and what is no number is the largest
#pragma GCC ivdep
  for (int i = 0; i < count; ++i) bits = std::max(bits, std::bit_cast<std::uint32_t>(values[i]) & 0x7FFFFFFFU);
  const float largest = std::bit_cast<float>(bits);
  const float scale = (largest < smallest ? smallest : largest) / kE4m3Max;
  const float inverse = 1.0F / scale;
#pragma GCC ivdep
  for (int i = 0; i < count; ++i) out[i] = to_e4m3(values[i] * inverse);
  return scale;
}

// Quantise all groups; `fill(row, first, count, values)` gives a group's values.
template <class Fill>
void quantise_rows(const GroupQuant& problem, std::int64_t element_bytes, Fill fill) {
  const std::int64_t groups = problem.groups();
  for_rows(problem.rows * groups, kGroup * element_bytes,
           [p = problem, groups, fill](std::int64_t begin, std::int64_t end) VLLM_ROWS {
             for (std::int64_t index = begin; index < end; ++index) {
               const std::int64_t row = index / groups;
               const std::int64_t group = index % groups;
               const int count = static_cast<int>(std::min<std::int64_t>(kGroup, p.columns - group * kGroup));
               float values[kGroup];
               fill(row, group * kGroup, count, values);
               std::uint8_t* out = p.out + row * p.out_row + group * kGroup;
               p.scales[row * p.scale_row + group * p.scale_group] = quantise_group(values, out, count, p.smallest);
             }
           });
}

}  // namespace vllm
