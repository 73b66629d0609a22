#include "host/kernel_store.hpp"

#include <cstring>

// Defined by the assembler file that the build generates around the cubins.
extern "C" {
extern const deep_gemm::EmbeddedCubin deep_gemm_cubins[];
extern const unsigned long deep_gemm_cubin_count;
}

namespace deep_gemm {

std::size_t cubin_count() { return deep_gemm_cubin_count; }

const EmbeddedCubin& cubin_at(std::size_t index) { return deep_gemm_cubins[index]; }

const EmbeddedCubin* find_cubin(const char* name) {
  for (std::size_t i = 0; i < deep_gemm_cubin_count; ++i)
    if (std::strcmp(deep_gemm_cubins[i].name, name) == 0) return &deep_gemm_cubins[i];
  return nullptr;
}

const char* cubin_damage(const EmbeddedCubin& cubin) {
  constexpr std::size_t kHeaderBytes = 64;
  constexpr unsigned char kMagic[] = {0x7f, 'E', 'L', 'F', 2, 1};
  constexpr unsigned char kMachineCuda = 190;
  if (cubin.bytes() < kHeaderBytes) return "shorter than an ELF header";
  if (std::memcmp(cubin.begin, kMagic, sizeof(kMagic)) != 0) return "no 64-bit little-endian ELF file";
  if (cubin.begin[18] != kMachineCuda || cubin.begin[19] != 0) return "no NVIDIA CUDA machine code";
  return nullptr;
}

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
    if (!driver.succeeded(
            driver.library_load_data(&library, embedded->begin, nullptr, nullptr, 0, nullptr, nullptr, 0), cubin,
            status) ||
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
