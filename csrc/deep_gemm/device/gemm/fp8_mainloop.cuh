// The main loop of an FP8 consumer: multiply 128 of k on the tensor cores, scale, add up in f32 (promotion).
//
// The tensor core keeps about 14 bits while it accumulates, so a fresh accumulator starts at every 128 of k.
#pragma once

#include "device/gemm/mainloop.cuh"
#include "device/gemm/scale_b.cuh"

namespace deep_gemm {

// sum += accumulator * scale_a[row] * scale_b[column block]; columns from chunk (of 8) kBoundary on use the second
// block.
template <int kTileN, int kBoundary, int kBlocksN>
__device__ __forceinline__ void promote_at(float (&sum)[kTileN / 2], const float (&accumulator)[kTileN / 2],
                                           const float (&products)[kBlocksN][2]) {
#pragma unroll
  for (int i = 0; i < kTileN / 2; ++i)
    sum[i] = fmaf(products[i / 4 < kBoundary ? 0 : kBlocksN - 1][i / 2 % 2], accumulator[i], sum[i]);
}

// The same for a boundary that is known at run time: one of the few that tiles of this width can have.
template <KernelConfig kConfig, int kBoundary = kScaleGranularity / 8>
__device__ __forceinline__ void promote(float (&sum)[kConfig.tile_n / 2],
                                        const float (&accumulator)[kConfig.tile_n / 2],
                                        const float (&products)[kConfig.scale_b_blocks()][2], int boundary) {
  constexpr int kNext = kBoundary - kConfig.tile_offset_divisor() / 8;
  if constexpr (kConfig.scale_b_blocks() == 1 || kNext <= 0) {
    promote_at<kConfig.tile_n, kBoundary>(sum, accumulator, products);
  } else if (boundary == kBoundary) {
    promote_at<kConfig.tile_n, kBoundary>(sum, accumulator, products);
  } else {
    promote<kConfig, kNext>(sum, accumulator, products, boundary);
  }
}

// sum += accumulator * scale_a[row] * scale_b[column]; `columns`: the stage's scale factors from this thread's first
// column on.
template <int kTileN>
__device__ __forceinline__ void promote_columns(float (&sum)[kTileN / 2], const float (&accumulator)[kTileN / 2],
                                                const float (&rows)[2], const float* columns) {
#pragma unroll
  for (int i = 0; i < kTileN / 2; i += 4) {
    const float2 scales = *reinterpret_cast<const float2*>(columns + i * 2);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      sum[i + j] = fmaf(rows[j / 2] * (j % 2 == 0 ? scales.x : scales.y), accumulator[i + j], sum[i + j]);
  }
}

// One consumer's way through the k steps of one output tile: starts wgmmas, and promotes them when they have ended.
template <KernelConfig kConfig>
class Fp8Accumulation {
  static constexpr int kBlocksN = kConfig.row_scales() ? 1 : kConfig.scale_b_blocks();

 public:
  // One started k step of one wave.
  struct Started {
    float accumulator[kConfig.tile_n / 2];
    float products[kBlocksN][2];  // scale_a * scale_b; with row scales scale_a
    const float* columns;         // with row scales: scale_b
  };

  __device__ Fp8Accumulation(Sums<kConfig>& sums, SharedStorage<kConfig>& shared,
                             const OperandDescriptors<kConfig>& operands, ConsumerPlace<kConfig>& place,
                             ScaleB<kConfig>& scale_b, std::uint32_t column, int consumer)
      : sums_(sums),
        shared_(shared),
        operands_(operands),
        place_(place),
        scale_b_(scale_b),
        boundary_(static_cast<int>(kScaleGranularity - column % kScaleGranularity) / 8) {
    const int first_row = consumer * kConfig.waves() * kWgmmaRows;
    thread_row_ = first_row + static_cast<int>(threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4);
  }

  // Adds all steps up, one wgmma at a time: the other consumers multiply meanwhile.
  __device__ void run(std::uint32_t steps) {
    Started started;
#pragma unroll 4
    for (std::uint32_t step = 0; step < steps; ++step) {
      place_.next.wait_arrived();
#pragma unroll
      for (int wave = 0; wave < kConfig.waves(); ++wave) {
        start(started, wave);
        ptx::wgmma_wait<0>();
        finish(started, wave);
      }
    }
  }

  // The same with the next step's wgmmas started before the last one's are promoted, where registers allow it.
  __device__ void run_ahead(std::uint32_t steps) {
    if (steps == 0) return;
    Started even;
    Started odd;
    start_next(even);
    std::uint32_t left = steps - 1;
#pragma unroll 2
    for (; left >= 2; left -= 2) {
      start_next(odd);
      ptx::wgmma_wait<1>();
      finish(even, 0);
      start_next(even);
      ptx::wgmma_wait<1>();
      finish(odd, 0);
    }
    if (left == 1) {
      start_next(odd);
      ptx::wgmma_wait<1>();
      finish(even, 0);
      ptx::wgmma_wait<0>();
      finish(odd, 0);
    } else {
      ptx::wgmma_wait<0>();
      finish(even, 0);
    }
  }

 private:
  __device__ void start_next(Started& started) {
    place_.next.wait_arrived();
    start(started, 0);
  }

  __device__ void start(Started& started, int wave) {
    const std::uint32_t stage = place_.next.stage();
    const float* scale_a = shared_.scale_a(stage) + thread_row_ + wave * kWgmmaRows;
    const float rows[2] = {scale_a[0], scale_a[8]};
    multiply(started.accumulator, stage, wave);
    if constexpr (kConfig.row_scales()) {
      started.products[0][0] = rows[0];
      started.products[0][1] = rows[1];
      started.columns = shared_.scale_b(stage) + threadIdx.x % 4 * 2;
    } else {
      for (int i = 0; i < 2 * kBlocksN; ++i) started.products[i / 2][i % 2] = rows[i % 2] * scale_b_[i / 2];
    }
    if (wave < kConfig.waves() - 1) return;
    if constexpr (!kConfig.row_scales()) scale_b_.read_next();
    place_.next.advance();
  }

  __device__ void multiply(float (&accumulator)[kConfig.tile_n / 2], std::uint32_t stage, int wave) {
    ptx::pin_registers(accumulator);
    ptx::wgmma_fence();
#pragma unroll
    for (int part = 0; part < OperandDescriptors<kConfig>::kParts; ++part)
      ptx::wgmma_e4m3<kConfig.tile_n>(accumulator, operands_.a(stage, wave, part), operands_.b(stage, part), part != 0);
    ptx::wgmma_commit();
    ptx::pin_registers(accumulator);
  }

  __device__ void finish(Started& started, int wave) {
    ptx::pin_registers(started.accumulator);
    if constexpr (kConfig.row_scales())
      promote_columns<kConfig.tile_n>(sums_[wave], started.accumulator, started.products[0], started.columns);
    if (wave == kConfig.waves() - 1) {
      // Order: all lanes have read the stage's scale factors before one of them gives it back.
      if constexpr (kConfig.row_scales()) __syncwarp();
      place_.release();
    }
    if constexpr (!kConfig.row_scales())
      promote<kConfig>(sums_[wave], started.accumulator, started.products, boundary_);
  }

  Sums<kConfig>& sums_;
  SharedStorage<kConfig>& shared_;
  const OperandDescriptors<kConfig>& operands_;
  ConsumerPlace<kConfig>& place_;
  ScaleB<kConfig>& scale_b_;
  int boundary_;
  int thread_row_;
};

}  // namespace deep_gemm
