// A block a token; a thread has a pack of each of kChoices rows in flight before it adds the first.
#include "cuda/launch.cuh"
#include "shared/moe_unpermute.hpp"

namespace vllm {
namespace {

constexpr int kChoices = 4;

template <class T, int kCount>
__device__ void add_rows(const MoeUnpermute& p, std::int64_t slot, std::int64_t end, std::int64_t column,
                         float (&sums)[kCount]) {
  Pack<T, kCount> packs[kChoices];
  float weights[kChoices];
#pragma unroll
  for (int i = 0; i < kChoices; ++i) {
    const int row = slot + i < end ? p.row_of_slot[slot + i] : -1;
    weights[i] = 0.0F;
    if (row < 0) {
      packs[i] = {};
      continue;
    }
    weights[i] = p.weights == nullptr ? 1.0F : p.weights[slot + i];
    packs[i] = Pack<T, kCount>::load(static_cast<const T*>(p.in) + row * p.in_row + column);
  }
#pragma unroll
  for (int i = 0; i < kChoices; ++i) {
    float values[kCount];
    packs[i].unpack(values);
#pragma unroll
    for (int j = 0; j < kCount; ++j) sums[j] += weights[i] * values[j];
  }
}

template <class T, int kCount>
__global__ void __launch_bounds__(512) moe_unpermute(const __grid_constant__ MoeUnpermute p) {
  T* out = static_cast<T*>(p.out) + blockIdx.x * p.out_row;
  const std::int64_t begin = blockIdx.x * p.choices;
  for (std::int64_t column = threadIdx.x * kCount; column < p.columns; column += std::int64_t{blockDim.x} * kCount) {
    float sums[kCount] = {};
    for (std::int64_t slot = begin; slot < begin + p.choices; slot += kChoices)
      add_rows<T, kCount>(p, slot, begin + p.choices, column, sums);
    Pack<T, kCount>::of(sums).store(out + column);
  }
}

template <class T, int kCount>
void launch(const MoeUnpermute& problem, cudaStream_t stream) {
  const unsigned threads = threads_for(problem.columns / kCount, 2);
  moe_unpermute<T, kCount><<<static_cast<unsigned>(problem.tokens), threads, 0, stream>>>(problem);
}

}  // namespace

void moe_unpermute_cuda(const MoeUnpermute& problem, void* stream) {
  with_device_element(problem.element, [&]<class T>(T*) {
    constexpr int kCount = kWordElements<T>;
    const bool whole = is_aligned(problem.in) && is_aligned(problem.out) &&
                       are_multiples({problem.columns, problem.in_row, problem.out_row}, kCount);
    (whole ? launch<T, kCount> : launch<T, 1>)(problem, static_cast<cudaStream_t>(stream));
  });
  check_cuda("moe_unpermute", cudaGetLastError());
}

}  // namespace vllm
