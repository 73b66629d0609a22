#include "host/arguments.hpp"

#include <algorithm>

#include "host/settings.hpp"

namespace deep_gemm {
namespace {

// Where tiles are read again and again, a box asks for the next k step's lines, too, and finds them in L2 later; where
// B only streams by, that costs up to 7 % (docs/kernels.md).
CUtensorMapL2promotion operand_promotion(const Problem& problem) {
  const bool streams = problem.m <= kDecodeRows || problem.grouping == Grouping::kMasked;
  return streams ? CU_TENSOR_MAP_L2_PROMOTION_L2_128B : CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
}

MapRequest operand_map(const TensorView& tensor, bool rows_dense, int tile_rows, const KernelConfig& config,
                       CUtensorMapL2promotion promotion) {
  const Dense dense = rows_dense ? Dense::kRows : Dense::kColumns;
  MapRequest request{};
  request.data = tensor.data;
  request.type = config.fp8() ? CU_TENSOR_MAP_DATA_TYPE_UINT8 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  request.element_bytes = config.operand_bytes();
  request.extents[0] = rows_dense ? rows(tensor) : columns(tensor);
  request.extents[1] = rows_dense ? columns(tensor) : rows(tensor);
  request.extents[2] = groups(tensor);
  request.line_stride = line_stride(tensor, dense);
  request.group_stride = group_stride(tensor, dense);
  request.box_elements = rows_dense ? kMnBoxExtent : config.tile_k();
  request.box_lines = rows_dense ? config.tile_k() : tile_rows;
  request.swizzled = true;
  request.l2_promotion = promotion;
  return request;
}

// Rows of scale factors that are loaded for so many of an operand: a box is a multiple of 16 bytes.
int scale_rows(int rows) { return (rows + 3) / 4 * 4; }

// A line of the map is one k step.
MapRequest scale_map(const TensorView& scale, int box) {
  MapRequest request{};
  request.data = scale.data;
  request.type = CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  request.element_bytes = 4;
  request.extents[0] = rows(scale);
  request.extents[1] = columns(scale);
  request.extents[2] = groups(scale);
  request.line_stride = columns(scale) < 2 ? (rows(scale) + 3) / 4 * 4 : scale.strides[scale.rank - 1];
  request.group_stride = groups(scale) < 2 ? request.line_stride * columns(scale) : scale.strides[0];
  request.box_elements = box;
  request.box_lines = 1;
  request.l2_promotion = CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
  return request;
}

MapRequest output_map(const TensorView& d, const KernelConfig& config, std::uint32_t tile_rows) {
  MapRequest request{};
  request.data = d.data;
  request.type = d.type == ElementType::kBf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  request.element_bytes = config.output_bytes;
  request.extents[0] = columns(d);
  request.extents[1] = rows(d);
  request.extents[2] = groups(d);
  request.line_stride = line_stride(d, Dense::kColumns);
  request.group_stride = group_stride(d, Dense::kColumns);
  request.box_elements = config.panel_columns();
  request.box_lines = std::min(kWgmmaRows, static_cast<int>(tile_rows));
  request.swizzled = true;
  request.l2_promotion = CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
  return request;
}

ScaleMatrices scale_matrices(const TensorView& scale) {
  const std::int64_t* strides = scale.strides + scale.rank - 2;
  return {static_cast<const float*>(scale.data), groups(scale) < 2 ? 0 : scale.strides[0], strides[0], strides[1]};
}

bool write_operands(const Driver& driver, const GemmOperands& operands, const KernelConfig& config,
                    const Problem& problem, GemmArguments& arguments, Status& status) {
  const CUtensorMapL2promotion promotion = operand_promotion(problem);
  const auto write = [&](const TensorView& tensor, const MapRequest& request, TensorMap& map) {
    return write_tensor_map(driver, tensor.name, request, map, status);
  };
  const auto tile_rows = static_cast<int>(arguments.tile_rows);
  if (!write(operands.a, operand_map(operands.a, config.a_mn_major(), tile_rows, config, promotion), arguments.a) ||
      !write(operands.b, operand_map(operands.b, config.b_mn_major(), config.tile_n, config, promotion), arguments.b))
    return false;
  if (!config.fp8()) return true;
  if (!write(operands.scale_a, scale_map(operands.scale_a, scale_rows(tile_rows)), arguments.scale_a)) return false;
  return !config.row_scales() ||
         write(operands.scale_b, scale_map(operands.scale_b, config.tile_n), arguments.scale_b_map);
}

// What the boxes of one k step bring.
std::uint32_t stage_bytes(const KernelConfig& config, int tile_rows) {
  const int scales = (config.fp8() ? scale_rows(tile_rows) : 0) + config.scale_b_values();
  return static_cast<std::uint32_t>(tile_rows * kStepBytes + config.b_stage_bytes() +
                                    scales * static_cast<int>(sizeof(float)));
}

// k steps of each block but the first of those that split k: while that multiplies what it has more, the others' sums
// are sent to it. A BF16 step takes less time, and 32 columns are fewer sums.
std::uint32_t part_steps(const KernelConfig& config, std::uint32_t k_steps) {
  const std::uint32_t head_start = config.fp8() && config.tile_n < 64 ? 4 : 6;
  if (config.split_k == 1 || k_steps < head_start) return 0;
  return (k_steps - head_start) / static_cast<std::uint32_t>(config.split_k);
}

// What blocks ask for while the stream's last kernel ends.
void ask_early(const KernelConfig& config, const Problem& problem, unsigned blocks, GemmArguments& arguments) {
  constexpr unsigned kBoxesOfA = 4;  // that one block asks for at most: it does so before all else
  const bool dependent = Settings::get().dependent_launch.load(std::memory_order_relaxed);
  if (!dependent || problem.grouping != Grouping::kNone || problem.k == 0) return;
  arguments.early_b = steps_loaded_early(config, problem);
  if (problem.m > kDecodeRows) return;
  arguments.prefetched_a = std::min(arguments.schedule.tiles_m * arguments.k_steps, kBoxesOfA * blocks);
  if (arguments.early_b == 0) arguments.prefetched_b = steps_prefetched(config, problem);
}

}  // namespace

bool make_arguments(const Driver& driver, const GemmOperands& operands, const KernelConfig& config,
                    const Problem& problem, const TileSchedule& schedule, unsigned blocks, GemmArguments& arguments,
                    Status& status) {
  arguments.schedule = schedule;
  if (operands.scales == Scales::kBlocks) arguments.scale_b = scale_matrices(operands.scale_b);
  arguments.c = operands.has_c ? operands.c.data : nullptr;
  arguments.output = operands.d.data;
  arguments.c_stride = operands.has_c ? line_stride(operands.c, Dense::kColumns) : 0;
  arguments.d_stride = line_stride(operands.d, Dense::kColumns);
  arguments.d_group_stride = group_stride(operands.d, Dense::kColumns);
  arguments.m = static_cast<std::uint32_t>(problem.m);
  arguments.n = static_cast<std::uint32_t>(problem.n);
  arguments.k_steps = static_cast<std::uint32_t>((problem.k + config.tile_k() - 1) / config.tile_k());
  arguments.tile_rows = tile_rows(config, problem);
  arguments.stage_bytes = stage_bytes(config, static_cast<int>(arguments.tile_rows));
  arguments.part_steps = part_steps(config, arguments.k_steps);
  arguments.store_rows_unaligned = !is_aligned(operands.d, kAlignmentBytes) ||
                                   (arguments.d_stride * config.output_bytes) % kAlignmentBytes != 0 ||
                                   (arguments.d_group_stride * config.output_bytes) % kAlignmentBytes != 0;
  ask_early(config, problem, blocks, arguments);
  arguments.groups.grouping = problem.grouping;
  if (problem.grouping != Grouping::kNone)
    arguments.groups = {static_cast<const std::int32_t*>(operands.layout.data), problem.grouping,
                        static_cast<std::uint32_t>(problem.groups), static_cast<std::uint32_t>(problem.alignment)};
  // With k = 0 no operand is read and there is nothing that a map could describe.
  if (problem.k > 0 && !write_operands(driver, operands, config, problem, arguments, status)) return false;
  return arguments.store_rows_unaligned ||
         write_tensor_map(driver, operands.d.name, output_map(operands.d, config, arguments.tile_rows), arguments.d,
                          status);
}

}  // namespace deep_gemm
