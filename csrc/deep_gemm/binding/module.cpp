// The Python module _C: reads arguments, calls the library, turns its Status into an exception. Knows no CUDA.
//
// Compiled once for each CPython, and once against the limited API of 3.10.
#include "binding/functions.hpp"

// Read by the wheel's audit: which interpreter this file was compiled for, whatever its name says.
extern "C" __attribute__((visibility("default"), used)) const char deep_gemm_soabi[] =
    "deep_gemm_soabi=" DEEP_GEMM_SOABI;

namespace deep_gemm {
PyObject* raise(const Status& status) {
  PyErr_SetString(status.outcome == Outcome::kRuntime ? PyExc_RuntimeError : PyExc_ValueError, status.message);
  return nullptr;
}

namespace {

PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"fp8_gemm_nt", fast(py_fp8_gemm_nt), METH_FASTCALL,
     "fp8_gemm_nt(a, scale_a, b, scale_b, d, c, copy): launch d = c + (a * scale_a) @ (b * scale_b).T; c may be None. "
     "copy(scale) stands for scale factors of rows that no bulk copy can read; None: they are refused."},
    {"fp8_gemm_nt_row_scales", fast(py_fp8_gemm_nt_row_scales), METH_FASTCALL,
     "fp8_gemm_nt_row_scales(a, scale_a, b, scale_b, d, c, copy): the same, scale_b for each row of b; d is f32."},
    {"m_grouped_fp8_gemm_nt_contiguous", fast(py_m_grouped_fp8_gemm_nt_contiguous), METH_FASTCALL,
     "m_grouped_fp8_gemm_nt_contiguous(a, scale_a, b, scale_b, d, grouped_layout, copy, use_psum_layout, expected_m): "
     "b of each group of rows; expected_m is a hint or None."},
    {"m_grouped_fp8_gemm_nt_masked", fast(py_m_grouped_fp8_gemm_nt_masked), METH_FASTCALL,
     "m_grouped_fp8_gemm_nt_masked(a, scale_a, b, scale_b, d, masked_m, copy, expected_m): rows of each group."},
    {"bf16_gemm_nt", fast(py_bf16_gemm_nt), METH_FASTCALL,
     "bf16_gemm_nt(a, b, d, c): launch d = c + a @ b.T; rows or columns of a and b are dense."},
    {"m_grouped_bf16_gemm_nt_contiguous", fast(py_m_grouped_bf16_gemm_nt_contiguous), METH_FASTCALL,
     "m_grouped_bf16_gemm_nt_contiguous(a, b, d, grouped_layout, use_psum_layout, expected_m): as the FP8 one."},
    {"m_grouped_bf16_gemm_nt_masked", fast(py_m_grouped_bf16_gemm_nt_masked), METH_FASTCALL,
     "m_grouped_bf16_gemm_nt_masked(a, b, d, masked_m, expected_m): as the FP8 one."},
    {"fp8_gemm_nt_k_grouped", fast(py_fp8_gemm_nt_k_grouped), METH_FASTCALL,
     "fp8_gemm_nt_k_grouped(function, ks, a, scale_a, b, scale_b, d, c, copy): a launch for each group of k."},
    {"bf16_gemm_nt_k_grouped", fast(py_bf16_gemm_nt_k_grouped), METH_FASTCALL,
     "bf16_gemm_nt_k_grouped(function, ks, a, b, d, c): the same."},
    {"configs", py_configs, METH_NOARGS, "configs(): the compiled configurations, a dict each."},
    {"explain", py_explain, METH_VARARGS,
     "explain(m, n, k, output_bytes, multiprocessors, kind, groups, expected_m): (chosen name, every candidate's "
     "estimate)."},
    {"cubins", py_cubins, METH_NOARGS, "cubins(): the machine code in the library, {name: bytes of an ELF file}."},
    {"self_test", py_self_test, METH_NOARGS,
     "self_test(): check configurations, cubins and schedules without a GPU; counts of what was checked."},
    {"set_num_sms", py_set_num_sms, METH_O, "set_num_sms(limit): blocks a launch may have; 0 for all."},
    {"get_num_sms", py_get_num_sms, METH_O, "get_num_sms(device): the limit, or the device's multiprocessors."},
    {"set_pdl", py_set_pdl, METH_O, "set_pdl(allowed): programmatic dependent launch of later calls."},
    {"get_pdl", py_get_pdl, METH_NOARGS, "get_pdl(): whether it is set."},
    {"set_early_weights", py_set_early_weights, METH_O,
     "set_early_weights(allowed): with pdl, B is read while the stream's last kernel runs."},
    {"get_early_weights", py_get_early_weights, METH_NOARGS, "get_early_weights(): whether it is set."},
    {"set_mk_alignment", py_set_mk_alignment, METH_O,
     "set_mk_alignment(rows): groups of rows begin at multiples of it."},
    {"get_mk_alignment", py_get_mk_alignment, METH_NOARGS, "get_mk_alignment(): these rows."},
    {"set_tc_util", py_set_tc_util, METH_O, "set_tc_util(per_cent): kept and told; 0 stands for 100."},
    {"get_tc_util", py_get_tc_util, METH_NOARGS, "get_tc_util(): what was set."},
    {"force_config", py_force_config, METH_O,
     "force_config(name): use only this configuration, for tuning; None: choose for each problem."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {{0, nullptr}};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_C", "Binding of libdeep_gemm.so.", 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace deep_gemm

PyMODINIT_FUNC PyInit__C() { return PyModuleDef_Init(&deep_gemm::definition); }
