// What a kernel is launched with: tensor maps and strides of checked operands.
#pragma once

#include "host/operands.hpp"
#include "host/tensor_map.hpp"

namespace deep_gemm {

// Fills `arguments` for a launch of so many blocks; fails only where the driver does.
bool make_arguments(const Driver& driver, const GemmOperands& operands, const KernelConfig& config,
                    const Problem& problem, const TileSchedule& schedule, unsigned blocks, GemmArguments& arguments,
                    Status& status);

}  // namespace deep_gemm
