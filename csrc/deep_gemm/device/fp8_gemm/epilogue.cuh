// The epilogue of one consumer warp group: add C, convert, and write its 64 rows of the output tile.
//
// Rows that are 16-byte aligned leave through shared memory and a bulk tensor copy, which runs on while the next tile
// is multiplied; other rows (n * sizeof(d) not a multiple of 16) are stored from the registers.
#pragma once

#include <cuda_bf16.h>

#include "device/fp8_gemm/shared_storage.cuh"
#include "device/ptx/bulk_tensor.cuh"
#include "device/ptx/warp_group.cuh"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm {

template <int kBytes>
struct OutputTypeOf {
  using Type = float;
};
template <>
struct OutputTypeOf<2> {
  using Type = __nv_bfloat16;
};

// Where a warp group's rows of a tile stand in the output.
struct OutputRows {
  std::uint32_t row;     // of the warp group's first row
  std::uint32_t column;  // of the tile's first column
};

// Calls visit(register index, row, column) for each element of this thread that lies inside of the output.
template <int kTileN, typename Visit>
__device__ __forceinline__ void for_each_element(const GemmArguments& arguments, OutputRows origin, Visit visit) {
  const std::uint32_t lane = threadIdx.x % 32;
  const std::uint32_t warp = threadIdx.x / 32 % 4;
#pragma unroll
  for (int i = 0; i < kTileN / 2; ++i) {
    const std::uint32_t row = origin.row + warp * 16 + lane / 4 + i / 2 % 2 * 8;
    const std::uint32_t column = origin.column + i / 4 * 8 + lane % 4 * 2 + i % 2;
    if (row < arguments.m && column < arguments.n) visit(i, row, column);
  }
}

// Byte offset inside of a panel as the bulk tensor copy's swizzle of that row width wants it.
// Source: PTX ISA, "Swizzling modes": bits 4.. are exchanged with bits 7.. as far as the row is wide.
template <int kRowBytes>
__device__ __forceinline__ std::uint32_t swizzle(std::uint32_t offset) {
  constexpr std::uint32_t kMask = (kRowBytes / 16 - 1) << 7;
  return offset ^ ((offset & kMask) >> 3);
}

__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

template <KernelConfig kConfig>
__device__ __forceinline__ void write_panels_bf16(const float (&sum)[kConfig.tile_n / 2], std::uint8_t* region) {
  constexpr int kColumns = kConfig.panel_columns();
  const std::uint32_t lane = threadIdx.x % 32;
  const std::uint32_t row = threadIdx.x / 32 % 4 * 16 + lane % 16;
#pragma unroll
  for (int chunk = 0; chunk < kConfig.tile_n / 8; chunk += 2) {  // two chunks of 8 columns, 16 rows
    const std::uint32_t column = chunk * 8 + lane / 16 * 8;
    const std::uint32_t panel = column / kColumns;
    const std::uint32_t offset = swizzle<kConfig.panel_bytes()>(row * kConfig.panel_bytes() + column % kColumns * 2);
    const float* values = &sum[chunk * 4];
    ptx::store_matrices(
        ptx::shared_address(region) + panel * kWarpGroupRows * kConfig.panel_bytes() + offset,
        pack_bf16(values[0], values[1]), pack_bf16(values[2], values[3]), pack_bf16(values[4], values[5]),
        pack_bf16(values[6], values[7]));
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void write_panels_f32(const float (&sum)[kConfig.tile_n / 2], std::uint8_t* region) {
  constexpr int kColumns = kConfig.panel_columns();
  const std::uint32_t lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kConfig.tile_n / 2; i += 2) {
    const std::uint32_t row = threadIdx.x / 32 % 4 * 16 + lane / 4 + i / 2 % 2 * 8;
    const std::uint32_t column = i / 4 * 8 + lane % 4 * 2;
    const std::uint32_t offset = swizzle<kConfig.panel_bytes()>(row * kConfig.panel_bytes() + column % kColumns * 4);
    ptx::store_pair(
        ptx::shared_address(region) + column / kColumns * kWarpGroupRows * kConfig.panel_bytes() + offset, sum[i],
        sum[i + 1]);
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void store_through_shared(const float (&sum)[kConfig.tile_n / 2],
                                                     const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                     OutputRows origin, int warp_group) {
  const bool issuer = threadIdx.x % kWarpGroupThreads == 0;
  const int barrier = 1 + warp_group;
  std::uint8_t* region = shared.output[warp_group][0];
  // Order: the last tile's store must have read the region before it is written again.
  if (issuer) ptx::wait_stores_read();
  ptx::named_barrier_sync(barrier, kWarpGroupThreads);
  if constexpr (kConfig.output_bytes == 2) {
    write_panels_bf16<kConfig>(sum, region);
  } else {
    write_panels_f32<kConfig>(sum, region);
  }
  ptx::fence_proxy_async();
  ptx::named_barrier_sync(barrier, kWarpGroupThreads);
  if (!issuer || origin.row >= arguments.m) return;
  for (int panel = 0; panel < SharedStorage<kConfig>::kPanels; ++panel) {
    const std::uint32_t column = origin.column + panel * kConfig.panel_columns();
    if (column < arguments.n)
      ptx::store_box(&arguments.d, shared.output[warp_group][panel], static_cast<std::int32_t>(column),
                     static_cast<std::int32_t>(origin.row));
  }
  ptx::commit_stores();
}

template <KernelConfig kConfig>
__device__ __forceinline__ void write_tile(float (&sum)[kConfig.tile_n / 2], const GemmArguments& arguments,
                                           SharedStorage<kConfig>& shared, TileCoordinate tile, int warp_group) {
  using Output = typename OutputTypeOf<kConfig.output_bytes>::Type;
  const OutputRows origin{tile.m * kConfig.tile_m + warp_group * kWarpGroupRows, tile.n * kConfig.tile_n};
  if (arguments.c != nullptr) {
    const Output* c = static_cast<const Output*>(arguments.c);
    for_each_element<kConfig.tile_n>(arguments, origin, [&](int i, std::uint32_t row, std::uint32_t column) {
      sum[i] += static_cast<float>(c[row * arguments.c_stride + column]);
    });
  }
  if (arguments.store_rows_unaligned) {
    Output* d = static_cast<Output*>(arguments.output);
    for_each_element<kConfig.tile_n>(arguments, origin, [&](int i, std::uint32_t row, std::uint32_t column) {
      d[row * arguments.d_stride + column] = static_cast<Output>(sum[i]);
    });
  } else {
    store_through_shared<kConfig>(sum, arguments, shared, origin, warp_group);
  }
}

}  // namespace deep_gemm
