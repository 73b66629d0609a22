// GEMMs whose groups divide k (weight gradients): one dense GEMM of each group, checked together before the first.
#pragma once

#include "host/gemm.hpp"

namespace deep_gemm {

// D[g] = C[g] + A[g] @ B[g].T, where A[g] and B[g] are the columns of group g.
struct KGroupedOperands {
  const char* function;
  Scales scales;  // kRows or kNone
  bool has_c;
  TensorView a;            // (m, sum of k), or of all groups (m, k of the group) behind each other: (m * sum of k)
  TensorView scale_a;      // (m, sum of k / 128), as a dense GEMM's
  TensorView b;            // (n, sum of k), or as a
  TensorView scale_b;      // (n, sum of k / 128)
  TensorView d;            // (groups, m, n) f32
  TensorView c;            // of d's type and shape; read only where has_c says so
  const std::int64_t* ks;  // k of each group, on the host; e4m3: multiples of 128
  std::int64_t count;      // of groups
};

// Checks every group, then launches them one after another on `stream`; a group with k = 0 gives D = C or 0.
bool k_grouped_gemm(const KGroupedOperands& operands, void* stream, Status& status);

}  // namespace deep_gemm
