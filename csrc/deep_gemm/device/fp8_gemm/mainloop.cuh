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

// accumulator (64, kTileN) = a (64, kTileK) @ b (kTileN, kTileK).T, asynchronously; matrix descriptors of a and b.
template <int kTileN>
__device__ __forceinline__ void multiply_step(float (&accumulator)[kTileN / 2], std::uint64_t a, std::uint64_t b) {
  ptx::pin_registers(accumulator);
  ptx::wgmma_fence();
#pragma unroll
  for (int part = 0; part < kTileK / 32; ++part)
    ptx::wgmma_e4m3<kTileN>(accumulator, a + part * ptx::kDescriptorStepK32, b + part * ptx::kDescriptorStepK32,
                            part != 0);
  ptx::wgmma_commit();
  ptx::pin_registers(accumulator);
}

// The scale factors of B for the blocks of 128 columns that a tile touches, read one k step ahead of their use.
template <KernelConfig kConfig>
class ScaleB {
 public:
  __device__ ScaleB(const GemmArguments& arguments, std::uint32_t tile_n, StepRange steps)
      : step_(arguments.scale_b.k_stride), left_(steps.last - steps.first) {
    const std::uint32_t block = tile_n * kConfig.tile_n / kScaleGranularity;
    const std::uint32_t last = (arguments.n - 1) / kScaleGranularity;  // columns past the end are not stored
    for (int i = 0; i < kConfig.scale_b_blocks(); ++i)
      next_[i] = arguments.scale_b.data + min(block + i, last) * arguments.scale_b.row_stride + steps.first * step_;
    read_next();
  }

  __device__ float operator[](int block) const { return value_[block]; }

  __device__ void read_next() {
    if (left_ == 0) return;
    --left_;
    for (int i = 0; i < kConfig.scale_b_blocks(); ++i, next_[i - 1] += step_) value_[i] = __ldg(next_[i]);
  }

 private:
  const float* next_[kConfig.scale_b_blocks()];
  float value_[kConfig.scale_b_blocks()] = {};
  std::int64_t step_;
  std::uint32_t left_;
};

// sum += accumulator * scale_a[row] * scale_b[column block]; columns from chunk (of 8) kBoundary on use the second block.
template <int kTileN, int kBoundary, int kBlocksN>
__device__ __forceinline__ void promote_at(float (&sum)[kTileN / 2], const float (&accumulator)[kTileN / 2],
                                           const float (&products)[kBlocksN][2]) {
#pragma unroll
  for (int i = 0; i < kTileN / 2; ++i)
    sum[i] = fmaf(products[i / 4 < kBoundary ? 0 : kBlocksN - 1][i / 2 % 2], accumulator[i], sum[i]);
}

// The same for a boundary that is known at run time: one of the few that tiles of this width can have.
template <KernelConfig kConfig, int kBoundary = kScaleGranularity / 8>
__device__ __forceinline__ void promote(float (&sum)[kConfig.tile_n / 2],
                                        const float (&accumulator)[kConfig.tile_n / 2],
                                        const float (&products)[kConfig.scale_b_blocks()][2], int boundary) {
  constexpr int kNext = kBoundary - kConfig.tile_offset_divisor() / 8;
  if constexpr (kConfig.scale_b_blocks() == 1 || kNext <= 0) {
    promote_at<kConfig.tile_n, kBoundary>(sum, accumulator, products);
  } else if (boundary == kBoundary) {
    promote_at<kConfig.tile_n, kBoundary>(sum, accumulator, products);
  } else {
    promote<kConfig, kNext>(sum, accumulator, products, boundary);
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
                                                PipelinePlace<kConfig.stages>& place, ScaleB<kConfig>& scale_b,
                                                std::uint32_t steps, std::uint32_t tile_n, int consumer,
                                                std::uint32_t first_sharer) {
  constexpr int kBlocksN = kConfig.scale_b_blocks();
  const int first_row = consumer * kConfig.waves() * kWgmmaRows;
  const int thread_row = first_row + static_cast<int>(threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4);
  const int boundary = static_cast<int>(kScaleGranularity - tile_n * kConfig.tile_n % kScaleGranularity) / 8;
  const std::uint64_t base_a = ptx::swizzled_descriptor(ptx::shared_address(&shared.a[0][first_row * kTileK]));
  const std::uint64_t base_b = ptx::swizzled_descriptor(ptx::shared_address(shared.b[0]));
#pragma unroll
  for (auto& sum : sums)
#pragma unroll
    for (float& value : sum) value = 0.0f;

#pragma unroll 4
  for (std::uint32_t step = 0; step < steps; ++step, place.advance()) {
    const std::uint32_t stage = place.stage();
    place.wait_arrived();
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave) {
      float accumulator[kConfig.tile_n / 2];
      const float* scale_a = &shared.scale_a[stage][thread_row + wave * kWgmmaRows];
      const float scale_rows[2] = {scale_a[0], scale_a[8]};
      multiply_step<kConfig.tile_n>(
          accumulator, ptx::advance(base_a, stage * kConfig.a_stage_bytes() + wave * kWgmmaRows * kTileK),
          ptx::advance(base_b, stage * kConfig.b_stage_bytes()));
      float products[kBlocksN][2];
      for (int i = 0; i < 2 * kBlocksN; ++i) products[i / 2][i % 2] = scale_rows[i % 2] * scale_b[i / 2];
      const bool last_wave = wave == kConfig.waves() - 1;
      if (last_wave) scale_b.read_next();
      ptx::wgmma_wait<0>();
      ptx::pin_registers(accumulator);
      // Order: the scale factors are in registers and the last wgmma has read its operands before the stage goes back.
      if (last_wave) release<kConfig>(place, first_sharer);
      promote<kConfig>(sums[wave], accumulator, products, boundary);
    }
  }
}

}  // namespace deep_gemm
