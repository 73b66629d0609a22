// What the two quantising operators check alike.
#pragma once

#include "binding/tensors.hpp"
#include "shared/group_quant.hpp"

namespace vllm {

// Read the operands; `halves` is 2 where a row of the input has gate and up. The scales may have any strides.
inline GroupQuant group_quant_of(const Tensor& input, const Tensor& output, const Tensor& scales,
                                 std::int64_t group_size, double eps, std::int64_t halves) {
  expect(group_size == kGroup, "group_size: expected ", kGroup, ", got ", group_size);
  expect(eps > 0, "eps: expected more than 0, got ", eps);
  const Matrix in = matrix_of(input, "input"), out = matrix_of(output, "output");
  expect(in.rows == out.rows && in.columns == halves * out.columns, "output: expected (", in.rows, ", ",
         in.columns / halves, ") for input ", ShapeOf{input}, ", got ", ShapeOf{output});
  expect_type(output, "output", kFloat8);
  expect_type(scales, "scales", kFloat32);
  expect_shape(scales, "scales", out.rows, (out.columns + kGroup - 1) / kGroup);
  expect_beside(output, "output", input);
  expect_beside(scales, "scales", input);
  return {in.data,
          static_cast<std::uint8_t*>(out.data),
          static_cast<float*>(scales.data_ptr()),
          element_of(input, "input"),
          out.rows,
          out.columns,
          in.stride,
          out.stride,
          scales.stride(0),
          scales.stride(1),
          static_cast<float>(eps)};
}

}  // namespace vllm
