// The epilogue of blocks that split k: the others send what they have added up through distributed shared memory, the
// first adds that to its own and writes the output tile.
#pragma once

#include "device/gemm/epilogue.cuh"
#include "device/gemm/mainloop.cuh"
#include "device/gemm/shared_storage.cuh"
#include "device/ptx/cluster.cuh"

namespace deep_gemm {

// Bytes of the sums of one consumer.
template <KernelConfig kConfig>
__device__ __forceinline__ constexpr std::uint32_t consumer_sums_bytes() {
  return static_cast<std::uint32_t>(kConfig.sums_bytes() / kConfig.consumers());
}

// One thread of the first block, before the others may send: what `parts_arrived` waits for.
template <KernelConfig kConfig>
__device__ __forceinline__ void expect_parts(SharedStorage<kConfig>& shared) {
  ptx::mbarrier_init(&shared.parts_arrived, 1);
  ptx::fence_mbarrier_init();
  ptx::mbarrier_arrive_expect(&shared.parts_arrived, (kConfig.split_k - 1) * kConfig.sums_bytes());
}

// Calls visit(four sums of this thread, where they lie in `buffer`) for all of them: (consumers, sums / 4, threads)
// x 4.
template <KernelConfig kConfig, typename Visit>
__device__ __forceinline__ void for_each_four(Sums<kConfig>& sums, std::uint8_t* buffer, int consumer, Visit visit) {
  auto* place =
      reinterpret_cast<float4*>(buffer + consumer * consumer_sums_bytes<kConfig>()) + threadIdx.x % kWarpGroupThreads;
#pragma unroll
  for (auto& wave : sums)
#pragma unroll
    for (int i = 0; i < kConfig.tile_n / 2; i += 4, place += kWarpGroupThreads) visit(&wave[i], *place);
}

// Lays this consumer's sums out where stages of A were, and sends them in one bulk copy.
template <KernelConfig kConfig>
__device__ __forceinline__ void send_sums(Sums<kConfig>& sums, SharedStorage<kConfig>& shared, std::uint32_t part,
                                          int consumer) {
  for_each_four<kConfig>(sums, shared.a[0], consumer, [](const float* values, float4& place) {
    place = make_float4(values[0], values[1], values[2], values[3]);
  });
  ptx::fence_proxy_async();
  ptx::named_barrier_sync(1 + consumer, kWarpGroupThreads);
  const std::uint32_t offset = consumer * consumer_sums_bytes<kConfig>();
  if (threadIdx.x % kWarpGroupThreads == 0)
    ptx::copy_to_block(shared.epilogue + (part - 1) * kConfig.sums_bytes() + offset, shared.a[0] + offset,
                       consumer_sums_bytes<kConfig>(), &shared.parts_arrived, 0);
  __syncwarp();
}

template <KernelConfig kConfig>
__device__ __forceinline__ void add_parts(Sums<kConfig>& sums, SharedStorage<kConfig>& shared, int consumer) {
#pragma unroll
  for (int other = 0; other < kConfig.split_k - 1; ++other)
    for_each_four<kConfig>(sums, shared.epilogue + other * kConfig.sums_bytes(), consumer,
                           [](float* values, const float4& part) {
                             values[0] += part.x;
                             values[1] += part.y;
                             values[2] += part.z;
                             values[3] += part.w;
                           });
}

template <KernelConfig kConfig>
__device__ __forceinline__ void write_split_tile(Sums<kConfig>& sums, const GemmArguments& arguments,
                                                 SharedStorage<kConfig>& shared, BlockPlace<kConfig> block,
                                                 const Tile& tile, int consumer) {
  constexpr int kAllConsumers = 4;  // the id behind those of the consumers' own barriers
  // Order: every consumer has read its last stage, where sums and panels are laid out now.
  ptx::named_barrier_sync(kAllConsumers, kConfig.consumers() * kWarpGroupThreads);
  if (block.part == 0) {
    while (!ptx::mbarrier_try_wait(&shared.parts_arrived, 0)) {
    }
    ptx::cluster_arrive();
    add_parts<kConfig>(sums, shared, consumer);
    write_tile<kConfig>(sums, arguments, shared, tile, consumer, false);
  } else {
    send_sums<kConfig>(sums, shared, block.part, consumer);
    ptx::cluster_arrive();
  }
  // Order: the other blocks' shared memory is read until the first has what it waits for.
  ptx::cluster_wait();
}

}  // namespace deep_gemm
