// The scale factors of B for 128 x 128 blocks, on their way from memory to the promotion.
#pragma once

#include "device/gemm/block_work.cuh"
#include "device/ptx/bulk_tensor.cuh"

namespace deep_gemm {

// For the blocks of 128 columns that a tile touches. Each lane of a warp holds the factor of one of 32 k steps; the
// next 32 are read that many steps ahead, and a tile's first ones while the tile before is multiplied: a step costs a
// shuffle, and none but a block's first waits for memory.
template <KernelConfig kConfig, bool kUsed = kConfig.block_scales()>
class ScaleB {
  static constexpr int kBlocks = kConfig.scale_b_blocks();
  static constexpr std::int32_t kLanes = 32;

 public:
  __device__ ScaleB(const GemmArguments& arguments, StepRange steps)
      : arguments_(arguments),
        lane_step_(steps.first + threadIdx.x % kLanes),
        lane_steps_(static_cast<std::int32_t>(steps.last - steps.first - threadIdx.x % kLanes)) {}

  // Reads the first factors of the tile that `begin` will name.
  __device__ void look_ahead(const Tile& tile) {
    for (int i = 0; i < kBlocks; ++i) coming_[i] = lane_steps_ > 0 ? load(first(tile, i)) : 0.0f;
  }

  // Brings them into L2 instead, for a time when they may not be read.
  __device__ void prefetch(const Tile& tile) const {
    if (lane_steps_ <= 0) return;
    for (int i = 0; i < kBlocks; ++i) ptx::prefetch_line(first(tile, i));
  }

  // Stands at the tile's first k step.
  __device__ void begin(const Tile& tile) {
    left_ = lane_steps_ - kLanes;
    place_ = 0;
    for (int i = 0; i < kBlocks; ++i) {
      held_[i] = coming_[i];
      next_[i] = first(tile, i) + kLanes * arguments_.scale_b.k_stride;
    }
    read_ahead();
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
    read_ahead();
  }

 private:
  // Of this lane's first k step.
  __device__ const float* first(const Tile& tile, int block) const {
    const std::uint32_t last = (arguments_.n - 1) / kScaleGranularity;  // columns past the end are not stored
    const std::uint32_t row = min(tile.column / kScaleGranularity + block, last);
    const float* group = arguments_.scale_b.data;
    if constexpr (kConfig.grouped()) group += tile.b_group * arguments_.scale_b.group_stride;
    return group + row * arguments_.scale_b.row_stride + lane_step_ * arguments_.scale_b.k_stride;
  }

  // Dense tiles are known before the last kernel has ended, so that a compiler could move a load of constant memory
  // there. Posted ones are not; what is measured of them has such loads (docs/kernels.md).
  __device__ static float load(const float* factor) {
    if constexpr (kConfig.grouped()) return __ldg(factor);
    return *factor;
  }

  __device__ void read_ahead() {
    for (int i = 0; i < kBlocks; ++i, next_[i - 1] += kLanes * arguments_.scale_b.k_stride)
      ahead_[i] = left_ > 0 ? load(next_[i]) : 0.0f;
    left_ -= kLanes;
  }

  const GemmArguments& arguments_;
  std::uint32_t lane_step_;
  std::int32_t lane_steps_;     // k steps from there to the block's last
  const float* next_[kBlocks];  // what this lane reads next
  std::int32_t left_;           // k steps from there on
  std::int32_t place_;          // lane that holds the next step's factor
  float held_[kBlocks];
  float ahead_[kBlocks];
  float coming_[kBlocks];
  float value_[kBlocks];
};

// Kinds that have none.
template <KernelConfig kConfig>
class ScaleB<kConfig, false> {
 public:
  __device__ ScaleB(const GemmArguments&, StepRange) {}
  __device__ void look_ahead(const Tile&) {}
  __device__ void prefetch(const Tile&) const {}
  __device__ void begin(const Tile&) {}
};

}  // namespace deep_gemm
