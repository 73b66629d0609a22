#include "shared/silu_and_mul.hpp"

#include "binding/operator.hpp"
#include "binding/tensors.hpp"

namespace vllm {
namespace {

void silu_and_mul(const Tensor& result, const Tensor& input) {
  const Matrix in = matrix_of(input, "input"), out = matrix_of(result, "result");
  expect(in.columns == 2 * out.columns && in.rows == out.rows, "result: expected (", in.rows, ", ", in.columns / 2,
         ") for input ", ShapeOf{input}, ", got ", ShapeOf{result});
  expect_type_of(result, "result", input);
  expect_beside(result, "result", input);
  const Element element = element_of(input, "input");
  if (result.numel() == 0) return;
  const SiluAndMul problem{in.data, out.data, element, out.rows, out.columns, in.stride, out.stride};
  run(input, problem, silu_and_mul_cpu, VLLM_CUDA_VERSION(silu_and_mul_cuda));
}

const Operator self("silu_and_mul", "(Tensor(a!) result, Tensor input) -> ()", TORCH_BOX(&silu_and_mul));

}  // namespace
}  // namespace vllm
