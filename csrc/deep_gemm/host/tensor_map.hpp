// Tensor maps of two-dimensional row-major tensors for the bulk tensor copies.
#pragma once

#include <cstdint>

#include "host/driver.hpp"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm {

struct MapRequest {
  const char* name;  // the operand's name in messages
  void* data;        // 16-byte aligned
  CUtensorMapDataType type;
  std::int64_t element_bytes;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t row_stride;  // elements; times element_bytes a multiple of 16
  int box_rows;
  int box_columns;  // times element_bytes is the swizzle's width, 32, 64 or 128 bytes; wider: no swizzle
};

bool encode_tensor_map(const Driver& driver, const MapRequest& request, TensorMap& map, Status& status);

}  // namespace deep_gemm
