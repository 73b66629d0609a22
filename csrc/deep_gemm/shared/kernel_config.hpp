// What a kernel is compiled for: the one template parameter of every GEMM kernel, and its validity.
//
// Known to the host (choice of a configuration) and to the device (compilation of it); knows neither.
#pragma once

#include "shared/host_device.hpp"

namespace deep_gemm {

// Granularity of the scale factors along k, and of scale_b along n (recipe 1x128, 128x128).
inline constexpr int kScaleGranularity = 128;

// One k step of the main loop is one 128-byte swizzle row of shared memory.
inline constexpr int kStepBytes = 128;

// Rows of one wgmma.
inline constexpr int kWgmmaRows = 64;
inline constexpr int kWarpGroupThreads = 128;

// k steps of B that a block loads before the stream's last kernel has ended, at most.
inline constexpr int kMostEarlySteps = 8;

// Columns of one bulk copy of an operand whose rows or columns are dense in memory (MN-major): a 128-byte swizzle row.
inline constexpr int kMnBoxExtent = 64;

// Shared memory of a multiprocessor of sm_90, and what each of its blocks takes of it besides its own: one block may
// have 227 KiB. Source: CUDA C++ Programming Guide, compute capabilities.
inline constexpr int kSharedBytes = 228 * 1024;
inline constexpr int kReservedSharedBytes = 1024;

// Operand types, scale factors, major-ness and grouping. FP8 operands are k-major. The letters of BF16 say which way A
// and B lie: n as stored with k dense, t for the other (BLAS; `nt`: A (m, k) and B (n, k), both dense in k).
enum class Kind : int {
  kFp8,           // e4m3, scale_b for each 128 x 128
  kFp8Grouped,    // the same, B of each group of rows (contiguous, psum, masked)
  kFp8RowScales,  // e4m3, scale_b for each row of B and 128 of k
  kBf16Nt,
  kBf16NtGrouped,
  kBf16Nn,
  kBf16NnGrouped,
  kBf16Tn,
  kBf16Tt,
};

struct KernelConfig {
  Kind kind;
  int tile_m;        // output rows of a block
  int tile_n;        // output columns of a block
  int stages;        // k steps in flight
  int output_bytes;  // 2: bf16, 4: f32
  int split_k;       // blocks of a cluster that each take a part of k of the same output tile: 1 to 3
  int blocks;        // that run side by side on a multiprocessor: 1 or 2

  DEEP_GEMM_HOST_DEVICE constexpr bool fp8() const { return kind <= Kind::kFp8RowScales; }
  DEEP_GEMM_HOST_DEVICE constexpr bool grouped() const {
    return kind == Kind::kFp8Grouped || kind == Kind::kBf16NtGrouped || kind == Kind::kBf16NnGrouped;
  }
  DEEP_GEMM_HOST_DEVICE constexpr bool row_scales() const { return kind == Kind::kFp8RowScales; }
  DEEP_GEMM_HOST_DEVICE constexpr bool block_scales() const { return fp8() && !row_scales(); }
  // Whether an operand's rows (m or n) are dense in memory, not its k.
  DEEP_GEMM_HOST_DEVICE constexpr bool a_mn_major() const { return kind == Kind::kBf16Tn || kind == Kind::kBf16Tt; }
  DEEP_GEMM_HOST_DEVICE constexpr bool b_mn_major() const {
    return kind == Kind::kBf16Nn || kind == Kind::kBf16NnGrouped || kind == Kind::kBf16Tn;
  }
  DEEP_GEMM_HOST_DEVICE constexpr int operand_bytes() const { return fp8() ? 1 : 2; }
  // Values of one k step.
  DEEP_GEMM_HOST_DEVICE constexpr int tile_k() const { return kStepBytes / operand_bytes(); }

  DEEP_GEMM_HOST_DEVICE constexpr int consumers() const { return tile_m == 256 ? 2 : tile_m / kWgmmaRows; }
  // wgmmas below each other in one consumer warp group.
  DEEP_GEMM_HOST_DEVICE constexpr int waves() const { return tile_m / kWgmmaRows / consumers(); }
  // Whether an FP8 consumer starts the next k step before it promotes the last: where a second accumulator finds room.
  DEEP_GEMM_HOST_DEVICE constexpr bool runs_ahead() const {
    return block_scales() && waves() == 1 && consumers() < 3 && tile_n <= 128;
  }
  DEEP_GEMM_HOST_DEVICE constexpr int threads() const { return (consumers() + 1) * kWarpGroupThreads; }

  // Registers of a thread at launch, as many as a multiprocessor's 65,536 allow, and after the roles have parted
  // (setmaxnreg): these come out of the block's own.
  DEEP_GEMM_HOST_DEVICE constexpr int launch_registers() const { return 65536 / blocks / threads() / 8 * 8; }
  DEEP_GEMM_HOST_DEVICE constexpr int producer_registers() const { return consumers() == 3 || blocks == 2 ? 32 : 40; }
  DEEP_GEMM_HOST_DEVICE constexpr int consumer_registers() const {
    return consumers() == 3 ? 160 : blocks == 2 ? 224 : 232;
  }
  // Whether they part at all: a single consumer has all that a thread can have from the start.
  DEEP_GEMM_HOST_DEVICE constexpr bool parts_registers() const { return consumers() > 1 || blocks > 1; }
  // f32 registers of a consumer's thread: the sums, and with FP8 the products that wait for their scale factors.
  DEEP_GEMM_HOST_DEVICE constexpr int accumulator_registers() const {
    return (waves() + (fp8() ? runs_ahead() ? 2 : 1 : 0)) * tile_n / 2;
  }

  // The first stages, whose B a block may load before the stream's last kernel has ended.
  DEEP_GEMM_HOST_DEVICE constexpr int early_stages() const {
    return stages < kMostEarlySteps ? stages : kMostEarlySteps;
  }

  DEEP_GEMM_HOST_DEVICE constexpr int a_stage_bytes() const { return tile_m * kStepBytes; }
  DEEP_GEMM_HOST_DEVICE constexpr int b_stage_bytes() const { return tile_n * kStepBytes; }
  DEEP_GEMM_HOST_DEVICE constexpr int operand_stage_bytes() const { return a_stage_bytes() + b_stage_bytes(); }
  DEEP_GEMM_HOST_DEVICE constexpr int scale_a_values() const { return fp8() ? tile_m : 0; }
  DEEP_GEMM_HOST_DEVICE constexpr int scale_b_values() const { return row_scales() ? tile_n : 0; }
  DEEP_GEMM_HOST_DEVICE constexpr int scale_stage_bytes() const { return (scale_a_values() + scale_b_values()) * 4; }

  // Columns of one panel of the output tile in shared memory: as wide as a 128-byte swizzle allows.
  DEEP_GEMM_HOST_DEVICE constexpr int panel_columns() const {
    int columns = 128 / output_bytes;
    while (tile_n % columns != 0) columns /= 2;
    return columns;
  }
  DEEP_GEMM_HOST_DEVICE constexpr int panel_bytes() const { return panel_columns() * output_bytes; }
  DEEP_GEMM_HOST_DEVICE constexpr int panels() const { return tile_n / panel_columns(); }

  // Panels that a consumer writes between two waits: of all its rows, of 64 rows, or as few as find room. With a split
  // all of them, where stages of B were.
  DEEP_GEMM_HOST_DEVICE constexpr int resident_panels() const {
    if (split_k > 1) return waves() * panels();
    const int room = (most_shared_bytes() - pipeline_bytes()) / (consumers() * kWgmmaRows * panel_bytes());
    return room < 1 ? 1 : room < waves() * panels() ? room : waves() * panels();
  }

  // f32 sums of an output tile.
  DEEP_GEMM_HOST_DEVICE constexpr int sums_bytes() const { return tile_m * tile_n * static_cast<int>(sizeof(float)); }

  // Shared memory behind the operands: without a split each consumer's resident panels of 64 rows, with one the f32
  // sums that the other blocks send the first.
  DEEP_GEMM_HOST_DEVICE constexpr int epilogue_bytes() const {
    return split_k == 1 ? consumers() * resident_panels() * kWgmmaRows * panel_bytes() : (split_k - 1) * sums_bytes();
  }

  // A tile's first column stands at a multiple of this inside of its 128-wide block of scale_b: the greatest common
  // divisor of both widths.
  DEEP_GEMM_HOST_DEVICE constexpr int tile_offset_divisor() const {
    int divisor = kScaleGranularity;
    while (tile_n % divisor != 0) divisor /= 2;
    return divisor;
  }

  // How many 128-wide blocks of scale_b one tile can touch.
  DEEP_GEMM_HOST_DEVICE constexpr int scale_b_blocks() const {
    return (2 * kScaleGranularity - tile_offset_divisor() + tile_n - 1) / kScaleGranularity;
  }

  // Operands, scale factors and two barriers a stage, the barrier of the parts, alignment of the scale factors.
  DEEP_GEMM_HOST_DEVICE constexpr int pipeline_bytes() const {
    return stages * (operand_stage_bytes() + scale_stage_bytes() + 2 * 8) + 8 + 256;
  }
  DEEP_GEMM_HOST_DEVICE constexpr int shared_bytes() const { return pipeline_bytes() + epilogue_bytes(); }
  DEEP_GEMM_HOST_DEVICE constexpr int most_shared_bytes() const { return kSharedBytes / blocks - kReservedSharedBytes; }
};

// The first rule that a configuration breaks, or nullptr.
DEEP_GEMM_HOST_DEVICE constexpr const char* invalid_reason(const KernelConfig& config) {
  if (config.tile_m < 64 || config.tile_m > 256 || config.tile_m % kWgmmaRows != 0)
    return "tile_m: expected 64, 128, 192 or 256";
  if (config.tile_n < 16 || config.tile_n > 256 || config.tile_n % 16 != 0)
    return "tile_n: expected a multiple of 16 from 16 to 256";
  if (config.output_bytes != 2 && config.output_bytes != 4) return "output_bytes: expected 2 or 4";
  if (config.stages < 2 || config.stages > 16) return "stages: expected 2 to 16";
  if (config.split_k < 1 || config.split_k > 3) return "split_k: expected 1 to 3";
  if (config.blocks < 1 || config.blocks > 2) return "blocks: expected 1 or 2";
  if (config.split_k > 1 && config.grouped()) return "split_k: expected 1 where rows are grouped";
  if (config.split_k > 1 && config.sums_bytes() > config.stages * config.a_stage_bytes())
    return "split_k: the sums that are sent do not fit where A was";
  if (config.split_k > 1 && config.tile_m * config.output_bytes > config.stages * kStepBytes)
    return "split_k: the output tile does not fit where B was";
  if (config.block_scales() && config.scale_b_blocks() > 2) return "tile_n: touches more than two blocks of scale_b";
  if (config.b_mn_major() && config.tile_n % kMnBoxExtent != 0)
    return "tile_n: expected a multiple of 64 where B is dense in n";
  if (config.grouped() && config.tile_m > 128) return "tile_m: groups of rows are aligned to 128";
  if (config.parts_registers() && config.producer_registers() + config.consumers() * config.consumer_registers() >
                                      (config.consumers() + 1) * config.launch_registers())
    return "registers: the roles want more than the block has";
  if (config.accumulator_registers() > config.consumer_registers() - 24)
    return "registers: the accumulators of a consumer do not fit";
  if (config.shared_bytes() > config.most_shared_bytes()) return "shared memory: more than a block may have";
  return nullptr;
}

}  // namespace deep_gemm
