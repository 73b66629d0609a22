#include "host/gemm.hpp"

#include <algorithm>
#include <cinttypes>
#include <climits>

#include "host/kernel_store.hpp"
#include "host/settings.hpp"
#include "host/tensor_map.hpp"

namespace deep_gemm {
namespace {

constexpr std::int64_t kAlignmentBytes = 16;

std::int64_t scale_columns(std::int64_t extent) { return (extent + kScaleGranularity - 1) / kScaleGranularity; }

bool check_operand(const TensorView& tensor, std::int64_t rows, std::int64_t columns, const char* why, Status& status) {
  return expect_shape(tensor, rows, columns, why, status) && expect_row_major(tensor, status);
}

bool check_e4m3(const TensorView& tensor, Status& status) {
  if (!expect_type(tensor, ElementType::kE4m3, status) || !expect_row_major(tensor, status)) return false;
  const std::int64_t k = tensor.shape[1];
  if (k % kAlignmentBytes != 0)
    return status.refuse("%s: expected k a multiple of 16, got shape (%" PRId64 ", %" PRId64 ")", tensor.name,
                         tensor.shape[0], k);
  if (k > 0 && row_stride(tensor) % kAlignmentBytes != 0)
    return status.refuse("%s: expected a row stride that is a multiple of 16, got %" PRId64, tensor.name,
                         row_stride(tensor));
  return true;
}

bool check_scale(const TensorView& scale, std::int64_t rows, std::int64_t k, Status& status) {
  if (scale.type == ElementType::kInt32)
    return status.refuse("%s: expected float32, got int32 (packed UE8M0 scales are of Blackwell; pass them as float32)",
                         scale.name);
  if (!expect_type(scale, ElementType::kF32, status) || !expect_rank(scale, 2, status)) return false;
  if (scale.shape[0] == rows && scale.shape[1] == scale_columns(k)) return true;
  return status.refuse("%s: expected shape (%" PRId64 ", %" PRId64 "), got (%" PRId64 ", %" PRId64 "); k=%" PRId64
                       ", granularity %d",
                       scale.name, rows, scale_columns(k), scale.shape[0], scale.shape[1], k, kScaleGranularity);
}

// As get_mn_major_tma_aligned_tensor makes it: what a bulk tensor copy can read.
bool check_mn_major(const TensorView& scale, Status& status) {
  const std::int64_t rows = scale.shape[0];
  const bool dense = rows < 2 || scale.strides[0] == 1;
  const bool aligned = scale.shape[1] < 2 || (scale.strides[1] % 4 == 0 && scale.strides[1] >= rows);
  if (dense && aligned) return true;
  return status.refuse("%s: expected MN-major, strides (1, a multiple of 4 >= %" PRId64 "), got (%" PRId64 ", %" PRId64
                       "); get_mn_major_tma_aligned_tensor makes it so",
                       scale.name, rows, scale.strides[0], scale.strides[1]);
}

bool check_extents(std::int64_t m, std::int64_t n, std::int64_t k, Status& status) {
  if (std::max({m, n, k}) <= INT_MAX) return true;
  return status.refuse("a, b: expected m, n and k below 2^31, got m=%" PRId64 ", n=%" PRId64 ", k=%" PRId64, m, n, k);
}

bool check_places(const Fp8GemmOperands& operands, Status& status) {
  const TensorView* tensors[] = {&operands.a,       &operands.scale_a, &operands.b,
                                 &operands.scale_b, &operands.d,       &operands.c};
  for (const TensorView* tensor : tensors) {
    if (tensor == &operands.c && !operands.has_c) continue;
    if (!expect_memory(*tensor, status) || !expect_cuda(*tensor, status) ||
        !expect_same_device(*tensor, operands.a, status) ||
        !expect_aligned(*tensor, tensor == &operands.scale_b ? 4 : kAlignmentBytes, status))
      return false;
  }
  return true;
}

ScaleMatrix scale_matrix(const TensorView& scale) {
  return {static_cast<const float*>(scale.data), scale.strides[0], scale.strides[1]};
}

MapRequest operand_map(const TensorView& tensor, int box_rows) {
  return {
      tensor.name, tensor.data, CU_TENSOR_MAP_DATA_TYPE_UINT8, 1, tensor.shape[0], tensor.shape[1], row_stride(tensor),
      box_rows,    kTileK};
}

// A row of the map is one k step.
MapRequest scale_map(const TensorView& scale, int box) {
  const std::int64_t rows = scale.shape[0];
  const std::int64_t stride = scale.shape[1] < 2 ? (rows + 3) / 4 * 4 : scale.strides[1];
  return {scale.name, scale.data, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4, scale.shape[1], rows, stride, 1, box};
}

MapRequest output_map(const TensorView& d, const KernelConfig& config) {
  const CUtensorMapDataType type =
      d.type == ElementType::kBf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  return {d.name,     d.data,        type,       config.output_bytes,   d.shape[0],
          d.shape[1], row_stride(d), kWgmmaRows, config.panel_columns()};
}

bool make_arguments(const Driver& driver, const Fp8GemmOperands& operands, const KernelConfig& config,
                    const Problem& problem, GemmArguments& arguments, Status& status) {
  arguments.scale_b = scale_matrix(operands.scale_b);
  arguments.c = operands.has_c ? operands.c.data : nullptr;
  arguments.output = operands.d.data;
  arguments.c_stride = operands.has_c ? row_stride(operands.c) : 0;
  arguments.d_stride = row_stride(operands.d);
  arguments.m = static_cast<std::uint32_t>(problem.m);
  arguments.n = static_cast<std::uint32_t>(problem.n);
  arguments.k_steps = static_cast<std::uint32_t>(scale_columns(problem.k));
  arguments.store_rows_unaligned = arguments.d_stride * config.output_bytes % kAlignmentBytes != 0;
  arguments.schedule = schedule_of(config, problem);
  // With k = 0 no operand is read and there is nothing that a map could describe.
  if (problem.k > 0 &&
      (!encode_tensor_map(driver, operand_map(operands.a, config.tile_m), arguments.a, status) ||
       !encode_tensor_map(driver, operand_map(operands.b, config.tile_n), arguments.b, status) ||
       !encode_tensor_map(driver, scale_map(operands.scale_a, config.tile_m), arguments.scale_a, status)))
    return false;
  return arguments.store_rows_unaligned ||
         encode_tensor_map(driver, output_map(operands.d, config), arguments.d, status);
}

KernelSlot& slot_of(std::size_t index) {
  static KernelSlot slots[kMaxConfigs];
  return slots[index];
}

// Persistent blocks, at most one on each multiprocessor; with a split one cluster for each tile.
unsigned blocks_of(const KernelConfig& config, const TileSchedule& schedule, int multiprocessors) {
  if (config.split_k > 1) return schedule.tiles() * static_cast<unsigned>(config.split_k);
  return std::min(schedule.tiles(), static_cast<unsigned>(multiprocessors));
}

bool launch(const Driver& driver, CUfunction function, const KernelConfig& config, unsigned blocks, void* stream,
            GemmArguments& arguments, Status& status) {
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
  return driver.succeeded(driver.launch_kernel(&launch_config, function, parameters, nullptr), "fp8_gemm_nt", status);
}

}  // namespace

bool check(const Fp8GemmOperands& operands, Status& status) {
  if (!check_e4m3(operands.a, status) || !check_e4m3(operands.b, status)) return false;
  const std::int64_t m = operands.a.shape[0];
  const std::int64_t n = operands.b.shape[0];
  const std::int64_t k = operands.a.shape[1];
  if (operands.b.shape[1] != k)
    return status.refuse("b: expected shape (n, %" PRId64 ") as a is (%" PRId64 ", %" PRId64 "), got (%" PRId64
                         ", %" PRId64 ")",
                         k, m, k, n, operands.b.shape[1]);
  if (!check_extents(m, n, k, status) || !check_scale(operands.scale_a, m, k, status) ||
      !check_mn_major(operands.scale_a, status) || !check_scale(operands.scale_b, scale_columns(n), k, status))
    return false;
  if (operands.d.type != ElementType::kBf16 && operands.d.type != ElementType::kF32)
    return status.refuse("d: expected bfloat16 or float32, got %s", type_text(operands.d).text);
  if (!check_operand(operands.d, m, n, "a is (m, k), b is (n, k)", status)) return false;
  if (operands.has_c && (!expect_type(operands.c, operands.d.type, status) ||
                         !check_operand(operands.c, m, n, "c is of d's shape", status)))
    return false;
  return check_places(operands, status);
}

Problem problem_of(const Fp8GemmOperands& operands) {
  return {operands.a.shape[0], operands.b.shape[0], operands.a.shape[1],
          static_cast<int>(element_bytes(operands.d.type))};
}

bool fp8_gemm_nt(const Fp8GemmOperands& operands, void* stream, Status& status) {
  if (!check(operands, status)) return false;
  const Problem problem = problem_of(operands);
  if (problem.m == 0 || problem.n == 0) return true;
  const Driver* driver = Driver::get(status);
  if (driver == nullptr) return false;
  const Device* device = Device::get(*driver, operands.a.device, status);
  if (device == nullptr) return false;
  const int limit = Settings::get().multiprocessors.load(std::memory_order_relaxed);
  const int multiprocessors = limit > 0 ? std::min(limit, device->multiprocessors) : device->multiprocessors;
  const int forced = Settings::get().forced_config.load(std::memory_order_relaxed);
  const std::size_t index = forced >= 0 ? static_cast<std::size_t>(forced) : choose_config(problem, multiprocessors);
  const NamedConfig& named = config_at(index);
  if (named.config.output_bytes != problem.output_bytes)
    return status.refuse("d: expected the output type of the forced configuration %s, got %s", named.name,
                         type_text(operands.d).text);
  GemmArguments arguments{};
  if (!make_arguments(*driver, operands, named.config, problem, arguments, status)) return false;
  const ContextGuard guard(*driver, *device);
  CUfunction function =
      slot_of(index).get(*driver, *device, named.cubin, "fp8_gemm", named.config.shared_bytes(), status);
  if (function == nullptr) return false;
  return launch(*driver, function, named.config, blocks_of(named.config, arguments.schedule, multiprocessors), stream,
                arguments, status);
}

}  // namespace deep_gemm
