// The producers: one thread that copies the operands of every free stage, one warp that copies its scale factors.
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
  for_each_tile<kConfig>(arguments, cluster, [&](TileCoordinate tile) {
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      place.wait_released();
      ptx::mbarrier_arrive_expect(place.arrived(), kConfig.operand_stage_bytes());
      load_tile<kConfig.tile_m, kConfig.cluster_n>(shared.a[place.stage()], arguments.a, place.arrived(), step * kTileK,
                                                   tile.m * kConfig.tile_m, cluster.n, blocks);
      load_tile<kConfig.tile_n, kConfig.cluster_m>(shared.b[place.stage()], arguments.b, place.arrived(), step * kTileK,
                                                   tile.n * kConfig.tile_n, cluster.m, blocks);
    }
  });
}

// The whole warp. Single words by any strides, so that no layout of the scales has to be made beforehand.
template <KernelConfig kConfig>
__device__ __forceinline__ void produce_scales(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                               ClusterPlace<kConfig> cluster) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  const StepRange steps = steps_of<kConfig>(arguments, cluster.k);
  const std::uint32_t lane = threadIdx.x % 32;
  for_each_tile<kConfig>(arguments, cluster, [&](TileCoordinate tile) {
    const std::uint32_t row = tile.m * kConfig.tile_m + lane;
    const std::uint32_t block = tile.n * kConfig.tile_n / kScaleGranularity + lane;
    const bool has_block = lane < kConfig.scale_b_blocks() && block * kScaleGranularity < arguments.n;
    const float* source_a = arguments.scale_a.data + row * arguments.scale_a.row_stride;
    const float* source_b = arguments.scale_b.data + (has_block ? block : 0) * arguments.scale_b.row_stride;
    for (std::uint32_t step = steps.first; step < steps.last; ++step, place.advance()) {
      place.wait_released();
#pragma unroll
      for (int part = 0; part < kConfig.tile_m / 32; ++part) {
        const bool inside = row + part * 32 < arguments.m;
        const float* source = source_a + part * 32 * arguments.scale_a.row_stride + step * arguments.scale_a.k_stride;
        ptx::cp_async(&shared.scale_a[place.stage()][part * 32 + lane], inside ? source : arguments.scale_a.data,
                      inside);
      }
      if (lane < 2)
        ptx::cp_async(&shared.scale_b[place.stage()][lane], source_b + step * arguments.scale_b.k_stride, has_block);
      ptx::mbarrier_arrive_after_copies(place.arrived());
    }
  });
}

}  // namespace deep_gemm
