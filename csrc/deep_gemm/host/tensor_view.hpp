// A tensor as the host code sees it, and the checks that name what they refuse.
#pragma once

#include <cstdint>

#include "host/status.hpp"

namespace deep_gemm {

enum class ElementType : std::uint8_t { kE4m3, kBf16, kF32, kInt32, kOther };

// Numbers are DLPack's: kDLCPU and kDLCUDA.
enum class DeviceKind : std::int32_t { kCpu = 1, kCuda = 2 };

// Borrowed: shape and strides live as long as the tensor does. Strides in elements.
struct TensorView {
  const char* name;  // the operand's name in messages
  void* data;
  ElementType type;
  std::uint8_t type_code;  // DLPack's, for messages
  std::uint8_t type_bits;
  DeviceKind device_kind;
  std::int32_t device;
  std::int32_t rank;
  const std::int64_t* shape;
  const std::int64_t* strides;

  std::int64_t elements() const;
};

// A type in words, for messages.
struct TypeText {
  char text[24];
};
TypeText type_text(const TensorView& tensor);
const char* type_name(ElementType type);
std::int64_t element_bytes(ElementType type);

// Each returns false and says operand, expectation and finding where the check fails.
bool expect_type(const TensorView& tensor, ElementType type, Status& status);
bool expect_rank(const TensorView& tensor, std::int32_t rank, Status& status);
bool expect_shape(const TensorView& tensor, std::int64_t rows, std::int64_t columns, const char* why, Status& status);
bool expect_cuda(const TensorView& tensor, Status& status);
bool expect_same_device(const TensorView& tensor, const TensorView& other, Status& status);
bool expect_memory(const TensorView& tensor, Status& status);
bool expect_aligned(const TensorView& tensor, std::int64_t alignment, Status& status);
// Two-dimensional, elements of a row next to each other, rows not overlapping.
bool expect_row_major(const TensorView& tensor, Status& status);

// Elements between two rows; where there are fewer than two rows, as if they were dense.
std::int64_t row_stride(const TensorView& tensor);

}  // namespace deep_gemm
