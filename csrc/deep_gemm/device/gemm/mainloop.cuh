// The main loop of one consumer warp group: multiply 128 of k on the tensor cores, scale, add up in f32 (promotion).
//
// The tensor core keeps about 14 bits while it accumulates, so a fresh accumulator starts at every 128 of k.
#pragma once

#include "device/gemm/block_work.cuh"
#include "device/gemm/shared_storage.cuh"
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

// sum += accumulator * scale_a[row] * scale_b[column block]; columns from chunk (of 8) kBoundary on use the second
// block.
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

// One consumer's way through the k steps of one output tile: starts wgmmas, and promotes them when they have ended.
template <KernelConfig kConfig>
class TileAccumulation {
  static constexpr int kBlocksN = kConfig.scale_b_blocks();

 public:
  // One started k step of one wave.
  struct Started {
    float accumulator[kConfig.tile_n / 2];
    float products[kBlocksN][2];  // scale_a * scale_b
  };

  __device__ TileAccumulation(Sums<kConfig>& sums, SharedStorage<kConfig>& shared, PipelinePlace<kConfig.stages>& place,
                              ScaleB<kConfig>& scale_b, std::uint32_t tile_n, int consumer)
      : sums_(sums),
        shared_(shared),
        place_(place),
        behind_(place),
        scale_b_(scale_b),
        boundary_(static_cast<int>(kScaleGranularity - tile_n * kConfig.tile_n % kScaleGranularity) / 8) {
    const int first_row = consumer * kConfig.waves() * kWgmmaRows;
    thread_row_ = first_row + static_cast<int>(threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4);
    base_a_ = ptx::swizzled_descriptor(ptx::shared_address(&shared.a[0][first_row * kTileK]));
    base_b_ = ptx::swizzled_descriptor(ptx::shared_address(shared.b[0]));
#pragma unroll
    for (auto& sum : sums)
#pragma unroll
      for (float& value : sum) value = 0.0f;
  }

  // Adds all steps up, one wgmma at a time: the other consumers multiply meanwhile.
  __device__ void run(std::uint32_t steps) {
    Started started;
#pragma unroll 4
    for (std::uint32_t step = 0; step < steps; ++step) {
      place_.wait_arrived();
#pragma unroll
      for (int wave = 0; wave < kConfig.waves(); ++wave) {
        start(started, wave);
        ptx::wgmma_wait<0>();
        finish(started, wave);
      }
    }
  }

  // The same with the next step's wgmmas started before the last one's are promoted, where registers allow it.
  __device__ void run_ahead(std::uint32_t steps) {
    if (steps == 0) return;
    Started even;
    Started odd;
    start_next(even);
    std::uint32_t left = steps - 1;
#pragma unroll 2
    for (; left >= 2; left -= 2) {
      start_next(odd);
      ptx::wgmma_wait<1>();
      finish(even, 0);
      start_next(even);
      ptx::wgmma_wait<1>();
      finish(odd, 0);
    }
    if (left == 1) {
      start_next(odd);
      ptx::wgmma_wait<1>();
      finish(even, 0);
      ptx::wgmma_wait<0>();
      finish(odd, 0);
    } else {
      ptx::wgmma_wait<0>();
      finish(even, 0);
    }
  }

 private:
  __device__ void start_next(Started& started) {
    place_.wait_arrived();
    start(started, 0);
  }

  __device__ void start(Started& started, int wave) {
    const std::uint32_t stage = place_.stage();
    const float* scale_a = &shared_.scale_a[stage][thread_row_ + wave * kWgmmaRows];
    const float rows[2] = {scale_a[0], scale_a[8]};
    multiply_step<kConfig.tile_n>(started.accumulator,
                                  ptx::advance(base_a_, stage * kConfig.a_stage_bytes() + wave * kWgmmaRows * kTileK),
                                  ptx::advance(base_b_, stage * kConfig.b_stage_bytes()));
    for (int i = 0; i < 2 * kBlocksN; ++i) started.products[i / 2][i % 2] = rows[i % 2] * scale_b_[i / 2];
    if (wave < kConfig.waves() - 1) return;
    scale_b_.read_next();
    place_.advance();
  }

  __device__ void finish(Started& started, int wave) {
    ptx::pin_registers(started.accumulator);
    // Order: the scale factors are in registers and the last wgmma has read its operands before the stage goes back.
    if (wave == kConfig.waves() - 1) {
      if (threadIdx.x % 32 == 0) behind_.release();
      behind_.advance();
    }
    promote<kConfig>(sums_[wave], started.accumulator, started.products, boundary_);
  }

  Sums<kConfig>& sums_;
  SharedStorage<kConfig>& shared_;
  PipelinePlace<kConfig.stages>& place_;
  PipelinePlace<kConfig.stages> behind_;  // the stage that is given back next
  ScaleB<kConfig>& scale_b_;
  int boundary_;
  int thread_row_;
  std::uint64_t base_a_;
  std::uint64_t base_b_;
};

}  // namespace deep_gemm
