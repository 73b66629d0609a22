// Scale factors of one thread's rows and columns, read straight from global memory one k step ahead of their use.
//
// Any strides serve, so nothing is transposed beforehand: a warp's rows of MN-major scales are one or two sectors,
// and of row-major scales each sector serves the next eight k steps out of L1.
#pragma once

#include "shared/gemm_arguments.hpp"
#include "shared/kernel_config.hpp"

namespace deep_gemm {

template <int kBlocksN>
struct StepScales {
  float a[2];         // rows r and r + 8
  float b[kBlocksN];  // the 128-column blocks that the tile touches
};

template <int kBlocksN>
class ScaleReader {
 public:
  // `row`: this thread's first row; `column`: the tile's first column. Rows and columns past the end read the
  // last one: their results are not stored.
  __device__ ScaleReader(const GemmArguments& arguments, std::uint32_t row, std::uint32_t column)
      : step_a_(arguments.scale_a.k_stride), step_b_(arguments.scale_b.k_stride) {
    for (int half = 0; half < 2; ++half) {
      const std::uint32_t clamped = min(row + 8 * half, arguments.m - 1);
      a_[half] = arguments.scale_a.data + clamped * arguments.scale_a.row_stride;
    }
    for (int block = 0; block < kBlocksN; ++block) {
      const std::uint32_t last = (arguments.n - 1) / kScaleGranularity;
      const std::uint32_t clamped = min(column / kScaleGranularity + block, last);
      b_[block] = arguments.scale_b.data + clamped * arguments.scale_b.row_stride;
    }
  }

  __device__ StepScales<kBlocksN> read(std::uint32_t step) const {
    StepScales<kBlocksN> scales;
    for (int half = 0; half < 2; ++half) scales.a[half] = __ldg(a_[half] + step * step_a_);
    for (int block = 0; block < kBlocksN; ++block) scales.b[block] = __ldg(b_[block] + step * step_b_);
    return scales;
  }

 private:
  const float* a_[2];
  const float* b_[kBlocksN];
  std::int64_t step_a_;
  std::int64_t step_b_;
};

}  // namespace deep_gemm
