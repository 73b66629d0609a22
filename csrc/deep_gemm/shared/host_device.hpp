// Marks a function of a shared header as callable from both sides; nothing where only a host compiler reads it.
#pragma once

#if defined(__CUDACC__)
#define DEEP_GEMM_HOST_DEVICE __host__ __device__
#else
#define DEEP_GEMM_HOST_DEVICE
#endif
