// The epilogue of a block that has all of k: add C, convert, write the output tile.
//
// Rows that are 16-byte aligned leave through shared memory and a bulk tensor copy, which runs on while the next tile
// is multiplied; other rows (n * sizeof(d) not a multiple of 16) are stored from the registers.
#pragma once

#include "device/gemm/mainloop.cuh"
#include "device/gemm/output.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/bulk_tensor.cuh"
#include "device/ptx/warp_group.cuh"

namespace deep_gemm {

// Byte offset inside of a panel as the bulk tensor copy's swizzle of that row width wants it.
// Source: PTX ISA, "Swizzling modes": bits 4.. are exchanged with bits 7.. as far as the row is wide.
template <int kRowBytes>
__device__ __forceinline__ std::uint32_t swizzle(std::uint32_t offset) {
  constexpr std::uint32_t kMask = (kRowBytes / 16 - 1) << 7;
  return offset ^ ((offset & kMask) >> 3);
}

// Writes the chunks of 8 columns of one panel, 64 rows. `values`: the panel's wgmma registers.
template <KernelConfig kConfig>
__device__ __forceinline__ void write_panel(const float* values, std::uint32_t base) {
  constexpr int kRowBytes = kConfig.panel_bytes();
  const std::uint32_t thread = ptx::reread_thread_index();
  const std::uint32_t lane = thread % 32;
  const std::uint32_t warp_row = thread / 32 % 4 * 16;
#pragma unroll
  for (int i = 0; i < kConfig.panel_columns() / 2; i += 8) {  // two chunks of 8 columns, 16 rows
    const std::uint32_t column = i * 2;
    const float* v = values + i;
    if constexpr (kConfig.output_bytes == 2) {
      const std::uint32_t offset = (warp_row + lane % 16) * kRowBytes + (column + lane / 16 * 8) * 2;
      ptx::store_matrices(base + swizzle<kRowBytes>(offset), pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]),
                          pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7]));
    } else {
#pragma unroll
      for (int pair = 0; pair < 8; pair += 2) {
        const std::uint32_t row = warp_row + lane / 4 + pair / 2 % 2 * 8;
        const std::uint32_t offset = row * kRowBytes + (column + pair / 4 * 8 + lane % 4 * 2) * 4;
        ptx::store_pair(base + swizzle<kRowBytes>(offset), v[pair], v[pair + 1]);
      }
    }
  }
}

// Writes the rows of one panel that lie before `origin.end`, 16 bytes a thread; the rows behind stay as they are.
template <KernelConfig kConfig>
__device__ __forceinline__ void copy_panel_rows(const GemmArguments& arguments, const std::uint8_t* panel,
                                                OutputRows origin) {
  using Output = typename OutputTypeOf<kConfig.output_bytes>::Type;
  constexpr int kRowBytes = kConfig.panel_bytes();
  constexpr int kChunks = kRowBytes / 16;
  constexpr int kChunkColumns = 16 / kConfig.output_bytes;
  Output* d = static_cast<Output*>(arguments.output) + origin.group * arguments.d_group_stride;
  for (std::uint32_t i = threadIdx.x % kWarpGroupThreads; i < kWgmmaRows * kChunks; i += kWarpGroupThreads) {
    const std::uint32_t row = origin.row + i / kChunks;
    const std::uint32_t column = origin.column + i % kChunks * kChunkColumns;
    if (row >= origin.end) return;
    const std::uint8_t* chunk = panel + swizzle<kRowBytes>(i * 16);
    Output* target = d + row * arguments.d_stride + column;
    if (column + kChunkColumns <= arguments.n) {
      *reinterpret_cast<uint4*>(target) = *reinterpret_cast<const uint4*>(chunk);
    } else {
      for (std::uint32_t j = 0; column + j < arguments.n; ++j) target[j] = reinterpret_cast<const Output*>(chunk)[j];
    }
  }
}

// One panel of 64 rows on its way to memory, by `issuer` alone, or by all threads where a bulk copy would write rows
// that are not to be written.
template <KernelConfig kConfig>
__device__ __forceinline__ void store_panel(const GemmArguments& arguments, const std::uint8_t* panel,
                                            OutputRows origin, bool issuer) {
  if constexpr (kConfig.grouped()) {
    if (origin.row + kWgmmaRows > origin.end && origin.end < arguments.m)
      return copy_panel_rows<kConfig>(arguments, panel, origin);
  }
  if (issuer && origin.row < origin.end && origin.column < arguments.n)
    ptx::store_box(&arguments.d, panel, {origin.column, origin.row, origin.group});
}

// `stored`: whether this consumer has stored a tile before.
template <KernelConfig kConfig>
__device__ __forceinline__ void store_through_shared(const Sums<kConfig>& sums, const GemmArguments& arguments,
                                                     SharedStorage<kConfig>& shared, const Tile& tile, int consumer,
                                                     bool stored) {
  constexpr int kPanels = kConfig.waves() * kConfig.panels();
  constexpr int kResident = kConfig.resident_panels();
  const bool issuer = ptx::reread_thread_index() % kWarpGroupThreads == 0;
#pragma unroll
  for (int first = 0; first < kPanels; first += kResident) {
    // Order: the last store must have read the panels before they are written again.
    if (kResident < kPanels || stored) {
      if (issuer) ptx::wait_stores_read();
      ptx::named_barrier_sync(1 + consumer, kWarpGroupThreads);
    }
#pragma unroll
    for (int panel = first; panel < min(first + kResident, kPanels); ++panel)
      write_panel<kConfig>(&sums[panel / kConfig.panels()][panel % kConfig.panels() * kConfig.panel_columns() / 2],
                           ptx::shared_address(shared.panel(consumer, panel - first)));
    ptx::fence_proxy_async();
    ptx::named_barrier_sync(1 + consumer, kWarpGroupThreads);
#pragma unroll
    for (int panel = first; panel < min(first + kResident, kPanels); ++panel) {
      OutputRows origin = output_rows<kConfig>(tile, consumer, panel / kConfig.panels());
      origin.column += panel % kConfig.panels() * kConfig.panel_columns();
      store_panel<kConfig>(arguments, shared.panel(consumer, panel - first), origin, issuer);
    }
    if (issuer) ptx::commit_stores();
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void write_tile(Sums<kConfig>& sums, const GemmArguments& arguments,
                                           SharedStorage<kConfig>& shared, const Tile& tile, int consumer,
                                           bool stored) {
  using Output = typename OutputTypeOf<kConfig.output_bytes>::Type;
#pragma unroll
  for (int wave = 0; wave < kConfig.waves(); ++wave) {
    const OutputRows rows = output_rows<kConfig>(tile, consumer, wave);
    if constexpr (!kConfig.grouped()) {
      if (arguments.c != nullptr) add_c<Output>(sums[wave], arguments, rows);
    }
    if (arguments.store_rows_unaligned) store_elements<Output>(sums[wave], arguments, rows);
  }
  if (!arguments.store_rows_unaligned) store_through_shared<kConfig>(sums, arguments, shared, tile, consumer, stored);
}

}  // namespace deep_gemm
