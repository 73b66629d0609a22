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

// Persistent blocks, at most one on each multiprocessor nor more than there can be tiles; with a split one cluster for
// each tile.
unsigned blocks_of(const KernelConfig& config, const GemmArguments& arguments, int multiprocessors) {
  const std::uint64_t tiles = arguments.schedule.tiles();
  if (config.split_k > 1) return static_cast<unsigned>(tiles) * static_cast<unsigned>(config.split_k);
  const bool masked = arguments.groups.grouping == Grouping::kMasked;
  return static_cast<unsigned>(
      std::min(masked ? tiles * arguments.groups.count : tiles, static_cast<std::uint64_t>(multiprocessors)));
}

bool launch(const Driver& driver, CUfunction function, const KernelConfig& config, unsigned blocks, void* stream,
            const char* name, GemmArguments& arguments, Status& status) {
  CUlaunchConfig launch_config{};
  launch_config.gridDimX = blocks;
  launch_config.gridDimY = 1;
  launch_config.gridDimZ = 1;
  launch_config.blockDimX = static_cast<unsigned>(config.threads());
  launch_config.blockDimY = 1;
  launch_config.blockDimZ = 1;
  launch_config.sharedMemBytes = static_cast<unsigned>(config.shared_bytes());
  launch_config.hStream = static_cast<CUstream>(stream);
  CUlaunchAttribute attributes[2] = {};
  launch_config.attrs = attributes;
  if (config.split_k > 1) {
    CUlaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    attribute.value.clusterDim = {static_cast<unsigned>(config.split_k), 1, 1};
  }
  if (Settings::get().dependent_launch.load(std::memory_order_relaxed)) {
    CUlaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
  }
  void* parameters[] = {&arguments};
  return driver.succeeded(driver.launch_kernel(&launch_config, function, parameters, nullptr), name, status);
}

// The choice for a problem, worked out once: layers ask for the same few again and again. A thread has its own.
std::size_t remembered_choice(const Problem& problem, int multiprocessors) {
  struct Choice {
    Problem problem;
    int multiprocessors;  // 0: none is remembered here
    std::size_t index;
  };
  constexpr std::size_t kChoices = 64;
  thread_local Choice choices[kChoices] = {};
  const std::size_t mixed = static_cast<std::size_t>(problem.m * 31 + problem.n * 7 + problem.k / 16 + problem.groups);
  Choice& choice = choices[mixed % kChoices];
  if (choice.multiprocessors != multiprocessors || choice.problem != problem)
    choice = {problem, multiprocessors, choose_config(problem, multiprocessors)};
  return choice.index;
}

const char* output_name(int output_bytes) { return output_bytes == 2 ? "bfloat16" : "float32"; }

bool refuse_forced(const NamedConfig& forced, const Problem& problem, Status& status) {
  return status.refuse("force_config: expected a call of %s with %s output, which %s serves, got %s with %s output%s",
                       kind_name(forced.config.kind), output_name(forced.config.output_bytes), forced.name,
                       kind_name(problem.kind), output_name(problem.output_bytes),
                       problem.grouping == Grouping::kNone ? "" : ", or rows aligned for other tiles");
}

}  // namespace

std::size_t config_for(const Problem& problem, int multiprocessors, Status& status) {
  const int forced = Settings::get().forced_config.load(std::memory_order_relaxed);
  if (forced >= 0) {
    const NamedConfig& named = config_at(static_cast<std::size_t>(forced));
    if (suits(named.config, problem)) return static_cast<std::size_t>(forced);
    refuse_forced(named, problem, status);
    return config_count();
  }
  const std::size_t index = remembered_choice(problem, multiprocessors);
  if (index == config_count())
    status.refuse(
        "alignment: expected a multiple of a tile's rows, %lld has none in the configurations of %s; "
        "set_mk_alignment_for_contiguous_layout(128) fits all",
        static_cast<long long>(problem.alignment), kind_name(problem.kind));
  return index;
}

bool launch_checked(const GemmOperands& operands, const Problem& problem, void* stream, Status& status) {
  if (problem.m == 0 || problem.n == 0) return true;
  const Driver* driver = Driver::get(status);
  if (driver == nullptr) return false;
  const Device* device = Device::get(*driver, operands.a.device, status);
  if (device == nullptr) return false;
  const int limit = Settings::get().multiprocessors.load(std::memory_order_relaxed);
  const int multiprocessors = limit > 0 ? std::min(limit, device->multiprocessors) : device->multiprocessors;
  const std::size_t index = config_for(problem, multiprocessors, status);
  if (index == config_count()) return false;
  const NamedConfig& named = config_at(index);
  GemmArguments arguments{};
  if (!make_arguments(*driver, operands, named.config, problem, arguments, status)) return false;
  const ContextGuard guard(*driver, *device);
  CUfunction function = slot_of(index).get(*driver, *device, named.cubin, "gemm", named.config.shared_bytes(), status);
  if (function == nullptr) return false;
  return launch(*driver, function, named.config, blocks_of(named.config, arguments, multiprocessors), stream,
                operands.function, arguments, status);
}

bool gemm(const GemmOperands& operands, void* stream, Status& status) {
  Problem problem;
  return check(operands, problem, status) && launch_checked(operands, problem, stream, status);
}

}  // namespace deep_gemm
