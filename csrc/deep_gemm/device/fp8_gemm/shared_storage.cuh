// Shared memory of an FP8 GEMM block, as a struct.
#pragma once

#include <cstdint>

#include "device/pipeline.cuh"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

template <KernelConfig kConfig>
struct SharedStorage {
  static constexpr int kPanels = kConfig.tile_n / kConfig.panel_columns();

  // Each stage starts at a multiple of 1024, the period of the 128-byte swizzle.
  alignas(1024) std::uint8_t a[kConfig.stages][kConfig.a_stage_bytes()];  // (kTileM, kTileK) e4m3, 128B swizzle
  alignas(1024) std::uint8_t b[kConfig.stages][kConfig.b_stage_bytes()];  // (kTileN, kTileK) e4m3, 128B swizzle
  // One region for each consumer warp group: (kPanels, 64, panel_columns) of the output type, swizzled by panel width.
  alignas(1024) std::uint8_t output[kConfig.consumers()][kPanels][kWarpGroupRows * kConfig.panel_bytes()];
  PipelineBarriers<kConfig.stages> barriers;
};

}  // namespace deep_gemm
