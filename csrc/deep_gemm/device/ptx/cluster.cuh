// Blocks and grids beside this one: clusters, each other's shared memory, dependent launches.
// Source: PTX ISA, "barrier.cluster", "mapa", "st.async", "griddepcontrol".
#pragma once

#include <cstdint>

#include "device/ptx/mbarrier.cuh"

namespace deep_gemm::ptx {

__device__ __forceinline__ std::uint32_t cluster_rank() {
  std::uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// Relaxed: orders nothing but itself. Barriers initialised before it are published by fence_mbarrier_init.
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}

__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

// The address of `address` in another block of the cluster.
__device__ __forceinline__ std::uint32_t remote_address(std::uint32_t address, std::uint32_t block) {
  std::uint32_t remote;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(address), "r"(block));
  return remote;
}

// Stores 16 bytes in another block's shared memory; its barrier counts them. Both addresses are remote ones.
__device__ __forceinline__ void store_async(std::uint32_t address, float a, float b, float c, float d,
                                            std::uint32_t barrier) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(address),
      "f"(a), "f"(b), "f"(c), "f"(d), "r"(barrier)
      : "memory");
}

// Waits until the grids that this one depends on have ended and their writes are visible; nothing where the launch
// was an ordinary one.
__device__ __forceinline__ void wait_for_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// Lets the grids that depend on this one be placed.
__device__ __forceinline__ void launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

}  // namespace deep_gemm::ptx
