#include "shared/moe_permute.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/versions.hpp"

namespace vllm {
namespace {

std::int64_t expert_of(const MoePermute& p, std::int64_t slot) {
  return p.long_experts ? static_cast<const std::int64_t*>(p.experts)[slot]
                        : static_cast<const std::int32_t*>(p.experts)[slot];
}

bool is_ours(const MoePermute& p, std::int64_t expert) { return expert >= 0 && expert < p.expert_count; }

// Count each expert's rows, and label the rows that the groups take with their padding.
std::vector<std::int64_t> lay_out(const MoePermute& p) {
  std::fill_n(p.expert_sizes, p.expert_count, 0);
  for (std::int64_t slot = 0; slot < p.slots(); ++slot) {
    const std::int64_t expert = expert_of(p, slot);
    if (is_ours(p, expert)) ++p.expert_sizes[expert];
  }
  std::vector<std::int64_t> first(p.expert_count);
  std::fill_n(p.layout, p.rows, -1);
  std::int64_t row = 0;
  for (std::int64_t expert = 0; expert < p.expert_count; ++expert) {
    first[expert] = row;
    std::fill_n(p.layout + row, p.expert_sizes[expert], static_cast<std::int32_t>(expert));
    row += (p.expert_sizes[expert] + p.alignment - 1) / p.alignment * p.alignment;
  }
  return first;
}

}  // namespace

void moe_permute_cpu(const MoePermute& problem) {
  std::vector<std::int64_t> next = lay_out(problem);
  for (std::int64_t slot = 0; slot < problem.slots(); ++slot) {
    const std::int64_t expert = expert_of(problem, slot);
    problem.row_of_slot[slot] = is_ours(problem, expert) ? static_cast<std::int32_t>(next[expert]++) : -1;
  }
  for_rows(problem.tokens, problem.choices * problem.row_bytes,
           [p = problem](std::int64_t begin, std::int64_t end) VLLM_ROWS {
             for (std::int64_t slot = begin * p.choices; slot < end * p.choices; ++slot) {
               const std::int64_t row = p.row_of_slot[slot];
               const char* from = static_cast<const char*>(p.in) + slot / p.choices * p.in_row;
               if (row >= 0) std::memcpy(static_cast<char*>(p.out) + row * p.out_row, from, p.row_bytes);
             }
           });
}

}  // namespace vllm
