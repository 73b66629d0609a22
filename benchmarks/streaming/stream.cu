// What a decode call costs at least: bulk copies bring the boxes of A and B that a GEMM of these extents needs into
// shared memory, all multiprocessors alike, and D is written. Nothing is multiplied.
//
// Calls stand in one CUDA graph that walks through inputs larger than L2 together, round and round; prints a JSON list,
// times in microseconds a call (median of 15 replays): launched as usual; with programmatic dependent launch, L2 being
// asked for A and some of B before the last call has ended, as much as the kernels ask for; and with B loaded before
// that instead (early).
#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "device/pipeline.cuh"
#include "device/ptx/bulk_tensor.cuh"
#include "device/ptx/cluster.cuh"
#include "device/ptx/warp_group.cuh"
#include "shared/kernel_config.hpp"

namespace {

using deep_gemm::kStepBytes;
using deep_gemm::TensorMap;
namespace ptx = deep_gemm::ptx;

constexpr int kThreads = 256;
constexpr std::size_t kRotatedBytes = 1200u << 20;  // twenty times L2, as benchmarks/gemm_comparison does
constexpr int kReplays = 15;
// Of B that a block asks for before the last call has ended: as the kernels do where k is split, and with early
// weights.
constexpr unsigned kPrefetchedBytes = 32 << 10;
constexpr unsigned kLoadedBytes = 64 << 10;
constexpr std::size_t kCalls = 400;  // of a graph, at least: its launch costs several microseconds

enum class Launch { kUsual, kDependent, kEarly };

struct Arguments {
  TensorMap a;
  TensorMap b;
  uint4* d;
  std::uint32_t steps;      // of k
  std::uint32_t boxes;      // of all tiles of B
  std::uint32_t d_vectors;  // of 16 bytes
  // Before the last call has ended:
  std::uint32_t prefetched_a;  // boxes of A that all blocks together have L2 bring
  std::uint32_t prefetched_b;  // boxes of B that each block does
  std::uint32_t early;         // boxes of B that each block loads
};

template <int kRows, int kColumns, int kStages>
struct Shared {
  alignas(1024) std::uint8_t a[kStages][kRows * kStepBytes];
  alignas(1024) std::uint8_t b[kStages][kColumns * kStepBytes];
  deep_gemm::PipelineBarriers<kStages> barriers;
};

// The boxes of B one after the other, k fastest. Counted: two divisions a box would take longer than its copy.
class BoxWalk {
 public:
  __device__ BoxWalk(std::uint32_t box, std::uint32_t steps, std::uint32_t columns)
      : steps_(steps), columns_(columns), step_(box % steps), column_(box / steps * columns) {}

  __device__ ptx::BoxOrigin of_a() const { return {step_ * kStepBytes, 0, 0}; }
  __device__ ptx::BoxOrigin of_b() const { return {step_ * kStepBytes, column_, 0}; }
  __device__ void advance() {
    if (++step_ < steps_) return;
    step_ = 0;
    column_ += columns_;
  }

 private:
  std::uint32_t steps_;
  std::uint32_t columns_;
  std::uint32_t step_;
  std::uint32_t column_;
};

template <int kRows, int kColumns, int kStages>
struct Loader {
  const Arguments& arguments;
  Shared<kRows, kColumns, kStages>& shared;
  using Place = deep_gemm::PipelinePlace<kStages>;

  __device__ BoxWalk walk(std::uint32_t box) const { return {box, arguments.steps, kColumns}; }
  __device__ void load_a(Place& place, const BoxWalk& walk) const {
    ptx::load_box(shared.a[place.stage()], &arguments.a, place.arrived(), walk.of_a());
  }
  __device__ void load_b(Place& place, const BoxWalk& walk) const {
    ptx::mbarrier_arrive_expect(place.arrived(), (kRows + kColumns) * kStepBytes);
    ptx::load_box(shared.b[place.stage()], &arguments.b, place.arrived(), walk.of_b());
  }
  __device__ void prefetch(std::uint32_t first, std::uint32_t last) const {
    for (std::uint32_t box = blockIdx.x; box < arguments.prefetched_a; box += gridDim.x)
      ptx::prefetch_box(&arguments.a, walk(box).of_a());
    BoxWalk ahead = walk(first);
    for (std::uint32_t box = first; box < min(last, first + arguments.prefetched_b); ++box, ahead.advance())
      ptx::prefetch_box(&arguments.b, ahead.of_b());
  }
};

// Each block takes an equal share of all (tile of B, k step), whatever the number of tiles.
template <int kRows, int kColumns, int kStages>
__global__ void __launch_bounds__(kThreads, 1) stream(const __grid_constant__ Arguments arguments) {
  extern __shared__ __align__(1024) std::uint8_t dynamic_shared[];
  auto& shared = *reinterpret_cast<Shared<kRows, kColumns, kStages>*>(dynamic_shared);
  const std::uint64_t boxes = arguments.boxes;
  const std::uint32_t first = boxes * blockIdx.x / gridDim.x;
  const std::uint32_t last = boxes * (blockIdx.x + 1) / gridDim.x;
  if (threadIdx.x == 0) {
    shared.barriers.template init_arrived<0, kStages>();
    shared.barriers.init_released(4);
  }
  __syncthreads();
  deep_gemm::PipelinePlace<kStages> place(shared.barriers);
  if (threadIdx.x / 32 == 4 && ptx::elect_one()) {
    const Loader<kRows, kColumns, kStages> loader{arguments, shared};
    loader.prefetch(first, last);
    const std::uint32_t early = min(last, first + min(arguments.early, kStages));
    BoxWalk walk_b = loader.walk(first);
    deep_gemm::PipelinePlace<kStages> ahead = place;
    for (std::uint32_t box = first; box < early; ++box, ahead.advance(), walk_b.advance()) loader.load_b(ahead, walk_b);
    ptx::wait_for_dependencies();
    BoxWalk walk = loader.walk(first);
    for (std::uint32_t box = first; box < last; ++box, place.advance(), walk.advance()) {
      place.wait_released();
      if (box >= early) loader.load_b(place, walk);
      loader.load_a(place, walk);
    }
    ptx::launch_dependents();
  } else if (threadIdx.x < 128) {
    ptx::wait_for_dependencies();
    std::uint32_t sum = 0;
    for (std::uint32_t box = first; box < last; ++box, place.advance()) {
      place.wait_arrived();
      sum += shared.b[place.stage()][threadIdx.x];
      __syncwarp();
      if (threadIdx.x % 32 == 0) place.release();
    }
    const std::uint64_t vectors = arguments.d_vectors;
    const std::uint64_t end = vectors * (blockIdx.x + 1) / gridDim.x;
    for (std::uint64_t i = vectors * blockIdx.x / gridDim.x + threadIdx.x; i < end; i += 128)
      arguments.d[i] = make_uint4(sum, sum, sum, sum);
  }
}

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "error: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

TensorMap map_of(void* data, int rows, int k, int box_rows) {
  static decltype(&cuTensorMapEncodeTiled) encode = nullptr;
  if (encode == nullptr) {
    cudaDriverEntryPointQueryResult found;
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", reinterpret_cast<void**>(&encode), 12000,
                                           cudaEnableDefault, &found),
          "cuTensorMapEncodeTiled");
  }
  TensorMap map;
  const cuuint64_t extents[] = {static_cast<cuuint64_t>(k), static_cast<cuuint64_t>(rows), 1};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(k), static_cast<cuuint64_t>(k) * rows};
  const cuuint32_t box[] = {kStepBytes, static_cast<cuuint32_t>(box_rows), 1};
  const cuuint32_t steps[] = {1, 1, 1};
  if (encode(reinterpret_cast<CUtensorMap*>(&map), CU_TENSOR_MAP_DATA_TYPE_UINT8, 3, data, extents, strides, box, steps,
             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) != CUDA_SUCCESS)
    std::exit(2);
  return map;
}

template <int kRows, int kColumns, int kStages>
class Measured {
 public:
  Measured(int n, int k) : n_(n), k_(k) {
    const std::size_t bytes = std::size_t(n) * k + std::size_t(kRows) * k + std::size_t(2) * kRows * n;
    const std::size_t sets = std::clamp<std::size_t>(kRotatedBytes / bytes + 1, 2, 128);
    check(cudaStreamCreate(&stream_), "cudaStreamCreate");
    check(cudaFuncSetAttribute(stream<kRows, kColumns, kStages>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
          "shared memory");
    for (std::size_t i = 0; i < sets; ++i) add_inputs(i);
  }
  ~Measured() {
    for (void* data : allocated_) cudaFree(data);
    cudaStreamDestroy(stream_);
  }

  float microseconds(Launch how) {
    cudaGraph_t graph;
    cudaGraphExec_t replay;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), "capture");
    const std::size_t calls = (kCalls + arguments_.size() - 1) / arguments_.size() * arguments_.size();
    for (std::size_t i = 0; i < calls; ++i) launch(arguments_[i % arguments_.size()], how);
    check(cudaStreamEndCapture(stream_, &graph), "capture");
    check(cudaGraphInstantiate(&replay, graph, 0), "graph");
    cudaEvent_t start, end;
    check(cudaEventCreate(&start), "event");
    check(cudaEventCreate(&end), "event");
    std::vector<float> times;
    for (int i = 0; i < kReplays + 1; ++i) {
      cudaEventRecord(start, stream_);
      check(cudaGraphLaunch(replay, stream_), "replay");
      cudaEventRecord(end, stream_);
      check(cudaEventSynchronize(end), "replay");
      float milliseconds = 0;
      cudaEventElapsedTime(&milliseconds, start, end);
      if (i > 0) times.push_back(milliseconds * 1e3f / static_cast<float>(calls));
    }
    std::sort(times.begin(), times.end());
    return times[kReplays / 2];
  }

 private:
  static constexpr int kBytes = sizeof(Shared<kRows, kColumns, kStages>) + 1024;

  void* allocate(std::size_t bytes, int value) {
    void* data;
    check(cudaMalloc(&data, bytes), "cudaMalloc");
    check(cudaMemset(data, value, bytes), "cudaMemset");
    allocated_.push_back(data);
    return data;
  }

  void add_inputs(std::size_t i) {
    Arguments each{};
    each.a = map_of(allocate(std::size_t(kRows) * k_, 0x35 + int(i)), kRows, k_, kRows);
    each.b = map_of(allocate(std::size_t(n_) * k_, 0x5a + int(i)), n_, k_, kColumns);
    each.d = static_cast<uint4*>(allocate(std::size_t(2) * kRows * n_, 0));
    each.steps = k_ / kStepBytes;
    each.boxes = (n_ + kColumns - 1) / kColumns * each.steps;
    each.d_vectors = kRows * n_ / 8;
    arguments_.push_back(each);
  }

  void launch(Arguments& each, Launch how) {
    constexpr std::uint32_t kBoxBytes = kColumns * kStepBytes;
    each.prefetched_a = how == Launch::kUsual ? 0 : each.steps;
    each.prefetched_b = how == Launch::kDependent ? kPrefetchedBytes / kBoxBytes : 0;
    each.early = how == Launch::kEarly ? kLoadedBytes / kBoxBytes : 0;
    int blocks = 0;
    cudaDeviceGetAttribute(&blocks, cudaDevAttrMultiProcessorCount, 0);
    cudaLaunchConfig_t config{};
    config.gridDim = blocks;
    config.blockDim = kThreads;
    config.dynamicSmemBytes = kBytes;
    config.stream = stream_;
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    config.attrs = &attribute;
    config.numAttrs = how == Launch::kUsual ? 0 : 1;
    void* parameters[] = {&each};
    check(cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(stream<kRows, kColumns, kStages>), parameters),
          "launch");
  }

  int n_;
  int k_;
  cudaStream_t stream_;
  std::vector<Arguments> arguments_;
  std::vector<void*> allocated_;
};

template <int kRows, int kColumns, int kStages>
void measure(int n, int k, const char* separator) {
  Measured<kRows, kColumns, kStages> measured(n, k);
  const float usual = measured.microseconds(Launch::kUsual);
  const float dependent = measured.microseconds(Launch::kDependent);
  const float early = measured.microseconds(Launch::kEarly);
  std::printf("%s{\"m\": %d, \"n\": %d, \"k\": %d, \"tile_n\": %d, ", separator, kRows, n, k, kColumns);
  std::printf("\"microseconds\": %.3f, \"microseconds_pdl\": %.3f, \"microseconds_early\": %.3f}", usual, dependent,
              early);
}

}  // namespace

int main() {
  // The weights of DeepSeek-V3 that DeepGEMM publishes.
  constexpr int kWeights[][2] = {{2112, 7168}, {24576, 1536}, {32768, 512}, {7168, 16384}, {4096, 7168}, {7168, 2048}};
  std::printf("[");
  const char* separator = "";
  for (const auto& [n, k] : kWeights) {
    measure<64, 64, 12>(n, k, separator);
    separator = ",\n";
    measure<64, 128, 8>(n, k, separator);
    measure<128, 64, 8>(n, k, separator);
    measure<128, 128, 6>(n, k, separator);
  }
  std::printf("]\n");
}
