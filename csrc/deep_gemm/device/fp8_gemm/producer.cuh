// The producer: one thread that keeps every free stage filled with the next operands, tile after tile.
#pragma once

#include "device/fp8_gemm/shared_storage.cuh"
#include "device/ptx/bulk_tensor.cuh"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm {

template <KernelConfig kConfig>
__device__ __forceinline__ void produce(const GemmArguments& arguments, SharedStorage<kConfig>& shared) {
  constexpr std::uint32_t kStageBytes = kConfig.a_stage_bytes() + kConfig.b_stage_bytes();
  PipelinePlace<kConfig.stages> place(shared.barriers);
  for (std::uint32_t index = blockIdx.x; index < arguments.schedule.tiles(); index += gridDim.x) {
    const TileCoordinate tile = arguments.schedule.at(index);
    const std::int32_t row_a = static_cast<std::int32_t>(tile.m * kConfig.tile_m);
    const std::int32_t row_b = static_cast<std::int32_t>(tile.n * kConfig.tile_n);
    for (std::uint32_t step = 0; step < arguments.k_steps; ++step, place.advance()) {
      std::uint64_t* arrived = place.acquire(kStageBytes);
      const std::int32_t k = static_cast<std::int32_t>(step * kTileK);
      ptx::load_box(shared.a[place.stage()], &arguments.a, arrived, k, row_a);
      ptx::load_box(shared.b[place.stage()], &arguments.b, arrived, k, row_b);
    }
  }
}

}  // namespace deep_gemm
