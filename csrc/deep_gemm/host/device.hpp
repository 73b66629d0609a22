// Facts of a GPU, read once, and the guard that makes its context current around a launch.
#pragma once

#include "host/driver.hpp"

namespace deep_gemm {

inline constexpr int kMaxDevices = 64;

struct Device {
  int ordinal;
  int multiprocessors;
  CUcontext context;  // the primary context, retained for the life of the process

  // The GPU's facts, or nullptr where it is no sm_90 (the kernels run nowhere else).
  static const Device* get(const Driver& driver, int ordinal, Status& status);
};

// Makes the device's primary context current where another one is, and gives the old one back.
class ContextGuard {
 public:
  ContextGuard(const Driver& driver, const Device& device);
  ~ContextGuard();
  ContextGuard(const ContextGuard&) = delete;
  ContextGuard& operator=(const ContextGuard&) = delete;

 private:
  const Driver& driver_;
  bool pushed_ = false;
};

}  // namespace deep_gemm
