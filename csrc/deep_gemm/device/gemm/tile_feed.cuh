// How the roles of a block come by its output tiles.
//
// Dense tiles are a few instructions, so each role works them out for itself. Where rows are grouped, finding the group
// takes state and memory: the producer does it and posts the tiles in shared memory, one before it loads for it;
// consumers keep no register for them through the main loop.
#pragma once

#include "device/gemm/shared_storage.cuh"

namespace deep_gemm {

// The consumers' view of their tiles.
template <KernelConfig kConfig, bool kGrouped = kConfig.grouped()>
class TileFeed {
 public:
  __device__ TileFeed(const GemmArguments& arguments, SharedStorage<kConfig>&)
      : walk_(arguments), current_(walk_.tile()) {
    go_on();
  }

  __device__ bool inside() const { return inside_; }
  // Whether the tile at hand is the block's first.
  __device__ bool at_first() const { return walk_.at_second(); }
  __device__ const Tile& current() const { return current_; }
  // The tile after this one; past the last one it may stand anywhere.
  __device__ const Tile& next() const { return next_; }
  __device__ void advance() {
    current_ = next_;
    go_on();
  }

 private:
  __device__ void go_on() {
    inside_ = walk_.inside();
    walk_.advance();
    next_ = walk_.tile();
  }

  DenseTileWalk<kConfig> walk_;
  Tile current_;
  Tile next_;
  bool inside_;
};

template <KernelConfig kConfig>
class TileFeed<kConfig, true> {
 public:
  __device__ TileFeed(const GemmArguments&, SharedStorage<kConfig>& shared)
      : board_(shared.board), place_(board_.barriers) {
    place_.wait_arrived();
  }

  __device__ bool inside() const { return !current().end; }
  __device__ bool at_first() const { return false; }  // not known
  __device__ const Tile& current() const { return board_.tiles[place_.stage()]; }
  __device__ const Tile& next() const {
    PipelinePlace<kPostedTiles> place = place_;
    place.advance();
    place.wait_arrived();
    return board_.tiles[place.stage()];
  }
  __device__ void advance() {
    __syncwarp();
    if (threadIdx.x % 32 == 0) place_.release();
    place_.advance();
  }

 private:
  TileBoard<kConfig>& board_;
  PipelinePlace<kPostedTiles> place_;
};

// The producer's side: posts each tile before it loads for it.
template <KernelConfig kConfig>
class TilePoster {
 public:
  __device__ explicit TilePoster(SharedStorage<kConfig>& shared) : board_(shared.board), place_(board_.barriers) {}

  // Posts the tile that the walk stands at, or that there is none, and returns it.
  __device__ Tile post(const TileWalk<kConfig>& walk) {
    const Tile tile = walk.inside() ? walk.tile() : Tile{.end = true};
    place_.wait_released();
    board_.tiles[place_.stage()] = tile;
    ptx::mbarrier_arrive(place_.arrived());
    place_.advance();
    return tile;
  }

 private:
  TileBoard<kConfig>& board_;
  PipelinePlace<kPostedTiles> place_;
};

}  // namespace deep_gemm
