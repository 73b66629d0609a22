// The operands of one GEMM, and every rule of the contract about them.
#pragma once

#include "host/config_table.hpp"
#include "host/tensor_view.hpp"

namespace deep_gemm {

// Which scale factors there are.
enum class Scales : std::uint8_t {
  kNone,    // operands are bf16
  kBlocks,  // e4m3; scale_b for each 128 x 128: recipe (1, 128, 128)
  kRows,    // e4m3; scale_b for each row and 128 of k: recipe (1, 1, 128)
};

// D = C + A @ B.T. With masked groups A, scale_a and D have a leading group dimension, with any groups B and scale_b
// do.
struct GemmOperands {
  const char* function;  // the caller's name for it, in messages
  Scales scales = Scales::kNone;
  Grouping grouping = Grouping::kNone;
  bool has_c = false;
  bool weights = true;                 // B is what set_early_weights speaks of: not written by a kernel in flight
  std::int64_t expected_m = 0;         // rows of a group that the caller expects to count; 0: not said
  std::int64_t output_alignment = 16;  // of d's and c's addresses, in bytes: a matrix of many has its own
  TensorView a;                        // (m, k); bf16 without groups: k or m dense
  TensorView scale_a;                  // (m, ceil(k / 128)) f32, MN-major, columns 16-byte aligned
  TensorView b;                        // (n, k); bf16: k or n dense
  TensorView scale_b;                  // (ceil(n / 128), ceil(k / 128)) f32, any strides; of rows: (n, ...), as scale_a
  TensorView d;                        // (m, n) bf16 or f32
  TensorView c;                        // of d's type and shape; read only where has_c says so
  TensorView layout;                   // int32 (m) or (groups), see Grouping; read only where there are groups
};

// The dense dimension of A and of B; columns where they could be either.
Dense dense_of(const TensorView& operand);

// Scale factors as get_mn_major_tma_aligned_tensor makes them: what a bulk tensor copy can read.
bool expect_mn_major(const TensorView& scale, Status& status);

// Checks operand by operand and says the first rule that is broken; fills `problem` where none is.
bool check(const GemmOperands& operands, Problem& problem, Status& status);

}  // namespace deep_gemm
