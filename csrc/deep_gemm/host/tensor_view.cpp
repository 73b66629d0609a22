#include "host/tensor_view.hpp"

#include <algorithm>

namespace deep_gemm {

std::int64_t TensorView::elements() const {
  std::int64_t count = 1;
  for (std::int32_t i = 0; i < rank; ++i) count *= shape[i];
  return count;
}

const char* type_name(ElementType type) {
  switch (type) {
    case ElementType::kE4m3:
      return "float8_e4m3fn";
    case ElementType::kBf16:
      return "bfloat16";
    case ElementType::kF32:
      return "float32";
    case ElementType::kInt32:
      return "int32";
    case ElementType::kOther:
      break;
  }
  return "another type";
}

TypeText type_text(const TensorView& tensor) {
  // Source: DLPack 1.3, DLDataTypeCode.
  static constexpr const char* kFamilies[] = {"int", "uint", "float", "handle", "bfloat", "complex", "bool"};
  TypeText result;
  if (tensor.type != ElementType::kOther) {
    std::snprintf(result.text, sizeof(result.text), "%s", type_name(tensor.type));
  } else if (tensor.type_code < sizeof(kFamilies) / sizeof(*kFamilies)) {
    std::snprintf(result.text, sizeof(result.text), "%s%d", kFamilies[tensor.type_code], tensor.type_bits);
  } else {
    std::snprintf(result.text, sizeof(result.text), "DLPack type %d:%d", tensor.type_code, tensor.type_bits);
  }
  return result;
}

bool expect_type(const TensorView& tensor, ElementType type, Status& status) {
  if (tensor.type == type) return true;
  return status.refuse("%s: expected %s, got %s", tensor.name, type_name(type), type_text(tensor).text);
}

bool expect_rank(const TensorView& tensor, std::int32_t rank, Status& status) {
  if (tensor.rank == rank) return true;
  return status.refuse("%s: expected %d dimensions, got %d", tensor.name, rank, tensor.rank);
}

NumbersText numbers_text(const std::int64_t* numbers, std::int32_t count) {
  NumbersText result;
  int written = std::snprintf(result.text, sizeof(result.text), "(");
  for (std::int32_t i = 0; i < count; ++i)
    written += std::snprintf(result.text + written, sizeof(result.text) - static_cast<std::size_t>(written), "%s%lld",
                             i == 0 ? "" : ", ", static_cast<long long>(numbers[i]));
  std::snprintf(result.text + written, sizeof(result.text) - static_cast<std::size_t>(written),
                count == 1 ? ",)" : ")");
  return result;
}

bool expect_shape(const TensorView& tensor, const Shape& shape, const char* why, Status& status) {
  if (!expect_rank(tensor, shape.rank, status)) return false;
  if (std::equal(shape.extents, shape.extents + shape.rank, tensor.shape)) return true;
  return status.refuse("%s: expected shape %s, got %s; %s", tensor.name, numbers_text(shape.extents, shape.rank).text,
                       numbers_text(tensor.shape, tensor.rank).text, why);
}

bool expect_cuda(const TensorView& tensor, Status& status) {
  if (tensor.device_kind == DeviceKind::kCuda) return true;
  if (tensor.device_kind == DeviceKind::kCpu)
    return status.refuse("%s: expected a CUDA tensor, got a CPU one", tensor.name);
  return status.refuse("%s: expected a CUDA tensor, got one of DLPack's device type %d", tensor.name,
                       static_cast<int>(tensor.device_kind));
}

bool expect_same_device(const TensorView& tensor, const TensorView& other, Status& status) {
  if (tensor.device == other.device) return true;
  return status.refuse("%s: expected on cuda:%d where %s is, got cuda:%d", tensor.name, other.device, other.name,
                       tensor.device);
}

bool expect_memory(const TensorView& tensor, Status& status) {
  if (tensor.data != nullptr || tensor.elements() == 0) return true;
  return status.refuse("%s: expected a tensor with memory, got a null pointer with %lld elements (fake or meta tensor)",
                       tensor.name, static_cast<long long>(tensor.elements()));
}

bool expect_aligned(const TensorView& tensor, std::int64_t alignment, Status& status) {
  if (is_aligned(tensor, alignment)) return true;
  return status.refuse("%s: expected an address aligned to %lld bytes, got %p", tensor.name,
                       static_cast<long long>(alignment), tensor.data);
}

bool expect_row_major(const TensorView& tensor, const char* why, Status& status) {
  if (is_dense(tensor, Dense::kColumns)) return true;
  const std::int64_t expected = columns(tensor);
  return status.refuse("%s: expected row-major, strides (%s>= %lld, 1), got %s for shape %s%s", tensor.name,
                       tensor.rank == 3 ? "of groups that do not overlap, " : "", static_cast<long long>(expected),
                       numbers_text(tensor.strides, tensor.rank).text, numbers_text(tensor.shape, tensor.rank).text,
                       why);
}

bool is_dense(const TensorView& tensor, Dense dense) {
  const std::int32_t inner = dense == Dense::kColumns ? tensor.rank - 1 : tensor.rank - 2;
  const std::int32_t outer = dense == Dense::kColumns ? tensor.rank - 2 : tensor.rank - 1;
  const std::int64_t length = tensor.shape[inner];
  if (length > 1 && tensor.strides[inner] != 1) return false;
  if (tensor.shape[outer] > 1 && tensor.strides[outer] < length) return false;
  if (groups(tensor) < 2) return true;
  // Groups behind each other, or line by line beside each other.
  const std::int64_t line = line_stride(tensor, dense);
  const std::int64_t group = tensor.strides[0];
  return group >= (tensor.shape[outer] - 1) * line + length ||
         (group >= length && line >= (groups(tensor) - 1) * group + length);
}

}  // namespace deep_gemm
