#include "host/k_grouped.hpp"

#include <cinttypes>

namespace deep_gemm {
namespace {

// A tensor with the shape and the strides that it shows.
struct OwnedView {
  std::int64_t shape[2];
  std::int64_t strides[2];

  TensorView of(const TensorView& whole, std::int64_t first, std::int64_t rows, std::int64_t columns,
                std::int64_t row_stride, std::int64_t column_stride) {
    shape[0] = rows;
    shape[1] = columns;
    strides[0] = row_stride;
    strides[1] = column_stride;
    TensorView view = whole;
    if (view.data != nullptr) view.data = static_cast<char*>(view.data) + first * element_bytes(view.type);
    view.rank = 2;
    view.shape = shape;
    view.strides = strides;
    return view;
  }
};

// The dense GEMMs of the groups, one after another.
class Groups {
 public:
  explicit Groups(const KGroupedOperands& whole) : whole_(whole) {}

  bool next(GemmOperands& group) {
    if (index_ == whole_.count) return false;
    const std::int64_t k = whole_.ks[index_];
    group = {};
    group.function = whole_.function;
    group.scales = whole_.scales;
    group.has_c = whole_.has_c;
    group.weights = false;
    group.output_alignment = sizeof(float);
    group.a = values(whole_.a, m(), k, a_);
    group.b = values(whole_.b, n(), k, b_);
    if (whole_.scales == Scales::kRows) {
      group.scale_a = columns_of(whole_.scale_a, first_k_ / kScaleGranularity, k / kScaleGranularity, scale_a_);
      group.scale_b = columns_of(whole_.scale_b, first_k_ / kScaleGranularity, k / kScaleGranularity, scale_b_);
    }
    group.d = matrix(whole_.d, d_);
    if (whole_.has_c) group.c = matrix(whole_.c, c_);
    first_k_ += k;
    ++index_;
    return true;
  }

 private:
  std::int64_t m() const { return whole_.d.shape[1]; }
  std::int64_t n() const { return whole_.d.shape[2]; }

  TensorView values(const TensorView& tensor, std::int64_t rows, std::int64_t k, OwnedView& view) const {
    if (tensor.rank == 1) return view.of(tensor, first_k_ * rows, rows, k, k, 1);
    return columns_of(tensor, first_k_, k, view);
  }

  static TensorView columns_of(const TensorView& tensor, std::int64_t first, std::int64_t count, OwnedView& view) {
    return view.of(tensor, first * tensor.strides[1], tensor.shape[0], count, tensor.strides[0], tensor.strides[1]);
  }

  TensorView matrix(const TensorView& tensor, OwnedView& view) const {
    return view.of(tensor, index_ * tensor.strides[0], m(), n(), tensor.strides[1], tensor.strides[2]);
  }

  const KGroupedOperands& whole_;
  std::int64_t index_ = 0;
  std::int64_t first_k_ = 0;
  OwnedView a_, scale_a_, b_, scale_b_, d_, c_;
};

bool check_ks(const KGroupedOperands& operands, std::int64_t& sum, Status& status) {
  const std::int64_t multiple = operands.scales == Scales::kRows ? kScaleGranularity : 8;
  sum = 0;
  for (std::int64_t i = 0; i < operands.count; ++i) {
    const std::int64_t k = operands.ks[i];
    if (k < 0 || k % multiple != 0)
      return status.refuse("ks: expected multiples of %" PRId64 ", got %" PRId64 " for group %" PRId64, multiple, k, i);
    sum += k;
  }
  return true;
}

// Matrices of all groups beside each other, or one group behind the other.
bool check_values(const TensorView& tensor, std::int64_t rows, std::int64_t sum, Status& status) {
  if (tensor.rank != 1)
    return expect_shape(tensor, Shape::of(rows, sum), "d is (groups, m, n), k the sum of ks", status);
  if (!expect_shape(tensor, Shape::of(rows * sum), "all groups' rows times k", status)) return false;
  if (tensor.shape[0] < 2 || tensor.strides[0] == 1) return true;
  return status.refuse("%s: expected a stride of 1, got %" PRId64, tensor.name, tensor.strides[0]);
}

bool check_scales(const TensorView& scale, const Shape& shape, Status& status) {
  return expect_shape(scale, shape, "one for each row and 128 of k", status) && expect_mn_major(scale, status);
}

bool check_whole(const KGroupedOperands& operands, Status& status) {
  std::int64_t sum = 0;
  const TensorView& d = operands.d;
  if (!check_ks(operands, sum, status) || !expect_type(d, ElementType::kF32, status) || !expect_rank(d, 3, status))
    return false;
  const std::int64_t m = d.shape[1];
  const std::int64_t n = d.shape[2];
  const Shape shape = Shape::of(operands.count, m, n);
  if (!expect_shape(d, shape, "one matrix for each of ks", status) || !expect_row_major(d, "", status) ||
      !check_values(operands.a, m, sum, status) || !check_values(operands.b, n, sum, status))
    return false;
  if (!expect_aligned(d, 16, status)) return false;
  if (operands.has_c &&
      (!expect_shape(operands.c, shape, "c is of d's shape", status) || !expect_aligned(operands.c, 16, status)))
    return false;
  if (operands.scales != Scales::kRows) return true;
  const std::int64_t columns = sum / kScaleGranularity;
  return check_scales(operands.scale_a, Shape::of(m, columns), status) &&
         check_scales(operands.scale_b, Shape::of(n, columns), status);
}

}  // namespace

bool k_grouped_gemm(const KGroupedOperands& operands, void* stream, Status& status) {
  if (!check_whole(operands, status)) return false;
  GemmOperands group;
  Problem problem;
  for (Groups groups(operands); groups.next(group);)
    if (!check(group, problem, status)) return false;
  for (Groups groups(operands); groups.next(group);)
    if (!check(group, problem, status) || !launch_checked(group, problem, stream, status)) return false;
  return true;
}

}  // namespace deep_gemm
