// The Python module _C: reads arguments, calls the library, turns its Status into an exception. Knows no CUDA.
//
// Compiled once for each CPython, and once against the limited API of 3.10.
#include "binding/tensor_argument.hpp"
#include "host/api.hpp"

// Read by the wheel's audit: which interpreter this file was compiled for, whatever its name says.
extern "C" __attribute__((visibility("default"), used)) const char deep_gemm_soabi[] =
    "deep_gemm_soabi=" DEEP_GEMM_SOABI;

namespace deep_gemm {
namespace {

PyObject* raise(const Status& status) {
  PyErr_SetString(status.outcome == Outcome::kRuntime ? PyExc_RuntimeError : PyExc_ValueError, status.message);
  return nullptr;
}

bool expect_count(const char* function, Py_ssize_t got, Py_ssize_t expected) {
  if (got == expected) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected %zd arguments, got %zd", function, expected, got);
  return false;
}

PyObject* py_fp8_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count("fp8_gemm_nt", count, 6)) return nullptr;
  static const char* const kNames[] = {"a", "scale_a", "b", "scale_b", "d", "c"};
  TensorArgument tensors[6];
  Fp8GemmOperands operands;
  TensorView* const views[] = {&operands.a,       &operands.scale_a, &operands.b,
                               &operands.scale_b, &operands.d,       &operands.c};
  operands.has_c = arguments[5] != Py_None;
  for (int i = 0; i < (operands.has_c ? 6 : 5); ++i)
    if (!tensors[i].read(arguments[i], kNames[i], *views[i])) return nullptr;
  void* stream = nullptr;
  if (operands.a.device_kind == DeviceKind::kCuda && !tensors[0].current_stream(&stream)) return nullptr;
  Status status;
  bool done = false;
  Py_BEGIN_ALLOW_THREADS;
  done = deep_gemm_fp8_gemm_nt(&operands, stream, &status);
  Py_END_ALLOW_THREADS;
  if (!done) return raise(status);
  Py_RETURN_NONE;
}

PyObject* py_configs(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  for (std::size_t i = 0; list != nullptr && i < deep_gemm_config_count(); ++i) {
    const NamedConfig& named = *deep_gemm_config(i);
    const KernelConfig& config = named.config;
    PyObject* row =
        Py_BuildValue("{s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "name", named.name, "tile_m", config.tile_m, "tile_n",
                      config.tile_n, "stages", config.stages, "output_bytes", config.output_bytes, "split_k",
                      config.split_k, "threads", config.threads(), "shared_bytes", config.shared_bytes());
    if (row == nullptr || PyList_Append(list, row) != 0) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  return list;
}

// Every configuration's estimate for one problem, and the index of the chosen one.
PyObject* py_explain(PyObject*, PyObject* arguments) {
  long long m = 0;
  long long n = 0;
  long long k = 0;
  int output_bytes = 0;
  int multiprocessors = 0;
  if (!PyArg_ParseTuple(arguments, "LLLii:explain", &m, &n, &k, &output_bytes, &multiprocessors)) return nullptr;
  if (m < 1 || n < 1 || k < 0 || multiprocessors < 1 || (output_bytes != 2 && output_bytes != 4)) {
    PyErr_SetString(PyExc_ValueError, "explain: expected m, n >= 1, k >= 0, output_bytes 2 or 4, multiprocessors >= 1");
    return nullptr;
  }
  const Problem problem{m, n, k, output_bytes};
  PyObject* list = PyList_New(0);
  for (std::size_t i = 0; list != nullptr && i < deep_gemm_config_count(); ++i) {
    const NamedConfig& named = *deep_gemm_config(i);
    if (named.config.output_bytes != output_bytes) continue;
    const Estimate estimate = deep_gemm_estimate(i, &problem, multiprocessors);
    PyObject* row = Py_BuildValue(
        "{s:s,s:L,s:L,s:d,s:d,s:d,s:d}", "name", named.name, "tiles", static_cast<long long>(estimate.tiles), "waves",
        static_cast<long long>(estimate.waves), "multiply_cycles", estimate.multiply_cycles, "load_cycles",
        estimate.load_cycles, "memory_cycles", estimate.memory_cycles, "cycles", estimate.cycles);
    if (row == nullptr || PyList_Append(list, row) != 0) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  const char* chosen = deep_gemm_config(deep_gemm_choose_config(&problem, multiprocessors))->name;
  return list == nullptr ? nullptr : Py_BuildValue("(sN)", chosen, list);
}

PyObject* py_cubins(PyObject*, PyObject*) {
  PyObject* result = PyDict_New();
  for (std::size_t i = 0; result != nullptr && i < deep_gemm_embedded_count(); ++i) {
    const EmbeddedCubin& cubin = *deep_gemm_embedded(i);
    PyObject* code =
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(cubin.begin), static_cast<Py_ssize_t>(cubin.bytes()));
    if (code == nullptr || PyDict_SetItemString(result, cubin.name, code) != 0) Py_CLEAR(result);
    Py_XDECREF(code);
  }
  return result;
}

PyObject* py_self_test(PyObject*, PyObject*) {
  SelfTestCounts counts;
  Status status;
  if (!deep_gemm_self_test(&counts, &status)) return raise(status);
  return Py_BuildValue("{s:n,s:n,s:n,s:n}", "configs", static_cast<Py_ssize_t>(counts.configs), "cubins",
                       static_cast<Py_ssize_t>(counts.cubins), "cubin_bytes",
                       static_cast<Py_ssize_t>(counts.cubin_bytes), "problems",
                       static_cast<Py_ssize_t>(counts.problems));
}

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

PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"fp8_gemm_nt", fast(py_fp8_gemm_nt), METH_FASTCALL,
     "fp8_gemm_nt(a, scale_a, b, scale_b, d, c): launch d = c + (a * scale_a) @ (b * scale_b).T; c may be None."},
    {"configs", py_configs, METH_NOARGS, "configs(): the compiled configurations, a dict each."},
    {"explain", py_explain, METH_VARARGS,
     "explain(m, n, k, output_bytes, multiprocessors): (chosen name, every candidate's estimate)."},
    {"cubins", py_cubins, METH_NOARGS, "cubins(): the machine code in the library, {name: bytes of an ELF file}."},
    {"self_test", py_self_test, METH_NOARGS,
     "self_test(): check configurations, cubins and schedules without a GPU; counts of what was checked."},
    {"set_num_sms", py_set_num_sms, METH_O, "set_num_sms(limit): blocks a launch may have; 0 for all."},
    {"get_num_sms", py_get_num_sms, METH_O, "get_num_sms(device): the limit, or the device's multiprocessors."},
    {"set_pdl", py_set_pdl, METH_O, "set_pdl(allowed): programmatic dependent launch of later calls."},
    {"get_pdl", py_get_pdl, METH_NOARGS, "get_pdl(): whether it is set."},
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
