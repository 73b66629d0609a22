// Bulk tensor copies (TMA). Source: PTX ISA, "Data Movement and Conversion Instructions: cp.async.bulk.tensor".
#pragma once

#include <cstdint>

#include "device/ptx/mbarrier.cuh"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm::ptx {

__device__ __forceinline__ void prefetch_tensor_map(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// Where a box starts: the dense dimension, the other, the group.
struct BoxOrigin {
  std::uint32_t inner;
  std::uint32_t outer;
  std::uint32_t group;
};

// Loads a box of a three-dimensional tensor; its bytes complete on `barrier`, elements outside of the tensor are zero.
__device__ __forceinline__ void load_box(void* target, const TensorMap* map, std::uint64_t* barrier, BoxOrigin origin) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], "
      "[%2];" ::"r"(shared_address(target)),
      "l"(map), "r"(shared_address(barrier)), "r"(origin.inner), "r"(origin.outer), "r"(origin.group)
      : "memory");
}

// Brings a box into L2, where loads will find it. Reads nothing: what is written later is seen all the same.
__device__ __forceinline__ void prefetch_box(const TensorMap* map, BoxOrigin origin) {
  asm volatile("cp.async.bulk.prefetch.tensor.3d.L2.global.tile [%0, {%1, %2, %3}];" ::"l"(map), "r"(origin.inner),
               "r"(origin.outer), "r"(origin.group)
               : "memory");
}

// The same for the line that holds an address.
__device__ __forceinline__ void prefetch_line(const void* address) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address) : "memory");
}

// Stores a box; elements outside of the tensor are left out.
__device__ __forceinline__ void store_box(const TensorMap* map, const void* source, BoxOrigin origin) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(map),
               "r"(shared_address(source)), "r"(origin.inner), "r"(origin.outer), "r"(origin.group)
               : "memory");
}

__device__ __forceinline__ void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until all committed stores of this thread have read their shared memory.
__device__ __forceinline__ void wait_stores_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

// Orders this thread's ordinary shared-memory writes before later bulk copies that read them.
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

}  // namespace deep_gemm::ptx
