// What the main loops of all kinds share: the sums of one consumer warp group and where its operands lie.
#pragma once

#include "device/gemm/block_work.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/wgmma.cuh"

namespace deep_gemm {

// f32 sums of one consumer: (waves, 64, tile_n), in wgmma's order of registers.
template <KernelConfig kConfig>
using Sums = float[kConfig.waves()][kConfig.tile_n / 2];

template <KernelConfig kConfig>
__device__ __forceinline__ void clear(Sums<kConfig>& sums) {
#pragma unroll
  for (auto& sum : sums)
#pragma unroll
    for (float& value : sum) value = 0.0f;
}

// Matrix descriptors of one consumer's rows of A and of B, for any stage, wave and part of a k step.
template <KernelConfig kConfig>
class OperandDescriptors {
  static constexpr std::uint32_t kBoxBytes = kMnBoxExtent * kStepBytes;
  // One wgmma takes 32 bytes of k: 32 bytes of a row, or where rows are dense 32 / 2 rows of 128 bytes.
  static constexpr std::uint32_t kPartA = kConfig.a_mn_major() ? 16 * kStepBytes : 32;
  static constexpr std::uint32_t kPartB = kConfig.b_mn_major() ? 16 * kStepBytes : 32;

 public:
  static constexpr int kParts = kStepBytes / 32;

  __device__ OperandDescriptors(SharedStorage<kConfig>& shared, int consumer) {
    const int first_row = consumer * kConfig.waves() * kWgmmaRows;
    a_ = ptx::swizzled_descriptor(ptx::shared_address(&shared.a[0][first_row * kStepBytes]),
                                  kConfig.a_mn_major() ? kBoxBytes : 16);
    b_ = ptx::swizzled_descriptor(ptx::shared_address(shared.b[0]), kConfig.b_mn_major() ? kBoxBytes : 16);
  }

  // In the descriptor's unit of 16 bytes, so that all but the stage is one constant.
  __device__ std::uint64_t a(std::uint32_t stage, int wave, int part) const {
    return a_ + stage * (kConfig.a_stage_bytes() / 16) + (wave * kWgmmaRows * kStepBytes + part * kPartA) / 16;
  }
  __device__ std::uint64_t b(std::uint32_t stage, int part) const {
    return b_ + stage * (kConfig.b_stage_bytes() / 16) + part * kPartB / 16;
  }

 private:
  std::uint64_t a_;
  std::uint64_t b_;
};

// A consumer's place in the ring, and the stage that it gives back next.
template <KernelConfig kConfig>
struct ConsumerPlace {
  PipelinePlace<kConfig.stages> next;
  PipelinePlace<kConfig.stages> behind;

  __device__ explicit ConsumerPlace(PipelineBarriers<kConfig.stages>& barriers) : next(barriers), behind(barriers) {}

  // Order: whatever was read of the stage is in registers, and its wgmmas have ended.
  __device__ void release() {
    if (threadIdx.x % 32 == 0) behind.release();
    behind.advance();
  }
};

}  // namespace deep_gemm
