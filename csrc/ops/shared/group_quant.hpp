// Quantisation to e4m3 with one scale for 128 elements of a row: what the binding hands to both versions.
#pragma once

#include <cstdint>

#include "shared/element.hpp"

namespace vllm {

inline constexpr int kGroup = 128;
inline constexpr float kE4m3Max = 448.0F;

// Strides count elements; those of `scales` are free, so that both layouts are the same code.
struct GroupQuant {
  const void* in;     // (rows, columns), or (rows, 2 columns) where silu(gate) * up is quantised
  std::uint8_t* out;  // (rows, columns) e4m3
  float* scales;      // (rows, groups)
  Element element;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t in_row;
  std::int64_t out_row;
  std::int64_t scale_row;
  std::int64_t scale_group;
  float smallest;  // what the largest magnitude of a group counts as at least

  constexpr std::int64_t groups() const { return (columns + kGroup - 1) / kGroup; }
};

void per_token_group_quant_fp8_cpu(const GroupQuant& problem);
void per_token_group_quant_fp8_cuda(const GroupQuant& problem, void* stream);
void silu_and_mul_per_token_group_quant_fp8_cpu(const GroupQuant& problem);
void silu_and_mul_per_token_group_quant_fp8_cuda(const GroupQuant& problem, void* stream);

}  // namespace vllm
