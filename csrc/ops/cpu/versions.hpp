// Rows in parallel, by the version of the code that this processor's instructions allow.
//
// A body is a lambda marked VLLM_ROWS: inlined, whole, into one function for each instruction set, where the compiler
// vectorises it anew.
#pragma once

#include <cstdint>

#include "cpu/numbers.hpp"
#include "shared/element.hpp"
#include "shared/parallel.hpp"

#define VLLM_ROWS __attribute__((always_inline))

namespace vllm {

enum class Instructions { kBaseline, kAvx2, kAvx512 };

inline Instructions instructions() {
  static const Instructions found = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return avx2 && avx512 ? Instructions::kAvx512 : avx2 ? Instructions::kAvx2 : Instructions::kBaseline;
  }();
  return found;
}

template <class Body>
void run_baseline(std::int64_t begin, std::int64_t end, void* body) {
  (*static_cast<const Body*>(body))(begin, end);
}

template <class Body>
__attribute__((target("avx2,fma"))) void run_avx2(std::int64_t begin, std::int64_t end, void* body) {
  (*static_cast<const Body*>(body))(begin, end);
}

template <class Body>
__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))) void run_avx512(std::int64_t begin,
                                                                                       std::int64_t end, void* body) {
  (*static_cast<const Body*>(body))(begin, end);
}

// Call `body(begin, end)` on all rows; ranges of less than 32 KiB of `bytes_a_row` are not worth a thread.
template <class Body>
void for_rows(std::int64_t rows, std::int64_t bytes_a_row, Body body) {
  const std::int64_t grain = bytes_a_row > 32768 ? 1 : 32768 / (bytes_a_row > 0 ? bytes_a_row : 1) + 1;
  const Instructions found = instructions();
  const RowsFunction run = found == Instructions::kAvx512 ? run_avx512<Body>
                           : found == Instructions::kAvx2 ? run_avx2<Body>
                                                          : run_baseline<Body>;
  parallel_rows(rows, grain, run, &body);
}

// Call `function` with a null pointer of the element's type.
template <class Function>
void with_element(Element element, const Function& function) {
  if (element == Element::kBfloat16) return function(static_cast<Bfloat16*>(nullptr));
  if (element == Element::kHalf) return function(static_cast<Half*>(nullptr));
  function(static_cast<float*>(nullptr));
}

}  // namespace vllm
