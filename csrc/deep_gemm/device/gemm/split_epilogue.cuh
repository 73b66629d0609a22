// The epilogue of blocks that split k: each sends every other its part of that block's columns through distributed
// shared memory, adds what it was sent to its own part of its own columns, and stores those.
#pragma once

#include "device/gemm/mainloop.cuh"
#include "device/gemm/output.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/cluster.cuh"

namespace deep_gemm {

// Byte offset of one thread's four values of a chunk, in the buffer of the block that owns the chunk. `sender`: of those
// that aren't the owner.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t part_offset(std::uint32_t sender, int chunk, int wave, int consumer) {
  constexpr int kThreads = kConfig.consumers() * kWarpGroupThreads;
  const int place = ((static_cast<int>(sender) * kConfig.slice_chunks() + chunk) * kConfig.waves() + wave) * kThreads;
  return (place + consumer * kWarpGroupThreads + threadIdx.x % kWarpGroupThreads) * 16;
}

// Chunks of 8 columns that the block with that part of k adds up: the last one may have fewer than a slice.
template <KernelConfig kConfig>
__device__ __forceinline__ constexpr int own_chunks(int part) {
  const int left = kConfig.tile_n / 8 - part * kConfig.slice_chunks();
  return left < 0 ? 0 : left < kConfig.slice_chunks() ? left : kConfig.slice_chunks();
}

// One thread, before any block may send: what `parts_arrived` waits for.
template <KernelConfig kConfig>
__device__ __forceinline__ void expect_parts(SharedStorage<kConfig>& shared, BlockPlace<kConfig> block) {
  constexpr int kChunkBytes = (kConfig.split_k - 1) * kConfig.tile_m * 8 * static_cast<int>(sizeof(float));
  ptx::mbarrier_init(&shared.parts_arrived, 1);
  ptx::fence_mbarrier_init();
  ptx::mbarrier_arrive_expect(&shared.parts_arrived, own_chunks<kConfig>(static_cast<int>(block.part)) * kChunkBytes);
}

// Sends this block's part of the columns of every other.
template <KernelConfig kConfig>
__device__ __forceinline__ void send_parts(const Sums<kConfig>& sums, SharedStorage<kConfig>& shared,
                                           BlockPlace<kConfig> block, int consumer) {
  const std::uint32_t base = ptx::shared_address(shared.epilogue);
  const std::uint32_t barrier = ptx::shared_address(&shared.parts_arrived);
#pragma unroll
  for (int owner = 0; owner < kConfig.split_k; ++owner) {
    if (static_cast<std::uint32_t>(owner) == block.part) continue;
    const std::uint32_t sender = block.part - (block.part > static_cast<std::uint32_t>(owner));
    const std::uint32_t remote_base = ptx::remote_address(base, owner);
    const std::uint32_t remote_barrier = ptx::remote_address(barrier, owner);
#pragma unroll
    for (int slot = 0; slot < own_chunks<kConfig>(owner); ++slot)
#pragma unroll
      for (int wave = 0; wave < kConfig.waves(); ++wave) {
        const float* values = &sums[wave][(owner * kConfig.slice_chunks() + slot) * 4];
        ptx::store_async(remote_base + part_offset<kConfig>(sender, slot, wave, consumer), values[0], values[1],
                         values[2], values[3], remote_barrier);
      }
  }
}

// Adds the others' parts of one chunk to this thread's own.
template <KernelConfig kConfig>
__device__ __forceinline__ void add_parts(float (&values)[4], const SharedStorage<kConfig>& shared, int slot, int wave,
                                          int consumer) {
#pragma unroll
  for (int sender = 0; sender < kConfig.split_k - 1; ++sender) {
    const std::uint32_t offset = part_offset<kConfig>(sender, slot, wave, consumer);
    const float4 part = *reinterpret_cast<const float4*>(shared.epilogue + offset);
    values[0] += part.x;
    values[1] += part.y;
    values[2] += part.z;
    values[3] += part.w;
  }
}

// The columns of the block whose part of k is kPart, which this one is: registers have no run-time index.
template <KernelConfig kConfig, int kPart>
__device__ __forceinline__ void store_columns_of(const Sums<kConfig>& sums, const GemmArguments& arguments,
                                                 const SharedStorage<kConfig>& shared, const Tile& tile,
                                                 int consumer) {
  using Output = typename OutputTypeOf<kConfig.output_bytes>::Type;
#pragma unroll
  for (int slot = 0; slot < own_chunks<kConfig>(kPart); ++slot)
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave) {
      constexpr int kFirst = kPart * kConfig.slice_chunks();
      const float* own = &sums[wave][(kFirst + slot) * 4];
      float values[4] = {own[0], own[1], own[2], own[3]};
      add_parts<kConfig>(values, shared, slot, wave, consumer);
      const OutputRows origin = output_rows<kConfig>(tile, consumer, wave);
      if (arguments.c != nullptr) add_c<Output>(values, arguments, origin, kFirst + slot);
      if (arguments.store_rows_unaligned) {
        store_elements<Output>(values, arguments, origin, kFirst + slot);
      } else {
        store_pairs<Output>(values, arguments, origin, kFirst + slot);
      }
    }
}

template <KernelConfig kConfig, int kPart = 0>
__device__ __forceinline__ void store_own_columns(const Sums<kConfig>& sums, const GemmArguments& arguments,
                                                  SharedStorage<kConfig>& shared, BlockPlace<kConfig> block,
                                                  const Tile& tile, int consumer) {
  if constexpr (kPart < kConfig.split_k) {
    if (block.part == kPart) return store_columns_of<kConfig, kPart>(sums, arguments, shared, tile, consumer);
    store_own_columns<kConfig, kPart + 1>(sums, arguments, shared, block, tile, consumer);
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void write_split_tile(const Sums<kConfig>& sums, const GemmArguments& arguments,
                                                 SharedStorage<kConfig>& shared, BlockPlace<kConfig> block,
                                                 const Tile& tile, int consumer) {
  send_parts<kConfig>(sums, shared, block, consumer);
  while (!ptx::mbarrier_try_wait(&shared.parts_arrived, 0)) {
  }
  store_own_columns<kConfig>(sums, arguments, shared, block, tile, consumer);
}

}  // namespace deep_gemm
