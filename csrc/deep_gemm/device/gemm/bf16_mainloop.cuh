// The main loop of a BF16 consumer: the tensor cores add up in f32 over all of k, nothing is promoted.
#pragma once

#include "device/gemm/mainloop.cuh"

namespace deep_gemm {

// Starts the wgmmas of the next k step.
template <KernelConfig kConfig>
__device__ __forceinline__ void start_bf16(Sums<kConfig>& sums, const OperandDescriptors<kConfig>& operands,
                                           ConsumerPlace<kConfig>& place) {
  place.next.wait_arrived();
  const std::uint32_t stage = place.next.stage();
#pragma unroll
  for (auto& sum : sums) ptx::pin_registers(sum);
  ptx::wgmma_fence();
#pragma unroll
  for (int part = 0; part < OperandDescriptors<kConfig>::kParts; ++part)
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave)
      ptx::wgmma_bf16<kConfig.tile_n, kConfig.a_mn_major(), kConfig.b_mn_major()>(
          sums[wave], operands.a(stage, wave, part), operands.b(stage, part), true);
  ptx::wgmma_commit();
  place.next.advance();
}

// Adds `steps` k steps to the sums; one step's wgmmas run while the next one's are started.
template <KernelConfig kConfig>
__device__ __forceinline__ void accumulate_bf16(Sums<kConfig>& sums, const OperandDescriptors<kConfig>& operands,
                                                ConsumerPlace<kConfig>& place, std::uint32_t steps) {
  if (steps == 0) return;
  start_bf16<kConfig>(sums, operands, place);
#pragma unroll 2
  for (std::uint32_t step = 1; step < steps; ++step) {
    start_bf16<kConfig>(sums, operands, place);
    ptx::wgmma_wait<1>();
    place.release();
  }
  ptx::wgmma_wait<0>();
#pragma unroll
  for (auto& sum : sums) ptx::pin_registers(sum);
  place.release();
}

}  // namespace deep_gemm
