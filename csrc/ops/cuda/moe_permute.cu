// Three launches: rows of each expert counted; a block an expert gives its slots their rows, in the order of the
// slots, so that the result is the same at each call; a block a token copies its row to where its slots want it.
#include "cuda/launch.cuh"
#include "shared/moe_permute.hpp"

namespace vllm {
namespace {

constexpr int kCountThreads = 256;
constexpr int kRankThreads = 1024;
constexpr int kWarps = kRankThreads / 32;
constexpr int kSlotsAThread = 8;
constexpr int kCopyItems = 4;

template <class I>
__global__ void __launch_bounds__(kCountThreads) count_experts(const __grid_constant__ MoePermute p) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t slot = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; slot < p.slots(); slot += step) {
    const I expert = static_cast<const I*>(p.experts)[slot];
    if (expert >= 0 && expert < p.expert_count) atomicAdd(p.expert_sizes + expert, 1);
  }
}

// Sum over the block; `scratch` is free again after the next barrier.
__device__ int block_sum(int mine, int (&scratch)[kWarps]) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) mine += __shfl_xor_sync(0xFFFFFFFFU, mine, distance);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = mine;
  __syncthreads();
  int sum = 0;
  for (int warp = 0; warp < kWarps; ++warp) sum += scratch[warp];
  return sum;
}

// Sum over the threads before this one, and over all in `total`; `scratch` as above.
__device__ int block_prefix(int mine, int (&scratch)[kWarps], int& total) {
  int inclusive = mine;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int before = __shfl_up_sync(0xFFFFFFFFU, inclusive, distance);
    if (threadIdx.x % 32 >= distance) inclusive += before;
  }
  if (threadIdx.x % 32 == 31) scratch[threadIdx.x / 32] = inclusive;
  __syncthreads();
  int before = 0;
  total = 0;
  for (int warp = 0; warp < kWarps; ++warp) {
    if (warp < threadIdx.x / 32) before += scratch[warp];
    total += scratch[warp];
  }
  return before + inclusive - mine;
}

// The first row of the block's expert: the aligned sizes of those before it.
__device__ int first_row(const MoePermute& p, int (&scratch)[kWarps]) {
  int mine = 0;
  const int alignment = static_cast<int>(p.alignment);
  for (unsigned expert = threadIdx.x; expert < blockIdx.x; expert += blockDim.x)
    mine += (p.expert_sizes[expert] + alignment - 1) / alignment * alignment;
  return block_sum(mine, scratch);
}

__device__ void label_rows(const MoePermute& p, int first, int size) {
  const bool is_last = blockIdx.x + 1 == p.expert_count;
  const std::int64_t padded = (size + p.alignment - 1) / p.alignment * p.alignment;
  const std::int64_t end = is_last ? p.rows : first + padded;
  for (std::int64_t row = first + threadIdx.x; row < end; row += blockDim.x)
    p.layout[row] = row < first + size ? static_cast<std::int32_t>(blockIdx.x) : -1;
}

template <class I>
__global__ void __launch_bounds__(kRankThreads) rank_slots(const __grid_constant__ MoePermute p) {
  __shared__ int scratch[2][kWarps];
  int next = first_row(p, scratch[0]);
  label_rows(p, next, p.expert_sizes[blockIdx.x]);
  const I* experts = static_cast<const I*>(p.experts);
  int turn = 1;
  for (std::int64_t begin = 0; begin < p.slots(); begin += kRankThreads * kSlotsAThread, turn ^= 1) {
    const std::int64_t slot = begin + threadIdx.x * kSlotsAThread;
    I chosen[kSlotsAThread];
    int mine = 0;
#pragma unroll
    for (int i = 0; i < kSlotsAThread; ++i) {
      chosen[i] = slot + i < p.slots() ? experts[slot + i] : I(-1);
      mine += chosen[i] == static_cast<I>(blockIdx.x);
    }
    int total;
    // Order: two scratches in turn, so that one barrier a round is enough.
    int row = next + block_prefix(mine, scratch[turn], total);
    next += total;
#pragma unroll
    for (int i = 0; i < kSlotsAThread; ++i) {
      if (slot + i >= p.slots()) break;
      if (chosen[i] == static_cast<I>(blockIdx.x)) p.row_of_slot[slot + i] = row++;
      // The first block answers for the slots that no expert of ours has.
      if (blockIdx.x == 0 && (chosen[i] < 0 || chosen[i] >= p.expert_count)) p.row_of_slot[slot + i] = -1;
    }
  }
}

// Bytes as words of W.
template <class W>
__global__ void __launch_bounds__(512) copy_rows(const __grid_constant__ MoePermute p) {
  const W* in = reinterpret_cast<const W*>(static_cast<const char*>(p.in) + blockIdx.x * p.in_row);
  const std::int32_t* rows = p.row_of_slot + blockIdx.x * p.choices;
  const auto words = static_cast<unsigned>(p.row_bytes / sizeof(W));
  for (unsigned first = threadIdx.x; first < words; first += kCopyItems * blockDim.x) {
    W held[kCopyItems];
#pragma unroll
    for (int i = 0; i < kCopyItems; ++i)
      if (first + i * blockDim.x < words) held[i] = in[first + i * blockDim.x];
    for (int choice = 0; choice < p.choices; ++choice) {
      const std::int64_t row = rows[choice];
      if (row < 0) continue;
      W* out = reinterpret_cast<W*>(static_cast<char*>(p.out) + row * p.out_row);
#pragma unroll
      for (int i = 0; i < kCopyItems; ++i)
        if (first + i * blockDim.x < words) out[first + i * blockDim.x] = held[i];
    }
  }
}

template <class W>
void launch_copy(const MoePermute& p, cudaStream_t stream) {
  const unsigned threads = threads_for(p.row_bytes / static_cast<std::int64_t>(sizeof(W)), kCopyItems);
  copy_rows<W><<<static_cast<unsigned>(p.tokens), threads, 0, stream>>>(p);
}

template <class I>
void launch_ranks(const MoePermute& p, cudaStream_t stream) {
  const std::int64_t blocks = std::clamp<std::int64_t>((p.slots() + kCountThreads - 1) / kCountThreads, 1, 1024);
  if (p.slots() > 0) count_experts<I><<<static_cast<unsigned>(blocks), kCountThreads, 0, stream>>>(p);
  rank_slots<I><<<static_cast<unsigned>(p.expert_count), kRankThreads, 0, stream>>>(p);
}

}  // namespace

void moe_permute_cuda(const MoePermute& problem, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const std::size_t bytes = problem.expert_count * sizeof(std::int32_t);
  check_cuda("moe_permute", cudaMemsetAsync(problem.expert_sizes, 0, bytes, stream));
  (problem.long_experts ? launch_ranks<std::int64_t> : launch_ranks<std::int32_t>)(problem, stream);
  const bool whole = is_aligned(problem.in) && is_aligned(problem.out) &&
                     are_multiples({problem.row_bytes, problem.in_row, problem.out_row}, kWordBytes);
  if (problem.tokens > 0 && problem.row_bytes > 0)
    (whole ? launch_copy<uint4> : launch_copy<std::uint8_t>)(problem, stream);
  check_cuda("moe_permute", cudaGetLastError());
}

}  // namespace vllm
