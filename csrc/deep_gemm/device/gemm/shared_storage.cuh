// Shared memory of an FP8 GEMM block, as a struct.
#pragma once

#include <cstdint>

#include "device/pipeline.cuh"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

template <KernelConfig kConfig>
struct alignas(1024) SharedStorage {
  static constexpr int kPanelBytes = kWgmmaRows * kConfig.panel_bytes();

  // Without a split: (consumers, resident panels, 64, panel_columns) of the output type, swizzled by the panel's width.
  // With one: (split_k senders, chunks of 8 columns, waves, consumer threads) x 4 f32, what each block sent for ours.
  // Each stage starts at a multiple of 1024, the period of the 128-byte swizzle.
  alignas(1024) std::uint8_t a[kConfig.stages][kConfig.a_stage_bytes()];  // (kTileM, kTileK) e4m3, 128B swizzle
  alignas(1024) std::uint8_t b[kConfig.stages][kConfig.b_stage_bytes()];  // (kTileN, kTileK) e4m3, 128B swizzle
  alignas(1024) std::uint8_t epilogue[kConfig.epilogue_bytes()];
  alignas(128) float scale_a[kConfig.stages][kConfig.tile_m];  // (kTileM) f32, zero past the last row
  PipelineBarriers<kConfig.stages> barriers;
  std::uint64_t parts_arrived;  // with a split: the bytes of all parts that the blocks of the cluster send us

  __device__ std::uint8_t* panel(int consumer, int resident) {
    return epilogue + (consumer * kConfig.resident_panels() + resident) * kPanelBytes;
  }
};

}  // namespace deep_gemm
