// silu(gate) * up: what the binding hands to the CPU's and the GPU's version.
#pragma once

#include <cstdint>

#include "shared/element.hpp"

namespace vllm {

// Row strides count elements; the elements of a row are dense.
struct SiluAndMul {
  const void* in;  // (rows, 2 columns): gate, then up
  void* out;       // (rows, columns)
  Element element;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t in_row;
  std::int64_t out_row;
};

void silu_and_mul_cpu(const SiluAndMul& problem);
void silu_and_mul_cuda(const SiluAndMul& problem, void* stream);

}  // namespace vllm
