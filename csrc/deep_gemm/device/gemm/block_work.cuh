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
    const std::uint32_t last = arguments.k_steps - (kConfig.split_k - 1 - part) * arguments.part_steps;
    return {part == 0 ? 0 : last - arguments.part_steps, last};
  }
};

// One output tile: where it stands, and which rows of it there are.
struct Tile {
  std::uint32_t row;           // the first row, in A and D
  std::uint32_t column;        // the first column
  std::uint32_t a_group;       // of A, scale_a and D
  std::uint32_t b_group;       // of B and its scale factors
  std::uint32_t rows_counted;  // one past the last row that is multiplied; those behind it become zeros
  std::uint32_t rows_stored;   // one past the last row that is written
  bool padding;                // no row is multiplied
  bool end;                    // no tile: the block has none left
};

// The output tiles of this block, one after the other.
template <KernelConfig kConfig>
class DenseTileWalk {
 public:
  __device__ explicit DenseTileWalk(const GemmArguments& arguments)
      : schedule_(arguments.schedule), rows_(arguments.m), tile_rows_(arguments.tile_rows), index_(first()) {}

  __device__ bool inside() const { return index_ < schedule_.tiles(); }
  __device__ bool at_last() const { return index_ + stride() >= schedule_.tiles(); }
  __device__ bool at_second() const { return index_ == first() + stride(); }
  __device__ void advance() { index_ += stride(); }
  __device__ Tile tile() const { return tile_at(schedule_.at(index_)); }
  // The same where the block starts.
  __device__ Tile first_tile() const { return tile_at(schedule_.at_start(index_)); }

 private:
  __device__ Tile tile_at(TileCoordinate at) const {
    const std::uint32_t row = at.m * tile_rows_;
    const std::uint32_t end = min(row + tile_rows_, rows_);
    return {row, at.n * kConfig.tile_n, 0, 0, end, end, false, false};
  }
  __device__ static std::uint32_t first() { return kConfig.split_k == 1 ? blockIdx.x : ptx::cluster_index(); }
  __device__ static std::uint32_t stride() { return kConfig.split_k == 1 ? gridDim.x : ptx::cluster_count(); }

  const TileSchedule& schedule_;
  std::uint32_t rows_;
  std::uint32_t tile_rows_;
  std::uint32_t index_;
};

// The same where rows are grouped. Contiguous: the tiles of all rows, each of the group of its first row. Otherwise the
// tiles of one group after the other; how many rows each has only the device knows.
template <KernelConfig kConfig>
class GroupedTileWalk {
 public:
  __device__ explicit GroupedTileWalk(const GemmArguments& arguments)
      : schedule_(arguments.schedule), groups_(arguments.groups), rows_(arguments.m), index_(blockIdx.x) {
    if (by_group()) seek();
  }

  __device__ bool inside() const { return by_group() ? group_ < groups_.count : index_ < schedule_.tiles(); }

  __device__ void advance() {
    index_ += gridDim.x;
    if (by_group()) seek();
  }

  __device__ Tile tile() const { return by_group() ? group_tile() : contiguous_tile(); }

 private:
  __device__ bool by_group() const { return groups_.grouping != Grouping::kContiguous; }

  __device__ Tile contiguous_tile() const {
    const TileCoordinate at = schedule_.at(index_);
    const std::uint32_t row = at.m * kConfig.tile_m;
    const int group = __ldg(groups_.layout + row);
    return {row, at.n * kConfig.tile_n, 0, static_cast<std::uint32_t>(max(group, 0)), rows_, rows_, group < 0, false};
  }

  // Bands of tiles as in TileSchedule, of one group's rows.
  __device__ Tile group_tile() const {
    const std::uint32_t band = schedule_.band.value;
    const std::uint32_t tiles_m = tiles_of(rows_written_);
    const std::uint32_t first_m = (index_ - first_index_) / (band * schedule_.tiles_n) * band;
    const std::uint32_t inside = index_ - first_index_ - first_m * schedule_.tiles_n;
    const std::uint32_t height = min(band, tiles_m - first_m);
    const std::uint32_t n = inside / height;
    const std::uint32_t row = first_row_ + (first_m + inside - n * height) * kConfig.tile_m;
    const std::uint32_t counted = first_row_ + rows_counted_;
    const std::uint32_t a_group = groups_.grouping == Grouping::kMasked ? group_ : 0;
    return {row, n * kConfig.tile_n, a_group, group_, counted, first_row_ + rows_written_, row >= counted, false};
  }

  // Goes on to the group that holds the tile `index_`.
  __device__ void seek() {
    for (; group_ < groups_.count; ++group_) {
      measure();
      const std::uint32_t tiles = tiles_of(rows_written_) * schedule_.tiles_n;
      if (index_ - first_index_ < tiles) return;
      first_index_ += tiles;
      if (groups_.grouping == Grouping::kPsum) first_row_ += rows_written_;
    }
  }

  __device__ void measure() {
    const std::int32_t entry = max(__ldg(groups_.layout + group_), 0);
    if (groups_.grouping == Grouping::kMasked) {
      rows_counted_ = rows_written_ = min(static_cast<std::uint32_t>(entry), rows_);
      return;
    }
    const std::uint32_t end = max(min(static_cast<std::uint32_t>(entry), rows_), first_row_);
    const std::uint32_t aligned = (end + groups_.alignment - 1) / groups_.alignment * groups_.alignment;
    rows_counted_ = end - first_row_;
    rows_written_ = min(aligned, rows_) - min(first_row_, rows_);
  }

  __device__ static std::uint32_t tiles_of(std::uint32_t rows) { return (rows + kConfig.tile_m - 1) / kConfig.tile_m; }

  const TileSchedule& schedule_;
  const RowGroups& groups_;
  std::uint32_t rows_;  // of A and D; masked: of each group
  std::uint32_t index_;
  std::uint32_t group_ = 0;
  std::uint32_t first_index_ = 0;  // of the group's tiles
  std::uint32_t first_row_ = 0;    // of the group
  std::uint32_t rows_counted_ = 0;
  std::uint32_t rows_written_ = 0;
};

template <KernelConfig kConfig, bool kGrouped = kConfig.grouped()>
struct TileWalkOf {
  using Type = DenseTileWalk<kConfig>;
};
template <KernelConfig kConfig>
struct TileWalkOf<kConfig, true> {
  using Type = GroupedTileWalk<kConfig>;
};
template <KernelConfig kConfig>
using TileWalk = typename TileWalkOf<kConfig>::Type;

}  // namespace deep_gemm
