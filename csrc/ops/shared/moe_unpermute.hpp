// The weighted sum of each token's rows: what the binding hands to the CPU's and the GPU's version.
#pragma once

#include <cstdint>

#include "shared/element.hpp"

namespace vllm {

// Row strides count elements; the elements of a row are dense.
struct MoeUnpermute {
  const void* in;                   // (rows, columns)
  const std::int32_t* row_of_slot;  // (tokens, choices); -1 adds nothing
  const float* weights;             // (tokens, choices); null: all one
  void* out;                        // (tokens, columns)
  Element element;
  std::int64_t tokens;
  std::int64_t choices;
  std::int64_t columns;
  std::int64_t in_row;
  std::int64_t out_row;
};

void moe_unpermute_cpu(const MoeUnpermute& problem);
void moe_unpermute_cuda(const MoeUnpermute& problem, void* stream);

}  // namespace vllm
