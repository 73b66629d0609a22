#include "host/device.hpp"

#include <atomic>
#include <mutex>

namespace deep_gemm {
namespace {

Device devices[kMaxDevices];
std::atomic<bool> known[kMaxDevices];
std::mutex discovery;

bool discover(const Driver& driver, int ordinal, Device& device, Status& status) {
  CUdevice handle = 0;
  if (!driver.succeeded(driver.device_get(&handle, ordinal), "cuDeviceGet", status)) return false;
  int major = 0;
  int minor = 0;
  char name[128] = "";
  driver.device_get_name(name, sizeof(name), handle);
  driver.device_get_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle);
  driver.device_get_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle);
  if (major != 9 || minor != 0)
    return status.fail("cuda:%d: expected an sm_90 GPU (H100, H200, GH200), found sm_%d%d (%s)", ordinal, major, minor,
                       name);
  device.ordinal = ordinal;
  driver.device_get_attribute(&device.multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle);
  return driver.succeeded(driver.primary_context_retain(&device.context, handle), "cuDevicePrimaryCtxRetain", status);
}

}  // namespace

const Device* Device::get(const Driver& driver, int ordinal, Status& status) {
  if (ordinal < 0 || ordinal >= kMaxDevices) {
    status.fail("cuda:%d: expected a device number from 0 to %d", ordinal, kMaxDevices - 1);
    return nullptr;
  }
  if (known[ordinal].load(std::memory_order_acquire)) return &devices[ordinal];
  const std::lock_guard lock(discovery);
  if (!known[ordinal].load(std::memory_order_relaxed)) {
    if (!discover(driver, ordinal, devices[ordinal], status)) return nullptr;
    known[ordinal].store(true, std::memory_order_release);
  }
  return &devices[ordinal];
}

ContextGuard::ContextGuard(const Driver& driver, const Device& device) : driver_(driver) {
  CUdevice current = -1;
  if (driver.context_get_device(&current) == CUDA_SUCCESS && current == device.ordinal) return;
  pushed_ = driver.context_push(device.context) == CUDA_SUCCESS;
}

ContextGuard::~ContextGuard() {
  CUcontext context = nullptr;
  if (pushed_) driver_.context_pop(&context);
}

}  // namespace deep_gemm
