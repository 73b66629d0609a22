// D = C + (A * scale_a) @ (B * scale_b).T on one Hopper GPU. Read this page first.
//
// Roles (one persistent block on each multiprocessor):
//   consumer warp groups 0 .. tile_m / 64 - 1, 128 threads each, up to 232 registers: 64 rows of the output tile
//   producer, the last warp group, 40 registers, of which one thread works: bulk tensor copies of A and B
//
// Barriers (shared memory, one pair a stage; PipelineBarriers):
//   tile_arrived   arrivals: the producer once, plus the bytes of both operands   waits: consumers
//   tile_released  arrivals: one thread of each consumer warp                     waits: producer
//   named barriers 1 .. consumers: one warp group's threads around its own region of the output tile
//
// Steady state, k steps of 128 for each output tile:
//   producer    | wait released s | copy A, B -> stage s | next stage, across tile borders, without a pause
//   consumer 0  | wait arrived s | wgmma x4 | read next scales | wait wgmma | release s | promote |
//   consumer 1  |                | wgmma x4 ...               one multiplies while the other promotes
//   at the end of a tile each consumer converts its rows and starts their store; the producer is already loading
//   the next tile's stages.
#pragma once

#include "device/fp8_gemm/epilogue.cuh"
#include "device/fp8_gemm/mainloop.cuh"
#include "device/fp8_gemm/producer.cuh"
#include "device/ptx/warp_group.cuh"

namespace deep_gemm {

template <KernelConfig kConfig>
__device__ __forceinline__ void consume(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        int warp_group) {
  PipelinePlace<kConfig.stages> place(shared.barriers);
  for (std::uint32_t index = blockIdx.x; index < arguments.schedule.tiles(); index += gridDim.x) {
    const TileCoordinate tile = arguments.schedule.at(index);
    float sum[kConfig.tile_n / 2];  // (64, kTileN) f32 of this warp group
    accumulate_tile<kConfig>(sum, arguments, shared, place, tile, warp_group);
    write_tile<kConfig>(sum, arguments, shared, tile, warp_group);
  }
  // Shared memory must outlive the last store.
  if (threadIdx.x % kWarpGroupThreads == 0) ptx::wait_stores_read();
}

template <KernelConfig kConfig>
__device__ __forceinline__ void fp8_gemm(const GemmArguments& arguments) {
  static_assert(invalid_reason(kConfig) == nullptr);
  static_assert(sizeof(SharedStorage<kConfig>) + 1008 <= kConfig.shared_bytes() + 1024);
  extern __shared__ std::uint8_t dynamic_shared[];
  const std::uint32_t address = ptx::shared_address(dynamic_shared);
  auto& shared = *reinterpret_cast<SharedStorage<kConfig>*>(dynamic_shared + ((1024 - address % 1024) % 1024));

  const int warp_group = __shfl_sync(0xffffffff, threadIdx.x / kWarpGroupThreads, 0);
  const bool first_producer_warp = threadIdx.x / 32 == kConfig.consumers() * 4;
  if (first_producer_warp && ptx::elect_one()) {
    ptx::prefetch_tensor_map(&arguments.a);
    ptx::prefetch_tensor_map(&arguments.b);
    shared.barriers.init(kConfig.consumers() * 4);
  }
  __syncthreads();

  if (warp_group == kConfig.consumers()) {
    if constexpr (kConfig.consumers() > 1) ptx::decrease_registers<40>();
    if (first_producer_warp && ptx::elect_one()) produce<kConfig>(arguments, shared);
  } else {
    if constexpr (kConfig.consumers() > 1) ptx::increase_registers<232>();
    consume<kConfig>(arguments, shared, warp_group);
  }
}

}  // namespace deep_gemm
