// The order in which persistent blocks walk the output tiles; the same arithmetic on host and device.
#pragma once

#include <cstdint>

#include "shared/host_device.hpp"

namespace deep_gemm {

// Division of numbers below 2^31 by one that is known beforehand: a multiplication and a shift.
// Source: Granlund and Montgomery, "Division by invariant integers using multiplication", PLDI 1994, theorem 4.2.
struct Divisor {
  std::uint32_t value;
  std::uint32_t magic;
  std::uint32_t shift;

  static constexpr Divisor of(std::uint32_t value) {
    std::uint32_t shift = 0;
    while ((std::uint64_t{1} << shift) < value) ++shift;
    const std::uint64_t scaled = (std::uint64_t{1} << (31 + shift)) + value - 1;
    return {value, static_cast<std::uint32_t>(scaled / value), shift};
  }

  DEEP_GEMM_HOST_DEVICE constexpr std::uint32_t quotient(std::uint32_t number) const {
    return static_cast<std::uint32_t>((std::uint64_t{number} * magic) >> 31 >> shift);
  }
};

struct TileCoordinate {
  std::uint32_t m;  // in tiles
  std::uint32_t n;
};

// Tiles in bands of `band` rows of tiles: inside a band m runs fastest, so that neighbours in time
// share a tile of B and the band's rows of A stay in L2.
struct TileSchedule {
  std::uint32_t tiles_m;
  std::uint32_t tiles_n;
  Divisor band;           // rows of tiles
  Divisor last_band;      // rows of the last band
  Divisor tiles_in_band;  // band * tiles_n

  static constexpr TileSchedule of(std::uint32_t tiles_m, std::uint32_t tiles_n, std::uint32_t band) {
    const std::uint32_t rest = tiles_m % band;
    return {tiles_m, tiles_n, Divisor::of(band), Divisor::of(rest == 0 ? band : rest), Divisor::of(band * tiles_n)};
  }

  DEEP_GEMM_HOST_DEVICE constexpr std::uint32_t tiles() const { return tiles_m * tiles_n; }

  DEEP_GEMM_HOST_DEVICE constexpr TileCoordinate at(std::uint32_t index) const {
    const std::uint32_t first_m = tiles_in_band.quotient(index) * band.value;
    const std::uint32_t inside = index - first_m * tiles_n;
    const Divisor& rows = first_m + band.value <= tiles_m ? band : last_band;
    const std::uint32_t n = rows.quotient(inside);
    return {first_m + inside - n * rows.value, n};
  }

  // The same, without a division where one or two rows of tiles are all. For a block's start: in the loop over tiles
  // the branch costs more than it saves (docs/kernels.md).
  DEEP_GEMM_HOST_DEVICE constexpr TileCoordinate at_start(std::uint32_t index) const {
    if (tiles_m > 2 || band.value != tiles_m) return at(index);
    return {index & (tiles_m - 1), index >> (tiles_m - 1)};
  }
};

}  // namespace deep_gemm
