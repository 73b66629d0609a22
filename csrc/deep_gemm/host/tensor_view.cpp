#include "host/tensor_view.hpp"

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

std::int64_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kE4m3:
      return 1;
    case ElementType::kBf16:
      return 2;
    default:
      return 4;
  }
}

bool expect_type(const TensorView& tensor, ElementType type, Status& status) {
  if (tensor.type == type) return true;
  return status.refuse("%s: expected %s, got %s", tensor.name, type_name(type), type_text(tensor).text);
}

bool expect_rank(const TensorView& tensor, std::int32_t rank, Status& status) {
  if (tensor.rank == rank) return true;
  return status.refuse("%s: expected %d dimensions, got %d", tensor.name, rank, tensor.rank);
}

bool expect_shape(const TensorView& tensor, std::int64_t rows, std::int64_t columns, const char* why, Status& status) {
  if (!expect_rank(tensor, 2, status)) return false;
  if (tensor.shape[0] == rows && tensor.shape[1] == columns) return true;
  return status.refuse("%s: expected shape (%lld, %lld), got (%lld, %lld); %s", tensor.name,
                       static_cast<long long>(rows), static_cast<long long>(columns),
                       static_cast<long long>(tensor.shape[0]), static_cast<long long>(tensor.shape[1]), why);
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
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.data);
  if (address % static_cast<std::uintptr_t>(alignment) == 0) return true;
  return status.refuse("%s: expected an address aligned to %lld bytes, got %p", tensor.name,
                       static_cast<long long>(alignment), tensor.data);
}

bool expect_row_major(const TensorView& tensor, Status& status) {
  if (!expect_rank(tensor, 2, status)) return false;
  const bool dense_rows = tensor.shape[1] < 2 || tensor.strides[1] == 1;
  const bool disjoint = tensor.shape[0] < 2 || tensor.strides[0] >= tensor.shape[1];
  if (dense_rows && disjoint) return true;
  return status.refuse("%s: expected row-major, strides (>= %lld, 1), got (%lld, %lld) for shape (%lld, %lld)",
                       tensor.name, static_cast<long long>(tensor.shape[1]), static_cast<long long>(tensor.strides[0]),
                       static_cast<long long>(tensor.strides[1]), static_cast<long long>(tensor.shape[0]),
                       static_cast<long long>(tensor.shape[1]));
}

std::int64_t row_stride(const TensorView& tensor) { return tensor.shape[0] < 2 ? tensor.shape[1] : tensor.strides[0]; }

}  // namespace deep_gemm
