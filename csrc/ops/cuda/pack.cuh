// Some elements of a row as they travel: words of 16 bytes where the row allows it, else one by one.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace vllm {

inline constexpr int kWordBytes = 16;

// How many elements of T one word holds.
template <class T>
inline constexpr int kWordElements = kWordBytes / static_cast<int>(sizeof(T));

__device__ inline float2 to_floats(__nv_bfloat162 pair) { return __bfloat1622float2(pair); }
__device__ inline float2 to_floats(__half2 pair) { return __half22float2(pair); }
__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T>
__device__ T from_float(float x) {
  if constexpr (std::is_same_v<T, float>) return x;
  if constexpr (std::is_same_v<T, __half>) return __float2half_rn(x);
  if constexpr (std::is_same_v<T, __nv_bfloat16>) return __float2bfloat16_rn(x);
}

// kCount elements of T: whole words if kCount is a multiple of a word's elements.
template <class T, int kCount>
struct Pack {
  static constexpr bool kWhole = kCount % kWordElements<T> == 0;
  static constexpr int kWords = kWhole ? kCount / kWordElements<T> : kCount;
  using Word = std::conditional_t<kWhole, uint4, T>;

  Word words[kWords];

  __device__ static Pack load(const T* from) {
    Pack pack;
#pragma unroll
    for (int i = 0; i < kWords; ++i) pack.words[i] = reinterpret_cast<const Word*>(from)[i];
    return pack;
  }

  __device__ void store(T* to) const {
#pragma unroll
    for (int i = 0; i < kWords; ++i) reinterpret_cast<Word*>(to)[i] = words[i];
  }

  __device__ void unpack(float (&to)[kCount]) const {
    if constexpr (!kWhole || std::is_same_v<T, float>) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) to[i] = to_float(reinterpret_cast<const T*>(words)[i]);
    } else {
      using Pair = std::conditional_t<std::is_same_v<T, __half>, __half2, __nv_bfloat162>;
#pragma unroll
      for (int i = 0; i < kCount / 2; ++i) {
        const float2 pair = to_floats(reinterpret_cast<const Pair*>(words)[i]);
        to[2 * i] = pair.x;
        to[2 * i + 1] = pair.y;
      }
    }
  }

  __device__ static Pack of(const float (&from)[kCount]) {
    Pack pack;
#pragma unroll
    for (int i = 0; i < kCount; ++i) reinterpret_cast<T*>(pack.words)[i] = from_float<T>(from[i]);
    return pack;
  }
};

}  // namespace vllm
