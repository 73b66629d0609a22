#include "shared/parallel.hpp"

#include <torch/csrc/stable/c/shim.h>

#include <stdexcept>

void vllm::parallel_rows(std::int64_t rows, std::int64_t grain, RowsFunction function, void* context) {
  if (rows > 0 && torch_parallel_for(0, rows, grain, function, context) != 0)
    throw std::runtime_error("torch_parallel_for: expected success, found a failure");
}
