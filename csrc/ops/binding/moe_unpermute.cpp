#include "shared/moe_unpermute.hpp"

#include "binding/operator.hpp"
#include "binding/tensors.hpp"

namespace vllm {
namespace {

void moe_unpermute(const Tensor& permuted, const Tensor& row_of_slot, const std::optional<Tensor>& topk_weights,
                   const Tensor& output) {
  const Matrix in = matrix_of(permuted, "permuted"), out = matrix_of(output, "output");
  expect(permuted.dim() == 2 && output.dim() == 2 && in.columns == out.columns, "output: expected (tokens, ",
         in.columns, ") for permuted ", ShapeOf{permuted}, ", got ", ShapeOf{output});
  expect(row_of_slot.dim() == 2 && row_of_slot.size(0) == output.size(0), "row_of_slot: expected (", output.size(0),
         ", choices), got ", ShapeOf{row_of_slot});
  expect_type(row_of_slot, "row_of_slot", kInt32);
  expect_dense(row_of_slot, "row_of_slot");
  expect_type_of(output, "output", permuted);
  expect_beside(output, "output", permuted);
  expect_beside(row_of_slot, "row_of_slot", permuted);
  if (topk_weights) {
    expect_shape(*topk_weights, "topk_weights", row_of_slot.size(0), row_of_slot.size(1));
    expect_type(*topk_weights, "topk_weights", kFloat32);
    expect_dense(*topk_weights, "topk_weights");
    expect_beside(*topk_weights, "topk_weights", permuted);
  }
  const Element element = element_of(permuted, "permuted");
  if (output.numel() == 0) return;
  const MoeUnpermute problem{in.data,
                             static_cast<const std::int32_t*>(row_of_slot.data_ptr()),
                             topk_weights ? static_cast<const float*>(topk_weights->data_ptr()) : nullptr,
                             out.data,
                             element,
                             output.size(0),
                             row_of_slot.size(1),
                             out.columns,
                             in.stride,
                             out.stride};
  run(permuted, problem, moe_unpermute_cpu, VLLM_CUDA_VERSION(moe_unpermute_cuda));
}

const Operator self("moe_unpermute",
                    "(Tensor permuted, Tensor row_of_slot, Tensor? topk_weights, Tensor(a!) output) -> ()",
                    TORCH_BOX(&moe_unpermute));

}  // namespace
}  // namespace vllm
