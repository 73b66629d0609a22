#include "host/driver.hpp"

#include <dlfcn.h>

#include <type_traits>

namespace deep_gemm {
namespace {

// CUDA 12.8: what the cubins' toolkit needs of a driver.
constexpr int kDriverVersion = 12080;

struct Opened {
  Driver driver{};
  Status status;

  Opened() { open(); }

  bool open() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      return status.fail(
          "NVIDIA driver: expected libcuda.so.1 of CUDA 12.8 or later, found none (%s); "
          "install the driver, or run on a machine with an sm_90 GPU",
          dlerror());
    using GetProcAddress = CUresult (*)(const char*, void**, int, cuuint64_t, CUdriverProcAddressQueryResult*);
    using Init = CUresult (*)(unsigned int);
    const auto get_address = reinterpret_cast<GetProcAddress>(dlsym(library, "cuGetProcAddress_v2"));
    const auto init = reinterpret_cast<Init>(dlsym(library, "cuInit"));
    if (get_address == nullptr || init == nullptr)
      return status.fail(
          "NVIDIA driver: expected CUDA 12.8 or later, found an older libcuda.so.1 "
          "(no cuGetProcAddress_v2); update the driver");
    if (const CUresult result = init(0); result != CUDA_SUCCESS)
      return status.fail(
          "NVIDIA driver: cuInit failed with error %d (no GPU is visible, or driver and kernel module "
          "differ); check nvidia-smi and CUDA_VISIBLE_DEVICES",
          static_cast<int>(result));
    const auto resolve = [&](const char* name, auto& entry) {
      void* address = nullptr;
      const CUresult result = get_address(name, &address, kDriverVersion, CU_GET_PROC_ADDRESS_DEFAULT, nullptr);
      if (result != CUDA_SUCCESS || address == nullptr)
        return status.fail("NVIDIA driver: expected CUDA 12.8 or later, found one without %s; update the driver", name);
      entry = reinterpret_cast<std::remove_reference_t<decltype(entry)>>(address);
      return true;
    };
    return resolve("cuGetErrorString", driver.get_error_string) && resolve("cuDeviceGet", driver.device_get) &&
           resolve("cuDeviceGetName", driver.device_get_name) &&
           resolve("cuDeviceGetAttribute", driver.device_get_attribute) &&
           resolve("cuDevicePrimaryCtxRetain", driver.primary_context_retain) &&
           resolve("cuCtxGetDevice", driver.context_get_device) && resolve("cuCtxPushCurrent", driver.context_push) &&
           resolve("cuCtxPopCurrent", driver.context_pop) && resolve("cuLibraryLoadData", driver.library_load_data) &&
           resolve("cuLibraryGetKernel", driver.library_get_kernel) &&
           resolve("cuKernelSetAttribute", driver.kernel_set_attribute) &&
           resolve("cuLaunchKernelEx", driver.launch_kernel) &&
           resolve("cuTensorMapEncodeTiled", driver.tensor_map_encode_tiled);
  }
};

}  // namespace

const Driver* Driver::get(Status& status) {
  static const Opened opened;
  if (opened.status.ok()) return &opened.driver;
  status = opened.status;
  return nullptr;
}

bool Driver::succeeded(CUresult result, const char* what, Status& status) const {
  if (result == CUDA_SUCCESS) return true;
  const char* words = nullptr;
  get_error_string(result, &words);
  return status.fail("%s: CUDA error %d (%s)", what, static_cast<int>(result), words == nullptr ? "unknown" : words);
}

}  // namespace deep_gemm
