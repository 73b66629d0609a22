// The one parameter of the GEMM kernels: what the host writes and the device reads, byte for byte.
#pragma once

#include <cstdint>

#include "shared/tile_schedule.hpp"

namespace deep_gemm {

// A tensor map of the driver, opaque here. Source: CUDA driver API, CUtensorMap (128 bytes, 128-byte aligned
// since 13.0).
struct alignas(128) TensorMap {
  std::uint64_t opaque[16];
};

// Matrices of f32 scale factors with any strides, in elements; one for each group of B.
struct ScaleMatrices {
  const float* data;
  std::int64_t group_stride;
  std::int64_t row_stride;
  std::int64_t k_stride;
};

// How the rows of A and D belong to the groups of B.
enum class Grouping : std::uint32_t {
  kNone,        // one B for all rows
  kContiguous,  // layout (m): the group of each row, below zero for padding; groups start at multiples of `alignment`
  kPsum,        // layout (groups): one past each group's last row; the next starts at the next multiple of `alignment`
  kMasked,      // layout (groups): rows of each group's own A and D that count
};

struct RowGroups {
  const std::int32_t* layout;  // on the device
  Grouping grouping;
  std::uint32_t count;
  std::uint32_t alignment;
};

// Every map has three dimensions, the last one the group: with extent 1 for A, scale_a and D unless rows are masked,
// for B and its scale factors where there is one B. An operand that is dense in k has maps (k, rows, groups), a box of
// (kStepBytes, rows of a tile); one that is dense in its rows has (rows, k, groups), boxes of (kMnBoxExtent, tile_k).
//
// What a block reads first stands first, in one line of constant memory.
struct GemmArguments {
  TileSchedule schedule;      // of all rows; psum and masked: of the rows that one group may have
  std::uint32_t k_steps;      // ceil(k / tile_k)
  std::uint32_t tile_rows;    // of A that a tile has, at most tile_m
  std::uint32_t stage_bytes;  // that arrive with one k step
  std::uint32_t part_steps;   // with a split of k: of each block but the first of a cluster, which has the rest
  // Before the stream's last kernel has ended (dense; 0: nothing):
  std::uint32_t prefetched_a;  // k steps of tiles of rows of A that all blocks together bring into L2
  std::uint32_t early_b;       // k steps of B that each block loads, no more than stages or kMostEarlySteps
  std::uint32_t prefetched_b;  // k steps of B that each block brings into L2, where it loads none
  std::uint32_t m;             // masked: of one group
  std::uint32_t n;
  std::uint32_t store_rows_unaligned;  // d's rows are not 16-byte aligned: no bulk tensor copy can write them
  RowGroups groups;
  ScaleMatrices scale_b;  // FP8 without row scales: (ceil(n / 128), ceil(k / 128))
  const void* c;          // (m, n) of d's type, or null; never with groups
  void* output;           // d itself
  std::int64_t c_stride;  // elements between rows
  std::int64_t d_stride;
  std::int64_t d_group_stride;  // masked
  TensorMap a;                  // (m, k), 128-byte swizzle
  TensorMap b;                  // (n, k), 128-byte swizzle
  TensorMap d;                  // (m, n), panels of the output tile; unused where store_rows_unaligned
  TensorMap scale_a;            // FP8: (ceil(k / 128), m) f32
  TensorMap scale_b_map;        // FP8 with row scales: (ceil(k / 128), n) f32
};

}  // namespace deep_gemm
