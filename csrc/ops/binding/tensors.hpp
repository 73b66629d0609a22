// What the operators ask of their tensors, and where an operator runs.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "shared/element.hpp"

namespace vllm {

using torch::stable::Tensor;

// Throw what the parts spell, unless `holds`.
template <class... Parts>
void expect(bool holds, const Parts&... parts) {
  if (holds) return;
  std::ostringstream text;
  (text << ... << parts);
  throw std::runtime_error(text.str());
}

// A type of elements as torch numbers it, with its name.
struct Type {
  std::int32_t (*number)();
  const char* name;
};

inline constexpr Type kBfloat16{aoti_torch_dtype_bfloat16, "bfloat16"};
inline constexpr Type kFloat16{aoti_torch_dtype_float16, "float16"};
inline constexpr Type kFloat32{aoti_torch_dtype_float32, "float32"};
inline constexpr Type kFloat8{aoti_torch_dtype_float8_e4m3fn, "float8_e4m3fn"};
inline constexpr Type kInt32{aoti_torch_dtype_int32, "int32"};
inline constexpr Type kInt64{aoti_torch_dtype_int64, "int64"};

inline std::int32_t number_of_type(const Tensor& tensor) {
  std::int32_t number = 0;
  expect(aoti_torch_get_dtype(tensor.get(), &number) == TORCH_SUCCESS, "torch: a tensor without a type");
  return number;
}

inline bool is(const Tensor& tensor, const Type& type) { return number_of_type(tensor) == type.number(); }

// What an error says of a tensor; spelt only where there is one.
struct TypeOf {
  const Tensor& tensor;

  friend std::ostream& operator<<(std::ostream& out, const TypeOf& of) {
    for (const Type& type : {kBfloat16, kFloat16, kFloat32, kFloat8, kInt32, kInt64})
      if (is(of.tensor, type)) return out << type.name;
    return out << "another type";
  }
};

struct ShapeOf {
  const Tensor& tensor;

  friend std::ostream& operator<<(std::ostream& out, const ShapeOf& of) {
    for (std::int64_t i = 0; i < of.tensor.dim(); ++i) out << (i == 0 ? "(" : ", ") << of.tensor.size(i);
    return out << (of.tensor.dim() == 0 ? "()" : ")");
  }
};

// A tensor's last dimension dense, all others as one.
struct Matrix {
  void* data;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;  // elements from row to row
};

inline Matrix matrix_of(const Tensor& tensor, const char* name) {
  const std::int64_t dim = tensor.dim();
  expect(dim >= 1, name, ": expected one dimension or more, got none");
  const std::int64_t columns = tensor.size(dim - 1);
  expect(tensor.stride(dim - 1) == 1 || columns <= 1, name, ": expected a dense last dimension, got stride ",
         tensor.stride(dim - 1));
  Matrix matrix{tensor.data_ptr(), 1, columns, columns};
  bool started = false;
  for (std::int64_t i = dim - 2; i >= 0; --i) {
    if (tensor.size(i) == 1) continue;
    if (!started) matrix.stride = tensor.stride(i);
    expect(tensor.numel() == 0 || tensor.stride(i) == matrix.stride * matrix.rows, name,
           ": expected rows at one distance, got shape ", ShapeOf{tensor}, " and stride ", tensor.stride(i),
           " in dimension ", i);
    matrix.rows *= tensor.size(i);
    started = true;
  }
  return matrix;
}

inline Element element_of(const Tensor& tensor, const char* name) {
  if (is(tensor, kBfloat16)) return Element::kBfloat16;
  if (is(tensor, kFloat16)) return Element::kHalf;
  expect(is(tensor, kFloat32), name, ": expected bfloat16, float16 or float32, got ", TypeOf{tensor});
  return Element::kFloat;
}

inline void expect_type(const Tensor& tensor, const char* name, const Type& type) {
  expect(is(tensor, type), name, ": expected ", type.name, ", got ", TypeOf{tensor});
}

inline void expect_type_of(const Tensor& tensor, const char* name, const Tensor& first) {
  expect(number_of_type(tensor) == number_of_type(first), name, ": expected ", TypeOf{first}, ", got ", TypeOf{tensor});
}

inline void expect_beside(const Tensor& tensor, const char* name, const Tensor& first) {
  expect(tensor.is_cuda() == first.is_cuda() && tensor.get_device_index() == first.get_device_index(), name,
         ": expected it on the device of the first tensor");
}

inline void expect_shape(const Tensor& tensor, const char* name, std::int64_t rows, std::int64_t columns) {
  expect(tensor.dim() == 2 && tensor.size(0) == rows && tensor.size(1) == columns, name, ": expected shape (", rows,
         ", ", columns, "), got ", ShapeOf{tensor});
}

inline void expect_dense(const Tensor& tensor, const char* name) {
  std::int64_t stride = 1;
  for (std::int64_t i = tensor.dim() - 1; i >= 0; stride *= tensor.size(i--))
    expect(tensor.size(i) <= 1 || tensor.stride(i) == stride, name, ": expected a contiguous tensor");
}

// Indices are int32 or int64; whether they are the latter.
inline bool has_long_indices(const Tensor& tensor, const char* name) {
  const bool is_long = is(tensor, kInt64);
  expect(is_long || is(tensor, kInt32), name, ": expected int32 or int64, got ", TypeOf{tensor});
  return is_long;
}

// Run the version of the device that `where` lies on, on the device's current stream.
template <class Problem>
void run(const Tensor& where, const Problem& problem, void (*on_cpu)(const Problem&),
         [[maybe_unused]] std::type_identity_t<void (*)(const Problem&, void*)> on_cuda) {
  if (!where.is_cuda()) return on_cpu(problem);
#ifdef VLLM_OPERATORS_CUDA
  const std::int32_t device = where.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  void* stream = nullptr;
  expect(aoti_torch_get_current_cuda_stream(device, &stream) == TORCH_SUCCESS, "torch: expected one with CUDA");
  on_cuda(problem, stream);
#endif
}

#ifdef VLLM_OPERATORS_CUDA
#define VLLM_CUDA_VERSION(function) function
#else
#define VLLM_CUDA_VERSION(function) nullptr
#endif

}  // namespace vllm
