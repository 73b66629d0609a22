// The producers: one thread that copies the operands of every free stage, and one warp that copies scale factors of
// rows where their layout is none that the first thread's bulk copies can read.
#pragma once

#include "device/fp8_gemm/block_work.cuh"
#include "device/fp8_gemm/shared_storage.cuh"
#include "device/ptx/bulk_tensor.cuh"

namespace deep_gemm {

// Loads this block's part of a tile of `kRows` rows; with sharers every one loads a part for all.
template <int kRows, int kParts>
__device__ __forceinline__ void load_tile(std::uint8_t* target, const TensorMap& map, std::uint64_t* arrived,
                                          std::uint32_t k, std::uint32_t row, std::uint32_t part, std::uint16_t blocks) {
  const std::uint32_t offset = part * (kRows / kParts);
  const std::int32_t inner = static_cast<std::int32_t>(k);
  const std::int32_t outer = static_cast<std::int32_t>(row + offset);
  if constexpr (kParts == 1) {
    ptx::load_box(target, &map, arrived, inner, outer);
  } else {
    ptx::load_box_multicast(target + offset * kTileK, &map, arrived, inner, outer, blocks);
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void produce_operands(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                 ClusterPlace<kConfig> cluster) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = steps_of<kConfig>(arguments, cluster.k);
  const std::uint16_t blocks = cluster.sharer_bits();
  const bool copy_scales = arguments.scale_a_strided == 0;
  const int stage_bytes = kConfig.operand_stage_bytes() + (copy_scales ? kConfig.scale_stage_bytes() : 0);
  for (TileWalk<kConfig> walk(arguments, cluster); walk.inside(); walk.advance()) {
    const TileCoordinate tile = walk.tile();
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      place.wait_released();
      ptx::mbarrier_arrive_expect(place.arrived(), stage_bytes);
      load_tile<kConfig.tile_m, kConfig.cluster_n>(shared.a[place.stage()], arguments.a, place.arrived(), step * kTileK,
                                                   tile.m * kConfig.tile_m, cluster.n, blocks);
      load_tile<kConfig.tile_n, kConfig.cluster_m>(shared.b[place.stage()], arguments.b, place.arrived(), step * kTileK,
                                                   tile.n * kConfig.tile_n, cluster.m, blocks);
      if (copy_scales)
        ptx::load_box(shared.scale_a[place.stage()], &arguments.scale_a_map, place.arrived(),
                      static_cast<std::int32_t>(tile.m * kConfig.tile_m), static_cast<std::int32_t>(step));
    }
  }
}

// The whole warp. Single words by any strides, so that no layout of the scales has to be made beforehand.
template <KernelConfig kConfig>
__device__ __forceinline__ void produce_strided_scales(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                       ClusterPlace<kConfig> cluster) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = steps_of<kConfig>(arguments, cluster.k);
  const std::uint32_t lane = threadIdx.x % 32;
  for (TileWalk<kConfig> walk(arguments, cluster); walk.inside(); walk.advance()) {
    const TileCoordinate tile = walk.tile();
    const std::uint32_t row = tile.m * kConfig.tile_m + lane;
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
