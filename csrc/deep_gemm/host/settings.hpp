// Settings of the whole process, as DeepGEMM has them; each is one atomic number.
#pragma once

#include <atomic>

namespace deep_gemm {

struct Settings {
  std::atomic<int> multiprocessors{0};  // upper limit of blocks a launch; 0: all that the device has

  std::atomic<int> mk_alignment{128};       // of groups of rows: where the next one may begin
  std::atomic<int> tensor_core_share{100};  // per cent that a caller asks for; Hopper's kernels take all

  std::atomic<bool> dependent_launch{true};  // programmatic dependent launch
  std::atomic<bool> early_weights{false};    // with it, B may be read while the stream's last kernel runs
  std::atomic<int> forced_config{-1};        // index of the only configuration to use, for tuning; -1: choose

  static Settings& get();
};

}  // namespace deep_gemm
