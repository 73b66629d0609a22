// What a kernel is launched with: tensor maps and strides of checked operands.
#pragma once

#include "host/operands.hpp"
#include "host/tensor_map.hpp"

namespace deep_gemm {

// Fills `arguments` but for the schedule; fails only where the driver does.
bool make_arguments(const Driver& driver, const GemmOperands& operands, const KernelConfig& config,
                    const Problem& problem, GemmArguments& arguments, Status& status);

}  // namespace deep_gemm
