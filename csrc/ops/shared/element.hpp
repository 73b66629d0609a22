// The element types that the operators take.
#pragma once

namespace vllm {

enum class Element { kBfloat16, kHalf, kFloat };

}  // namespace vllm
