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

// What a shape should be, the group dimension first where there is one.
struct Shape {
  std::int32_t rank;
  std::int64_t extents[3];

  static Shape of(std::int64_t count) { return {1, {count}}; }
  static Shape of(std::int64_t rows, std::int64_t columns) { return {2, {rows, columns}}; }
  static Shape of(std::int64_t groups, std::int64_t rows, std::int64_t columns) { return {3, {groups, rows, columns}}; }
};

// The numbers of a shape or of strides in words: "(256, 512)".
struct NumbersText {
  char text[96];
};
NumbersText numbers_text(const std::int64_t* numbers, std::int32_t count);

// Which of a matrix's dimensions is dense in memory. A line is a run along it: a row where columns are dense.
enum class Dense : std::uint8_t { kColumns, kRows };

// Each returns false and says operand, expectation and finding where the check fails.
bool expect_type(const TensorView& tensor, ElementType type, Status& status);
bool expect_rank(const TensorView& tensor, std::int32_t rank, Status& status);
bool expect_shape(const TensorView& tensor, const Shape& shape, const char* why, Status& status);
bool expect_cuda(const TensorView& tensor, Status& status);
bool expect_same_device(const TensorView& tensor, const TensorView& other, Status& status);
bool expect_memory(const TensorView& tensor, Status& status);
bool expect_aligned(const TensorView& tensor, std::int64_t alignment, Status& status);
// Two or three dimensions, elements of a row next to each other, neither rows nor groups overlapping. `why` may be "".
bool expect_row_major(const TensorView& tensor, const char* why, Status& status);

// Whether the elements of a line lie next to each other, and lines and groups overlap nowhere; rank 2 or 3.
bool is_dense(const TensorView& tensor, Dense dense);

// Matrices of a rank 2 or 3.
std::int64_t groups(const TensorView& tensor);
std::int64_t rows(const TensorView& tensor);
std::int64_t columns(const TensorView& tensor);
// Elements between two lines; where there are fewer than two lines, as if they were dense.
std::int64_t line_stride(const TensorView& tensor, Dense dense);
// Elements between two groups; where there are fewer than two groups, as if they were dense.
std::int64_t group_stride(const TensorView& tensor, Dense dense);

}  // namespace deep_gemm
