// Which output tiles and which part of k a block works on.
#pragma once

#include "device/ptx/cluster.cuh"
#include "shared/gemm_arguments.hpp"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

// The k steps of one block: all of them, or its part of a split.
struct StepRange {
  std::uint32_t first;
  std::uint32_t last;  // one past
};

// A block's part among those that split k: its rank in the cluster.
template <KernelConfig kConfig>
struct BlockPlace {
  std::uint32_t part;

  __device__ static BlockPlace get() {
    if constexpr (kConfig.split_k == 1) return {0};
    return {ptx::cluster_rank()};
  }

  __device__ StepRange steps(const GemmArguments& arguments) const {
    if constexpr (kConfig.split_k == 1) return {0, arguments.k_steps};
    return {arguments.k_steps * part / kConfig.split_k, arguments.k_steps * (part + 1) / kConfig.split_k};
  }
};

// The output tiles of this block, in the order that all roles follow.
template <KernelConfig kConfig>
class TileWalk {
 public:
  __device__ explicit TileWalk(const GemmArguments& arguments)
      : schedule_(arguments.schedule), index_(blockIdx.x / kConfig.split_k) {}

  __device__ bool inside() const { return index_ < schedule_.tiles(); }
  __device__ void advance() { index_ += gridDim.x / kConfig.split_k; }
  __device__ TileCoordinate tile() const { return schedule_.at(index_); }

 private:
  const TileSchedule& schedule_;
  std::uint32_t index_;
};

}  // namespace deep_gemm
