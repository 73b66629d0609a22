#include "host/gemm.hpp"

#include <algorithm>

#include "host/arguments.hpp"
#include "host/kernel_store.hpp"
#include "host/settings.hpp"

namespace deep_gemm {
namespace {

KernelSlot& slot_of(std::size_t index) {
  static KernelSlot slots[kMaxConfigs];
  return slots[index];
}

// How a problem is computed: what of a launch its operands' addresses don't change.
struct Plan {
  std::size_t index;  // of the configuration; config_count(): none suits
  unsigned blocks;
  unsigned shared_bytes;
  bool pairs;  // a launch that may begin before the stream's last kernel has ended starts its blocks two by two
  TileSchedule schedule;
};

// Persistent blocks, no more than multiprocessors hold nor than there can be tiles; with a split one cluster for each
// tile.
unsigned blocks_of(const KernelConfig& config, const Problem& problem, const TileSchedule& schedule,
                   int multiprocessors) {
  const std::uint64_t tiles = schedule.tiles();
  if (config.split_k > 1) return static_cast<unsigned>(tiles) * static_cast<unsigned>(config.split_k);
  const bool masked = problem.grouping == Grouping::kMasked;
  return static_cast<unsigned>(std::min(masked ? tiles * static_cast<std::uint64_t>(problem.groups) : tiles,
                                        static_cast<std::uint64_t>(multiprocessors * config.blocks)));
}

// Blocks that each start when a multiprocessor is done with the last kernel drift apart, and what neighbours share
// seems to come from device memory twice; with few rows, when reading is all there is, that shows (docs/kernels.md).
bool starts_in_pairs(const KernelConfig& config, const Problem& problem, unsigned blocks) {
  const bool reads_again = problem.m > config.tile_m && problem.m <= kDecodeRows;
  return blocks % 2 == 0 && reads_again && problem.grouping == Grouping::kNone;
}

Plan plan_with(std::size_t index, const Problem& problem, int multiprocessors) {
  if (index == config_count()) return {index, 0, 0, false, {}};
  const KernelConfig& config = config_at(index).config;
  const TileSchedule schedule = schedule_of(config, problem);
  const unsigned blocks = blocks_of(config, problem, schedule, multiprocessors);
  return {index, blocks, static_cast<unsigned>(config.shared_bytes()), starts_in_pairs(config, problem, blocks),
          schedule};
}

bool launch(const Driver& driver, CUfunction function, const KernelConfig& config, const Plan& plan, void* stream,
            const char* name, GemmArguments& arguments, Status& status) {
  CUlaunchConfig launch_config{};
  launch_config.gridDimX = plan.blocks;
  launch_config.gridDimY = 1;
  launch_config.gridDimZ = 1;
  launch_config.blockDimX = static_cast<unsigned>(config.threads());
  launch_config.blockDimY = 1;
  launch_config.blockDimZ = 1;
  launch_config.sharedMemBytes = plan.shared_bytes;
  launch_config.hStream = static_cast<CUstream>(stream);
  CUlaunchAttribute attributes[2] = {};
  launch_config.attrs = attributes;
  const bool dependent = Settings::get().dependent_launch.load(std::memory_order_relaxed);
  if (const int cluster = config.split_k > 1 ? config.split_k : dependent && plan.pairs ? 2 : 1; cluster > 1) {
    CUlaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    attribute.value.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
  }
  if (dependent) {
    CUlaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
  }
  void* parameters[] = {&arguments};
  return driver.succeeded(driver.launch_kernel(&launch_config, function, parameters, nullptr), name, status);
}

// The plan of a problem, worked out once: layers ask for the same few again and again. A thread has its own.
const Plan& remembered_plan(const Problem& problem, int multiprocessors) {
  struct Entry {
    Problem problem;
    int multiprocessors;  // 0: none is remembered here
    Plan plan;
  };
  constexpr std::size_t kPlans = 64;
  thread_local Entry entries[kPlans] = {};
  const std::size_t mixed = static_cast<std::size_t>(problem.m * 31 + problem.n * 7 + problem.k / 16 + problem.groups);
  Entry& entry = entries[mixed % kPlans];
  if (entry.multiprocessors != multiprocessors || entry.problem != problem)
    entry = {problem, multiprocessors, plan_with(choose_config(problem, multiprocessors), problem, multiprocessors)};
  return entry.plan;
}

const char* output_name(int output_bytes) { return output_bytes == 2 ? "bfloat16" : "float32"; }

bool refuse_forced(const NamedConfig& forced, const Problem& problem, Status& status) {
  return status.refuse("force_config: expected a call of %s with %s output, which %s serves, got %s with %s output%s",
                       kind_name(forced.config.kind), output_name(forced.config.output_bytes), forced.name,
                       kind_name(problem.kind), output_name(problem.output_bytes),
                       problem.grouping == Grouping::kNone ? "" : ", or rows aligned for other tiles");
}

// Fills `plan` for the problem, with the forced configuration where there is one.
bool make_plan(const Problem& problem, int multiprocessors, Plan& plan, Status& status) {
  const int forced = Settings::get().forced_config.load(std::memory_order_relaxed);
  if (forced >= 0) {
    const NamedConfig& named = config_at(static_cast<std::size_t>(forced));
    if (!suits(named.config, problem)) return refuse_forced(named, problem, status);
    plan = plan_with(static_cast<std::size_t>(forced), problem, multiprocessors);
    return true;
  }
  plan = remembered_plan(problem, multiprocessors);
  if (plan.index != config_count()) return true;
  return status.refuse(
      "alignment: expected a multiple of a tile's rows, %lld has none in the configurations of %s; "
      "set_mk_alignment_for_contiguous_layout(128) fits all",
      static_cast<long long>(problem.alignment), kind_name(problem.kind));
}

}  // namespace

bool launch_checked(const GemmOperands& operands, const Problem& problem, void* stream, Status& status) {
  if (problem.m == 0 || problem.n == 0) return true;
  const Driver* driver = Driver::get(status);
  if (driver == nullptr) return false;
  const Device* device = Device::get(*driver, operands.a.device, status);
  if (device == nullptr) return false;
  const int limit = Settings::get().multiprocessors.load(std::memory_order_relaxed);
  const int multiprocessors = limit > 0 ? std::min(limit, device->multiprocessors) : device->multiprocessors;
  Plan plan{};
  if (!make_plan(problem, multiprocessors, plan, status)) return false;
  const NamedConfig& named = config_at(plan.index);
  GemmArguments arguments{};
  if (!make_arguments(*driver, operands, named.config, problem, plan.schedule, plan.blocks, arguments, status))
    return false;
  const ContextGuard guard(*driver, *device);
  CUfunction function = slot_of(plan.index).get(*driver, *device, named.cubin, "gemm", plan.shared_bytes, status);
  if (function == nullptr) return false;
  return launch(*driver, function, named.config, plan, stream, operands.function, arguments, status);
}

bool gemm(const GemmOperands& operands, void* stream, Status& status) {
  Problem problem;
  return check(operands, problem, status) && launch_checked(operands, problem, stream, status);
}

}  // namespace deep_gemm
