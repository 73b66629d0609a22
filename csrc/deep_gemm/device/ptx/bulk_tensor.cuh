// Bulk tensor copies (TMA). Source: PTX ISA, "Data Movement and Conversion Instructions: cp.async.bulk.tensor".
#pragma once

#include <cstdint>

#include "device/ptx/mbarrier.cuh"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm::ptx {

__device__ __forceinline__ void prefetch_tensor_map(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// Loads the box at (inner, outer) of a two-dimensional tensor; its bytes complete on `barrier`.
__device__ __forceinline__ void load_box(void* target, const TensorMap* map, std::uint64_t* barrier, std::int32_t inner,
                                         std::int32_t outer) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::
          "r"(shared_address(target)),
      "l"(map), "r"(shared_address(barrier)), "r"(inner), "r"(outer)
      : "memory");
}

// Stores the box at (inner, outer); elements outside of the tensor are left out.
__device__ __forceinline__ void store_box(const TensorMap* map, const void* source, std::int32_t inner,
                                          std::int32_t outer) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
               "r"(shared_address(source)), "r"(inner), "r"(outer)
               : "memory");
}

__device__ __forceinline__ void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until all committed stores of this thread have read their shared memory.
__device__ __forceinline__ void wait_stores_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

// Orders this thread's ordinary shared-memory writes before later bulk copies that read them.
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

}  // namespace deep_gemm::ptx
