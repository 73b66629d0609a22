// The CUDA driver, opened at run time: the library links nothing of CUDA, and loads where there is no GPU.
#pragma once

#include <cuda.h>

#include "host/status.hpp"

namespace deep_gemm {

// The driver's entry points that the library calls. Source: CUDA driver API 12.8.
struct Driver {
  decltype(&cuGetErrorString) get_error_string;
  decltype(&cuDeviceGet) device_get;
  decltype(&cuDeviceGetName) device_get_name;
  decltype(&cuDeviceGetAttribute) device_get_attribute;
  decltype(&cuDevicePrimaryCtxRetain) primary_context_retain;
  decltype(&cuCtxGetDevice) context_get_device;
  decltype(&cuCtxPushCurrent) context_push;
  decltype(&cuCtxPopCurrent) context_pop;
  decltype(&cuLibraryLoadData) library_load_data;
  decltype(&cuLibraryGetKernel) library_get_kernel;
  decltype(&cuKernelSetAttribute) kernel_set_attribute;
  decltype(&cuLaunchKernelEx) launch_kernel;
  decltype(&cuTensorMapEncodeTiled) tensor_map_encode_tiled;

  // The opened driver, or nullptr with the reason in `status`. Opened once; later calls only read.
  static const Driver* get(Status& status);

  // True for CUDA_SUCCESS; else says `what` and the driver's own words.
  bool succeeded(CUresult result, const char* what, Status& status) const;
};

}  // namespace deep_gemm
