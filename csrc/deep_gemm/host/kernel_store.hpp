// The cubins inside of the library, and the kernels made of them: loaded once each, on first use.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>

#include "host/device.hpp"

namespace deep_gemm {

// One compiled kernel as the build embeds it.
struct EmbeddedCubin {
  const char* name;  // the cubin's file name without its suffix
  const unsigned char* begin;
  const unsigned char* end;

  std::size_t bytes() const { return static_cast<std::size_t>(end - begin); }
};

std::size_t cubin_count();
const EmbeddedCubin& cubin_at(std::size_t index);
const EmbeddedCubin* find_cubin(const char* name);

// Why a cubin is not sm_90a machine code, or nullptr. Source: ELF gABI (identification, e_machine 190 is NVIDIA CUDA).
const char* cubin_damage(const EmbeddedCubin& cubin);

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
