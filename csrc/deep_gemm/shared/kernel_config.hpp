// What a kernel is compiled for: the one template parameter of every FP8 GEMM kernel, and its validity.
//
// Known to the host (choice of a configuration) and to the device (compilation of it); knows neither.
#pragma once

#include "shared/host_device.hpp"

namespace deep_gemm {

// Granularity of the scale factors along k, and of scale_b along n (recipe 1x128, 128x128).
inline constexpr int kScaleGranularity = 128;

// One k step of the main loop: 128 e4m3 values are one 128-byte swizzle row of shared memory.
inline constexpr int kTileK = 128;

// Rows of one wgmma, and so of one consumer warp group.
inline constexpr int kWarpGroupRows = 64;
inline constexpr int kWarpGroupThreads = 128;

// Dynamic shared memory that one block may have on sm_90. Source: CUDA C++ Programming Guide, compute capabilities.
inline constexpr int kMaxSharedBytes = 227 * 1024;

struct KernelConfig {
  int tile_m;        // output rows of a block: 64 for each consumer warp group
  int tile_n;        // output columns of a block
  int stages;        // k steps in flight
  int output_bytes;  // 2: bf16, 4: f32

  DEEP_GEMM_HOST_DEVICE constexpr int consumers() const { return tile_m / kWarpGroupRows; }
  DEEP_GEMM_HOST_DEVICE constexpr int threads() const { return (consumers() + 1) * kWarpGroupThreads; }
  DEEP_GEMM_HOST_DEVICE constexpr int a_stage_bytes() const { return tile_m * kTileK; }
  DEEP_GEMM_HOST_DEVICE constexpr int b_stage_bytes() const { return tile_n * kTileK; }
  DEEP_GEMM_HOST_DEVICE constexpr int output_tile_bytes() const { return tile_m * tile_n * output_bytes; }

  // Columns of one panel of the output tile in shared memory: as wide as a 128-byte swizzle allows.
  DEEP_GEMM_HOST_DEVICE constexpr int panel_columns() const {
    int columns = 128 / output_bytes;
    while (tile_n % columns != 0) columns /= 2;
    return columns;
  }
  DEEP_GEMM_HOST_DEVICE constexpr int panel_bytes() const { return panel_columns() * output_bytes; }

  // How many 128-wide blocks of scale_b one tile can touch.
  DEEP_GEMM_HOST_DEVICE constexpr int scale_b_blocks() const {
    int offset = kScaleGranularity;  // the greatest common divisor of tile_n and the granularity
    while (tile_n % offset != 0) offset /= 2;
    return (kScaleGranularity - offset + tile_n + kScaleGranularity - 1) / kScaleGranularity;
  }

  // Operand stages, output tile, two barriers a stage, and what aligning the base to 1024 may cost.
  DEEP_GEMM_HOST_DEVICE constexpr int shared_bytes() const {
    return stages * (a_stage_bytes() + b_stage_bytes()) + output_tile_bytes() + stages * 16 + 1024;
  }
};

// The first rule that a configuration breaks, or nullptr.
DEEP_GEMM_HOST_DEVICE constexpr const char* invalid_reason(const KernelConfig& config) {
  if (config.tile_m != 64 && config.tile_m != 128) return "tile_m: expected 64 or 128";
  if (config.tile_n < 16 || config.tile_n > 256 || config.tile_n % 16 != 0)
    return "tile_n: expected a multiple of 16 from 16 to 256";
  if (config.output_bytes != 2 && config.output_bytes != 4) return "output_bytes: expected 2 or 4";
  if (config.stages < 2 || config.stages > 16) return "stages: expected 2 to 16";
  if (config.scale_b_blocks() > 2) return "tile_n: touches more than two blocks of scale_b";
  if (config.shared_bytes() > kMaxSharedBytes) return "shared memory: more than 227 KiB";
  if (config.tile_n > 192) return "registers: two accumulators of 64 x tile_n do not fit";
  return nullptr;
}

}  // namespace deep_gemm
