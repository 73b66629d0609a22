// Quantisation by groups of 128, four rows in flight: a lane has 8 or 16 elements of each, 16 or 8 lanes a group.
//
// A block has 8 groups, 2 KiB of 16-bit elements, of 8 or 16 rows. Of four rows, lane i of the group divides for row i.
// Their scales lie side by side where the layout is MN-major: one 16-byte store of four lanes.
#pragma once

#include <cuda_fp8.h>

#include "cuda/launch.cuh"
#include "cuda/silu.cuh"
#include "shared/group_quant.hpp"

namespace vllm {

inline constexpr int kRows = 4;  // rows in flight
inline constexpr int kTileGroups = 8;
inline constexpr int kQuantThreads = 256;

// Elements a lane: 16, of which a word of e4m3 is made, unless registers for so many would leave too few threads.
template <class T, bool kGated>
inline constexpr int kLaneElements = sizeof(T) == 2 && !kGated ? 16 : 8;

// Keep the larger magnitudes in `largest`. They compare as their bits; what is no number is largest.
template <int kCount>
__device__ unsigned largest_of(const float (&values)[kCount]) {
  unsigned bits = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) bits = max(bits, __float_as_uint(values[i]) & 0x7FFFFFFFU);
  return bits;
}

// The same of 16-bit elements, two at once: bits of a float of the larger.
template <class T, int kCount>
__device__ unsigned largest_of(const Pack<T, kCount>& pack) {
  unsigned both = 0;
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i)
    both = __vmaxu2(both, reinterpret_cast<const unsigned*>(pack.words)[i] & 0x7FFF7FFFU);
  const auto bits = static_cast<std::uint16_t>(max(both & 0xFFFFU, both >> 16));
  return __float_as_uint(to_float(reinterpret_cast<const T&>(bits)));
}

// The lane's elements of a row, silu(gate) * up where the row is gated.
template <class T, bool kGated, bool kWhole>
struct LaneSource {
  static constexpr int kCount = kLaneElements<T, kGated>;

  Pack<T, kCount> first, second;
  float products[kCount];

  __device__ void fetch(const GroupQuant& p, std::int64_t row, std::int64_t column) {
    const T* from = static_cast<const T*>(p.in) + row * p.in_row + column;
    if constexpr (kWhole) {
      first = Pack<T, kCount>::load(from);
      if constexpr (kGated) second = Pack<T, kCount>::load(from + p.columns);
    } else {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const bool inside = column + i < p.columns;
        reinterpret_cast<T*>(first.words)[i] = inside ? from[i] : T(0.0F);
        if constexpr (kGated) reinterpret_cast<T*>(second.words)[i] = inside ? from[p.columns + i] : T(0.0F);
      }
    }
  }

  // Bits of the largest magnitude; multiplies where the row is gated.
  __device__ unsigned largest() {
    if constexpr (!kGated && sizeof(T) == 2) return largest_of(first);
    first.unpack(products);
    if constexpr (kGated) {
      float up[kCount];
      second.unpack(up);
#pragma unroll
      for (int i = 0; i < kCount; ++i) products[i] = silu(products[i]) * up[i];
    }
    return largest_of(products);
  }

  // After `largest`.
  __device__ void values(float (&to)[kCount]) const {
    if constexpr (kGated) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) to[i] = products[i];
    } else {
      first.unpack(to);
    }
  }
};

template <int kLanes>
__device__ float largest_of_group(unsigned bits) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    bits = max(bits, __shfl_xor_sync(0xFFFFFFFFU, bits, distance));
  return __uint_as_float(bits);
}

template <bool kWhole, int kCount>
__device__ void store_e4m3(const float (&values)[kCount], float inverse, std::uint8_t* out, std::int64_t left) {
  using Word = std::conditional_t<kCount == kWordBytes, uint4, uint2>;
  static_assert(sizeof(Word) == kCount);
  Word word;
  auto* pairs = reinterpret_cast<__nv_fp8x2_storage_t*>(&word);
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) {
    const float2 pair = {values[2 * i] * inverse, values[2 * i + 1] * inverse};
    pairs[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
  }
  if constexpr (kWhole) {
    *reinterpret_cast<Word*>(out) = word;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      if (i < left) out[i] = reinterpret_cast<const std::uint8_t*>(&word)[i];
  }
}

template <class T, bool kGated>
struct QuantTile {
  static constexpr int kCount = kLaneElements<T, kGated>;
  static constexpr int kLanes = kGroup / kCount;
  static constexpr int kTileRows = kQuantThreads / (kTileGroups * kLanes) * kRows;
};

template <class T, bool kGated, bool kWhole>
__global__ void __launch_bounds__(kQuantThreads) quantise(const __grid_constant__ GroupQuant p, unsigned group_tiles) {
  using Tile = QuantTile<T, kGated>;
  const int lane = threadIdx.x % Tile::kLanes;
  const int part = threadIdx.x / Tile::kLanes;
  const std::int64_t group = std::int64_t{blockIdx.x % group_tiles} * kTileGroups + part % kTileGroups;
  const std::int64_t row = std::int64_t{blockIdx.x / group_tiles} * Tile::kTileRows + part / kTileGroups * kRows;
  const std::int64_t column = group * kGroup + lane * Tile::kCount;
  const bool inside = column < p.columns;

  LaneSource<T, kGated, kWhole> sources[kRows] = {};
#pragma unroll
  for (int i = 0; i < kRows; ++i)
    if (inside && row + i < p.rows) sources[i].fetch(p, row + i, column);

  float largest_of_lane = 0.0F;  // lane i has that of row i, modulo the rows
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const float largest = largest_of_group<Tile::kLanes>(sources[i].largest());
    if (lane % kRows == i) largest_of_lane = largest;
  }
  const float scale = (largest_of_lane < p.smallest ? p.smallest : largest_of_lane) / kE4m3Max;
  const float inverse = 1.0F / scale;
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const float inverse_of_row = __shfl_sync(0xFFFFFFFFU, inverse, i, Tile::kLanes);
    float values[Tile::kCount];
    sources[i].values(values);
    std::uint8_t* out = p.out + (row + i) * p.out_row + column;
    if (inside && row + i < p.rows) store_e4m3<kWhole>(values, inverse_of_row, out, p.columns - column);
  }
  if (lane < kRows && row + lane < p.rows && group * kGroup < p.columns)
    p.scales[(row + lane) * p.scale_row + group * p.scale_group] = scale;
}

template <bool kGated>
void launch_group_quant(const char* name, const GroupQuant& problem, void* stream) {
  with_device_element(problem.element, [&]<class T>(T*) {
    using Tile = QuantTile<T, kGated>;
    const bool whole = is_aligned(problem.in) && is_aligned(problem.out, Tile::kCount) &&
                       are_multiples({problem.columns, problem.out_row}, Tile::kCount) &&
                       are_multiples({problem.in_row}, kWordElements<T>);
    const auto group_tiles = static_cast<unsigned>((problem.groups() + kTileGroups - 1) / kTileGroups);
    const auto row_tiles = static_cast<unsigned>((problem.rows + Tile::kTileRows - 1) / Tile::kTileRows);
    const auto kernel = whole ? quantise<T, kGated, true> : quantise<T, kGated, false>;
    kernel<<<row_tiles * group_tiles, kQuantThreads, 0, static_cast<cudaStream_t>(stream)>>>(problem, group_tiles);
  });
  check_cuda(name, cudaGetLastError());
}

}  // namespace vllm
