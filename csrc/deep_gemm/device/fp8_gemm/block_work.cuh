// Which tiles and which part of k a block works on, and with whom it shares.
#pragma once

#include "device/ptx/cluster.cuh"
#include "shared/gemm_arguments.hpp"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

// A block's place in its cluster: ranks run m first, then n, then k.
template <KernelConfig kConfig>
struct ClusterPlace {
  std::uint32_t m;
  std::uint32_t n;
  std::uint32_t k;

  __device__ static ClusterPlace get() {
    if constexpr (kConfig.cluster() == 1) return {0, 0, 0};
    const std::uint32_t rank = ptx::cluster_rank();
    return {rank % kConfig.cluster_m, rank / kConfig.cluster_m % kConfig.cluster_n, rank / kConfig.sharers()};
  }

  // The cluster rank of the first block that shares stages with this one; the others follow it.
  __device__ std::uint32_t first_sharer() const { return k * kConfig.sharers(); }

  // The blocks that share stages, a bit for each cluster rank.
  __device__ std::uint16_t sharer_bits() const {
    return static_cast<std::uint16_t>(((1u << kConfig.sharers()) - 1) << first_sharer());
  }
};

// The k steps of one block: all of them, or its part of a split.
struct StepRange {
  std::uint32_t first;
  std::uint32_t last;  // one past
};

template <KernelConfig kConfig>
__device__ __forceinline__ StepRange steps_of(const GemmArguments& arguments, std::uint32_t rank_k) {
  if constexpr (kConfig.split_k == 1) return {0, arguments.k_steps};
  return {arguments.k_steps * rank_k / kConfig.split_k, arguments.k_steps * (rank_k + 1) / kConfig.split_k};
}

// The output tiles of this block, in the order that all roles follow.
template <KernelConfig kConfig>
class TileWalk {
 public:
  __device__ TileWalk(const GemmArguments& arguments, ClusterPlace<kConfig> place)
      : schedule_(arguments.schedule), place_(place), index_(blockIdx.x / kConfig.cluster()) {}

  __device__ bool inside() const { return index_ < schedule_.tiles(); }
  __device__ void advance() { index_ += gridDim.x / kConfig.cluster(); }
  __device__ TileCoordinate tile() const {
    const TileCoordinate corner = schedule_.at(index_);
    return {corner.m * kConfig.cluster_m + place_.m, corner.n * kConfig.cluster_n + place_.n};
  }

 private:
  const TileSchedule& schedule_;
  ClusterPlace<kConfig> place_;
  std::uint32_t index_;
};

}  // namespace deep_gemm
