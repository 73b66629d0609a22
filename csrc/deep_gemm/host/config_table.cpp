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

// Rates of one multiprocessor, for comparing configurations with each other. Source: the H200's data sheet for the
// tensor cores; the others measured on an H200 at 1.75 GHz (benchmarks/results/).
constexpr double kMultiplyAddsPerCycle = 4096;
constexpr double kL2BytesPerCycle = 31;
constexpr double kMemoryBytesPerCycle = 4.3e12 / 1.75e9;  // of the whole device
constexpr double kFillCycles = 1500;                      // launch, first operands, last store
constexpr double kSplitCycles = 1500;                     // exchanging parts inside of a cluster
constexpr double kLoneConsumerCycles = 150;               // waiting and promoting where no other consumer multiplies

std::int64_t divide_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

}  // namespace

std::size_t config_count() { return std::size(kConfigs); }

const NamedConfig& config_at(std::size_t index) { return kConfigs[index]; }

std::int64_t cluster_slots(const KernelConfig& config, int multiprocessors) {
  // Clusters lie inside of a GPC of 16 or 18 multiprocessors: pairs waste none, larger ones those of 18.
  const int usable = config.cluster() <= 2 ? multiprocessors : multiprocessors / 33 * 32 + multiprocessors % 33;
  return std::max(1, usable / config.cluster());
}

Estimate estimate(const KernelConfig& config, const Problem& problem, int multiprocessors) {
  Estimate result{};
  const TileSchedule schedule = schedule_of(config, problem);
  result.tiles = schedule.tiles();
  result.waves = divide_up(result.tiles, cluster_slots(config, multiprocessors));
  const double steps = static_cast<double>(divide_up(divide_up(problem.k, kTileK), config.split_k));
  result.multiply_cycles = static_cast<double>(config.tile_m) * config.tile_n * kTileK / kMultiplyAddsPerCycle;
  if (config.consumers() == 1) result.multiply_cycles += kLoneConsumerCycles + config.tile_n / 2.0;
  const double rows = static_cast<double>(config.tile_m) / config.cluster_n + static_cast<double>(config.tile_n) / config.cluster_m;
  result.load_cycles = rows * kTileK / kL2BytesPerCycle;
  const double m = static_cast<double>(problem.m);
  const double n = static_cast<double>(problem.n);
  result.memory_cycles =
      ((m + n) * static_cast<double>(problem.k) + m * n * problem.output_bytes) / kMemoryBytesPerCycle;
  const double epilogue = config.tile_m * config.tile_n * config.output_bytes / (2 * kL2BytesPerCycle);
  const double tile = steps * std::max(result.multiply_cycles, result.load_cycles) + epilogue;
  result.cycles = std::max(static_cast<double>(result.waves) * tile, result.memory_cycles) + kFillCycles +
                  (config.split_k > 1 ? kSplitCycles : 0);
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
  // A band of 1024 rows of A and the columns of one wave stay in L2.
  constexpr std::int64_t kBandRows = 1024;
  const std::int64_t rows = std::int64_t{config.tile_m} * config.cluster_m;
  return TileSchedule::of(
      static_cast<std::uint32_t>(divide_up(problem.m, rows)),
      static_cast<std::uint32_t>(divide_up(problem.n, std::int64_t{config.tile_n} * config.cluster_n)),
      static_cast<std::uint32_t>(std::max<std::int64_t>(1, kBandRows / rows)));
}

}  // namespace deep_gemm
