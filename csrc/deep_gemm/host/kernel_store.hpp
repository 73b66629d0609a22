// The kernels made of the embedded cubins: loaded once each, on first use.
#pragma once

#include <atomic>
#include <mutex>

#include "host/device.hpp"
#include "host/embedded_cubins.hpp"

namespace deep_gemm {

// One kernel that is loaded lazily and then read without a lock.
class KernelSlot {
 public:
  // The kernel ready for launches with `shared_bytes` on that device, or nullptr with the reason in `status`.
  CUfunction get(const Driver& driver, const Device& device, const char* cubin, const char* function, int shared_bytes,
                 Status& status);

 private:
  std::atomic<CUkernel> kernel_{nullptr};
  std::atomic<bool> ready_[kMaxDevices] = {};
  std::mutex loading_;
};

}  // namespace deep_gemm
