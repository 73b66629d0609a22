// The producer: one thread that keeps every free stage filled with the next operands, tile after tile.
#pragma once

#include "device/gemm/block_work.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/bulk_tensor.cuh"

namespace deep_gemm {

template <KernelConfig kConfig>
__device__ __forceinline__ void produce(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        BlockPlace<kConfig> block) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  for (TileWalk<kConfig> walk(arguments); walk.inside(); walk.advance()) {
    const TileCoordinate tile = walk.tile();
    const std::int32_t row_a = static_cast<std::int32_t>(tile.m * kConfig.tile_m);
    const std::int32_t row_b = static_cast<std::int32_t>(tile.n * kConfig.tile_n);
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      const std::int32_t k = static_cast<std::int32_t>(step * kTileK);
      place.wait_released();
      ptx::mbarrier_arrive_expect(place.arrived(), kConfig.operand_stage_bytes() + kConfig.scale_stage_bytes());
      ptx::load_box(shared.a[place.stage()], &arguments.a, place.arrived(), k, row_a);
      ptx::load_box(shared.b[place.stage()], &arguments.b, place.arrived(), k, row_b);
      ptx::load_box(shared.scale_a[place.stage()], &arguments.scale_a, place.arrived(), row_a,
                    static_cast<std::int32_t>(step));
    }
  }
}

}  // namespace deep_gemm
