#include "host/api.hpp"

#include "host/device.hpp"
#include "host/settings.hpp"

using namespace deep_gemm;

bool deep_gemm_gemm(const GemmOperands* operands, void* stream, Status* status) {
  return gemm(*operands, stream, *status);
}

bool deep_gemm_k_grouped_gemm(const KGroupedOperands* operands, void* stream, Status* status) {
  return k_grouped_gemm(*operands, stream, *status);
}

bool deep_gemm_self_test(SelfTestCounts* counts, Status* status) { return self_test(*counts, *status); }

std::size_t deep_gemm_embedded_count() { return cubin_count(); }

const EmbeddedCubin* deep_gemm_embedded(std::size_t index) { return &cubin_at(index); }

std::size_t deep_gemm_config_count() { return config_count(); }

const NamedConfig* deep_gemm_config(std::size_t index) { return &config_at(index); }

const char* deep_gemm_kind_name(Kind kind) { return kind_name(kind); }

bool deep_gemm_suits(std::size_t index, const Problem* problem) { return suits(config_at(index).config, *problem); }

std::size_t deep_gemm_choose_config(const Problem* problem, int multiprocessors) {
  return choose_config(*problem, multiprocessors);
}

Estimate deep_gemm_estimate(std::size_t index, const Problem* problem, int multiprocessors) {
  return estimate(config_at(index).config, *problem, multiprocessors);
}

void deep_gemm_set_multiprocessor_limit(int limit) { Settings::get().multiprocessors.store(limit); }

int deep_gemm_multiprocessor_limit() { return Settings::get().multiprocessors.load(); }

void deep_gemm_set_dependent_launch(bool allowed) { Settings::get().dependent_launch.store(allowed); }

bool deep_gemm_dependent_launch() { return Settings::get().dependent_launch.load(); }

void deep_gemm_set_early_weights(bool allowed) { Settings::get().early_weights.store(allowed); }

bool deep_gemm_early_weights() { return Settings::get().early_weights.load(); }

void deep_gemm_set_mk_alignment(int rows) { Settings::get().mk_alignment.store(rows); }

int deep_gemm_mk_alignment() { return Settings::get().mk_alignment.load(); }

void deep_gemm_set_tensor_core_share(int per_cent) { Settings::get().tensor_core_share.store(per_cent); }

int deep_gemm_tensor_core_share() { return Settings::get().tensor_core_share.load(); }

void deep_gemm_force_config(int index) { Settings::get().forced_config.store(index); }

bool deep_gemm_multiprocessors(int device, int* count, Status* status) {
  const Driver* driver = Driver::get(*status);
  const Device* found = driver == nullptr ? nullptr : Device::get(*driver, device, *status);
  if (found == nullptr) return false;
  *count = found->multiprocessors;
  return true;
}
