// The scale factors of B for 128 x 128 blocks, on their way from memory to the promotion.
#pragma once

#include "device/gemm/block_work.cuh"

namespace deep_gemm {

// For the blocks of 128 columns that a tile touches. Each lane of a warp holds the factor of one of 32 k steps, and the
// next 32 are read that many steps ahead: a step costs a shuffle, and none waits for memory.
template <KernelConfig kConfig, bool kUsed = kConfig.block_scales()>
class ScaleB {
  static constexpr int kBlocks = kConfig.scale_b_blocks();
  static constexpr std::int32_t kLanes = 32;

 public:
  __device__ ScaleB(const GemmArguments& arguments, const Tile& tile, StepRange steps)
      : arguments_(&arguments), left_(static_cast<std::int32_t>(steps.last - steps.first - threadIdx.x % kLanes)) {
    const std::uint32_t block = tile.column / kScaleGranularity;
    const std::uint32_t last = (arguments.n - 1) / kScaleGranularity;  // columns past the end are not stored
    const float* first = arguments.scale_b.data + (steps.first + threadIdx.x % kLanes) * arguments.scale_b.k_stride;
    if constexpr (kConfig.grouped()) first += tile.b_group * arguments.scale_b.group_stride;
    for (int i = 0; i < kBlocks; ++i) next_[i] = first + min(block + i, last) * arguments.scale_b.row_stride;
    read(held_);
    read(ahead_);
    read_next();
  }

  // The factor of the k step at hand.
  __device__ float operator[](int block) const { return value_[block]; }

  // Goes on to the next k step.
  __device__ void read_next() {
    for (int i = 0; i < kBlocks; ++i) value_[i] = __shfl_sync(0xffffffff, held_[i], place_);
    if (++place_ < kLanes) return;
    place_ = 0;
    for (int i = 0; i < kBlocks; ++i) held_[i] = ahead_[i];
    read(ahead_);
  }

 private:
  __device__ void read(float (&lanes)[kBlocks]) {
    for (int i = 0; i < kBlocks; ++i, next_[i - 1] += kLanes * arguments_->scale_b.k_stride)
      lanes[i] = left_ > 0 ? __ldg(next_[i]) : 0.0f;
    left_ -= kLanes;
  }

  const GemmArguments* arguments_;
  const float* next_[kBlocks];  // what this lane reads next
  std::int32_t left_;           // k steps from there on
  std::int32_t place_ = 0;      // lane that holds the next step's factor
  float held_[kBlocks];
  float ahead_[kBlocks];
  float value_[kBlocks];
};

// Kinds that have none.
template <KernelConfig kConfig>
class ScaleB<kConfig, false> {
 public:
  __device__ ScaleB(const GemmArguments&, const Tile&, StepRange) {}
};

}  // namespace deep_gemm
