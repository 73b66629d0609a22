// The GEMMs, from Python.
#include <cstddef>

#include "binding/functions.hpp"

namespace deep_gemm {
namespace {

bool expect_count(const char* function, Py_ssize_t got, Py_ssize_t expected) {
  if (got == expected) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected %zd arguments, got %zd", function, expected, got);
  return false;
}

enum class Role { kTensor, kOptional, kMnMajor };

// One operand: its name in messages, where its view goes, and whether None or a copy may stand for it.
struct Place {
  const char* name;
  TensorView* view;
  Role role = Role::kTensor;
};

// Arguments that keep the memory of their tensors for the length of a call.
class Tensors {
 public:
  // Reads as many arguments as there are places; the first is `a`, whose device and stream the call has. `copy` is for
  // scale factors of rows, see TensorArgument.
  template <std::size_t kCount>
  bool read(PyObject* const* arguments, PyObject* copy, const Place (&places)[kCount]) {
    static_assert(kCount <= kMost);
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto& [name, view, role] = places[i];
      if (role == Role::kOptional && arguments[i] == Py_None) continue;
      if (role == Role::kMnMajor ? !tensors_[i].read_mn_major(arguments[i], name, copy, *view)
                                 : !tensors_[i].read(arguments[i], name, *view))
        return false;
    }
    return places[0].view->device_kind != DeviceKind::kCuda || tensors_[0].current_stream(&stream_);
  }

  void* stream() const { return stream_; }

 private:
  static constexpr std::size_t kMost = 6;
  TensorArgument tensors_[kMost];
  void* stream_ = nullptr;
};

template <typename Operands>
PyObject* call(bool (*function)(const Operands*, void*, Status*), const Operands& operands, void* stream) {
  Status status;
  bool done = false;
  Py_BEGIN_ALLOW_THREADS;
  done = function(&operands, stream, &status);
  Py_END_ALLOW_THREADS;
  if (!done) return raise(status);
  Py_RETURN_NONE;
}

// Arguments that read_operands takes.
Py_ssize_t operand_count(Scales scales) { return scales == Scales::kNone ? 4 : 7; }

// A, B, D and `last`, one after the other; of e4m3 scale factors behind A and B, and what copies them at the end.
template <typename Operands>
bool read_operands(Tensors& tensors, PyObject* const* arguments, Operands& operands, const Place& last) {
  if (operands.scales == Scales::kNone)
    return tensors.read(arguments, nullptr, {{"a", &operands.a}, {"b", &operands.b}, {"d", &operands.d}, last});
  return tensors.read(
      arguments, arguments[6],
      {{"a", &operands.a},
       {"scale_a", &operands.scale_a, Role::kMnMajor},
       {"b", &operands.b},
       {"scale_b", &operands.scale_b, operands.scales == Scales::kRows ? Role::kMnMajor : Role::kTensor},
       {"d", &operands.d},
       last});
}

// C, the last one of the tensors.
template <typename Operands>
bool read_with_c(Tensors& tensors, PyObject* const* arguments, Operands& operands) {
  operands.has_c = arguments[operands.scales == Scales::kNone ? 3 : 5] != Py_None;
  return read_operands(tensors, arguments, operands, {"c", &operands.c, Role::kOptional});
}

PyObject* dense(const char* function, Scales scales, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count(function, count, operand_count(scales))) return nullptr;
  GemmOperands operands;
  operands.function = function;
  operands.scales = scales;
  Tensors tensors;
  if (!read_with_c(tensors, arguments, operands)) return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

// How many rows the caller expects a group to have.
bool read_hint(PyObject* object, const char* name, std::int64_t& hint) {
  hint = PyLong_AsLongLong(object);
  if (hint == -1 && PyErr_Occurred() != nullptr) return false;
  if (hint < 1) PyErr_Format(PyExc_ValueError, "%s: expected at least 1, got %S", name, object);
  return hint >= 1;
}

// Whether grouped_layout holds the ends of groups, and the hint that goes with them, or None.
bool read_contiguous(PyObject* use_psum_layout, PyObject* expected_m, GemmOperands& operands) {
  const int psum = PyObject_IsTrue(use_psum_layout);
  if (psum < 0) return false;
  operands.grouping = psum == 1 ? Grouping::kPsum : Grouping::kContiguous;
  if (expected_m == Py_None) return true;
  constexpr const char* kName = "expected_m_for_psum_layout";
  if (psum == 1) return read_hint(expected_m, kName, operands.expected_m);
  PyErr_Format(PyExc_ValueError, "%s: expected None without use_psum_layout, got %S", kName, expected_m);
  return false;
}

PyObject* contiguous(const char* function, Scales scales, PyObject* const* arguments, Py_ssize_t count) {
  const Py_ssize_t before = operand_count(scales);
  if (!expect_count(function, count, before + 2)) return nullptr;
  GemmOperands operands;
  operands.function = function;
  operands.scales = scales;
  Tensors tensors;
  if (!read_contiguous(arguments[before], arguments[before + 1], operands) ||
      !read_operands(tensors, arguments, operands, {"grouped_layout", &operands.layout}))
    return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

PyObject* masked(const char* function, Scales scales, PyObject* const* arguments, Py_ssize_t count) {
  const Py_ssize_t before = operand_count(scales);
  if (!expect_count(function, count, before + 1)) return nullptr;
  GemmOperands operands;
  operands.function = function;
  operands.scales = scales;
  operands.grouping = Grouping::kMasked;
  Tensors tensors;
  if (!read_hint(arguments[before], "expected_m", operands.expected_m) ||
      !read_operands(tensors, arguments, operands, {"masked_m", &operands.layout}))
    return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

constexpr int kMaxGroups = 1024;

bool read_ks(PyObject* object, std::int64_t (&ks)[kMaxGroups], std::int64_t& count) {
  const Py_ssize_t length = PySequence_Size(object);
  if (length < 0) return false;
  if (length > kMaxGroups) {
    PyErr_Format(PyExc_ValueError, "ks: expected at most %d groups, got %zd", kMaxGroups, length);
    return false;
  }
  for (Py_ssize_t i = 0; i < length; ++i) {
    PyObject* item = PySequence_GetItem(object, i);
    ks[i] = item == nullptr ? -1 : PyLong_AsLongLong(item);
    Py_XDECREF(item);
    if (PyErr_Occurred() != nullptr) return false;
  }
  count = length;
  return true;
}

// The name of the function that the user called; it lives as long as the argument does.
bool read_function(PyObject* object, const char*& function) {
  function = PyUnicode_AsUTF8AndSize(object, nullptr);
  return function != nullptr;
}

PyObject* k_grouped(const char* binding, Scales scales, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count(binding, count, 2 + operand_count(scales))) return nullptr;
  KGroupedOperands operands{};
  operands.scales = scales;
  std::int64_t ks[kMaxGroups];
  operands.ks = ks;
  Tensors tensors;
  if (!read_function(arguments[0], operands.function) || !read_ks(arguments[1], ks, operands.count) ||
      !read_with_c(tensors, arguments + 2, operands))
    return nullptr;
  return call(deep_gemm_k_grouped_gemm, operands, tensors.stream());
}

}  // namespace

PyObject* py_fp8_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return dense("fp8_gemm_nt", Scales::kBlocks, arguments, count);
}

PyObject* py_fp8_gemm_nt_row_scales(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return dense("fp8_gemm_nt", Scales::kRows, arguments, count);
}

PyObject* py_bf16_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return dense("bf16_gemm_nt", Scales::kNone, arguments, count);
}

PyObject* py_m_grouped_fp8_gemm_nt_contiguous(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return contiguous("m_grouped_fp8_gemm_nt_contiguous", Scales::kBlocks, arguments, count);
}

PyObject* py_m_grouped_fp8_gemm_nt_masked(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return masked("m_grouped_fp8_gemm_nt_masked", Scales::kBlocks, arguments, count);
}

PyObject* py_m_grouped_bf16_gemm_nt_contiguous(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return contiguous("m_grouped_bf16_gemm_nt_contiguous", Scales::kNone, arguments, count);
}

PyObject* py_m_grouped_bf16_gemm_nt_masked(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return masked("m_grouped_bf16_gemm_nt_masked", Scales::kNone, arguments, count);
}

PyObject* py_fp8_gemm_nt_k_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return k_grouped("fp8_gemm_nt_k_grouped", Scales::kRows, arguments, count);
}

PyObject* py_bf16_gemm_nt_k_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return k_grouped("bf16_gemm_nt_k_grouped", Scales::kNone, arguments, count);
}

}  // namespace deep_gemm
