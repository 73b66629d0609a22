// The Python module _C: importing it registers the operators in torch.ops._C. It has no functions of its own.
//
// Limited API of CPython 3.10: one file for all later ones.
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#include <exception>

#include "binding/operator.hpp"
#include "binding/torch_functions.hpp"

namespace {

PyModuleDef module = {PyModuleDef_HEAD_INIT,
                      "_C",
                      "Operators of torch.ops._C, built with the headers of torch " VLLM_TORCH_VERSION ".",
                      0,
                      nullptr,
                      nullptr,
                      nullptr,
                      nullptr,
                      nullptr};

bool register_operators() {
  PyObject* torch = PyImport_ImportModule("torch");
  if (torch == nullptr) return false;
  Py_DECREF(torch);  // sys.modules keeps it
  try {
    const std::string problem = vllm::find_torch_functions();
    if (!problem.empty()) return PyErr_Format(PyExc_ImportError, "vllm._C: %s", problem.c_str()) != nullptr;
    vllm::Operator::register_all();
  } catch (const std::exception& error) {
    return PyErr_Format(PyExc_ImportError, "vllm._C: %s", error.what()) != nullptr;
  }
  return true;
}

}  // namespace

PyMODINIT_FUNC PyInit__C() { return register_operators() ? PyModule_Create(&module) : nullptr; }
