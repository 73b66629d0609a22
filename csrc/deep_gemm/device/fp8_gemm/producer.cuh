// The producers: one thread that copies the operands of every free stage, and one warp that copies scale factors of
// rows where their layout is none that the first thread's bulk copies can read.
#pragma once

#include "device/fp8_gemm/block_work.cuh"
#include "device/fp8_gemm/shared_storage.cuh"
#include "device/ptx/bulk_tensor.cuh"

namespace deep_gemm {

// One thread.
template <KernelConfig kConfig>
__device__ __forceinline__ void produce_operands(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                 BlockPlace<kConfig> block) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  const bool copy_scales = arguments.scale_a_strided == 0;
  const int stage_bytes = kConfig.operand_stage_bytes() + (copy_scales ? kConfig.scale_stage_bytes() : 0);
  for (TileWalk<kConfig> walk(arguments); walk.inside(); walk.advance()) {
    const TileCoordinate tile = walk.tile();
    const std::int32_t row_a = static_cast<std::int32_t>(tile.m * kConfig.tile_m);
    const std::int32_t row_b = static_cast<std::int32_t>(tile.n * kConfig.tile_n);
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      const std::int32_t k = static_cast<std::int32_t>(step * kTileK);
      place.wait_released();
      ptx::mbarrier_arrive_expect(place.arrived(), stage_bytes);
      ptx::load_box(shared.a[place.stage()], &arguments.a, place.arrived(), k, row_a);
      ptx::load_box(shared.b[place.stage()], &arguments.b, place.arrived(), k, row_b);
      if (copy_scales)
        ptx::load_box(shared.scale_a[place.stage()], &arguments.scale_a_map, place.arrived(), row_a,
                      static_cast<std::int32_t>(step));
    }
  }
}

// The whole warp. Single words by any strides, so that no layout of the scales has to be made beforehand.
template <KernelConfig kConfig>
__device__ __forceinline__ void produce_strided_scales(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                       BlockPlace<kConfig> block) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  const std::uint32_t lane = threadIdx.x % 32;
  for (TileWalk<kConfig> walk(arguments); walk.inside(); walk.advance()) {
    const std::uint32_t row = walk.tile().m * kConfig.tile_m + lane;
    const float* first = arguments.scale_a.data + row * arguments.scale_a.row_stride;
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      place.wait_released();
#pragma unroll
      for (int part = 0; part < kConfig.tile_m / 32; ++part) {
        const bool inside = row + part * 32 < arguments.m;
        const float* source = first + part * 32 * arguments.scale_a.row_stride + step * arguments.scale_a.k_stride;
        ptx::cp_async(&shared.scale_a[place.stage()][part * 32 + lane], inside ? source : arguments.scale_a.data,
                      inside);
      }
      ptx::mbarrier_arrive_after_copies(place.arrived());
    }
  }
}

}  // namespace deep_gemm
