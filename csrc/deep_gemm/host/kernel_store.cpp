#include "host/kernel_store.hpp"

namespace deep_gemm {

CUfunction KernelSlot::get(const Driver& driver, const Device& device, const char* cubin, const char* function,
                           int shared_bytes, Status& status) {
  if (ready_[device.ordinal].load(std::memory_order_acquire))
    return reinterpret_cast<CUfunction>(kernel_.load(std::memory_order_relaxed));
  const std::lock_guard lock(loading_);
  CUkernel kernel = kernel_.load(std::memory_order_relaxed);
  if (kernel == nullptr) {
    const EmbeddedCubin* embedded = find_cubin(cubin);
    if (embedded == nullptr) {
      status.fail("cubin %s: expected inside of libdeep_gemm.so, found none; rebuild the wheel", cubin);
      return nullptr;
    }
    CUlibrary library = nullptr;
    if (!driver.succeeded(driver.library_load_data(&library, embedded->begin, nullptr, nullptr, 0, nullptr, nullptr, 0),
                          cubin, status) ||
        !driver.succeeded(driver.library_get_kernel(&kernel, library, function), function, status))
      return nullptr;
    kernel_.store(kernel, std::memory_order_relaxed);
  }
  if (!driver.succeeded(driver.kernel_set_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_bytes,
                                                    kernel, device.ordinal),
                        "cuKernelSetAttribute", status))
    return nullptr;
  ready_[device.ordinal].store(true, std::memory_order_release);
  return reinterpret_cast<CUfunction>(kernel);
}

}  // namespace deep_gemm
