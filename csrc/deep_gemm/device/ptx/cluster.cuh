// Blocks and grids beside this one: clusters, each other's shared memory, dependent launches.
// Source: PTX ISA, "barrier.cluster", "mapa", "cp.async.bulk", "griddepcontrol".
#pragma once

#include <cstdint>

#include "device/ptx/mbarrier.cuh"

namespace deep_gemm::ptx {

__device__ __forceinline__ std::uint32_t cluster_rank() {
  std::uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// Of this block's cluster in the grid, and how many there are.
__device__ __forceinline__ std::uint32_t cluster_index() {
  std::uint32_t index;
  asm volatile("mov.u32 %0, %%clusterid.x;" : "=r"(index));
  return index;
}

__device__ __forceinline__ std::uint32_t cluster_count() {
  std::uint32_t count;
  asm volatile("mov.u32 %0, %%nclusterid.x;" : "=r"(count));
  return count;
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

// Copies shared memory of this block to the same struct's `target` in another block, whose `barrier` counts the bytes.
__device__ __forceinline__ void copy_to_block(void* target, const void* source, std::uint32_t bytes,
                                              std::uint64_t* barrier, std::uint32_t block) {
  asm volatile("cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   remote_address(shared_address(target), block)),
               "r"(shared_address(source)), "r"(bytes), "r"(remote_address(shared_address(barrier), block))
               : "memory");
}

// Waits until the grids that this one depends on have ended and their writes are visible; nothing where the launch
// was an ordinary one.
__device__ __forceinline__ void wait_for_dependencies() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// Lets the grids that depend on this one be placed.
__device__ __forceinline__ void launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

}  // namespace deep_gemm::ptx
