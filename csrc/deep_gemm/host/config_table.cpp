#include "host/config_table.hpp"

#include <algorithm>
#include <iterator>

namespace deep_gemm {
namespace {

constexpr NamedConfig kConfigs[] = {
#define DEEP_GEMM_CONFIG(name, ...) {#name, "fp8_gemm_" #name, KernelConfig{__VA_ARGS__}},
#include "shared/fp8_gemm_configs.def"
#undef DEEP_GEMM_CONFIG
};

constexpr bool all_valid() {
  for (const NamedConfig& named : kConfigs)
    if (invalid_reason(named.config) != nullptr) return false;
  return true;
}
static_assert(all_valid(), "a row of shared/fp8_gemm_configs.def is invalid: see invalid_reason");

static_assert(std::size(kConfigs) <= kMaxConfigs);

// Rates of one multiprocessor, for comparing configurations with each other. Source: the H200's data sheet
// (4096 e4m3 multiply-adds a cycle), and 4.3 TB/s of device memory over 132 multiprocessors at 1.75 GHz.
constexpr double kMultiplyAddsPerCycle = 4096;
constexpr double kBytesPerCycle = 4.3e12 / 132 / 1.75e9;
// Filling the pipeline once, and storing the last tile: latencies that no overlap hides.
constexpr double kFillCycles = 1500;

std::int64_t divide_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

}  // namespace

std::size_t config_count() { return std::size(kConfigs); }

const NamedConfig& config_at(std::size_t index) { return kConfigs[index]; }

Estimate estimate(const KernelConfig& config, const Problem& problem, int multiprocessors) {
  Estimate result{};
  const std::int64_t tiles_m = divide_up(problem.m, config.tile_m);
  const std::int64_t tiles_n = divide_up(problem.n, config.tile_n);
  result.tiles = tiles_m * tiles_n;
  result.waves = divide_up(result.tiles, multiprocessors);
  const double steps = static_cast<double>(divide_up(problem.k, kTileK));
  const double multiply = static_cast<double>(config.tile_m) * config.tile_n * kTileK / kMultiplyAddsPerCycle;
  // One consumer cannot promote and multiply at once: two registers' worth of work for each accumulator.
  const double promote = config.consumers() > 1 ? 0 : config.tile_n / 2.0;
  const double busy = static_cast<double>(std::min<std::int64_t>(result.tiles, multiprocessors));
  // Operands shared by tiles of one wave come from L2; what one wave reads of device memory is spread over all.
  const double unique_bytes =
      (static_cast<double>(std::min(problem.m, tiles_m * config.tile_m)) + static_cast<double>(problem.n)) * kTileK;
  const double read = unique_bytes / (kBytesPerCycle * busy) * (busy / static_cast<double>(result.tiles));
  const double read_own = (config.tile_m + config.tile_n) * kTileK / (4 * kBytesPerCycle);
  result.tile_cycles = steps * std::max({multiply + promote, read, read_own});
  result.epilogue_cycles = static_cast<double>(config.output_tile_bytes()) / 32;
  result.cycles = static_cast<double>(result.waves) * (result.tile_cycles + result.epilogue_cycles) + kFillCycles;
  return result;
}

std::size_t choose_config(const Problem& problem, int multiprocessors) {
  std::size_t best = config_count();
  double best_cycles = 0;
  for (std::size_t i = 0; i < config_count(); ++i) {
    if (kConfigs[i].config.output_bytes != problem.output_bytes) continue;
    const double cycles = estimate(kConfigs[i].config, problem, multiprocessors).cycles;
    if (best == config_count() || cycles < best_cycles) {
      best = i;
      best_cycles = cycles;
    }
  }
  return best;
}

TileSchedule schedule_of(const KernelConfig& config, const Problem& problem) {
  constexpr std::uint32_t kBand = 8;  // tiles: 8 x 128 rows of A and the columns of one wave stay in 60 MB of L2
  return {static_cast<std::uint32_t>(divide_up(problem.m, config.tile_m)),
          static_cast<std::uint32_t>(divide_up(problem.n, config.tile_n)), kBand};
}

}  // namespace deep_gemm
