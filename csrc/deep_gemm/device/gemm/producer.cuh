// The producer: one thread that keeps every free stage filled with the next operands, tile after tile.
#pragma once

#include "device/gemm/tile_feed.cuh"
#include "device/ptx/bulk_tensor.cuh"
#include "device/ptx/cluster.cuh"

namespace deep_gemm {

// Calls visit(first row, box) for the boxes of one operand's rows in one k step: one where k is dense, else one for
// each 64 rows.
template <bool kMnMajor, int kRows, int kTileK, typename Visit>
__device__ __forceinline__ void for_each_box(std::uint32_t row, std::uint32_t step, std::uint32_t group, Visit visit) {
  if constexpr (!kMnMajor) {
    visit(0, ptx::BoxOrigin{step * kTileK, row, group});
  } else {
#pragma unroll
    for (int first = 0; first < kRows; first += kMnBoxExtent)
      visit(first, ptx::BoxOrigin{row + first, step * kTileK, group});
  }
}

template <bool kMnMajor, int kRows, int kTileK>
__device__ __forceinline__ void load_operand(std::uint8_t* stage, const TensorMap& map, std::uint64_t* arrived,
                                             std::uint32_t row, std::uint32_t step, std::uint32_t group) {
  for_each_box<kMnMajor, kRows, kTileK>(row, step, group, [&](int first, ptx::BoxOrigin box) {
    ptx::load_box(stage + first * kStepBytes, &map, arrived, box);
  });
}

// Brings them into L2 instead.
template <bool kMnMajor, int kRows, int kTileK>
__device__ __forceinline__ void prefetch_operand(const TensorMap& map, std::uint32_t row, std::uint32_t step) {
  for_each_box<kMnMajor, kRows, kTileK>(row, step, 0, [&](int, ptx::BoxOrigin box) { ptx::prefetch_box(&map, box); });
}

template <KernelConfig kConfig>
__device__ __forceinline__ void load_b(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                       PipelinePlace<kConfig.stages>& place, const Tile& tile, std::uint32_t step) {
  ptx::mbarrier_arrive_expect(place.arrived(), arguments.stage_bytes);
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

// Bytes of B that a block has still to ask for when it lets the next launch in.
inline constexpr int kLeftBytes = 16 << 10;

// Loads k steps of one tile; with the block's last tile the next launch is let in.
template <KernelConfig kConfig>
__device__ __forceinline__ void load_tile(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                          PipelinePlace<kConfig.stages>& place, const Tile& tile, StepRange steps,
                                          bool is_last = false) {
  const std::uint32_t left = is_last ? kLeftBytes / kConfig.b_stage_bytes() : 0;
  for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
    if (step + left == steps.last) ptx::launch_dependents();
    place.wait_released();
    load_b<kConfig>(arguments, shared, place, tile, step);
    load_a<kConfig>(arguments, shared, place, tile, step);
  }
}

// Has L2 bring this block's share of A and its scale factors, which all blocks read.
template <KernelConfig kConfig>
__device__ __forceinline__ void prefetch_a(const GemmArguments& arguments) {
  std::uint32_t row = 0;
  std::uint32_t step = blockIdx.x;
#pragma unroll 1
  for (std::uint32_t i = blockIdx.x; i < arguments.prefetched_a; i += gridDim.x, step += gridDim.x) {
    for (; step >= arguments.k_steps; step -= arguments.k_steps) row += arguments.tile_rows;
    prefetch_operand<kConfig.a_mn_major(), kConfig.tile_m, kConfig.tile_k()>(arguments.a, row, step);
    if constexpr (kConfig.fp8()) ptx::prefetch_box(&arguments.scale_a, {row, step, 0});
  }
}

// The same for the first k steps of B that this block will load.
template <KernelConfig kConfig>
__device__ __forceinline__ void prefetch_b(const GemmArguments& arguments, const Tile& tile, StepRange steps) {
  const std::uint32_t end = min(steps.last, steps.first + arguments.prefetched_b);
#pragma unroll 1
  for (std::uint32_t step = steps.first; step < end; ++step)
    prefetch_operand<kConfig.b_mn_major(), kConfig.tile_n, kConfig.tile_k()>(arguments.b, tile.column, step);
}

// k steps of B that are loaded before the stream's last kernel has ended.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t early_steps(const GemmArguments& arguments, StepRange steps) {
  return min(steps.last - steps.first, arguments.early_b);
}

// Loads them instead, before the stream's last kernel has ended.
template <KernelConfig kConfig>
__device__ __forceinline__ void load_b_early(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                             const Tile& tile, StepRange steps) {
  const std::uint32_t count = early_steps<kConfig>(arguments, steps);
  PipelinePlace<kConfig.stages> place(shared.barriers);
#pragma unroll 1
  for (std::uint32_t i = 0; i < count; ++i, place.advance())
    load_b<kConfig>(arguments, shared, place, tile, steps.first + i);
}

// Fills the ring for the first time, with a tile's first k steps, and returns how many.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t fill_ring(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                   PipelinePlace<kConfig.stages>& place, const Tile& tile,
                                                   StepRange steps) {
  const std::uint32_t early = early_steps<kConfig>(arguments, steps);
  const std::uint32_t count = min(steps.last - steps.first, static_cast<std::uint32_t>(kConfig.stages));
  ptx::wait_for_dependencies();
  std::uint32_t i = 0;
#pragma unroll 1
  for (; i < early; ++i, place.advance()) load_a<kConfig>(arguments, shared, place, tile, steps.first + i);
#pragma unroll 1
  for (; i < count; ++i, place.advance()) {
    load_b<kConfig>(arguments, shared, place, tile, steps.first + i);
    load_a<kConfig>(arguments, shared, place, tile, steps.first + i);
  }
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
    Tile tile = walk.first_tile();
    std::uint32_t done = fill_ring<kConfig>(arguments, shared, place, tile, steps);
    for (; walk.inside(); walk.advance(), tile = walk.tile(), done = 0)
      load_tile<kConfig>(arguments, shared, place, tile, {steps.first + done, steps.last}, walk.at_last());
  }
  // At the latest now the next launch may come: what it asks for stands in no load's way. All before this one have
  // ended, so that it may run beside this one alone.
  ptx::launch_dependents();
}

}  // namespace deep_gemm
