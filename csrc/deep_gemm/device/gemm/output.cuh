// The output as one thread sees it: types, its elements of a tile, adding C, storing from registers.
#pragma once

#include <cuda_bf16.h>

#include "device/gemm/block_work.cuh"
#include "device/ptx/warp_group.cuh"
#include "shared/gemm_arguments.hpp"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

template <int kBytes>
struct OutputTypeOf {
  using Type = float;
};
template <>
struct OutputTypeOf<2> {
  using Type = __nv_bfloat16;
};

// Where 64 rows of a tile stand in the output.
struct OutputRows {
  std::uint32_t row;     // the first row
  std::uint32_t end;     // one past the last row that is written
  std::uint32_t column;  // the tile's first column
  std::uint32_t group;
};

template <KernelConfig kConfig>
__device__ __forceinline__ OutputRows output_rows(const Tile& tile, int consumer, int wave) {
  const std::uint32_t first = (consumer * kConfig.waves() + wave) * kWgmmaRows;
  return {tile.row + first, tile.rows_stored, tile.column, tile.a_group};
}

// Which of this thread's two rows of each wave are padding, a bit each: read before the main loop, used behind it.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t padding_rows(const GemmArguments& arguments, const Tile& tile, int consumer) {
  std::uint32_t bits = 0;
#pragma unroll
  for (int i = 0; i < 2 * kConfig.waves(); ++i) {
    const std::uint32_t row =
        output_rows<kConfig>(tile, consumer, i / 2).row + threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4 + i % 2 * 8;
    bool padding = row >= tile.rows_counted;
    if (arguments.groups.grouping == Grouping::kContiguous && !padding)
      padding = __ldg(arguments.groups.layout + row) < 0;
    bits |= static_cast<std::uint32_t>(padding) << i;
  }
  return bits;
}

// Makes the values of padding rows zeros, whatever A has there.
template <KernelConfig kConfig>
__device__ __forceinline__ void clear_rows(float (&sums)[kConfig.waves()][kConfig.tile_n / 2], std::uint32_t padding) {
  if (padding == 0) return;
#pragma unroll
  for (int wave = 0; wave < kConfig.waves(); ++wave)
#pragma unroll
    for (int i = 0; i < kConfig.tile_n / 2; ++i)
      if ((padding >> (wave * 2 + i / 2 % 2) & 1) != 0) sums[wave][i] = 0.0f;
}

// Calls visit(index in `values`, row, column) for each element of this thread that lies inside of the output;
// `values` are wgmma registers of 64 rows.
template <int kValues, typename Visit>
__device__ __forceinline__ void for_each_element(const GemmArguments& arguments, OutputRows origin, Visit visit) {
  const std::uint32_t thread = ptx::reread_thread_index();
  const std::uint32_t lane = thread % 32;
  const std::uint32_t warp = thread / 32 % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {  // a thread's values are of two rows
    const std::uint32_t row = origin.row + warp * 16 + lane / 4 + half * 8;
    if (row >= origin.end) continue;
#pragma unroll
    for (int i = 0; i < kValues / 2; ++i) {
      // Only so many loads at once: their addresses are registers beside the sums.
      if (i % 16 == 0) ptx::keep_order();
      const std::uint32_t column = origin.column + i / 2 * 8 + lane % 4 * 2 + i % 2;
      if (column < arguments.n) visit(i / 2 * 4 + half * 2 + i % 2, row, column);
    }
  }
}

template <typename Output, int kValues>
__device__ __forceinline__ void add_c(float (&values)[kValues], const GemmArguments& arguments, OutputRows origin) {
  const Output* c = static_cast<const Output*>(arguments.c);
  for_each_element<kValues>(arguments, origin, [&](int i, std::uint32_t row, std::uint32_t column) {
    values[i] += static_cast<float>(c[row * arguments.c_stride + column]);
  });
}

template <typename Output, int kValues>
__device__ __forceinline__ void store_elements(const float (&values)[kValues], const GemmArguments& arguments,
                                               OutputRows origin) {
  Output* d = static_cast<Output*>(arguments.output) + origin.group * arguments.d_group_stride;
  for_each_element<kValues>(arguments, origin, [&](int i, std::uint32_t row, std::uint32_t column) {
    d[row * arguments.d_stride + column] = static_cast<Output>(values[i]);
  });
}

__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

}  // namespace deep_gemm
