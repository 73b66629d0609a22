// One GEMM on the host: check the operands, choose a configuration, launch.
#pragma once

#include "host/operands.hpp"

namespace deep_gemm {

// Checks and launches on `stream` (a CUstream); with m = 0 or n = 0 it checks and returns.
bool gemm(const GemmOperands& operands, void* stream, Status& status);

// The same of operands that were checked already.
bool launch_checked(const GemmOperands& operands, const Problem& problem, void* stream, Status& status);

}  // namespace deep_gemm
