// What every launch has in common: element types, alignment, the size of a block, the error that it left.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "cuda/pack.cuh"
#include "shared/element.hpp"

namespace vllm {

// Call `function` with a null pointer of the element's type.
template <class Function>
void with_device_element(Element element, const Function& function) {
  if (element == Element::kBfloat16) return function(static_cast<__nv_bfloat16*>(nullptr));
  if (element == Element::kHalf) return function(static_cast<__half*>(nullptr));
  function(static_cast<float*>(nullptr));
}

inline bool is_aligned(const void* pointer, int bytes = kWordBytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

inline bool are_multiples(std::initializer_list<std::int64_t> numbers, std::int64_t of) {
  return std::all_of(numbers.begin(), numbers.end(), [of](std::int64_t number) { return number % of == 0; });
}

// Whole warps for `items` of work at `items_a_thread`, 512 threads at most.
inline unsigned threads_for(std::int64_t items, int items_a_thread) {
  const std::int64_t threads = (items + items_a_thread - 1) / items_a_thread;
  return static_cast<unsigned>(std::clamp<std::int64_t>((threads + 31) / 32 * 32, 32, 512));
}

inline void check_cuda(const char* name, cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(name) + ": CUDA: " + cudaGetErrorString(error));
}

}  // namespace vllm
