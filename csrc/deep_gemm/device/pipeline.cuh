// A ring of shared-memory stages between producers and consumers: who is at which stage, in which phase.
#pragma once

#include <cstdint>

#include "device/ptx/mbarrier.cuh"

namespace deep_gemm {

// Barriers are named as events: producers wait for `tile_released`, consumers for `tile_arrived`.
template <int kStages>
struct PipelineBarriers {
  std::uint64_t tile_arrived[kStages];
  std::uint64_t tile_released[kStages];

  // Of some stages; one thread arrives at each.
  template <int kFirst, int kLast>
  __device__ void init_arrived() {
#pragma unroll
    for (int stage = kFirst; stage < kLast; ++stage) ptx::mbarrier_init(&tile_arrived[stage], 1);
    ptx::fence_mbarrier_init();
  }

  __device__ void init_released(std::uint32_t releases) {
#pragma unroll
    for (std::uint64_t& barrier : tile_released) ptx::mbarrier_init(&barrier, releases);
    ptx::fence_mbarrier_init();
  }
};

// One role's place in the ring. Every role owns one and advances it once for every k step.
template <int kStages>
class PipelinePlace {
 public:
  __device__ explicit PipelinePlace(PipelineBarriers<kStages>& barriers) : barriers_(barriers) {}

  __device__ std::uint32_t stage() const { return stage_; }
  __device__ std::uint64_t* arrived() { return &barriers_.tile_arrived[stage_]; }

  __device__ void advance() {
    if (++stage_ == kStages) {
      stage_ = 0;
      phase_ ^= 1;
    }
  }

  // Producers: until the stage is free; at once in the first round.
  __device__ void wait_released() { wait(released(), phase_ ^ 1); }

  // Consumers: until the stage's operands and scale factors are there.
  __device__ void wait_arrived() { wait(arrived(), phase_); }

  // Consumers: give the stage back; one thread of each warp.
  __device__ void release() { ptx::mbarrier_arrive(released()); }

 private:
  __device__ std::uint64_t* released() { return &barriers_.tile_released[stage_]; }

  __device__ static void wait(std::uint64_t* barrier, std::uint32_t parity) {
    while (!ptx::mbarrier_try_wait(barrier, parity)) {
    }
  }

  PipelineBarriers<kStages>& barriers_;
  std::uint32_t stage_ = 0;
  std::uint32_t phase_ = 0;
};

}  // namespace deep_gemm
