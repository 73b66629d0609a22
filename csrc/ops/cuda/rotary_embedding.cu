// A block a token. An item is a run of pairs of one head: two packs of elements, one of cosines, one of sines.
//
// A thread has the packs of kItems items in flight before it rotates the first; the angles of a token, the same for
// all its heads, come from the first cache.
#include "cuda/launch.cuh"
#include "shared/rotary_embedding.hpp"

namespace vllm {
namespace {

constexpr int kItems = 2;

template <class T, class A, int kPairs, bool kNeox>
struct Item {
  Pack<T, kPairs> first, second;
  T* out = nullptr;
  int pair = 0;  // the first of the run

  __device__ void fetch(const RotaryEmbedding& p, unsigned index) {
    const unsigned runs = static_cast<unsigned>(p.pairs) / kPairs;
    const unsigned head = index / runs;
    const bool is_key = head >= p.tensors[0].heads;
    const RotaryHeads& heads = p.tensors[is_key];
    const std::int64_t at = head - (is_key ? p.tensors[0].heads : 0);
    pair = static_cast<int>(index % runs) * kPairs;
    const T* in = static_cast<const T*>(heads.in) + blockIdx.x * heads.in_token + at * heads.in_head;
    out = static_cast<T*>(heads.out) + blockIdx.x * heads.out_token + at * heads.out_head;
    const std::int64_t begin = kNeox ? pair : 2 * pair;
    out += begin;
    first = Pack<T, kPairs>::load(in + begin);
    second = Pack<T, kPairs>::load(in + begin + distance(p));
  }

  __device__ static std::int64_t distance(const RotaryEmbedding& p) { return kNeox ? p.pairs : kPairs; }

  __device__ void rotate(const RotaryEmbedding& p, const A* angles) const {
    float both[2][kPairs], cos[kPairs], sin[kPairs];
    first.unpack(both[0]);
    second.unpack(both[1]);
    Pack<A, kPairs>::load(angles + pair).unpack(cos);
    Pack<A, kPairs>::load(angles + p.pairs + pair).unpack(sin);
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      // NeoX pairs the packs element by element, GPT-J the neighbours in both packs taken as one.
      float& x = kNeox ? both[0][i] : both[2 * i / kPairs][2 * i % kPairs];
      float& y = kNeox ? both[1][i] : both[(2 * i + 1) / kPairs][(2 * i + 1) % kPairs];
      const float turned = x * cos[i] - y * sin[i];
      y = y * cos[i] + x * sin[i];
      x = turned;
    }
    Pack<T, kPairs>::of(both[0]).store(out);
    Pack<T, kPairs>::of(both[1]).store(out + distance(p));
  }
};

// What is beyond the rotary part goes over as it is.
template <class T, int kCount>
__device__ void copy_rest(const RotaryHeads& heads, std::int64_t rotary, std::int64_t head_size) {
  const auto packs = static_cast<unsigned>((head_size - rotary) / kCount);
  if (heads.in == heads.out || packs == 0) return;
  for (unsigned index = threadIdx.x; index < heads.heads * packs; index += blockDim.x) {
    const std::int64_t head = index / packs;
    const std::int64_t element = rotary + index % packs * kCount;
    const T* in = static_cast<const T*>(heads.in) + blockIdx.x * heads.in_token + head * heads.in_head;
    T* out = static_cast<T*>(heads.out) + blockIdx.x * heads.out_token + head * heads.out_head;
    Pack<T, kCount>::load(in + element).store(out + element);
  }
}

template <class T, class A, int kPairs, bool kNeox>
__global__ void __launch_bounds__(512) rotary_embedding(const __grid_constant__ RotaryEmbedding p) {
  const std::int64_t position = p.long_positions ? static_cast<const std::int64_t*>(p.positions)[blockIdx.x]
                                                 : static_cast<const std::int32_t*>(p.positions)[blockIdx.x];
  const A* angles = static_cast<const A*>(p.angles) + position * p.angles_row;
  const auto items = static_cast<unsigned>((p.tensors[0].heads + p.tensors[1].heads) * p.pairs / kPairs);
  for (unsigned index = threadIdx.x; index < items; index += kItems * blockDim.x) {
    Item<T, A, kPairs, kNeox> item[kItems];
#pragma unroll
    for (int i = 0; i < kItems; ++i)
      if (index + i * blockDim.x < items) item[i].fetch(p, index + i * blockDim.x);
#pragma unroll
    for (int i = 0; i < kItems; ++i)
      if (index + i * blockDim.x < items) item[i].rotate(p, angles);
  }
  for (const RotaryHeads& heads : p.tensors) copy_rest<T, kPairs>(heads, 2 * p.pairs, p.head_size);
}

template <class T, class A, int kPairs>
void launch(const RotaryEmbedding& p, cudaStream_t stream) {
  const unsigned threads = threads_for((p.tensors[0].heads + p.tensors[1].heads) * p.pairs / kPairs, kItems);
  const auto kernel = p.neox ? rotary_embedding<T, A, kPairs, true> : rotary_embedding<T, A, kPairs, false>;
  kernel<<<static_cast<unsigned>(p.tokens), threads, 0, stream>>>(p);
}

template <class T>
bool has_whole_words(const RotaryEmbedding& p) {
  bool whole = is_aligned(p.angles) && are_multiples({p.pairs, p.head_size, p.angles_row}, kWordElements<T>);
  for (const RotaryHeads& heads : p.tensors)
    whole = whole && is_aligned(heads.in) && is_aligned(heads.out) &&
            are_multiples({heads.in_token, heads.in_head, heads.out_token, heads.out_head}, kWordElements<T>);
  return whole;
}

template <class T, class A>
void choose(const RotaryEmbedding& p, void* stream) {
  (has_whole_words<T>(p) ? launch<T, A, kWordElements<T>> : launch<T, A, 1>)(p, static_cast<cudaStream_t>(stream));
}

}  // namespace

void rotary_embedding_cuda(const RotaryEmbedding& problem, void* stream) {
  with_device_element(problem.element, [&]<class T>(T*) {
    if (problem.float_angles) return choose<T, float>(problem, stream);
    if constexpr (!std::is_same_v<T, float>) choose<T, T>(problem, stream);
  });
  check_cuda("rotary_embedding", cudaGetLastError());
}

}  // namespace vllm
