// Rotary embedding: what the binding hands to the CPU's and the GPU's version.
#pragma once

#include <cstdint>

#include "shared/element.hpp"

namespace vllm {

// Heads of one tensor, read from `in` and written to `out` (which may be the same memory).
// Strides count elements; the elements of a head are dense.
struct RotaryHeads {
  const void* in = nullptr;
  void* out = nullptr;
  std::int64_t heads = 0;
  std::int64_t in_token = 0;
  std::int64_t in_head = 0;
  std::int64_t out_token = 0;
  std::int64_t out_head = 0;
};

struct RotaryEmbedding {
  RotaryHeads tensors[2];  // query and key; no heads where there is no key
  const void* positions;   // (tokens)
  bool long_positions;     // int64, else int32
  const void* angles;      // (rows, rotary_dim): cos of all pairs, then sin
  bool float_angles;       // float32, else `element`
  std::int64_t angles_row;
  Element element;
  std::int64_t tokens;
  std::int64_t head_size;
  std::int64_t pairs;  // rotary_dim / 2
  bool neox;           // pairs (i, i + pairs), else (2 i, 2 i + 1)
};

void rotary_embedding_cpu(const RotaryEmbedding& problem);
void rotary_embedding_cuda(const RotaryEmbedding& problem, void* stream);

}  // namespace vllm
