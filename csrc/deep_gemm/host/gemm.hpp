// fp8_gemm_nt on the host: check the operands, plan the launch, launch.
#pragma once

#include "host/config_table.hpp"
#include "host/tensor_view.hpp"

namespace deep_gemm {

struct Fp8GemmOperands {
  TensorView a;        // (m, k) e4m3
  TensorView scale_a;  // (m, ceil(k / 128)) f32, MN-major, columns 16-byte aligned
  TensorView b;        // (n, k) e4m3
  TensorView scale_b;  // (ceil(n / 128), ceil(k / 128)) f32, any strides
  TensorView d;        // (m, n) bf16 or f32
  TensorView c;        // of d's type and shape; read only where has_c says so
  bool has_c;
};

// Every rule of the contract, operand by operand; says the first that is broken.
bool check(const Fp8GemmOperands& operands, Status& status);

Problem problem_of(const Fp8GemmOperands& operands);

// Checks and launches on `stream` (a CUstream); with m = 0 or n = 0 it checks and returns.
bool fp8_gemm_nt(const Fp8GemmOperands& operands, void* stream, Status& status);

}  // namespace deep_gemm
