// A tensor as the host code sees it, and the checks that name what they refuse.
#pragma once

#include <cstdint>

#include "host/status.hpp"

namespace deep_gemm {

// What bulk tensor copies want of addresses and strides. Source: CUDA driver API, cuTensorMapEncodeTiled.
inline constexpr std::int64_t kAlignmentBytes = 16;

enum class ElementType : std::uint8_t { kE4m3, kBf16, kF32, kInt32, kOther };

inline std::int64_t element_bytes(ElementType type) {
  return type == ElementType::kE4m3 ? 1 : type == ElementType::kBf16 ? 2 : 4;
}

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

inline bool is_aligned(const TensorView& tensor, std::int64_t alignment) {
  return reinterpret_cast<std::uintptr_t>(tensor.data) % static_cast<std::uintptr_t>(alignment) == 0;
}

// Whether the elements of a line lie next to each other, and lines and groups overlap nowhere; rank 2 or 3.
bool is_dense(const TensorView& tensor, Dense dense);

// Matrices of a rank 2 or 3.
inline std::int64_t groups(const TensorView& tensor) { return tensor.rank == 3 ? tensor.shape[0] : 1; }
inline std::int64_t rows(const TensorView& tensor) { return tensor.shape[tensor.rank - 2]; }
inline std::int64_t columns(const TensorView& tensor) { return tensor.shape[tensor.rank - 1]; }

// Elements between two lines; where there are fewer than two lines, as if they were dense.
inline std::int64_t line_stride(const TensorView& tensor, Dense dense) {
  const bool by_rows = dense == Dense::kColumns;
  if ((by_rows ? rows(tensor) : columns(tensor)) < 2) return by_rows ? columns(tensor) : rows(tensor);
  return tensor.strides[by_rows ? tensor.rank - 2 : tensor.rank - 1];
}

// Elements between two groups; where there are fewer than two groups, as if they were dense.
inline std::int64_t group_stride(const TensorView& tensor, Dense dense) {
  if (groups(tensor) > 1) return tensor.strides[0];
  return line_stride(tensor, dense) * (dense == Dense::kColumns ? rows(tensor) : columns(tensor));
}

// Whether f32 scale factors have strides that a bulk tensor copy can read: columns dense, each 16-byte aligned.
inline bool is_mn_major(const TensorView& scale) {
  const std::int64_t* strides = scale.strides + scale.rank - 2;
  const bool dense = rows(scale) < 2 || strides[0] == 1;
  const bool aligned = columns(scale) < 2 || (strides[1] % 4 == 0 && strides[1] >= rows(scale));
  const bool groups_aligned = groups(scale) < 2 || scale.strides[0] % 4 == 0;
  return rows(scale) == 0 || (dense && aligned && groups_aligned);
}

}  // namespace deep_gemm
