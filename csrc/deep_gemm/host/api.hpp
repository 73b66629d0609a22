// What libdeep_gemm.so exports: a C interface, so that neither exceptions nor C++ symbols cross it.
//
// Functions that can fail return false and fill the Status. Library and binding come from one wheel and one build.
#pragma once

#include "host/config_table.hpp"
#include "host/embedded_cubins.hpp"
#include "host/gemm.hpp"
#include "host/k_grouped.hpp"
#include "host/self_test.hpp"

#define DEEP_GEMM_EXPORT extern "C" __attribute__((visibility("default")))

DEEP_GEMM_EXPORT bool deep_gemm_gemm(const deep_gemm::GemmOperands* operands, void* stream, deep_gemm::Status* status);
DEEP_GEMM_EXPORT bool deep_gemm_k_grouped_gemm(const deep_gemm::KGroupedOperands* operands, void* stream,
                                               deep_gemm::Status* status);
DEEP_GEMM_EXPORT bool deep_gemm_self_test(deep_gemm::SelfTestCounts* counts, deep_gemm::Status* status);

// The machine code inside of the library, for tools that read it.
DEEP_GEMM_EXPORT std::size_t deep_gemm_embedded_count();
DEEP_GEMM_EXPORT const deep_gemm::EmbeddedCubin* deep_gemm_embedded(std::size_t index);

DEEP_GEMM_EXPORT std::size_t deep_gemm_config_count();
DEEP_GEMM_EXPORT const deep_gemm::NamedConfig* deep_gemm_config(std::size_t index);
DEEP_GEMM_EXPORT const char* deep_gemm_kind_name(deep_gemm::Kind kind);
DEEP_GEMM_EXPORT bool deep_gemm_suits(std::size_t index, const deep_gemm::Problem* problem);
DEEP_GEMM_EXPORT std::size_t deep_gemm_choose_config(const deep_gemm::Problem* problem, int multiprocessors);
DEEP_GEMM_EXPORT deep_gemm::Estimate deep_gemm_estimate(std::size_t index, const deep_gemm::Problem* problem,
                                                        int multiprocessors);

// Blocks that a launch may have at most; 0 stands for all multiprocessors of the device.
DEEP_GEMM_EXPORT void deep_gemm_set_multiprocessor_limit(int limit);
DEEP_GEMM_EXPORT int deep_gemm_multiprocessor_limit();
// Programmatic dependent launch, on by default: a launch may begin beside the end of the stream's last kernel.
DEEP_GEMM_EXPORT void deep_gemm_set_dependent_launch(bool allowed);
DEEP_GEMM_EXPORT bool deep_gemm_dependent_launch();
// With it: B and scale_b may be read while the stream's last kernel still runs, which must not write them. One before
// it may run, too, where the last is another library's and lets launches in before it has waited itself.
DEEP_GEMM_EXPORT void deep_gemm_set_early_weights(bool allowed);
DEEP_GEMM_EXPORT bool deep_gemm_early_weights();
// Where groups of rows may begin: at multiples of it.
DEEP_GEMM_EXPORT void deep_gemm_set_mk_alignment(int rows);
DEEP_GEMM_EXPORT int deep_gemm_mk_alignment();
DEEP_GEMM_EXPORT void deep_gemm_set_tensor_core_share(int per_cent);
DEEP_GEMM_EXPORT int deep_gemm_tensor_core_share();

// The only configuration to use, for tuning; -1: choose for each problem.
DEEP_GEMM_EXPORT void deep_gemm_force_config(int index);
DEEP_GEMM_EXPORT bool deep_gemm_multiprocessors(int device, int* count, deep_gemm::Status* status);
