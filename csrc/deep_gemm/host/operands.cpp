#include "host/operands.hpp"

#include <algorithm>
#include <cinttypes>
#include <climits>

#include "host/settings.hpp"

namespace deep_gemm {
namespace {

std::int64_t scale_columns(std::int64_t extent) { return (extent + kScaleGranularity - 1) / kScaleGranularity; }

bool check_strides(const TensorView& tensor, Dense dense, Status& status) {
  const std::int64_t multiple = kAlignmentBytes / element_bytes(tensor.type);
  const bool by_rows = dense == Dense::kColumns;
  if (line_stride(tensor, dense) % multiple != 0)
    return status.refuse("%s: expected a %s stride that is a multiple of %" PRId64 ", got %" PRId64, tensor.name,
                         by_rows ? "row" : "k", multiple, line_stride(tensor, dense));
  if (group_stride(tensor, dense) % multiple != 0)
    return status.refuse("%s: expected a group stride that is a multiple of %" PRId64 ", got %" PRId64, tensor.name,
                         multiple, group_stride(tensor, dense));
  return true;
}

// A or B: type, rank, which dimension is dense, and what a bulk tensor copy can read of it.
bool check_values(const GemmOperands& operands, const TensorView& tensor, std::int32_t rank, bool rows_may_be_dense,
                  Status& status) {
  const bool fp8 = operands.scales != Scales::kNone;
  if (!expect_type(tensor, fp8 ? ElementType::kE4m3 : ElementType::kBf16, status) || !expect_rank(tensor, rank, status))
    return false;
  const Dense dense = rows_may_be_dense ? dense_of(tensor) : Dense::kColumns;
  if (!is_dense(tensor, dense) && rows_may_be_dense)
    return status.refuse("%s: expected rows or columns that are dense and overlap nowhere, got strides %s for shape %s",
                         tensor.name, numbers_text(tensor.strides, tensor.rank).text,
                         numbers_text(tensor.shape, tensor.rank).text);
  if (!rows_may_be_dense && !expect_row_major(tensor, fp8 ? "; FP8 on Hopper is k-major" : "", status)) return false;
  const std::int64_t multiple = kAlignmentBytes / element_bytes(tensor.type);
  if (columns(tensor) % multiple != 0)
    return status.refuse("%s: expected k a multiple of %" PRId64 ", got shape %s", tensor.name, multiple,
                         numbers_text(tensor.shape, tensor.rank).text);
  return columns(tensor) == 0 || check_strides(tensor, dense, status);
}

bool check_scale(const TensorView& scale, const Shape& shape, std::int64_t k, Status& status) {
  if (scale.type == ElementType::kInt32)
    return status.refuse("%s: expected float32, got int32 (packed UE8M0 scales are of Blackwell; pass them as float32)",
                         scale.name);
  if (!expect_type(scale, ElementType::kF32, status) || !expect_rank(scale, shape.rank, status)) return false;
  if (std::equal(shape.extents, shape.extents + shape.rank, scale.shape)) return true;
  return status.refuse("%s: expected shape %s, got %s; k=%" PRId64 ", granularity %d", scale.name,
                       numbers_text(shape.extents, shape.rank).text, numbers_text(scale.shape, scale.rank).text, k,
                       kScaleGranularity);
}

bool check_scales(const GemmOperands& operands, const Problem& problem, Status& status) {
  if (operands.scales == Scales::kNone) return true;
  const bool by_rows = operands.scales == Scales::kRows;
  const std::int64_t steps = scale_columns(problem.k);
  const std::int64_t rows_b = by_rows ? problem.n : scale_columns(problem.n);
  const Shape shape_a =
      problem.grouping == Grouping::kMasked ? Shape::of(problem.groups, problem.m, steps) : Shape::of(problem.m, steps);
  const Shape shape_b =
      problem.grouping == Grouping::kNone ? Shape::of(rows_b, steps) : Shape::of(problem.groups, rows_b, steps);
  return check_scale(operands.scale_a, shape_a, problem.k, status) && expect_mn_major(operands.scale_a, status) &&
         check_scale(operands.scale_b, shape_b, problem.k, status) &&
         (!by_rows || expect_mn_major(operands.scale_b, status));
}

bool check_extents(const Problem& problem, Status& status) {
  if (std::max({problem.m, problem.n, problem.k, problem.groups}) <= INT_MAX) return true;
  return status.refuse("a, b: expected m, n and k below 2^31, got m=%" PRId64 ", n=%" PRId64 ", k=%" PRId64, problem.m,
                       problem.n, problem.k);
}

bool check_output(const GemmOperands& operands, const Problem& problem, Status& status) {
  const TensorView& d = operands.d;
  if (operands.scales == Scales::kRows && d.type != ElementType::kF32)
    return status.refuse("d: expected float32, which recipe (1, 1, 128) writes, got %s", type_text(d).text);
  if (problem.grouping != Grouping::kNone && !expect_type(d, ElementType::kBf16, status)) return false;
  if (d.type != ElementType::kBf16 && d.type != ElementType::kF32)
    return status.refuse("d: expected bfloat16 or float32, got %s", type_text(d).text);
  const bool masked = problem.grouping == Grouping::kMasked;
  const Shape shape = masked ? Shape::of(problem.groups, problem.m, problem.n) : Shape::of(problem.m, problem.n);
  const char* why = masked ? "a is (groups, m, k), b is (groups, n, k)" : "a is (m, k), b is (n, k)";
  if (!expect_shape(d, shape, why, status) || !expect_row_major(d, "", status)) return false;
  if (!operands.has_c) return true;
  return expect_type(operands.c, d.type, status) && expect_shape(operands.c, shape, "c is of d's shape", status) &&
         expect_row_major(operands.c, "", status);
}

bool check_groups(const GemmOperands& operands, const Problem& problem, Status& status) {
  if (problem.grouping == Grouping::kNone) return true;
  if (problem.groups < 1) return status.refuse("b: expected at least one group, got none");
  const bool by_row = problem.grouping == Grouping::kContiguous;
  const TensorView& layout = operands.layout;
  if (!expect_type(layout, ElementType::kInt32, status) ||
      !expect_shape(layout, Shape::of(by_row ? problem.m : problem.groups),
                    by_row ? "the group of each row of a" : "one number for each group of b", status))
    return false;
  if (layout.shape[0] > 1 && layout.strides[0] != 1)
    return status.refuse("%s: expected a stride of 1, got %" PRId64, layout.name, layout.strides[0]);
  if (problem.expected_m >= 0 && problem.expected_m <= INT_MAX) return true;
  return status.refuse("expected_m: expected 1 to 2^31 - 1, got %" PRId64, problem.expected_m);
}

bool check_place(const TensorView& tensor, const TensorView& first, std::int64_t alignment, Status& status) {
  return expect_memory(tensor, status) && expect_cuda(tensor, status) && expect_same_device(tensor, first, status) &&
         expect_aligned(tensor, alignment, status);
}

bool check_places(const GemmOperands& operands, Status& status) {
  const std::int64_t scale_b_alignment = operands.scales == Scales::kRows ? kAlignmentBytes : 4;
  const TensorView& a = operands.a;
  if (!check_place(a, a, kAlignmentBytes, status)) return false;
  if (operands.scales != Scales::kNone && !check_place(operands.scale_a, a, kAlignmentBytes, status)) return false;
  if (!check_place(operands.b, a, kAlignmentBytes, status)) return false;
  if (operands.scales != Scales::kNone && !check_place(operands.scale_b, a, scale_b_alignment, status)) return false;
  if (!check_place(operands.d, a, operands.output_alignment, status)) return false;
  if (operands.has_c && !check_place(operands.c, a, operands.output_alignment, status)) return false;
  return operands.grouping == Grouping::kNone || check_place(operands.layout, a, 4, status);
}

Kind kind_of(const GemmOperands& operands) {
  const bool grouped = operands.grouping != Grouping::kNone;
  if (operands.scales == Scales::kRows) return Kind::kFp8RowScales;
  if (operands.scales == Scales::kBlocks) return grouped ? Kind::kFp8Grouped : Kind::kFp8;
  const bool b_by_rows = dense_of(operands.b) == Dense::kRows;
  if (grouped) return b_by_rows ? Kind::kBf16NnGrouped : Kind::kBf16NtGrouped;
  if (dense_of(operands.a) == Dense::kRows) return b_by_rows ? Kind::kBf16Tn : Kind::kBf16Tt;
  return b_by_rows ? Kind::kBf16Nn : Kind::kBf16Nt;
}

// Scale factors of B's rows may be a copy that this very call has made: not before the stream's last kernel has ended.
bool may_load_early(const GemmOperands& operands) {
  const Settings& settings = Settings::get();
  return operands.grouping == Grouping::kNone && operands.weights && operands.scales != Scales::kRows &&
         settings.dependent_launch.load(std::memory_order_relaxed) &&
         settings.early_weights.load(std::memory_order_relaxed);
}

Problem problem_of(const GemmOperands& operands) {
  Problem problem{};
  problem.kind = kind_of(operands);
  problem.m = rows(operands.a);
  problem.n = rows(operands.b);
  problem.k = columns(operands.a);
  problem.output_bytes = static_cast<int>(element_bytes(operands.d.type));
  problem.grouping = operands.grouping;
  problem.groups = groups(operands.b);
  problem.expected_m = operands.expected_m;
  problem.alignment = Settings::get().mk_alignment.load(std::memory_order_relaxed);
  problem.early_weights = may_load_early(operands);
  return problem;
}

// k of both operands, and with masked rows their groups.
bool check_agreement(const GemmOperands& operands, const Problem& problem, Status& status) {
  const TensorView& a = operands.a;
  const TensorView& b = operands.b;
  const bool masked = problem.grouping == Grouping::kMasked;
  if (columns(b) == problem.k && (!masked || groups(a) == problem.groups)) return true;
  char groups_text[24] = "";
  if (masked) std::snprintf(groups_text, sizeof(groups_text), "%" PRId64 ", ", groups(a));
  return status.refuse("b: expected shape (%sn, %" PRId64 ") as a is %s, got %s",
                       masked                                ? groups_text
                       : problem.grouping == Grouping::kNone ? ""
                                                             : "groups, ",
                       problem.k, numbers_text(a.shape, a.rank).text, numbers_text(b.shape, b.rank).text);
}

}  // namespace

Dense dense_of(const TensorView& operand) {
  const std::int64_t* strides = operand.strides + operand.rank - 2;
  const bool by_columns = strides[1] == 1 || (columns(operand) < 2 && strides[0] != 1);
  const bool by_rows = rows(operand) < 2 || strides[0] == 1;
  return by_columns || !by_rows ? Dense::kColumns : Dense::kRows;
}

bool expect_mn_major(const TensorView& scale, Status& status) {
  if (is_mn_major(scale)) return true;
  return status.refuse("%s: expected MN-major, strides (%s1, a multiple of 4 >= %" PRId64
                       "), got %s; get_mn_major_tma_aligned_tensor makes it so",
                       scale.name, scale.rank == 3 ? "a multiple of 4, " : "", rows(scale),
                       numbers_text(scale.strides, scale.rank).text);
}

bool check(const GemmOperands& operands, Problem& problem, Status& status) {
  const bool grouped = operands.grouping != Grouping::kNone;
  const bool masked = operands.grouping == Grouping::kMasked;
  const bool bf16 = operands.scales == Scales::kNone;
  if (!check_values(operands, operands.a, masked ? 3 : 2, bf16 && !grouped, status) ||
      !check_values(operands, operands.b, grouped ? 3 : 2, bf16 && !masked, status))
    return false;
  problem = problem_of(operands);
  return check_agreement(operands, problem, status) && check_extents(problem, status) &&
         check_scales(operands, problem, status) && check_output(operands, problem, status) &&
         check_groups(operands, problem, status) && check_places(operands, status);
}

}  // namespace deep_gemm
