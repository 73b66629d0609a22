// The one parameter of the FP8 GEMM kernels: what the host writes and the device reads, byte for byte.
#pragma once

#include <cstdint>

#include "shared/tile_schedule.hpp"

namespace deep_gemm {

// A tensor map of the driver, opaque here. Source: CUDA driver API, CUtensorMap (128 bytes, 128-byte aligned
// since 13.0).
struct alignas(128) TensorMap {
  std::uint64_t opaque[16];
};

// A matrix of f32 scale factors with any strides, in elements.
struct ScaleMatrix {
  const float* data;
  std::int64_t row_stride;
  std::int64_t k_stride;
};

struct GemmArguments {
  TensorMap a;            // (m, k) e4m3, 128-byte swizzle
  TensorMap b;            // (n, k) e4m3, 128-byte swizzle
  TensorMap d;            // (m, n), panels of the output tile; unused where store_rows_unaligned
  TensorMap scale_a;      // (ceil(k / 128), m) f32
  ScaleMatrix scale_b;    // (ceil(n / 128), ceil(k / 128))
  const void* c;          // (m, n) of d's type, or null
  void* output;           // d itself
  std::int64_t c_stride;  // elements between rows
  std::int64_t d_stride;
  std::uint32_t m;
  std::uint32_t n;
  std::uint32_t k_steps;               // ceil(k / 128)
  std::uint32_t store_rows_unaligned;  // d's rows are not 16-byte aligned: no bulk tensor copy can write them
  TileSchedule schedule;
};

}  // namespace deep_gemm
