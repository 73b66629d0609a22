// The epilogue of blocks that split k: each sends every other its part of that block's columns through distributed
// shared memory, adds what it was sent to its own part of its own columns, and stores those.
#pragma once

#include "device/gemm/mainloop.cuh"
#include "device/gemm/output.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/cluster.cuh"

namespace deep_gemm {

// Bytes of one wave's chunk of 8 columns of one consumer: 16 a thread.
inline constexpr int kPieceBytes = kWarpGroupThreads * 16;

// Bytes of what one consumer sends to an owner of whole slices.
template <KernelConfig kConfig>
__device__ __forceinline__ constexpr int slice_bytes() {
  return kConfig.slice_chunks() * kConfig.waves() * kPieceBytes;
}

// Where the piece of a chunk stands in a buffer of slices: (split_k - 1 slices, consumers) of slice_bytes.
template <KernelConfig kConfig>
__device__ __forceinline__ std::uint32_t piece_offset(std::uint32_t slice, int slot, int wave, int consumer) {
  return (slice * kConfig.consumers() + consumer) * slice_bytes<kConfig>() +
         (slot * kConfig.waves() + wave) * kPieceBytes;
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

// Lays the chunks of one owner out in shared memory, where stages were.
template <KernelConfig kConfig>
__device__ __forceinline__ void lay_out(const Sums<kConfig>& sums, SharedStorage<kConfig>& shared, int owner,
                                        std::uint32_t slice, int consumer) {
#pragma unroll
  for (int slot = 0; slot < own_chunks<kConfig>(owner); ++slot)
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave) {
      const float* values = &sums[wave][(owner * kConfig.slice_chunks() + slot) * 4];
      std::uint8_t* piece = shared.a[0] + piece_offset<kConfig>(slice, slot, wave, consumer);
      *reinterpret_cast<float4*>(piece + threadIdx.x % kWarpGroupThreads * 16) =
          make_float4(values[0], values[1], values[2], values[3]);
    }
}

// Sends this block's part of the columns of every other, in one bulk copy for each.
template <KernelConfig kConfig>
__device__ __forceinline__ void send_parts(const Sums<kConfig>& sums, SharedStorage<kConfig>& shared,
                                           BlockPlace<kConfig> block, int consumer) {
  static_assert((kConfig.split_k - 1) * kConfig.consumers() * slice_bytes<kConfig>() <= sizeof(shared.a));
  constexpr int kAllConsumers = 4;  // the id behind those of the consumers' own barriers
  // Order: every consumer has read its last stage, where the parts are laid out now.
  ptx::named_barrier_sync(kAllConsumers, kConfig.consumers() * kWarpGroupThreads);
#pragma unroll
  for (int owner = 0; owner < kConfig.split_k; ++owner) {
    const std::uint32_t part = static_cast<std::uint32_t>(owner);
    if (part != block.part) lay_out<kConfig>(sums, shared, owner, part - (part > block.part), consumer);
  }
  ptx::fence_proxy_async();
  ptx::named_barrier_sync(1 + consumer, kWarpGroupThreads);
  if (threadIdx.x % kWarpGroupThreads != 0) return;
#pragma unroll
  for (int owner = 0; owner < kConfig.split_k; ++owner) {
    const std::uint32_t part = static_cast<std::uint32_t>(owner);
    const int bytes = own_chunks<kConfig>(owner) * kConfig.waves() * kPieceBytes;
    if (part == block.part || bytes == 0) continue;
    const std::uint32_t from = piece_offset<kConfig>(part - (part > block.part), 0, 0, consumer);
    const std::uint32_t to = piece_offset<kConfig>(block.part - (block.part > part), 0, 0, consumer);
    ptx::copy_to_block(shared.epilogue + to, shared.a[0] + from, bytes, &shared.parts_arrived, part);
  }
}

// Adds the others' parts of one chunk to this thread's own.
template <KernelConfig kConfig>
__device__ __forceinline__ void add_parts(float (&values)[4], const SharedStorage<kConfig>& shared, int slot, int wave,
                                          int consumer) {
#pragma unroll
  for (int sender = 0; sender < kConfig.split_k - 1; ++sender) {
    const std::uint8_t* piece = shared.epilogue + piece_offset<kConfig>(sender, slot, wave, consumer);
    const float4 part = reinterpret_cast<const float4*>(piece)[threadIdx.x % kWarpGroupThreads];
    values[0] += part.x;
    values[1] += part.y;
    values[2] += part.z;
    values[3] += part.w;
  }
}

// The columns of the block whose part of k is kPart, which this one is: registers have no run-time index.
template <KernelConfig kConfig, int kPart>
__device__ __forceinline__ void store_columns_of(const Sums<kConfig>& sums, const GemmArguments& arguments,
                                                 const SharedStorage<kConfig>& shared, const Tile& tile, int consumer) {
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
  ptx::cluster_arrive();
  store_own_columns<kConfig>(sums, arguments, shared, block, tile, consumer);
  // Order: what this block sends is read from its shared memory until all blocks have what they wait for.
  ptx::cluster_wait();
}

}  // namespace deep_gemm
