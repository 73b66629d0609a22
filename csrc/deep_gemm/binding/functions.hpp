// The functions of the module _C; module.cpp lists and documents them.
#pragma once

#include "binding/tensor_argument.hpp"
#include "host/api.hpp"

namespace deep_gemm {

// Sets the exception that a Status stands for; returns nullptr.
PyObject* raise(const Status& status);

PyObject* py_fp8_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_fp8_gemm_nt_row_scales(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_m_grouped_fp8_gemm_nt_contiguous(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_m_grouped_fp8_gemm_nt_masked(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_bf16_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_m_grouped_bf16_gemm_nt_contiguous(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_m_grouped_bf16_gemm_nt_masked(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_fp8_gemm_nt_k_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count);
PyObject* py_bf16_gemm_nt_k_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count);

PyObject* py_configs(PyObject*, PyObject*);
PyObject* py_explain(PyObject*, PyObject* arguments);
PyObject* py_cubins(PyObject*, PyObject*);
PyObject* py_self_test(PyObject*, PyObject*);

PyObject* py_set_num_sms(PyObject*, PyObject* value);
PyObject* py_get_num_sms(PyObject*, PyObject* device);
PyObject* py_set_pdl(PyObject*, PyObject* value);
PyObject* py_get_pdl(PyObject*, PyObject*);
PyObject* py_set_early_weights(PyObject*, PyObject* value);
PyObject* py_get_early_weights(PyObject*, PyObject*);
PyObject* py_set_mk_alignment(PyObject*, PyObject* value);
PyObject* py_get_mk_alignment(PyObject*, PyObject*);
PyObject* py_set_tc_util(PyObject*, PyObject* value);
PyObject* py_get_tc_util(PyObject*, PyObject*);
PyObject* py_force_config(PyObject*, PyObject* name);

}  // namespace deep_gemm
