// Shared memory of a GEMM block, as a struct.
#pragma once

#include <cstdint>

#include "device/gemm/block_work.cuh"
#include "device/pipeline.cuh"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

// Where the producer posts tiles for the consumers, if rows are grouped: the one that is stored, the one that is
// multiplied or loaded, the one after it.
inline constexpr int kPostedTiles = 3;
template <KernelConfig kConfig, bool kGrouped = kConfig.grouped()>
struct TileBoard {};
template <KernelConfig kConfig>
struct TileBoard<kConfig, true> {
  Tile tiles[kPostedTiles];
  PipelineBarriers<kPostedTiles> barriers;
};

template <KernelConfig kConfig>
struct alignas(1024) SharedStorage {
  static constexpr int kPanelBytes = kWgmmaRows * kConfig.panel_bytes();

  // Each stage starts at a multiple of 1024, the period of the 128-byte swizzle. An operand that is dense in k is
  // (tile rows, kStepBytes); one that is dense in its rows is (tile rows / 64) boxes of (tile_k, 64 rows).
  alignas(1024) std::uint8_t a[kConfig.stages][kConfig.a_stage_bytes()];
  alignas(1024) std::uint8_t b[kConfig.stages][kConfig.b_stage_bytes()];
  // Without a split: (consumers, resident panels, 64, panel_columns) of the output type, swizzled by the panel's width.
  // With one: (other blocks, consumers, sums of a thread / 4, threads) x 4 f32, what they sent; panels lie where B was.
  alignas(1024) std::uint8_t epilogue[kConfig.epilogue_bytes()];
  alignas(128) float scales[kConfig.stages * kConfig.scale_stage_bytes() / 4 + 1];
  PipelineBarriers<kConfig.stages> barriers;
  TileBoard<kConfig> board;
  std::uint64_t parts_arrived;  // with a split, in the first block: the bytes of all that the others send

  __device__ float* scale_a(std::uint32_t stage) { return scales + stage * kConfig.scale_a_values(); }  // (tile_m)
  __device__ float* scale_b(std::uint32_t stage) {                                                      // (tile_n)
    return scales + kConfig.stages * kConfig.scale_a_values() + stage * kConfig.scale_b_values();
  }
  __device__ std::uint8_t* panel(int consumer, int resident) {
    return (kConfig.split_k == 1 ? epilogue : b[0]) + (consumer * kConfig.resident_panels() + resident) * kPanelBytes;
  }
};

}  // namespace deep_gemm
