// A ring of shared-memory stages between one producer and its consumers: who is at which stage, in which phase.
#pragma once

#include <cstdint>

#include "device/ptx/mbarrier.cuh"

namespace deep_gemm {

// Barriers are named as events: the producer waits for `tile_released`, consumers for `tile_arrived`.
template <int kStages>
struct PipelineBarriers {
  std::uint64_t tile_arrived[kStages];   // one arrival (the producer) and the bytes of both operands
  std::uint64_t tile_released[kStages];  // one arrival for each consumer warp

  __device__ void init(std::uint32_t consumer_warps) {
    for (int stage = 0; stage < kStages; ++stage) {
      ptx::mbarrier_init(&tile_arrived[stage], 1);
      ptx::mbarrier_init(&tile_released[stage], consumer_warps);
    }
    ptx::fence_mbarrier_init();
  }
};

// One role's place in the ring. Producer and consumers each own one and advance it once for every k step.
template <int kStages>
class PipelinePlace {
 public:
  __device__ explicit PipelinePlace(PipelineBarriers<kStages>& barriers) : barriers_(barriers) {}

  __device__ std::uint32_t stage() const { return stage_; }

  __device__ void advance() {
    if (++stage_ == kStages) {
      stage_ = 0;
      phase_ ^= 1;
    }
  }

  // Producer: waits until the stage is free (at once in the first round), then announces `bytes` of copies.
  __device__ std::uint64_t* acquire(std::uint32_t bytes) {
    wait(&barriers_.tile_released[stage_], phase_ ^ 1);
    ptx::mbarrier_arrive_expect(&barriers_.tile_arrived[stage_], bytes);
    return &barriers_.tile_arrived[stage_];
  }

  // Consumers: waits for the stage's operands.
  __device__ void wait_arrived() { wait(&barriers_.tile_arrived[stage_], phase_); }

  // Consumers: gives the stage back; one thread of each warp.
  __device__ void release() { ptx::mbarrier_arrive(&barriers_.tile_released[stage_]); }

 private:
  __device__ static void wait(std::uint64_t* barrier, std::uint32_t parity) {
    while (!ptx::mbarrier_try_wait(barrier, parity)) {
    }
  }

  PipelineBarriers<kStages>& barriers_;
  std::uint32_t stage_ = 0;
  std::uint32_t phase_ = 0;
};

}  // namespace deep_gemm
