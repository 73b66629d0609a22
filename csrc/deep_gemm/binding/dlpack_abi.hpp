// The binary interface of DLPack 1.x, as far as the binding reads it.
//
// Source: DLPack 1.3 specification (dmlc.github.io/dlpack, "C API" and "DLPack exchange API"): layouts and numbers are
// the standard's, restated here so that no header of a tensor library is needed.
#pragma once

#include <cstdint>

namespace deep_gemm::dlpack {

enum DeviceType : std::int32_t { kCpu = 1, kCuda = 2 };

enum TypeCode : std::uint8_t { kInt = 0, kFloat = 2, kBfloat = 4, kFloat8E4m3fn = 10 };

struct Device {
  std::int32_t type;
  std::int32_t id;
};

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t rank;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;  // elements; null: dense and row-major
  std::uint64_t byte_offset;
};

// What a "dltensor" capsule points to.
struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

struct Version {
  std::uint32_t major;
  std::uint32_t minor;
};

// What the capsule in `type(tensor).__dlpack_c_exchange_api__` points to. Functions return 0, or -1 with a Python
// error set. The first two entries make and take owned tensors, which this binding doesn't need.
struct ExchangeApi {
  Version version;
  ExchangeApi* previous;
  void* allocate;
  void* managed_from_object;
  void* managed_to_object;
  int (*tensor_from_object)(void* object, Tensor* out);  // borrowed: valid as long as the object
  int (*current_stream)(std::int32_t device_type, std::int32_t device, void** out);
};

inline constexpr const char* kExchangeCapsule = "dlpack_exchange_api";
inline constexpr const char* kTensorCapsule = "dltensor";

}  // namespace deep_gemm::dlpack
