// The main loop of one consumer warp group: multiply 128 of k on the tensor cores, scale, add up in f32 (promotion).
//
// The tensor core keeps about 14 bits while it accumulates, so a fresh accumulator starts at every 128 of k.
#pragma once

#include "device/fp8_gemm/scale_reader.cuh"
#include "device/fp8_gemm/shared_storage.cuh"
#include "device/ptx/wgmma.cuh"

namespace deep_gemm {

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
                                        const StepScales<kBlocksN>& scales, int boundary) {
  float products[kBlocksN][2];
  for (int block = 0; block < kBlocksN; ++block)
    for (int half = 0; half < 2; ++half) products[block][half] = scales.b[block] * scales.a[half];
#pragma unroll
  for (int i = 0; i < kTileN / 2; ++i) {
    const int half = (i / 2) % 2;
    const bool second_block = kBlocksN > 1 && i / 4 >= boundary;
    sum[i] = fmaf(second_block ? products[kBlocksN - 1][half] : products[0][half], accumulator[i], sum[i]);
  }
}

// sum (64, kTileN) f32 of one output tile; `warp_group` picks the rows. Advances `place` by all k steps.
template <KernelConfig kConfig>
__device__ __forceinline__ void accumulate_tile(float (&sum)[kConfig.tile_n / 2], const GemmArguments& arguments,
                                                SharedStorage<kConfig>& shared, PipelinePlace<kConfig.stages>& place,
                                                TileCoordinate tile, int warp_group) {
  constexpr int kBlocksN = kConfig.scale_b_blocks();
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32 % 4;
  const std::uint32_t row = tile.m * kConfig.tile_m + warp_group * kWarpGroupRows + warp * 16 + lane / 4;
  const std::uint32_t column = tile.n * kConfig.tile_n;
  const int boundary = static_cast<int>(kScaleGranularity - column % kScaleGranularity) / 8;
  const ScaleReader<kBlocksN> reader(arguments, row, column);

#pragma unroll
  for (float& value : sum) value = 0.0f;
  StepScales<kBlocksN> scales = {};
  if (arguments.k_steps > 0) scales = reader.read(0);
  for (std::uint32_t step = 0; step < arguments.k_steps; ++step, place.advance()) {
    float accumulator[kConfig.tile_n / 2];
    place.wait_arrived();
    multiply_step<kConfig.tile_n>(accumulator, &shared.a[place.stage()][warp_group * kWarpGroupRows * kTileK],
                                  shared.b[place.stage()]);
    const StepScales<kBlocksN> next = reader.read(min(step + 1, arguments.k_steps - 1));
    ptx::wgmma_wait<0>();
    ptx::pin_registers(accumulator);
    if (lane == 0) place.release();
    promote<kConfig.tile_n, kBlocksN>(sum, accumulator, scales, boundary);
    scales = next;
  }
}

}  // namespace deep_gemm
