#pragma once

namespace vllm {

// x / (1 + e^-x); the quotient is 0 where e^-x is beyond floats.
__device__ inline float silu(float x) { return __fdividef(x, 1.0F + __expf(-x)); }

}  // namespace vllm
