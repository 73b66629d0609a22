// The order in which persistent blocks walk the output tiles; the same arithmetic on host and device.
#pragma once

#include <cstdint>

#include "shared/host_device.hpp"

namespace deep_gemm {

struct TileCoordinate {
  std::uint32_t m;  // in tiles
  std::uint32_t n;
};

// Tiles of a cluster each, in bands of `band` rows of tiles: inside a band m runs fastest, so that neighbours in time
// share a tile of B and the band's rows of A stay in L2.
struct TileSchedule {
  std::uint32_t tiles_m;
  std::uint32_t tiles_n;
  std::uint32_t band;

  DEEP_GEMM_HOST_DEVICE constexpr std::uint32_t tiles() const { return tiles_m * tiles_n; }

  DEEP_GEMM_HOST_DEVICE constexpr TileCoordinate at(std::uint32_t index) const {
    const std::uint32_t tiles_in_band = band * tiles_n;
    const std::uint32_t first_m = index / tiles_in_band * band;
    const std::uint32_t rows = tiles_m - first_m < band ? tiles_m - first_m : band;
    const std::uint32_t inside = index % tiles_in_band;
    return {first_m + inside % rows, inside / rows};
  }
};

}  // namespace deep_gemm
