// Tensor maps of three-dimensional tensors, the innermost dimension dense, for the bulk tensor copies.
#pragma once

#include <cstdint>

#include "host/driver.hpp"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm {

// Dimensions from the innermost on: elements of a line, lines, groups.
struct MapRequest {
  const char* name;  // the operand's name in messages
  void* data;        // 16-byte aligned
  CUtensorMapDataType type;
  std::int64_t element_bytes;
  std::int64_t extents[3];
  std::int64_t line_stride;   // elements; times element_bytes a multiple of 16
  std::int64_t group_stride;  // the same
  int box_elements;           // times element_bytes is the swizzle's width, 32, 64 or 128 bytes; wider: no swizzle
  int box_lines;              // of one group
};

bool encode_tensor_map(const Driver& driver, const MapRequest& request, TensorMap& map, Status& status);

}  // namespace deep_gemm
