#include "host/config_table.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace deep_gemm {
namespace {

constexpr NamedConfig kConfigs[] = {
#define DEEP_GEMM_CONFIG(name, ...) {#name, "gemm_" #name, KernelConfig{__VA_ARGS__}},
#include "shared/gemm_configs.def"
#undef DEEP_GEMM_CONFIG
};

constexpr bool all_valid() {
  for (const NamedConfig& named : kConfigs)
    if (invalid_reason(named.config) != nullptr) return false;
  return true;
}
static_assert(all_valid(), "a row of shared/gemm_configs.def is invalid: see invalid_reason");

static_assert(std::size(kConfigs) <= kMaxConfigs);

// Rates for comparing configurations with each other, in cycles of one multiprocessor. Source: 4096 e4m3
// multiply-adds a cycle by the H200's data sheet, half as many of bf16; the others fitted to the times of all
// configurations on the published shapes on one H200 (docs/kernels.md says how), so they stand for more than their
// names say where that chose better.
constexpr double kMultipliedBytesPerCycle = 4096;
constexpr double kMultiplyShare = 1.60;       // what an FP8 k step takes of the tensor cores' time, with two consumers
constexpr double kMultiplyShareThree = 1.40;  // with three
constexpr double kAheadShare = 1.43;          // with two that run ahead (they hide what others wait for)
constexpr double kAheadShareAlone = 0.69;     // with one that runs ahead
constexpr double kPromoteCycles = 0.12;       // of one column of one wave
constexpr double kWaitCycles = 216;           // of one wgmma's end
constexpr double kBf16Share = 1.28;           // what a BF16 k step takes of the tensor cores' time
constexpr double kBf16StepCycles = 63;
constexpr double kL2BytesPerCycle = 54.3;      // of one multiprocessor
constexpr double kMemoryBytesPerCycle = 3435;  // of the whole device
constexpr double kTileCycles = 696;            // filling the pipeline
constexpr double kStoreCyclesPerByte = 0.037;  // of the output tile
constexpr double kLaunchCycles = 7340;
constexpr double kSplitCycles = 900;         // of clusters: their start, and waiting for each other
constexpr double kSplitThreeCycles = 400;    // of clusters of three, besides
constexpr double kSplitTurnCycles = 8000;    // of every further turn of them
constexpr double kSplitRowsShare = 0.84;     // of the time that memory takes for B, with every further tile of rows
constexpr double kNarrowStoreCycles = 6500;  // of a tile of two waves whose panels are not 128 bytes wide
constexpr double kEarlyShare = 1.5;          // few rows: of the time that memory takes for what is loaded early
constexpr double kLastStoreCyclesPerByte = 0.15;  // few rows: of the output tile, while nothing is loaded any more
constexpr double kSharedStreamShare = 1.025;      // few rows: of loading where tiles of other rows load the same B
constexpr double kTallTileCycles = 450;           // few rows: of a tile of more than 64

// About as much of B as memory brings until A may be read; more would stand in A's way (docs/kernels.md).
constexpr std::uint32_t kPrefetchedBytes = 48 << 10;
constexpr std::uint32_t kPrefetchedBytesShared = 32 << 10;  // where k is split or two blocks share a multiprocessor
constexpr std::uint32_t kLoadedBytes = 64 << 10;
constexpr std::uint32_t kLoadedBytesOfFew = 96 << 10;   // where up to 64 rows are all
constexpr std::uint32_t kLoadedBytesOfTall = 32 << 10;  // beside more than 64 rows of A
constexpr int kLoadedStepsOfThree = 6;                  // with k in three
static_assert(kLoadedStepsOfThree <= kMostEarlySteps, "a block sets up no more barriers for what it loads early");

constexpr const char* kKindNames[] = {"fp8",     "fp8_grouped",     "fp8_row_scales", "bf16_nt", "bf16_nt_grouped",
                                      "bf16_nn", "bf16_nn_grouped", "bf16_tn",        "bf16_tt"};
static_assert(std::size(kKindNames) == kKinds && static_cast<int>(Kind::kBf16Tt) + 1 == kKinds);

std::int64_t divide_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

}  // namespace

const char* kind_name(Kind kind) { return kKindNames[static_cast<int>(kind)]; }

std::size_t config_count() { return std::size(kConfigs); }

const NamedConfig& config_at(std::size_t index) { return kConfigs[index]; }

std::int64_t tile_slots(const KernelConfig& config, int multiprocessors) {
  // A GPC has an even number of multiprocessors, so pairs waste none; clusters of three do, 39 find room on 132.
  // Source: cudaOccupancyMaxActiveClusters on an H200.
  if (config.split_k == 3) return std::max(1, multiprocessors * 3 / 10);
  return std::max(1, multiprocessors * config.blocks / config.split_k);
}

namespace {

double multiply_cycles(const KernelConfig& config) {
  const double multiply = static_cast<double>(config.tile_m) * config.tile_n * kStepBytes / kMultipliedBytesPerCycle;
  if (!config.fp8()) return multiply * kBf16Share + kBf16StepCycles;
  const double promote = config.waves() * (config.tile_n * kPromoteCycles + kWaitCycles);
  if (config.runs_ahead())
    return std::max(multiply * (config.consumers() == 1 ? kAheadShareAlone : kAheadShare), promote);
  if (config.consumers() == 1) return multiply + promote;
  const double share = config.consumers() == 3 ? kMultiplyShareThree : kMultiplyShare;
  return std::max(multiply * share, multiply / config.consumers() + promote);
}

// The rows that are expected to count: of one group, and of all.
struct ExpectedRows {
  std::int64_t of_group;
  std::int64_t of_all;

  static ExpectedRows of(const Problem& problem) {
    const bool masked = problem.grouping == Grouping::kMasked;
    const std::int64_t most = masked ? problem.m * problem.groups : problem.m;
    if (problem.expected_m == 0) return {divide_up(most, problem.groups), most};
    const std::int64_t of_group = std::min(problem.expected_m, problem.m);
    return {of_group, std::min(most, of_group * problem.groups)};
  }
};

// Groups whose rows stand where tiles begin: each ends with a tile of its own, half full on average where rows are
// masked, of which the expected number is a guess.
std::int64_t expected_tiles_m(const KernelConfig& config, const Problem& problem, const ExpectedRows& rows) {
  const std::int64_t of_groups = divide_up(rows.of_group, config.tile_m) * problem.groups;
  if (problem.grouping == Grouping::kMasked)
    return std::max(problem.groups,
                    ((2 * rows.of_group + config.tile_m) * problem.groups + config.tile_m) / (2 * config.tile_m));
  return problem.expected_m == 0 ? divide_up(problem.m, config.tile_m)
                                 : std::min(of_groups, divide_up(problem.m, config.tile_m));
}

// Blocks that read the same B for other rows stand in other clusters, and most of B comes from device memory for each.
double split_cycles(const KernelConfig& config, const Problem& problem, std::int64_t waves, std::int64_t tiles_m) {
  if (config.split_k == 1) return 0;
  const double b_cycles = static_cast<double>(problem.n * problem.k * config.operand_bytes()) / kMemoryBytesPerCycle;
  return kSplitCycles + (config.split_k == 3 ? kSplitThreeCycles : 0) +
         static_cast<double>(waves - 1) * kSplitTurnCycles +
         static_cast<double>(tiles_m - 1) * kSplitRowsShare * b_cycles;
}

// What weights that are loaded early, and not only asked for, save.
double early_cycles(const KernelConfig& config, const Problem& problem, double blocks) {
  if (!problem.early_weights) return 0;
  const std::uint32_t step_bytes = config.b_stage_bytes();
  const double loaded = std::min(steps_loaded_early(config, problem) * step_bytes, kLoadedBytes);
  const double saved = std::max(loaded - steps_prefetched(config, problem) * step_bytes, 0.0);
  return kEarlyShare * saved * blocks / kMemoryBytesPerCycle;
}

double load_cycles(const KernelConfig& config, const Problem& problem, std::int64_t rows, double streams) {
  const bool again = config.fp8() && problem.grouping == Grouping::kNone && rows <= kDecodeRows && rows > config.tile_m;
  const double shared = (again ? kSharedStreamShare : 1) *
                        static_cast<double>(tile_rows(config, problem) * kStepBytes + config.b_stage_bytes()) /
                        kL2BytesPerCycle;
  // Few rows: B is read once, from device memory, at what each busy multiprocessor gets of that.
  const double memory = rows > kDecodeRows ? 0 : config.b_stage_bytes() * streams / kMemoryBytesPerCycle;
  return config.blocks * std::max(shared, memory);
}

}  // namespace

bool suits(const KernelConfig& config, const Problem& problem) {
  if (config.kind != problem.kind || config.output_bytes != problem.output_bytes) return false;
  const bool aligned = problem.grouping == Grouping::kContiguous || problem.grouping == Grouping::kPsum;
  return !aligned || problem.alignment % config.tile_m == 0;
}

std::uint32_t tile_rows(const KernelConfig& config, const Problem& problem) {
  if (problem.grouping != Grouping::kNone || problem.m > kDecodeRows || config.a_mn_major())
    return static_cast<std::uint32_t>(config.tile_m);
  const std::int64_t tiles = divide_up(problem.m, config.tile_m);
  // A bulk copy of scale factors begins at a multiple of 16 bytes.
  return static_cast<std::uint32_t>(tiles == 1 ? problem.m : divide_up(problem.m, 4 * tiles) * 4);
}

std::uint32_t steps_loaded_early(const KernelConfig& config, const Problem& problem) {
  if (!problem.early_weights) return 0;
  const bool few = problem.m <= kWgmmaRows && config.blocks == 1;
  const std::uint32_t bytes = config.tile_m > kWgmmaRows ? kLoadedBytesOfTall : few ? kLoadedBytesOfFew : kLoadedBytes;
  const int most = std::min(config.stages, config.split_k == 3 ? kLoadedStepsOfThree : kMostEarlySteps);
  return std::min(static_cast<std::uint32_t>(most),
                  bytes / static_cast<std::uint32_t>(config.blocks * config.b_stage_bytes()));
}

std::uint32_t steps_prefetched(const KernelConfig& config, const Problem& problem) {
  if (problem.m > kDecodeRows) return 0;
  const bool shared = config.split_k > 1 || config.blocks > 1;
  return (shared ? kPrefetchedBytesShared : kPrefetchedBytes) / static_cast<std::uint32_t>(config.b_stage_bytes());
}

Estimate estimate(const KernelConfig& config, const Problem& problem, int multiprocessors) {
  Estimate result{};
  const ExpectedRows rows = ExpectedRows::of(problem);
  const std::int64_t tiles_m = expected_tiles_m(config, problem, rows);
  result.tiles = tiles_m * divide_up(problem.n, config.tile_n);
  result.waves = divide_up(result.tiles, tile_slots(config, multiprocessors));
  const double blocks = static_cast<double>(std::min<std::int64_t>(result.tiles * config.split_k, multiprocessors));
  result.multiply_cycles = multiply_cycles(config);
  // Blocks whose tiles of B differ. Where rows are grouped all count: their constants were fitted so.
  const bool dense = problem.grouping == Grouping::kNone;
  const double streams = dense ? blocks / static_cast<double>(divide_up(problem.m, config.tile_m)) : blocks;
  result.load_cycles = load_cycles(config, problem, rows.of_group, streams);
  const double m = static_cast<double>(rows.of_all);
  const double n = static_cast<double>(problem.n);
  const double operand_rows = m + n * static_cast<double>(problem.groups);
  result.memory_cycles =
      (operand_rows * static_cast<double>(problem.k * config.operand_bytes()) + m * n * problem.output_bytes) /
      kMemoryBytesPerCycle;
  const double steps = static_cast<double>(divide_up(divide_up(problem.k, config.tile_k()), config.split_k));
  const double tile_bytes = static_cast<double>(config.tile_m) * config.tile_n * config.output_bytes;
  const bool narrow = config.waves() > 1 && config.panel_bytes() < 128;
  const double tile = steps * std::max(result.multiply_cycles, result.load_cycles) + kTileCycles +
                      kStoreCyclesPerByte * tile_bytes + (narrow ? kNarrowStoreCycles : 0);
  result.cycles = std::max(static_cast<double>(result.waves) * tile, result.memory_cycles) + kLaunchCycles +
                  split_cycles(config, problem, result.waves, tiles_m);
  if (dense && problem.m <= kDecodeRows)
    result.cycles += kLastStoreCyclesPerByte * tile_bytes + (config.tile_m > kWgmmaRows ? kTallTileCycles : 0) -
                     early_cycles(config, problem, blocks);
  return result;
}

std::size_t choose_config(const Problem& problem, int multiprocessors) {
  std::size_t best = config_count();
  double best_cycles = 0;
  for (std::size_t i = 0; i < config_count(); ++i) {
    if (!suits(kConfigs[i].config, problem)) continue;
    const double cycles = estimate(kConfigs[i].config, problem, multiprocessors).cycles;
    if (best == config_count() || cycles < best_cycles) {
      best = i;
      best_cycles = cycles;
    }
  }
  return best;
}

TileSchedule schedule_of(const KernelConfig& config, const Problem& problem) {
  // What a wave of tiles reads is smallest where it is as high as wide; bands of one height, not a thin last one.
  constexpr double kTilesAtOnce = 132;
  const std::int64_t tiles_m = divide_up(problem.m, config.tile_m);
  const double square = std::sqrt(kTilesAtOnce * config.tile_n / config.tile_m);
  const std::int64_t bands = divide_up(tiles_m, std::max<std::int64_t>(1, std::llround(square)));
  return TileSchedule::of(static_cast<std::uint32_t>(tiles_m),
                          static_cast<std::uint32_t>(divide_up(problem.n, config.tile_n)),
                          static_cast<std::uint32_t>(divide_up(tiles_m, bands)));
}

}  // namespace deep_gemm
