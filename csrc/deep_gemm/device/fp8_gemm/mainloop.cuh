// The main loop of one consumer warp group: multiply 128 of k on the tensor cores, scale, add up in f32 (promotion).
//
// The tensor core keeps about 14 bits while it accumulates, so a fresh accumulator starts at every 128 of k.
#pragma once

#include "device/fp8_gemm/block_work.cuh"
#include "device/fp8_gemm/shared_storage.cuh"
#include "device/ptx/wgmma.cuh"

namespace deep_gemm {

// f32 sums of one consumer: (waves, 64, kTileN), in wgmma's order of registers.
template <KernelConfig kConfig>
using Sums = float[kConfig.waves()][kConfig.tile_n / 2];

// accumulator (64, kTileN) = a (64, kTileK) @ b (kTileN, kTileK).T, asynchronously.
template <int kTileN>
__device__ __forceinline__ void multiply_step(float (&accumulator)[kTileN / 2], const std::uint8_t* a,
                                              const std::uint8_t* b) {
  std::uint64_t descriptor_a = ptx::swizzled_descriptor(ptx::shared_address(a));
  std::uint64_t descriptor_b = ptx::swizzled_descriptor(ptx::shared_address(b));
  ptx::pin_registers(accumulator);
  ptx::wgmma_fence();
#pragma unroll
  for (int part = 0; part < kTileK / 32; ++part) {
    ptx::wgmma_e4m3<kTileN>(accumulator, descriptor_a, descriptor_b, part != 0);
    descriptor_a += ptx::kDescriptorStepK32;
    descriptor_b += ptx::kDescriptorStepK32;
  }
  ptx::wgmma_commit();
  ptx::pin_registers(accumulator);
}

// sum += accumulator * scale_a[row] * scale_b[column block]; `boundary`: first chunk of 8 columns in the second block.
template <int kTileN, int kBlocksN>
__device__ __forceinline__ void promote(float (&sum)[kTileN / 2], const float (&accumulator)[kTileN / 2],
                                        const float (&scale_a)[2], const float (&scale_b)[2], int boundary) {
  const float first[2] = {scale_a[0] * scale_b[0], scale_a[1] * scale_b[0]};
  const float second[2] = {scale_a[0] * scale_b[1], scale_a[1] * scale_b[1]};
#pragma unroll
  for (int i = 0; i < kTileN / 2; ++i) {
    const int half = (i / 2) % 2;
    const bool in_second = kBlocksN > 1 && i / 4 >= boundary;
    sum[i] = fmaf(in_second ? second[half] : first[half], accumulator[i], sum[i]);
  }
}

// Tells all blocks whose copies fill this stage that this warp is done with it.
template <KernelConfig kConfig>
__device__ __forceinline__ void release(PipelinePlace<kConfig.stages>& place, std::uint32_t first_sharer) {
  const std::uint32_t lane = threadIdx.x % 32;
  if constexpr (kConfig.sharers() == 1) {
    if (lane == 0) ptx::mbarrier_arrive(place.released());
  } else {
    if (lane < kConfig.sharers()) ptx::mbarrier_arrive_remote(place.released(), first_sharer + lane);
  }
}

// Adds this block's k steps of one output tile up in `sums`, and advances `place` by as many.
template <KernelConfig kConfig>
__device__ __forceinline__ void accumulate_tile(Sums<kConfig>& sums, SharedStorage<kConfig>& shared,
                                                PipelinePlace<kConfig.stages>& place, std::uint32_t steps,
                                                std::uint32_t tile_n, int consumer, std::uint32_t first_sharer) {
  const int first_row = consumer * kConfig.waves() * kWgmmaRows;
  const int thread_row = first_row + static_cast<int>(threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4);
  const int boundary = static_cast<int>(kScaleGranularity - tile_n * kConfig.tile_n % kScaleGranularity) / 8;
#pragma unroll
  for (auto& sum : sums)
#pragma unroll
    for (float& value : sum) value = 0.0f;

  for (std::uint32_t step = 0; step < steps; ++step, place.advance()) {
    const std::uint32_t stage = place.stage();
    place.wait_arrived();
    const float scale_b[2] = {shared.scale_b[stage][0], kConfig.scale_b_blocks() > 1 ? shared.scale_b[stage][1] : 0.0f};
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave) {
      float accumulator[kConfig.tile_n / 2];
      const int row = thread_row + wave * kWgmmaRows;
      const float scale_a[2] = {shared.scale_a[stage][row], shared.scale_a[stage][row + 8]};
      multiply_step<kConfig.tile_n>(accumulator, &shared.a[stage][(first_row + wave * kWgmmaRows) * kTileK],
                                    shared.b[stage]);
      ptx::wgmma_wait<0>();
      ptx::pin_registers(accumulator);
      // Order: the scale factors are in registers and the last wgmma has read its operands before the stage goes back.
      if (wave == kConfig.waves() - 1) release<kConfig>(place, first_sharer);
      promote<kConfig.tile_n, kConfig.scale_b_blocks()>(sums[wave], accumulator, scale_a, scale_b, boundary);
    }
  }
}

}  // namespace deep_gemm
