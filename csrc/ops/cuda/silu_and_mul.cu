// A block a row; a thread has kItems packs of gate and of up in flight before it uses the first.
#include "cuda/launch.cuh"
#include "cuda/silu.cuh"
#include "shared/silu_and_mul.hpp"

namespace vllm {
namespace {

constexpr int kItems = 4;

template <class T, int kCount>
__global__ void __launch_bounds__(512) silu_and_mul(const __grid_constant__ SiluAndMul p) {
  using Elements = Pack<T, kCount>;
  const T* gate = static_cast<const T*>(p.in) + blockIdx.x * p.in_row;
  T* out = static_cast<T*>(p.out) + blockIdx.x * p.out_row;
  const std::int64_t step = std::int64_t{blockDim.x} * kCount;
  for (std::int64_t first = threadIdx.x * kCount; first < p.columns; first += kItems * step) {
    Elements gates[kItems], ups[kItems];
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (first + i * step >= p.columns) break;
      gates[i] = Elements::load(gate + first + i * step);
      ups[i] = Elements::load(gate + p.columns + first + i * step);
    }
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (first + i * step >= p.columns) break;
      float x[kCount], y[kCount];
      gates[i].unpack(x);
      ups[i].unpack(y);
#pragma unroll
      for (int j = 0; j < kCount; ++j) x[j] = silu(x[j]) * y[j];
      Elements::of(x).store(out + first + i * step);
    }
  }
}

template <class T, int kCount>
void launch(const SiluAndMul& problem, cudaStream_t stream) {
  const unsigned threads = threads_for(problem.columns / kCount, kItems);
  silu_and_mul<T, kCount><<<static_cast<unsigned>(problem.rows), threads, 0, stream>>>(problem);
}

}  // namespace

void silu_and_mul_cuda(const SiluAndMul& problem, void* stream) {
  with_device_element(problem.element, [&]<class T>(T*) {
    constexpr int kCount = kWordElements<T>;
    const bool whole = is_aligned(problem.in) && is_aligned(problem.out) &&
                       are_multiples({problem.columns, problem.in_row, problem.out_row}, kCount);
    (whole ? launch<T, kCount> : launch<T, 1>)(problem, static_cast<cudaStream_t>(stream));
  });
  check_cuda("silu_and_mul", cudaGetLastError());
}

}  // namespace vllm
