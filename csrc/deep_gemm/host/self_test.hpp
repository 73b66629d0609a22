// What the library can prove about itself without a GPU.
#pragma once

#include <cstddef>

#include "host/status.hpp"

namespace deep_gemm {

// What was looked at, for the report.
struct SelfTestCounts {
  std::size_t configs;
  std::size_t cubins;
  std::size_t cubin_bytes;
  std::size_t problems;  // for which choice and schedule were checked
};

// Checks that every configuration has its undamaged cubin and that no other is there, that the choice suits the
// problem, and that each schedule visits every tile exactly once; says the first fault.
bool self_test(SelfTestCounts& counts, Status& status);

}  // namespace deep_gemm
