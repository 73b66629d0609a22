// The producer: one thread that keeps every free stage filled with the next operands, tile after tile.
#pragma once

#include "device/gemm/block_work.cuh"
#include "device/gemm/shared_storage.cuh"
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

template <KernelConfig kConfig>
__device__ __forceinline__ void produce(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        BlockPlace<kConfig> block) {
  constexpr int kTileK = kConfig.tile_k();
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  for (TileWalk<kConfig> walk(arguments); walk.inside(); walk.advance()) {
    const Tile tile = walk.tile();
    if (tile.padding) continue;
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      const std::uint32_t stage = place.stage();
      place.wait_released();
      ptx::mbarrier_arrive_expect(place.arrived(), kConfig.operand_stage_bytes() + kConfig.scale_stage_bytes());
      load_operand<kConfig.a_mn_major(), kConfig.tile_m, kTileK>(shared.a[stage], arguments.a, place.arrived(),
                                                                 tile.row, step, tile.a_group);
      load_operand<kConfig.b_mn_major(), kConfig.tile_n, kTileK>(shared.b[stage], arguments.b, place.arrived(),
                                                                 tile.column, step, tile.b_group);
      if constexpr (kConfig.fp8())
        ptx::load_box(shared.scale_a(stage), &arguments.scale_a, place.arrived(), {tile.row, step, tile.a_group});
      if constexpr (kConfig.row_scales())
        ptx::load_box(shared.scale_b(stage), &arguments.scale_b_map, place.arrived(), {tile.column, step, tile.b_group});
    }
  }
}

}  // namespace deep_gemm
