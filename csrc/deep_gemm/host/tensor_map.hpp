// Tensor maps of three-dimensional tensors, the innermost dimension dense, for the bulk tensor copies.
#pragma once

#include <cstdint>

#include "host/driver.hpp"
#include "shared/gemm_arguments.hpp"

namespace deep_gemm {

// Dimensions from the innermost on: elements of a line, lines, groups.
struct MapRequest {
  void* data;  // 16-byte aligned
  CUtensorMapDataType type;
  int element_bytes;
  std::int64_t extents[3];
  std::int64_t line_stride;             // elements; times element_bytes a multiple of 16
  std::int64_t group_stride;            // the same
  int box_elements;                     // times element_bytes a multiple of 16
  int box_lines;                        // of one group
  bool swizzled;                        // as wide as a box's line, where that is 32, 64 or 128 bytes
  CUtensorMapL2promotion l2_promotion;  // what device memory is asked for at once

  bool operator==(const MapRequest&) const = default;
};

// Writes the map that is asked for; `name` is the operand's in messages. A map says no more than its request does, so
// each thread remembers those that it asked the driver for last: weights and buffers come again and again.
bool write_tensor_map(const Driver& driver, const char* name, const MapRequest& request, TensorMap& map,
                      Status& status);

}  // namespace deep_gemm
