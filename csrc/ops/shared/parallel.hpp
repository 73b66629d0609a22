// Rows shared out to torch's threads. The binding implements it, so that no other room knows torch.
#pragma once

#include <cstdint>

namespace vllm {

using RowsFunction = void (*)(std::int64_t begin, std::int64_t end, void* context);

// Call `function` for ranges that make up [0, rows), each of `grain` rows or more where there are as many.
void parallel_rows(std::int64_t rows, std::int64_t grain, RowsFunction function, void* context);

}  // namespace vllm
