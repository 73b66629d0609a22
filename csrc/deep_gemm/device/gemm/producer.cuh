// The producer: one thread that keeps every free stage filled with the next operands, tile after tile.
#pragma once

#include "device/gemm/tile_feed.cuh"
#include "device/ptx/bulk_tensor.cuh"

namespace deep_gemm {

// Loads rows of one operand for one k step: a box where k is dense, else a box for each 64 rows.
template <bool kMnMajor, int kRows, int kTileK>
__device__ __forceinline__ void load_operand(std::uint8_t* stage, const TensorMap& map, std::uint64_t* arrived,
                                             std::uint32_t row, std::uint32_t step, std::uint32_t group) {
  if constexpr (!kMnMajor) {
    ptx::load_box(stage, &map, arrived, {step * kTileK, row, group});
  } else {
#pragma unroll
    for (int first = 0; first < kRows; first += kMnBoxExtent)
      ptx::load_box(stage + first * kStepBytes, &map, arrived, {row + first, step * kTileK, group});
  }
}

// Loads the k steps of one tile.
template <KernelConfig kConfig>
__device__ __forceinline__ void load_tile(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                          PipelinePlace<kConfig.stages>& place, const Tile& tile, StepRange steps) {
  constexpr int kTileK = kConfig.tile_k();
  for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
    const std::uint32_t stage = place.stage();
    place.wait_released();
    ptx::mbarrier_arrive_expect(place.arrived(), kConfig.operand_stage_bytes() + kConfig.scale_stage_bytes());
    load_operand<kConfig.a_mn_major(), kConfig.tile_m, kTileK>(shared.a[stage], arguments.a, place.arrived(), tile.row,
                                                               step, tile.a_group);
    load_operand<kConfig.b_mn_major(), kConfig.tile_n, kTileK>(shared.b[stage], arguments.b, place.arrived(),
                                                               tile.column, step, tile.b_group);
    if constexpr (kConfig.fp8())
      ptx::load_box(shared.scale_a(stage), &arguments.scale_a, place.arrived(), {tile.row, step, tile.a_group});
    if constexpr (kConfig.row_scales())
      ptx::load_box(shared.scale_b(stage), &arguments.scale_b_map, place.arrived(), {tile.column, step, tile.b_group});
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void produce(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        BlockPlace<kConfig> block) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  if constexpr (kConfig.grouped()) {
    TilePoster<kConfig> poster(shared);
    for (TileWalk<kConfig> walk(arguments); walk.inside(); walk.advance()) {
      const Tile tile = walk.tile();
      poster.post(tile);
      if (!tile.padding) load_tile<kConfig>(arguments, shared, place, tile, steps);
    }
    poster.post({.end = true});
  } else {
    for (TileWalk<kConfig> walk(arguments); walk.inside(); walk.advance())
      load_tile<kConfig>(arguments, shared, place, walk.tile(), steps);
  }
}

}  // namespace deep_gemm
