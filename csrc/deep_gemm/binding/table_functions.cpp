// The tables of configurations and of cubins, and the choice among them, from Python.
#include <cstring>

#include "binding/functions.hpp"

namespace deep_gemm {
namespace {

// "fp8", "fp8_row_scales" or "bf16": which functions of the Python face a configuration serves.
const char* family(const KernelConfig& config) {
  if (!config.fp8()) return "bf16";
  return config.row_scales() ? "fp8_row_scales" : "fp8";
}

const char* major(bool rows_dense) { return rows_dense ? "mn" : "k"; }

bool read_kind(const char* name, Kind& kind) {
  for (int i = 0; i < kKinds; ++i) {
    kind = static_cast<Kind>(i);
    if (std::strcmp(deep_gemm_kind_name(kind), name) == 0) return true;
  }
  PyErr_Format(PyExc_ValueError, "kind: expected one of configs(), got %s", name);
  return false;
}

// One problem: dense, or of groups; those with expected rows are masked, the others contiguous.
bool read_problem(PyObject* arguments, Problem& problem, int& multiprocessors) {
  long long m = 0;
  long long n = 0;
  long long k = 0;
  long long groups = 0;
  long long expected_m = 0;
  const char* kind = "fp8";
  int early_weights = 0;
  if (!PyArg_ParseTuple(arguments, "LLLii|sLLp:explain", &m, &n, &k, &problem.output_bytes, &multiprocessors, &kind,
                        &groups, &expected_m, &early_weights) ||
      !read_kind(kind, problem.kind))
    return false;
  const int bytes = problem.output_bytes;
  if (m < 1 || n < 1 || k < 0 || multiprocessors < 1 || (bytes != 2 && bytes != 4)) {
    PyErr_Format(PyExc_ValueError,
                 "explain: expected m, n >= 1, k >= 0, output_bytes 2 or 4, multiprocessors >= 1, got m=%lld, n=%lld, "
                 "k=%lld, output_bytes=%d, multiprocessors=%d",
                 m, n, k, bytes, multiprocessors);
    return false;
  }
  problem.m = m;
  problem.n = n;
  problem.k = k;
  const bool grouped = KernelConfig{problem.kind, 0, 0, 0, 0, 0, 0}.grouped();
  if (grouped != (groups >= 1) || groups < 0 || expected_m < 0 || (expected_m > 0 && !grouped)) {
    PyErr_Format(PyExc_ValueError, "explain: expected %s for %s, got groups=%lld, expected_m=%lld",
                 grouped ? "groups >= 1 and expected_m >= 0" : "no groups", kind, groups, expected_m);
    return false;
  }
  problem.early_weights = early_weights != 0 && !grouped && problem.kind != Kind::kFp8RowScales;
  if (!grouped) return true;
  problem.groups = groups;
  problem.expected_m = expected_m;
  problem.grouping = expected_m > 0 ? Grouping::kMasked : Grouping::kContiguous;
  problem.alignment = deep_gemm_mk_alignment();
  return true;
}

}  // namespace

PyObject* py_configs(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  for (std::size_t i = 0; list != nullptr && i < deep_gemm_config_count(); ++i) {
    const NamedConfig& named = *deep_gemm_config(i);
    const KernelConfig& config = named.config;
    PyObject* row = Py_BuildValue(
        "{s:s,s:s,s:s,s:s,s:s,s:O,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "name", named.name, "kind",
        deep_gemm_kind_name(config.kind), "family", family(config), "a_major", major(config.a_mn_major()), "b_major",
        major(config.b_mn_major()), "grouped", config.grouped() ? Py_True : Py_False, "tile_m", config.tile_m, "tile_n",
        config.tile_n, "stages", config.stages, "output_bytes", config.output_bytes, "split_k", config.split_k,
        "blocks", config.blocks, "threads", config.threads(), "shared_bytes", config.shared_bytes());
    if (row == nullptr || PyList_Append(list, row) != 0) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  return list;
}

// Every configuration's estimate for one problem, and the name of the chosen one.
PyObject* py_explain(PyObject*, PyObject* arguments) {
  Problem problem{};
  int multiprocessors = 0;
  if (!read_problem(arguments, problem, multiprocessors)) return nullptr;
  const std::size_t chosen = deep_gemm_choose_config(&problem, multiprocessors);
  if (chosen == deep_gemm_config_count())
    return PyErr_Format(PyExc_ValueError, "explain: expected %s with an output that it has, got one of %d bytes",
                        deep_gemm_kind_name(problem.kind), problem.output_bytes);
  PyObject* list = PyList_New(0);
  for (std::size_t i = 0; list != nullptr && i < deep_gemm_config_count(); ++i) {
    const NamedConfig& named = *deep_gemm_config(i);
    if (!deep_gemm_suits(i, &problem)) continue;
    const Estimate estimate = deep_gemm_estimate(i, &problem, multiprocessors);
    PyObject* row = Py_BuildValue(
        "{s:s,s:L,s:L,s:d,s:d,s:d,s:d}", "name", named.name, "tiles", static_cast<long long>(estimate.tiles), "waves",
        static_cast<long long>(estimate.waves), "multiply_cycles", estimate.multiply_cycles, "load_cycles",
        estimate.load_cycles, "memory_cycles", estimate.memory_cycles, "cycles", estimate.cycles);
    if (row == nullptr || PyList_Append(list, row) != 0) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  return list == nullptr ? nullptr : Py_BuildValue("(sN)", deep_gemm_config(chosen)->name, list);
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

}  // namespace deep_gemm
