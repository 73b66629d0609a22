// Quantisation by groups of 128: 16 lanes have one group of each of four rows, 8 elements a lane.
//
// A block has 8 rows x 8 groups: 2 KiB of each row at a time, and the scales of four rows lie side by side where the
// layout is MN-major, one 16-byte store of four lanes.
#pragma once

#include <cuda_fp8.h>

#include "cuda/launch.cuh"
#include "cuda/silu.cuh"
#include "shared/group_quant.hpp"

namespace vllm {

inline constexpr int kLanes = 16;
inline constexpr int kLaneElements = kGroup / kLanes;
inline constexpr int kRows = 4;  // rows in flight
inline constexpr int kTileGroups = 8;
inline constexpr int kTileRows = 2 * kRows;
inline constexpr int kQuantThreads = kTileGroups * 2 * kLanes;

// The lane's elements of a row, silu(gate) * up where the row is gated.
template <class T, bool kGated, bool kWhole>
struct LaneSource {
  Pack<T, kLaneElements> first, second;

  __device__ void fetch(const GroupQuant& p, std::int64_t row, std::int64_t column) {
    const T* from = static_cast<const T*>(p.in) + row * p.in_row + column;
    if constexpr (kWhole) {
      first = Pack<T, kLaneElements>::load(from);
      if constexpr (kGated) second = Pack<T, kLaneElements>::load(from + p.columns);
    } else {
#pragma unroll
      for (int i = 0; i < kLaneElements; ++i) {
        const bool inside = column + i < p.columns;
        reinterpret_cast<T*>(first.words)[i] = inside ? from[i] : T(0.0F);
        if constexpr (kGated) reinterpret_cast<T*>(second.words)[i] = inside ? from[p.columns + i] : T(0.0F);
      }
    }
  }

  __device__ void values(float (&to)[kLaneElements]) const {
    first.unpack(to);
    if constexpr (kGated) {
      float up[kLaneElements];
      second.unpack(up);
#pragma unroll
      for (int i = 0; i < kLaneElements; ++i) to[i] = silu(to[i]) * up[i];
    }
  }
};

// The largest magnitude among the values of 16 lanes. Magnitudes compare as their bits; what is no number is largest.
__device__ inline float largest_of_group(const float (&values)[kLaneElements]) {
  unsigned bits = 0;
#pragma unroll
  for (int i = 0; i < kLaneElements; ++i) bits = max(bits, __float_as_uint(values[i]) & 0x7FFFFFFFU);
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    bits = max(bits, __shfl_xor_sync(0xFFFFFFFFU, bits, distance));
  return __uint_as_float(bits);
}

template <bool kWhole>
__device__ void store_e4m3(const float (&values)[kLaneElements], float inverse, std::uint8_t* out, std::int64_t left) {
  uint2 word;
  auto* pairs = reinterpret_cast<__nv_fp8x2_storage_t*>(&word);
#pragma unroll
  for (int i = 0; i < kLaneElements / 2; ++i) {
    const float2 pair = {values[2 * i] * inverse, values[2 * i + 1] * inverse};
    pairs[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
  }
  if constexpr (kWhole) {
    *reinterpret_cast<uint2*>(out) = word;
  } else {
#pragma unroll
    for (int i = 0; i < kLaneElements; ++i)
      if (i < left) out[i] = reinterpret_cast<const std::uint8_t*>(&word)[i];
  }
}

template <class T, bool kGated, bool kWhole>
__global__ void __launch_bounds__(kQuantThreads) quantise(const __grid_constant__ GroupQuant p, unsigned group_tiles) {
  const int lane = threadIdx.x % kLanes;
  const int part = threadIdx.x / kLanes;
  const std::int64_t group = std::int64_t{blockIdx.x % group_tiles} * kTileGroups + part % kTileGroups;
  const std::int64_t row = std::int64_t{blockIdx.x / group_tiles} * kTileRows + part / kTileGroups * kRows;
  const std::int64_t column = group * kGroup + lane * kLaneElements;
  const bool inside = column < p.columns;

  LaneSource<T, kGated, kWhole> sources[kRows] = {};
#pragma unroll
  for (int i = 0; i < kRows; ++i)
    if (inside && row + i < p.rows) sources[i].fetch(p, row + i, column);

  float scale_of_lane = 0.0F;  // lane i keeps the scale of row i
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    float values[kLaneElements];
    sources[i].values(values);
    const float largest = largest_of_group(values);
    const float scale = (largest < p.smallest ? p.smallest : largest) / kE4m3Max;
    if (lane == i) scale_of_lane = scale;
    std::uint8_t* out = p.out + (row + i) * p.out_row + column;
    if (inside && row + i < p.rows) store_e4m3<kWhole>(values, 1.0F / scale, out, p.columns - column);
  }
  if (lane < kRows && row + lane < p.rows && group * kGroup < p.columns)
    p.scales[(row + lane) * p.scale_row + group * p.scale_group] = scale_of_lane;
}

template <bool kGated>
void launch_group_quant(const char* name, const GroupQuant& problem, void* stream) {
  with_device_element(problem.element, [&]<class T>(T*) {
    const bool whole = is_aligned(problem.in) && is_aligned(problem.out, kLaneElements) &&
                       are_multiples({problem.columns, problem.out_row}, kLaneElements) &&
                       are_multiples({problem.in_row}, kWordElements<T>);
    const auto group_tiles = static_cast<unsigned>((problem.groups() + kTileGroups - 1) / kTileGroups);
    const auto row_tiles = static_cast<unsigned>((problem.rows + kTileRows - 1) / kTileRows);
    const auto kernel = whole ? quantise<T, kGated, true> : quantise<T, kGated, false>;
    kernel<<<row_tiles * group_tiles, kQuantThreads, 0, static_cast<cudaStream_t>(stream)>>>(problem, group_tiles);
  });
  check_cuda(name, cudaGetLastError());
}

}  // namespace vllm
