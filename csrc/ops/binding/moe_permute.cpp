#include "shared/moe_permute.hpp"

#include "binding/operator.hpp"
#include "binding/tensors.hpp"

namespace vllm {
namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 31;

void expect_index(const Tensor& tensor, const char* name, std::int64_t count, const Tensor& first) {
  expect(tensor.numel() == count, name, ": expected ", count, " elements, got ", ShapeOf{tensor});
  expect_type(tensor, name, kInt32);
  expect_dense(tensor, name);
  expect_beside(tensor, name, first);
}

void moe_permute(const Tensor& input, const Tensor& topk_ids, std::int64_t num_experts, std::int64_t alignment,
                 const Tensor& permuted, const Tensor& grouped_layout, const Tensor& row_of_slot,
                 const Tensor& group_sizes) {
  expect(num_experts > 0, "num_experts: expected more than 0, got ", num_experts);
  expect(alignment > 0, "alignment: expected more than 0, got ", alignment);
  const Matrix in = matrix_of(input, "input"), out = matrix_of(permuted, "permuted");
  const auto bytes = static_cast<std::int64_t>(aoti_torch_dtype_element_size(number_of_type(input)));
  expect(input.dim() == 2 && permuted.dim() == 2 && in.columns == out.columns, "permuted: expected (rows, ", in.columns,
         ") for input ", ShapeOf{input}, ", got ", ShapeOf{permuted});
  expect(topk_ids.dim() == 2 && topk_ids.size(0) == in.rows, "topk_ids: expected (", in.rows, ", choices), got ",
         ShapeOf{topk_ids});
  expect_dense(topk_ids, "topk_ids");
  expect_type_of(permuted, "permuted", input);
  expect_beside(permuted, "permuted", input);
  expect_beside(topk_ids, "topk_ids", input);
  const std::int64_t slots = topk_ids.numel();
  // Each expert that has a slot may need alignment - 1 rows of padding.
  const std::int64_t most = slots + (slots < num_experts ? slots : num_experts) * (alignment - 1);
  expect(permuted.size(0) >= most && most < kMostRows, "permuted: expected at least ", most, " rows, got ",
         permuted.size(0));
  expect_index(grouped_layout, "grouped_layout", permuted.size(0), input);
  expect_index(row_of_slot, "row_of_slot", slots, input);
  expect_index(group_sizes, "group_sizes", num_experts, input);
  const MoePermute problem{in.data,
                           out.data,
                           topk_ids.data_ptr(),
                           has_long_indices(topk_ids, "topk_ids"),
                           static_cast<std::int32_t*>(grouped_layout.data_ptr()),
                           static_cast<std::int32_t*>(row_of_slot.data_ptr()),
                           static_cast<std::int32_t*>(group_sizes.data_ptr()),
                           in.rows,
                           topk_ids.size(1),
                           num_experts,
                           permuted.size(0),
                           in.columns * bytes,
                           in.stride * bytes,
                           out.stride * bytes,
                           alignment};
  run(input, problem, moe_permute_cpu, VLLM_CUDA_VERSION(moe_permute_cuda));
}

const Operator self("moe_permute",
                    "(Tensor input, Tensor topk_ids, int num_experts, int alignment, Tensor(a!) permuted, "
                    "Tensor(b!) grouped_layout, Tensor(c!) row_of_slot, Tensor(d!) group_sizes) -> ()",
                    TORCH_BOX(&moe_permute));

}  // namespace
}  // namespace vllm
