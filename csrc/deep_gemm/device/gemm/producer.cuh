// The producer: one thread that keeps every free stage filled with the next operands, tile after tile.
#pragma once

#include "device/gemm/tile_feed.cuh"
#include "device/ptx/bulk_tensor.cuh"
#include "device/ptx/cluster.cuh"

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

template <KernelConfig kConfig>
__device__ __forceinline__ void load_b(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                       PipelinePlace<kConfig.stages>& place, const Tile& tile, std::uint32_t step) {
  ptx::mbarrier_arrive_expect(place.arrived(), kConfig.operand_stage_bytes() + kConfig.scale_stage_bytes());
  load_operand<kConfig.b_mn_major(), kConfig.tile_n, kConfig.tile_k()>(
      shared.b[place.stage()], arguments.b, place.arrived(), tile.column, step, tile.b_group);
  if constexpr (kConfig.row_scales())
    ptx::load_box(shared.scale_b(place.stage()), &arguments.scale_b_map, place.arrived(),
                  {tile.column, step, tile.b_group});
}

template <KernelConfig kConfig>
__device__ __forceinline__ void load_a(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                       PipelinePlace<kConfig.stages>& place, const Tile& tile, std::uint32_t step) {
  load_operand<kConfig.a_mn_major(), kConfig.tile_m, kConfig.tile_k()>(shared.a[place.stage()], arguments.a,
                                                                       place.arrived(), tile.row, step, tile.a_group);
  if constexpr (kConfig.fp8())
    ptx::load_box(shared.scale_a(place.stage()), &arguments.scale_a, place.arrived(), {tile.row, step, tile.a_group});
}

// Loads k steps of one tile.
template <KernelConfig kConfig>
__device__ __forceinline__ void load_tile(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                          PipelinePlace<kConfig.stages>& place, const Tile& tile, StepRange steps) {
  for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
    place.wait_released();
    load_b<kConfig>(arguments, shared, place, tile, step);
    load_a<kConfig>(arguments, shared, place, tile, step);
  }
}

// Fills the first stages: B's part of them before the stream's last kernel has ended, A's part after that. Returns how
// many k steps of the tile that were.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t load_early(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                    PipelinePlace<kConfig.stages>& place, const Tile& tile,
                                                    StepRange steps) {
  const std::uint32_t count = min(steps.last - steps.first, static_cast<std::uint32_t>(kConfig.stages));
  PipelinePlace<kConfig.stages> early = place;
  for (std::uint32_t i = 0; i < count; ++i, early.advance())
    load_b<kConfig>(arguments, shared, early, tile, steps.first + i);
  ptx::wait_for_dependencies();
  for (std::uint32_t i = 0; i < count; ++i, place.advance())
    load_a<kConfig>(arguments, shared, place, tile, steps.first + i);
  return count;
}

template <KernelConfig kConfig>
__device__ __forceinline__ void produce(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        BlockPlace<kConfig> block) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  if constexpr (kConfig.grouped()) {
    ptx::wait_for_dependencies();
    TilePoster<kConfig> poster(shared);
    TileWalk<kConfig> walk(arguments);
    for (Tile tile = poster.post(walk); !tile.end;) {
      // Order: consumers look one tile ahead.
      walk.advance();
      const Tile next = poster.post(walk);
      if (!tile.padding) load_tile<kConfig>(arguments, shared, place, tile, steps);
      tile = next;
    }
  } else {
    TileWalk<kConfig> walk(arguments);
    std::uint32_t done = 0;
    if (arguments.early_b != 0 && walk.inside()) {
      done = load_early<kConfig>(arguments, shared, place, walk.tile(), steps);
    } else {
      ptx::wait_for_dependencies();
    }
    for (; walk.inside(); walk.advance(), done = 0)
      load_tile<kConfig>(arguments, shared, place, walk.tile(), {steps.first + done, steps.last});
  }
}

}  // namespace deep_gemm
