// Conversions and exp as plain arithmetic on bits, which compilers vectorise for whatever the target has.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "shared/group_quant.hpp"

#define VLLM_INLINE [[gnu::always_inline]] inline

namespace vllm {

struct Bfloat16 {
  std::uint16_t bits;
};
struct Half {
  std::uint16_t bits;
};

// `yes` or `no` by masks: compilers make branches of a chain of choices, and then no vectors.
VLLM_INLINE std::uint32_t choose(bool which, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(which);
  return no ^ ((no ^ yes) & mask);
}

VLLM_INLINE float to_float(float x) { return x; }

VLLM_INLINE float to_float(Bfloat16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

VLLM_INLINE float to_float(Half x) {
  // The sign, three of it, then a half's bits in a float's places: 2^112 too small, be it normal or subnormal.
  const std::int32_t shifted = static_cast<std::int32_t>(std::uint32_t{x.bits} << 16) >> 3;
  const float scaled = std::bit_cast<float>(static_cast<std::uint32_t>(shifted) & 0x8FFFFFFFU) * 0x1p112F;
  const bool special = (x.bits & 0x7C00U) == 0x7C00U;  // infinite, or no number
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | choose(special, 0x7F800000U, 0U));
}

// Drop the low `kBits` of a float's bits, to the nearest, ties to even.
template <int kBits>
VLLM_INLINE std::uint32_t rounded(std::uint32_t bits) {
  return (bits + ((1U << (kBits - 1)) - 1) + ((bits >> kBits) & 1U)) >> kBits;
}

template <class T>
T from_float(float x);

template <>
VLLM_INLINE float from_float<float>(float x) {
  return x;
}

template <>
VLLM_INLINE Bfloat16 from_float<Bfloat16>(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const bool number = (bits & 0x7FFFFFFFU) <= 0x7F800000U;
  return {static_cast<std::uint16_t>(choose(number, rounded<16>(bits), (bits >> 16) | 0x40U))};
}

template <>
VLLM_INLINE Half from_float<Half>(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  const std::uint32_t normal = rounded<13>(magnitude) - (112U << 10);
  // The last place of [0.5, 1) is 2^-24, that of a subnormal half: the addition rounds.
  const std::uint32_t tiny = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  const std::uint32_t largest = choose(magnitude > 0x7F800000U, 0x7E00U, 0x7C00U);
  const std::uint32_t code = std::min(choose(magnitude < 0x38800000U, tiny, normal), largest);
  return {static_cast<std::uint16_t>(code | ((bits >> 16) & 0x8000U))};
}

// Round to e4m3, saturating at 448. Source: OCP 8-bit Floating Point Specification (OFP8), section 5.
VLLM_INLINE std::uint8_t to_e4m3(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  const std::uint32_t kept = std::min(magnitude, std::bit_cast<std::uint32_t>(kE4m3Max));
  const std::uint32_t normal = rounded<20>(kept) - (120U << 3);
  // The last place of [2^14, 2^15) is 2^-9, that of a subnormal e4m3.
  const std::uint32_t tiny = std::bit_cast<std::uint32_t>(std::bit_cast<float>(kept) + 0x1p14F) - 0x46800000U;
  const std::uint32_t finite = choose(kept < 0x3C800000U, tiny, normal);
  const std::uint32_t code = choose(magnitude > 0x7F800000U, 0x7FU, finite);
  return static_cast<std::uint8_t>(code | ((bits >> 24) & 0x80U));
}

// e^x to two units in the last place, of x brought into [-87, 87]; what is no number counts as 87.
// Source: Cody and Waite, "Software Manual for the Elementary Functions" (1980), chapter 6: reduction by ln 2 in two
// parts; the polynomial is Taylor's, whose error on [-ln 2 / 2, ln 2 / 2] is below 2^-27.
VLLM_INLINE float exponential(float x) {
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to a whole number
  // Magnitudes compare as their bits. A comparison of floats would be taken apart into branches.
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = std::min(bits & 0x7FFFFFFFU, std::bit_cast<std::uint32_t>(87.0F));
  x = std::bit_cast<float>(magnitude | (bits & 0x80000000U));
  const float shifted = x * 1.44269504F + kRound;
  const float whole = shifted - kRound;
  const float r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(kRound);
  return p * std::bit_cast<float>((exponent + 127U) << 23);
}

VLLM_INLINE float silu(float x) { return x / (1.0F + exponential(-x)); }

}  // namespace vllm
