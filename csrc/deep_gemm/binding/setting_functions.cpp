// The process-wide settings, from Python.
#include "binding/functions.hpp"

namespace deep_gemm {

PyObject* py_set_num_sms(PyObject*, PyObject* value) {
  const long limit = PyLong_AsLong(value);
  if (limit == -1 && PyErr_Occurred() != nullptr) return nullptr;
  if (limit < 0 || limit > 1024) {
    PyErr_Format(PyExc_ValueError, "num_sms: expected 1 to 1024, or 0 for all of the device, got %ld", limit);
    return nullptr;
  }
  deep_gemm_set_multiprocessor_limit(static_cast<int>(limit));
  Py_RETURN_NONE;
}

PyObject* py_get_num_sms(PyObject*, PyObject* device) {
  if (const int limit = deep_gemm_multiprocessor_limit(); limit > 0) return PyLong_FromLong(limit);
  const long ordinal = PyLong_AsLong(device);
  if (ordinal == -1 && PyErr_Occurred() != nullptr) return nullptr;
  int count = 0;
  Status status;
  if (!deep_gemm_multiprocessors(static_cast<int>(ordinal), &count, &status)) return raise(status);
  return PyLong_FromLong(count);
}

PyObject* py_set_pdl(PyObject*, PyObject* value) {
  const int allowed = PyObject_IsTrue(value);
  if (allowed < 0) return nullptr;
  deep_gemm_set_dependent_launch(allowed != 0);
  Py_RETURN_NONE;
}

PyObject* py_get_pdl(PyObject*, PyObject*) { return PyBool_FromLong(deep_gemm_dependent_launch()); }

PyObject* py_set_early_weights(PyObject*, PyObject* value) {
  const int allowed = PyObject_IsTrue(value);
  if (allowed < 0) return nullptr;
  deep_gemm_set_early_weights(allowed != 0);
  Py_RETURN_NONE;
}

PyObject* py_get_early_weights(PyObject*, PyObject*) { return PyBool_FromLong(deep_gemm_early_weights()); }

PyObject* py_set_mk_alignment(PyObject*, PyObject* value) {
  const long rows = PyLong_AsLong(value);
  if (rows == -1 && PyErr_Occurred() != nullptr) return nullptr;
  if (rows < 64 || rows > 1024 || rows % 64 != 0) {
    PyErr_Format(PyExc_ValueError, "mk alignment: expected a multiple of 64 from 64 to 1024, got %ld", rows);
    return nullptr;
  }
  deep_gemm_set_mk_alignment(static_cast<int>(rows));
  Py_RETURN_NONE;
}

PyObject* py_get_mk_alignment(PyObject*, PyObject*) { return PyLong_FromLong(deep_gemm_mk_alignment()); }

PyObject* py_set_tc_util(PyObject*, PyObject* value) {
  const long share = PyLong_AsLong(value);
  if (share == -1 && PyErr_Occurred() != nullptr) return nullptr;
  if (share < 0 || share > 100) {
    PyErr_Format(PyExc_ValueError, "tc_util: expected 0 to 100 per cent, got %ld", share);
    return nullptr;
  }
  deep_gemm_set_tensor_core_share(share == 0 ? 100 : static_cast<int>(share));
  Py_RETURN_NONE;
}

PyObject* py_get_tc_util(PyObject*, PyObject*) { return PyLong_FromLong(deep_gemm_tensor_core_share()); }

PyObject* py_force_config(PyObject*, PyObject* name) {
  if (name == Py_None) {
    deep_gemm_force_config(-1);
    Py_RETURN_NONE;
  }
  for (std::size_t i = 0; i < deep_gemm_config_count(); ++i) {
    PyObject* candidate = PyUnicode_FromString(deep_gemm_config(i)->name);
    const bool same = candidate != nullptr && PyObject_RichCompareBool(candidate, name, Py_EQ) == 1;
    Py_XDECREF(candidate);
    if (!same) continue;
    deep_gemm_force_config(static_cast<int>(i));
    Py_RETURN_NONE;
  }
  PyErr_Format(PyExc_ValueError, "config: expected a name of configs(), got %R", name);
  return nullptr;
}

}  // namespace deep_gemm
