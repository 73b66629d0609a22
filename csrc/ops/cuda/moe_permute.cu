// Four launches, none of them longer with more experts: each chunk of slots counted and ranked by a block of its own;
// for each expert the first row of every chunk; a block a token, which reads its row once, finds where its slots want
// it and writes it there; at last the labels of the rows. Ranks go by slots, so that the result is the same at each
// call.
//
// The counts of the chunks are (experts, chunks) and lie in `layout` until the labels do. One chunk's counts are the
// experts' sizes: then they lie there, and the second launch is left out.
#include "cuda/launch.cuh"
#include "shared/moe_permute.hpp"

namespace vllm {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kCopyItems = 4;
constexpr int kChoices = 32;  // looked up before a row is copied
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

struct Chunks {
  std::int32_t* counts;  // (experts, number): slots of the expert, then the row of the first
  unsigned number;
  unsigned length;  // in slots, a multiple of kThreads

  __device__ std::int32_t& count(int expert, unsigned chunk) const {
    return counts[static_cast<std::size_t>(expert) * number + chunk];
  }
};

// As many chunks as `layout` has room for, of kThreads slots or more.
Chunks chunks_of(const MoePermute& p) {
  const auto parts = [](std::int64_t items, std::int64_t of) { return (items + of - 1) / of; };
  const std::int64_t most = std::max<std::int64_t>(p.rows / p.expert_count, 1);
  const std::int64_t wanted = std::clamp<std::int64_t>(parts(p.slots(), kThreads), 1, most);
  const std::int64_t length = std::max<std::int64_t>(parts(parts(p.slots(), wanted), kThreads), 1) * kThreads;
  const std::int64_t number = std::max<std::int64_t>(parts(p.slots(), length), 1);
  return {number > 1 ? p.layout : p.expert_sizes, static_cast<unsigned>(number), static_cast<unsigned>(length)};
}

// The slot's expert, -1 where it is none of ours.
__device__ int expert_of(const MoePermute& p, unsigned slot) {
  const std::int64_t expert = p.long_experts ? static_cast<const std::int64_t*>(p.experts)[slot]
                                             : static_cast<const std::int32_t*>(p.experts)[slot];
  return expert >= 0 && expert < p.expert_count ? static_cast<int>(expert) : -1;
}

// How many of the block's slots have the thread's expert, and how many of those come before the thread's.
__device__ int2 count_alike(const int (&experts)[kThreads], int mine) {
  int all = 0, before = 0;
#pragma unroll 8
  for (unsigned i = 0; i < kThreads / 4; ++i) {
    const int4 four = reinterpret_cast<const int4*>(experts)[i];
    const int alike[4] = {four.x == mine, four.y == mine, four.z == mine, four.w == mine};
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) {
      all += alike[j];
      before += 4 * i + j < threadIdx.x ? alike[j] : 0;
    }
  }
  return {all, before};
}

// A block a chunk: its counts, and the rank of each slot among the chunk's of that expert, which goes to `row_of_slot`.
__global__ void __launch_bounds__(kThreads)
    rank_slots(const __grid_constant__ MoePermute p, const __grid_constant__ Chunks chunks) {
  __shared__ __align__(16) int experts[kThreads];
  for (std::int64_t expert = threadIdx.x; expert < p.expert_count; expert += kThreads)
    chunks.count(static_cast<int>(expert), blockIdx.x) = 0;
  const auto slots = static_cast<unsigned>(p.slots());
  const unsigned first = blockIdx.x * chunks.length;
  const unsigned end = min(first + chunks.length, slots);
  for (unsigned begin = first; begin < end; begin += kThreads) {
    const unsigned slot = begin + threadIdx.x;
    const int mine = slot < end ? expert_of(p, slot) : -1;
    experts[threadIdx.x] = mine;
    __syncthreads();
    const int2 alike = count_alike(experts, mine);
    const int earlier = mine < 0 ? 0 : chunks.count(mine, blockIdx.x);
    if (slot < end) p.row_of_slot[slot] = mine < 0 ? -1 : earlier + alike.y;
    // Order: everyone has read the count before the expert's first slot adds to it.
    __syncthreads();
    if (mine < 0 || alike.y > 0) continue;
    chunks.count(mine, blockIdx.x) = earlier + alike.x;
    if (chunks.number > 1) atomicAdd(p.expert_sizes + mine, alike.x);
  }
}

// The expert's first row, by a whole warp: the aligned sizes of the experts before it.
__device__ int first_row(const MoePermute& p, int expert) {
  const int alignment = static_cast<int>(p.alignment);
  int sum = 0;
  for (int before = static_cast<int>(threadIdx.x % 32); before < expert; before += 32)
    sum += (p.expert_sizes[before] + alignment - 1) / alignment * alignment;
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(kAllLanes, sum, distance);
  return sum;
}

// Sum over the threads before this one, and over all in `total`; `scratch` is free again after the next barrier.
__device__ int block_prefix(int mine, int (&scratch)[kWarps], int& total) {
  int inclusive = mine;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int before = __shfl_up_sync(kAllLanes, inclusive, distance);
    if (threadIdx.x % 32 >= distance) inclusive += before;
  }
  if (threadIdx.x % 32 == 31) scratch[threadIdx.x / 32] = inclusive;
  __syncthreads();
  int before = 0;
  total = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) {
    if (warp < threadIdx.x / 32) before += scratch[warp];
    total += scratch[warp];
  }
  return before + inclusive - mine;
}

// A block an expert: each chunk's count gives way to the row of its first slot.
__global__ void __launch_bounds__(kThreads)
    place_chunks(const __grid_constant__ MoePermute p, const __grid_constant__ Chunks chunks) {
  __shared__ int scratch[2][kWarps];
  const int expert = static_cast<int>(blockIdx.x);
  int next = first_row(p, expert);
  int turn = 0;
  for (unsigned begin = 0; begin < chunks.number; begin += kThreads, turn ^= 1) {
    const unsigned chunk = begin + threadIdx.x;
    const int mine = chunk < chunks.number ? chunks.count(expert, chunk) : 0;
    int total;
    // Order: two scratches in turn, so that one barrier a round is enough.
    const int before = block_prefix(mine, scratch[turn], total);
    if (chunk < chunks.number) chunks.count(expert, chunk) = next + before;
    next += total;
  }
}

// Turn a slot's rank into its row, by a whole warp.
__device__ int settle_row(const MoePermute& p, const Chunks& chunks, unsigned slot) {
  int row = p.row_of_slot[slot];
  if (row >= 0) {
    const int expert = expert_of(p, slot);
    row += chunks.number > 1 ? chunks.count(expert, slot / chunks.length) : first_row(p, expert);
  }
  // Order: every lane has read the rank before the row takes its place.
  __syncwarp();
  if (threadIdx.x % 32 == 0) p.row_of_slot[slot] = row;
  return row;
}

// Write the token's row, read once, to each of `count` rows. Bytes as words of W.
template <class W>
__device__ void copy_row(const MoePermute& p, const int (&rows)[kChoices], int count) {
  const W* in = reinterpret_cast<const W*>(static_cast<const char*>(p.in) + blockIdx.x * p.in_row);
  const auto words = static_cast<unsigned>(p.row_bytes / sizeof(W));
  for (unsigned first = threadIdx.x; first < words; first += kCopyItems * blockDim.x) {
    W held[kCopyItems];
#pragma unroll
    for (int i = 0; i < kCopyItems; ++i)
      if (first + i * blockDim.x < words) held[i] = in[first + i * blockDim.x];
    for (int choice = 0; choice < count; ++choice) {
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
__global__ void __launch_bounds__(512)
    copy_rows(const __grid_constant__ MoePermute p, const __grid_constant__ Chunks chunks) {
  __shared__ int rows[kChoices];
  const auto choices = static_cast<unsigned>(p.choices);
  for (unsigned begin = 0; begin < choices; begin += kChoices) {
    const unsigned count = min(choices - begin, static_cast<unsigned>(kChoices));
    if (begin > 0) __syncthreads();  // the rows before were read
    for (unsigned i = threadIdx.x / 32; i < count; i += blockDim.x / 32)
      rows[i] = settle_row(p, chunks, blockIdx.x * choices + begin + i);
    __syncthreads();
    copy_row<W>(p, rows, static_cast<int>(count));
  }
}

// A block an expert; the last one labels what is left, too.
__global__ void __launch_bounds__(kThreads) label_rows(const __grid_constant__ MoePermute p) {
  const int expert = static_cast<int>(blockIdx.x);
  const bool is_last = expert + 1 == p.expert_count;
  const std::int64_t size = p.expert_sizes[expert];
  const std::int64_t first = first_row(p, expert);
  const std::int64_t end = is_last ? p.rows : first + (size + p.alignment - 1) / p.alignment * p.alignment;
  for (std::int64_t row = first + threadIdx.x; row < end; row += kThreads)
    p.layout[row] = row < first + size ? expert : -1;
}

template <class W>
void launch_copy(const MoePermute& p, const Chunks& chunks, cudaStream_t stream) {
  const unsigned threads = threads_for(p.row_bytes / static_cast<std::int64_t>(sizeof(W)), kCopyItems);
  copy_rows<W><<<static_cast<unsigned>(p.tokens), threads, 0, stream>>>(p, chunks);
}

void launch_ranks(const MoePermute& p, const Chunks& chunks, cudaStream_t stream) {
  const auto experts = static_cast<unsigned>(p.expert_count);
  if (chunks.number > 1)
    check_cuda("moe_permute", cudaMemsetAsync(p.expert_sizes, 0, experts * sizeof(std::int32_t), stream));
  rank_slots<<<chunks.number, kThreads, 0, stream>>>(p, chunks);
  if (chunks.number > 1) place_chunks<<<experts, kThreads, 0, stream>>>(p, chunks);
}

}  // namespace

void moe_permute_cuda(const MoePermute& problem, void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const Chunks chunks = chunks_of(problem);
  launch_ranks(problem, chunks, stream);
  const bool whole = is_aligned(problem.in) && is_aligned(problem.out) &&
                     are_multiples({problem.row_bytes, problem.in_row, problem.out_row}, kWordBytes);
  if (problem.tokens > 0) (whole ? launch_copy<uint4> : launch_copy<std::uint8_t>)(problem, chunks, stream);
  // Order: last, for the labels lie where the counts did.
  label_rows<<<static_cast<unsigned>(problem.expert_count), kThreads, 0, stream>>>(problem);
  check_cuda("moe_permute", cudaGetLastError());
}

}  // namespace vllm
