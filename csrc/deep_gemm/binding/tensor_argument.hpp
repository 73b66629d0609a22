// One Python argument read as a tensor: through DLPack's exchange API where its type has one, else through __dlpack__.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "binding/dlpack_abi.hpp"
#include "host/tensor_view.hpp"

namespace deep_gemm {

// Borrows the object's memory for the length of one call.
class TensorArgument {
 public:
  TensorArgument() = default;
  ~TensorArgument() {
    Py_XDECREF(capsule_);
    Py_XDECREF(copied_);
  }
  TensorArgument(const TensorArgument&) = delete;
  TensorArgument& operator=(const TensorArgument&) = delete;

  // Fills `view`; false with a Python error set where the object is no tensor. `name` is the operand's in messages.
  bool read(PyObject* object, const char* name, TensorView& view);

  // The same of scale factors for a bulk copy: where it can't read them as they lie, `copy(object)` stands for them.
  // None is no copy.
  bool read_mn_major(PyObject* object, const char* name, PyObject* copy, TensorView& view);

  // The stream that the tensor's library works on now for the tensor's device. For a library without the exchange
  // API this is the legacy default stream, for which its __dlpack__ was asked to synchronise.
  bool current_stream(void** stream) const;

 private:
  bool read_by_protocol(PyObject* object, const char* name);

  static constexpr int kMaxRank = 4;

  const dlpack::ExchangeApi* api_ = nullptr;
  PyObject* capsule_ = nullptr;  // keeps the memory alive where the slow protocol was used
  PyObject* copied_ = nullptr;   // the tensor that is read in place of the argument
  dlpack::Tensor tensor_;        // filled by read, as what follows is
  std::int64_t dense_strides_[kMaxRank];
};

}  // namespace deep_gemm
