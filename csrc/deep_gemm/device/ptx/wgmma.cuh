// wgmma on e4m3 and bf16 operands in shared memory. Source: PTX ISA, "Asynchronous Warpgroup Level Matrix
// Instructions".
//
// An accumulator of m64 x nN is N / 2 registers a thread: element 4 * j + 2 * h + p stands at row
// 16 * warp + lane / 4 + 8 * h and column 8 * j + 2 * (lane % 4) + p of the warp group's rows.
#pragma once

#include <cstdint>

namespace deep_gemm::ptx {

// Orders register and shared-memory accesses before the wgmmas that follow.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// Keeps the compiler from moving accesses of an accumulator across asynchronous wgmmas.
template <int kCount>
__device__ __forceinline__ void pin_registers(float (&values)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(values[i])::"memory");
}

// Matrix descriptor of an operand with 128-byte swizzle. Groups of 8 rows (of k, where it is MN-major) are 1024 bytes
// apart; an MN-major operand goes on after 64 values of its rows `mn_bytes` further on, a k-major one has no such step.
// Source: PTX ISA, "Matrix Descriptor Format" (address in bits 0-13, leading offset in 16-29, stride offset in 32-45,
// swizzle mode in 62-63) and "Strides". The address counts in units of 16 bytes, and adding to it inside of one block's
// memory doesn't overflow.
__device__ __forceinline__ std::uint64_t swizzled_descriptor(std::uint32_t shared_address, std::uint32_t mn_bytes) {
  return static_cast<std::uint64_t>((shared_address & 0x3ffff) >> 4) |
         (static_cast<std::uint64_t>(mn_bytes >> 4) << 16) | (std::uint64_t{1024 >> 4} << 32) |
         (std::uint64_t{1} << 62);
}

// d (64, kN) f32 = a (64, 32) @ b (kN, 32).T in e4m3, plus d where `accumulate`; both k-major.
template <int kN>
__device__ __forceinline__ void wgmma_e4m3(float (&d)[kN / 2], std::uint64_t a, std::uint64_t b, bool accumulate);

// clang-format off
#define DG_R8(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define DG_S8 "%0, %1, %2, %3, %4, %5, %6, %7"
#define DG_S16 DG_S8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define DG_S24 DG_S16 ", %16, %17, %18, %19, %20, %21, %22, %23"
#define DG_S32 DG_S24 ", %24, %25, %26, %27, %28, %29, %30, %31"
#define DG_S40 DG_S32 ", %32, %33, %34, %35, %36, %37, %38, %39"
#define DG_S48 DG_S40 ", %40, %41, %42, %43, %44, %45, %46, %47"
#define DG_S56 DG_S48 ", %48, %49, %50, %51, %52, %53, %54, %55"
#define DG_S64 DG_S56 ", %56, %57, %58, %59, %60, %61, %62, %63"
#define DG_S72 DG_S64 ", %64, %65, %66, %67, %68, %69, %70, %71"
#define DG_S80 DG_S72 ", %72, %73, %74, %75, %76, %77, %78, %79"
#define DG_S88 DG_S80 ", %80, %81, %82, %83, %84, %85, %86, %87"
#define DG_S96 DG_S88 ", %88, %89, %90, %91, %92, %93, %94, %95"
#define DG_S104 DG_S96 ", %96, %97, %98, %99, %100, %101, %102, %103"
#define DG_S112 DG_S104 ", %104, %105, %106, %107, %108, %109, %110, %111"
#define DG_S120 DG_S112 ", %112, %113, %114, %115, %116, %117, %118, %119"
#define DG_S128 DG_S120 ", %120, %121, %122, %123, %124, %125, %126, %127"
#define DG_D8(d) DG_R8(d, 0)
#define DG_D16(d) DG_D8(d), DG_R8(d, 8)
#define DG_D24(d) DG_D16(d), DG_R8(d, 16)
#define DG_D32(d) DG_D24(d), DG_R8(d, 24)
#define DG_D40(d) DG_D32(d), DG_R8(d, 32)
#define DG_D48(d) DG_D40(d), DG_R8(d, 40)
#define DG_D56(d) DG_D48(d), DG_R8(d, 48)
#define DG_D64(d) DG_D56(d), DG_R8(d, 56)
#define DG_D72(d) DG_D64(d), DG_R8(d, 64)
#define DG_D80(d) DG_D72(d), DG_R8(d, 72)
#define DG_D88(d) DG_D80(d), DG_R8(d, 80)
#define DG_D96(d) DG_D88(d), DG_R8(d, 88)
#define DG_D104(d) DG_D96(d), DG_R8(d, 96)
#define DG_D112(d) DG_D104(d), DG_R8(d, 104)
#define DG_D120(d) DG_D112(d), DG_R8(d, 112)
#define DG_D128(d) DG_D120(d), DG_R8(d, 120)

#define DG_WGMMA_E4M3(N, REGISTERS, A, B, P)                                                                    \
  template <>                                                                                                   \
  __device__ __forceinline__ void wgmma_e4m3<N>(float (&d)[N / 2], std::uint64_t a, std::uint64_t b, bool accumulate) { \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #P ", 0;\n"                                              \
                 "wgmma.mma_async.sync.aligned.m64n" #N "k32.f32.e4m3.e4m3 {" DG_S##REGISTERS "}, %" #A ", %" #B ", p, 1, 1;\n}\n" \
                 : DG_D##REGISTERS(d)                                                                           \
                 : "l"(a), "l"(b), "r"(static_cast<std::uint32_t>(accumulate)));                                \
  }

DG_WGMMA_E4M3(16, 8, 8, 9, 10)
DG_WGMMA_E4M3(32, 16, 16, 17, 18)
DG_WGMMA_E4M3(48, 24, 24, 25, 26)
DG_WGMMA_E4M3(64, 32, 32, 33, 34)
DG_WGMMA_E4M3(80, 40, 40, 41, 42)
DG_WGMMA_E4M3(96, 48, 48, 49, 50)
DG_WGMMA_E4M3(112, 56, 56, 57, 58)
DG_WGMMA_E4M3(128, 64, 64, 65, 66)
DG_WGMMA_E4M3(144, 72, 72, 73, 74)
DG_WGMMA_E4M3(160, 80, 80, 81, 82)
DG_WGMMA_E4M3(176, 88, 88, 89, 90)
DG_WGMMA_E4M3(192, 96, 96, 97, 98)

#define DG_WGMMA_BF16(N, REGISTERS, A, B, P, TA, TB)                                                             \
  template <bool kAMnMajor, bool kBMnMajor>                                                                     \
  struct WgmmaBf16<N, kAMnMajor, kBMnMajor> {                                                                   \
    __device__ __forceinline__ static void run(float (&d)[N / 2], std::uint64_t a, std::uint64_t b, bool accumulate) { \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #P ", 0;\n"                                            \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" DG_S##REGISTERS "}, %" #A ", %" #B ", p, 1, 1, %" #TA ", %" #TB ";\n}\n" \
                   : DG_D##REGISTERS(d)                                                                         \
                   : "l"(a), "l"(b), "r"(static_cast<std::uint32_t>(accumulate)), "n"(kAMnMajor), "n"(kBMnMajor)); \
    }                                                                                                           \
  };

template <int kN, bool kAMnMajor, bool kBMnMajor>
struct WgmmaBf16;
DG_WGMMA_BF16(16, 8, 8, 9, 10, 11, 12)
DG_WGMMA_BF16(32, 16, 16, 17, 18, 19, 20)
DG_WGMMA_BF16(48, 24, 24, 25, 26, 27, 28)
DG_WGMMA_BF16(64, 32, 32, 33, 34, 35, 36)
DG_WGMMA_BF16(80, 40, 40, 41, 42, 43, 44)
DG_WGMMA_BF16(96, 48, 48, 49, 50, 51, 52)
DG_WGMMA_BF16(112, 56, 56, 57, 58, 59, 60)
DG_WGMMA_BF16(128, 64, 64, 65, 66, 67, 68)
DG_WGMMA_BF16(144, 72, 72, 73, 74, 75, 76)
DG_WGMMA_BF16(160, 80, 80, 81, 82, 83, 84)
DG_WGMMA_BF16(176, 88, 88, 89, 90, 91, 92)
DG_WGMMA_BF16(192, 96, 96, 97, 98, 99, 100)
DG_WGMMA_BF16(208, 104, 104, 105, 106, 107, 108)
DG_WGMMA_BF16(224, 112, 112, 113, 114, 115, 116)
DG_WGMMA_BF16(240, 120, 120, 121, 122, 123, 124)
DG_WGMMA_BF16(256, 128, 128, 129, 130, 131, 132)

#undef DG_WGMMA_E4M3
#undef DG_WGMMA_BF16
#undef DG_D8
#undef DG_S8
#undef DG_D16
#undef DG_S16
#undef DG_D24
#undef DG_S24
#undef DG_D32
#undef DG_S32
#undef DG_D40
#undef DG_S40
#undef DG_D48
#undef DG_S48
#undef DG_D56
#undef DG_S56
#undef DG_D64
#undef DG_S64
#undef DG_D72
#undef DG_S72
#undef DG_D80
#undef DG_S80
#undef DG_D88
#undef DG_S88
#undef DG_D96
#undef DG_S96
#undef DG_D104
#undef DG_S104
#undef DG_D112
#undef DG_S112
#undef DG_D120
#undef DG_S120
#undef DG_D128
#undef DG_S128
#undef DG_R8
// clang-format on

// d (64, kN) f32 = a (64, 16) @ b (kN, 16).T in bf16, plus d where `accumulate`; either may be MN-major.
template <int kN, bool kAMnMajor, bool kBMnMajor>
__device__ __forceinline__ void wgmma_bf16(float (&d)[kN / 2], std::uint64_t a, std::uint64_t b, bool accumulate) {
  WgmmaBf16<kN, kAMnMajor, kBMnMajor>::run(d, a, b, accumulate);
}

}  // namespace deep_gemm::ptx
