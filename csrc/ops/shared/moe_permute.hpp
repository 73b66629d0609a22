// Rows of tokens gathered by expert, for a grouped GEMM: what the binding hands to both versions.
#pragma once

#include <cstdint>

namespace vllm {

// Each expert's rows begin at a multiple of `alignment`; slot i of token t is its i-th choice of expert.
struct MoePermute {
  const void* in;              // (tokens, row_bytes)
  void* out;                   // (rows, row_bytes)
  const void* experts;         // (tokens, choices); outside [0, expert_count): none of ours
  bool long_experts;           // int64, else int32
  std::int32_t* layout;        // (rows): the row's expert, -1 for padding
  std::int32_t* row_of_slot;   // (tokens, choices): where the slot's row went, -1 for none
  std::int32_t* expert_sizes;  // (expert_count): rows without padding
  std::int64_t tokens;
  std::int64_t choices;
  std::int64_t expert_count;
  std::int64_t rows;
  std::int64_t row_bytes;
  std::int64_t in_row;   // bytes
  std::int64_t out_row;  // bytes
  std::int64_t alignment;

  constexpr std::int64_t slots() const { return tokens * choices; }
};

void moe_permute_cpu(const MoePermute& problem);
void moe_permute_cuda(const MoePermute& problem, void* stream);

}  // namespace vllm
