// The configurations that were compiled, and the choice among them: pure arithmetic, no GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/gemm_arguments.hpp"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

struct NamedConfig {
  const char* name;   // a row of shared/gemm_configs.def
  const char* cubin;  // "gemm_" + name
  KernelConfig config;
};

inline constexpr std::size_t kMaxConfigs = 128;

std::size_t config_count();
const NamedConfig& config_at(std::size_t index);

inline constexpr int kKinds = 9;

// Up to so many rows the bytes of B set the time.
inline constexpr std::int64_t kDecodeRows = 128;

// A kind's name in messages and on the command line, "bf16_nn_grouped".
const char* kind_name(Kind kind);

struct Problem {
  Kind kind;
  std::int64_t m;  // rows of all groups; masked: of one group
  std::int64_t n;
  std::int64_t k;
  int output_bytes;
  Grouping grouping = Grouping::kNone;
  std::int64_t groups = 1;
  std::int64_t expected_m = 0;  // rows of a group that the caller expects to count; 0: not said
  std::int64_t alignment = 0;   // contiguous and psum: the groups' first rows are multiples of it
  bool early_weights = false;   // dense: B may be loaded before the stream's last kernel has ended

  bool operator==(const Problem&) const = default;
};

// Whether the configuration can compute the problem.
bool suits(const KernelConfig& config, const Problem& problem);

// Why a configuration stands where it does: every term of the estimate, so that a choice can be explained. Cycles of
// one multiprocessor.
struct Estimate {
  std::int64_t tiles;      // of the output; grouped: of the rows that are expected to count
  std::int64_t waves;      // tiles over those that are worked on at once, rounded up
  double multiply_cycles;  // of one k step on the tensor cores, with what of the promotion no other warp hides
  double load_cycles;      // of one k step's operands out of L2
  double memory_cycles;    // of the whole problem's bytes out of device memory
  double cycles;           // the whole problem
};

Estimate estimate(const KernelConfig& config, const Problem& problem, int multiprocessors);

// The index of the configuration with the lowest estimate among those that suit; m, n >= 1. config_count() where none
// does.
std::size_t choose_config(const Problem& problem, int multiprocessors);

// Rows of A that a tile has: all that it has room for, or with few rows as many as they are shared out to, since rows
// that are not there cost a bulk copy more than rows that are (docs/kernels.md).
std::uint32_t tile_rows(const KernelConfig& config, const Problem& problem);

// k steps of B that each block of a dense product asks for before the stream's last kernel has ended: into its stages
// with early weights, else into L2.
std::uint32_t steps_loaded_early(const KernelConfig& config, const Problem& problem);
std::uint32_t steps_prefetched(const KernelConfig& config, const Problem& problem);

// Tiles that `multiprocessors` work on at once.
std::int64_t tile_slots(const KernelConfig& config, int multiprocessors);

// The order of tiles that keeps a wave's operands in L2; psum and masked: of the rows that one group may have.
TileSchedule schedule_of(const KernelConfig& config, const Problem& problem);

}  // namespace deep_gemm
