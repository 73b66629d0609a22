// D = C + (A * scale_a) @ (B * scale_b).T on one Hopper GPU, in FP8 with scale factors or in BF16 without; rows may be
// grouped, each group with a B of its own. Read this page first.
//
// Roles of a block (one or two on each multiprocessor; persistent unless k is split):
//   consumers  the first one to three warp groups: 64 * waves rows of the output tile each
//   producer   one thread of the last warp group: asks for the first of B, then bulk tensor copies of A, B and scale
//              factors; finds grouped tiles. A thread of the next warp has L2 bring A
//
// Barriers (shared memory, one pair a stage; PipelineBarriers):
//   tile_arrived   arrivals: the producer, and the bytes of its copies   waits: consumers
//   tile_released  arrivals: one thread of each consumer warp            waits: producer
//   board.barriers the same two events for posted tiles, where rows are grouped (tile_feed.cuh)
//   parts_arrived  with a split of k, in the first block: the bytes of what the others send  waits: consumers
//   named barriers 1 to 3: one consumer's threads around its panels of the output; 4: all consumers of a split before
//   stages are written over; the cluster's barrier: before the others send, and until that has arrived
//
// Steady state, k steps of 128 bytes for each output tile (FP8; BF16 only keeps one step's wgmmas in flight):
// clang-format off
//   producer   | wait released s | copy A, B, scale_a -> stage s | next stage, across tile borders, without a pause
//   consumer 0 | wait arrived s  | wgmma x4 | wait wgmma | release s | promote |
//   consumer 1 |                            | wgmma x4   | wait wgmma | ...       one multiplies, another promotes
//   Two waves: wgmma and promote twice, then release. Running ahead: step s + 1 is started before s is waited for.
//   At the end of a tile each consumer converts its rows and starts their store; the producer is already at the next
//   tile's stages.
// clang-format on
#pragma once

#include "device/gemm/bf16_mainloop.cuh"
#include "device/gemm/epilogue.cuh"
#include "device/gemm/fp8_mainloop.cuh"
#include "device/gemm/producer.cuh"
#include "device/gemm/split_epilogue.cuh"
#include "device/ptx/warp_group.cuh"

namespace deep_gemm {

template <KernelConfig kConfig>
__device__ __forceinline__ void accumulate(Sums<kConfig>& sums, SharedStorage<kConfig>& shared,
                                           const OperandDescriptors<kConfig>& operands, ConsumerPlace<kConfig>& place,
                                           ScaleB<kConfig>& scale_b, std::uint32_t column, std::uint32_t steps,
                                           int consumer) {
  clear<kConfig>(sums);
  if constexpr (!kConfig.fp8()) {
    accumulate_bf16<kConfig>(sums, operands, place, steps);
  } else {
    Fp8Accumulation<kConfig> accumulation(sums, shared, operands, place, scale_b, column, consumer);
    if constexpr (kConfig.runs_ahead()) {
      accumulation.run_ahead(steps);
    } else {
      accumulation.run(steps);
    }
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void consume(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        BlockPlace<kConfig> block, int consumer) {
  const OperandDescriptors<kConfig> operands(shared, consumer);
  ConsumerPlace<kConfig> place(shared.barriers);
  const StepRange steps = block.steps(arguments);
  TileFeed<kConfig> feed(arguments, shared);
  ScaleB<kConfig> scale_b(arguments, steps);
  if constexpr (!kConfig.grouped()) {
    if (arguments.early_b != 0) scale_b.look_ahead(feed.current());
    if (arguments.prefetched_b != 0) scale_b.prefetch(feed.current());
  }
  // With programmatic dependent launch all before this ran beside the stream's last kernel: from here on its results
  // are read, and what it reads is written.
  ptx::wait_for_dependencies();
  if (arguments.early_b == 0) scale_b.look_ahead(feed.current());
  for (; feed.inside(); feed.advance()) {
    std::uint32_t count = steps.last - steps.first;
    std::uint32_t padding = 0;
    if constexpr (kConfig.grouped()) {
      padding = padding_rows<kConfig>(arguments, feed.current(), consumer);
      // wgmma wants a number of steps of which the compiler knows that it is the same in all threads.
      count = __shfl_sync(0xffffffff, feed.current().padding ? 0 : count, 0);
    }
    // Order: the next tile's first scale factors travel while this one is multiplied.
    scale_b.begin(feed.current());
    scale_b.look_ahead(feed.next());
    Sums<kConfig> sums;
    accumulate<kConfig>(sums, shared, operands, place, scale_b, feed.current().column, count, consumer);
    if constexpr (kConfig.grouped()) clear_rows<kConfig>(sums, padding);
    if constexpr (kConfig.split_k == 1) {
      write_tile<kConfig>(sums, arguments, shared, feed.current(), consumer, !feed.at_first());
    } else {
      write_split_tile<kConfig>(sums, arguments, shared, block, feed.current(), consumer);
    }
  }
  // Shared memory must outlive the last store.
  if (threadIdx.x % kWarpGroupThreads == 0) ptx::wait_stores_read();
}

// The ring's barriers, which two threads set up: each takes ten cycles. Where B is loaded early, the thread that does
// so sets up those of the first stages.
template <KernelConfig kConfig>
__device__ __forceinline__ void set_up_arrived(const GemmArguments& arguments, SharedStorage<kConfig>& shared) {
  if (arguments.early_b == 0) shared.barriers.template init_arrived<0, kConfig.early_stages()>();
  shared.barriers.template init_arrived<kConfig.early_stages(), kConfig.stages>();
}

template <KernelConfig kConfig>
__device__ __forceinline__ void set_up_released(SharedStorage<kConfig>& shared, BlockPlace<kConfig> block) {
  constexpr std::uint32_t kReleases = kConfig.consumers() * 4;
  shared.barriers.init_released(kReleases);
  if constexpr (kConfig.grouped()) {
    shared.board.barriers.template init_arrived<0, kPostedTiles>();
    shared.board.barriers.init_released(kReleases);
  }
  if constexpr (kConfig.split_k > 1) {
    if (block.part == 0) expect_parts<kConfig>(shared);
  }
}

// The producer's thread, before the block has met: asks for B's first k steps.
template <KernelConfig kConfig>
__device__ __forceinline__ void ask_for_b(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                          BlockPlace<kConfig> block) {
  const StepRange steps = block.steps(arguments);
  const Tile tile = DenseTileWalk<kConfig>(arguments).first_tile();
  prefetch_b<kConfig>(arguments, tile, steps);
  if (arguments.early_b != 0) {
    shared.barriers.template init_arrived<0, kConfig.early_stages()>();
    load_b_early<kConfig>(arguments, shared, tile, steps);
  }
}

// All that waits for nobody, a thread for each: what is done before the block meets is done before the stream's last
// kernel has ended. Order: with the consumers' threads behind the producer's the compiler no longer sees that the
// warps of a BF16 consumer go together.
template <KernelConfig kConfig>
__device__ __forceinline__ void prepare(const GemmArguments& arguments, SharedStorage<kConfig>& shared,
                                        BlockPlace<kConfig> block) {
  constexpr std::uint32_t kProducerWarp = kConfig.consumers() * 4;
  const std::uint32_t warp = threadIdx.x / 32;
  if (threadIdx.x == 0) {
    set_up_released<kConfig>(shared, block);
  } else if (threadIdx.x == 32) {
    ptx::prefetch_tensor_map(&arguments.b);
    ptx::prefetch_tensor_map(&arguments.a);
    ptx::prefetch_tensor_map(&arguments.d);
    if constexpr (kConfig.fp8()) ptx::prefetch_tensor_map(&arguments.scale_a);
  } else if (threadIdx.x == 64) {
    set_up_arrived<kConfig>(arguments, shared);
  }
  if constexpr (!kConfig.grouped()) {
    if (warp == kProducerWarp && ptx::elect_one()) ask_for_b<kConfig>(arguments, shared, block);
    if (warp == kProducerWarp + 1 && ptx::elect_one()) prefetch_a<kConfig>(arguments);
    __syncwarp();
  }
  if constexpr (kConfig.split_k > 1) {
    ptx::cluster_arrive();
    ptx::cluster_wait();
  } else {
    __syncthreads();
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void gemm(const GemmArguments& arguments) {
  static_assert(invalid_reason(kConfig) == nullptr);
  static_assert(sizeof(SharedStorage<kConfig>) <= kConfig.shared_bytes() + 1023);
  extern __shared__ __align__(1024) std::uint8_t dynamic_shared[];
  auto& shared = *reinterpret_cast<SharedStorage<kConfig>*>(dynamic_shared);
  const auto block = BlockPlace<kConfig>::get();
  const int warp_group = __shfl_sync(0xffffffff, threadIdx.x / kWarpGroupThreads, 0);
  const bool produces = threadIdx.x / 32 == kConfig.consumers() * 4;
  prepare<kConfig>(arguments, shared, block);

  if (warp_group == kConfig.consumers()) {
    if constexpr (kConfig.parts_registers()) ptx::decrease_registers<kConfig.producer_registers()>();
    if (produces && ptx::elect_one()) produce<kConfig>(arguments, shared, block);
  } else {
    if constexpr (kConfig.parts_registers()) ptx::increase_registers<kConfig.consumer_registers()>();
    consume<kConfig>(arguments, shared, block, warp_group);
  }
}

}  // namespace deep_gemm
