// The epilogue of blocks that split k: each sends every other its part of that block's columns through distributed
// shared memory, then adds the parts of its own columns up in the order of k and stores them.
#pragma once

#include "device/gemm/mainloop.cuh"
#include "device/gemm/output.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/cluster.cuh"

namespace deep_gemm {

// Address of one thread's four values of a chunk, in the buffer of the block that owns the chunk.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t part_address(std::uint32_t base, std::uint32_t sender, int chunk, int wave,
                                                      int consumer) {
  constexpr int kThreads = kConfig.consumers() * kWarpGroupThreads;
  const int place = ((static_cast<int>(sender) * kConfig.slice_chunks() + chunk) * kConfig.waves() + wave) * kThreads;
  return base + (place + consumer * kWarpGroupThreads + threadIdx.x % kWarpGroupThreads) * 16;
}

// Chunks of 8 columns that the block with that part of k adds up: the last one may have fewer than a slice.
template <KernelConfig kConfig>
__device__ __forceinline__ int own_chunks(std::uint32_t part) {
  const int left = kConfig.tile_n / 8 - static_cast<int>(part) * kConfig.slice_chunks();
  return max(0, min(kConfig.slice_chunks(), left));
}

// One thread, before any block may send: what `parts_arrived` waits for.
template <KernelConfig kConfig>
__device__ __forceinline__ void expect_parts(SharedStorage<kConfig>& shared, BlockPlace<kConfig> block) {
  constexpr int kChunkBytes = kConfig.split_k * kConfig.tile_m * 8 * static_cast<int>(sizeof(float));
  ptx::mbarrier_init(&shared.parts_arrived, 1);
  ptx::fence_mbarrier_init();
  ptx::mbarrier_arrive_expect(&shared.parts_arrived, own_chunks<kConfig>(block.part) * kChunkBytes);
}

template <KernelConfig kConfig>
__device__ __forceinline__ void send_parts(const Sums<kConfig>& sums, SharedStorage<kConfig>& shared,
                                           BlockPlace<kConfig> block, int consumer) {
  const std::uint32_t base = ptx::shared_address(shared.epilogue);
  const std::uint32_t barrier = ptx::shared_address(&shared.parts_arrived);
#pragma unroll
  for (int owner = 0; owner < kConfig.split_k; ++owner) {
    const std::uint32_t remote_base = ptx::remote_address(base, owner);
    const std::uint32_t remote_barrier = ptx::remote_address(barrier, owner);
#pragma unroll
    for (int slot = 0; slot < kConfig.slice_chunks(); ++slot) {
      const int chunk = owner * kConfig.slice_chunks() + slot;
      if (chunk >= kConfig.tile_n / 8) break;
#pragma unroll
      for (int wave = 0; wave < kConfig.waves(); ++wave) {
        const float* values = &sums[wave][chunk * 4];
        ptx::store_async(part_address<kConfig>(remote_base, block.part, slot, wave, consumer), values[0], values[1],
                         values[2], values[3], remote_barrier);
      }
    }
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void store_own_columns(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                                  BlockPlace<kConfig> block, const Tile& tile, int consumer) {
  using Output = typename OutputTypeOf<kConfig.output_bytes>::Type;
  while (!ptx::mbarrier_try_wait(&shared.parts_arrived, 0)) {
  }
  const int chunks = own_chunks<kConfig>(block.part);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const std::uint32_t tile_chunk = block.part * kConfig.slice_chunks() + chunk;
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave) {
      float values[4] = {};
#pragma unroll
      for (std::uint32_t sender = 0; sender < kConfig.split_k; ++sender) {
        const std::uint32_t offset = part_address<kConfig>(0, sender, chunk, wave, consumer);
        const float4 part = *reinterpret_cast<const float4*>(shared.epilogue + offset);
        values[0] += part.x;
        values[1] += part.y;
        values[2] += part.z;
        values[3] += part.w;
      }
      const OutputRows origin = output_rows<kConfig>(tile, consumer, wave);
      if (arguments.c != nullptr) add_c<Output>(values, arguments, origin, tile_chunk);
      if (arguments.store_rows_unaligned) {
        store_elements<Output>(values, arguments, origin, tile_chunk);
      } else {
        store_pairs<Output>(values, arguments, origin, tile_chunk);
      }
    }
  }
}

}  // namespace deep_gemm
