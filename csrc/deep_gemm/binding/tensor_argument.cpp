#include "binding/tensor_argument.hpp"

#include <initializer_list>

namespace deep_gemm {
namespace {

// Source: DLPack's Python specification, "stream": 1 is CUDA's legacy default stream (CU_STREAM_LEGACY).
constexpr int kLegacyStream = 1;

ElementType element_type(const dlpack::DataType& type) {
  if (type.lanes != 1) return ElementType::kOther;
  if (type.code == dlpack::kFloat8E4m3fn && type.bits == 8) return ElementType::kE4m3;
  if (type.code == dlpack::kBfloat && type.bits == 16) return ElementType::kBf16;
  if (type.code == dlpack::kFloat && type.bits == 32) return ElementType::kF32;
  if (type.code == dlpack::kInt && type.bits == 32) return ElementType::kInt32;
  return ElementType::kOther;
}

// The type's exchange API, or null where it has none. The GIL guards the remembered answers: tensors of a process are
// of few types (torch's weights of another than the rest), which are kept alive so that an address can't come to mean
// another.
const dlpack::ExchangeApi* exchange_api(PyTypeObject* type) {
  struct Known {
    PyTypeObject* type;
    const dlpack::ExchangeApi* api;
  };
  static Known known[4] = {};
  static unsigned oldest = 0;
  for (const Known& each : known)
    if (each.type == type) return each.api;
  const dlpack::ExchangeApi* api = nullptr;
  PyObject* capsule = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__");
  if (capsule != nullptr && PyCapsule_IsValid(capsule, dlpack::kExchangeCapsule)) {
    api = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule, dlpack::kExchangeCapsule));
    while (api != nullptr && api->version.major != 1) api = api->previous;
  }
  PyErr_Clear();
  Py_XDECREF(capsule);
  Known& place = known[oldest++ % 4];
  PyTypeObject* forgotten = place.type;
  Py_INCREF(type);
  place = {type, api};
  Py_XDECREF(forgotten);
  return api;
}

// Turns the pending error of a tensor library, which may be pages long, into one line that names the operand.
bool refuse_in_one_line(const char* name) {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* text = value == nullptr ? nullptr : PyObject_Str(value);
  PyObject* lines = text == nullptr ? nullptr : PyUnicode_Splitlines(text, 0);
  PyObject* first = lines == nullptr ? nullptr : PySequence_GetItem(lines, 0);
  PyErr_Clear();
  PyErr_Format(PyExc_ValueError, "%s: expected a tensor in CUDA memory, got one that DLPack refuses (%S)", name,
               first == nullptr ? Py_None : first);
  for (PyObject* object : {first, lines, text, type, value, trace}) Py_XDECREF(object);
  return false;
}

bool refuse_object(PyObject* object, const char* name) {
  PyObject* type_name = PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__name__");
  PyErr_Format(PyExc_TypeError, "%s: expected a tensor (an object with __dlpack__), got %S", name, type_name);
  Py_XDECREF(type_name);
  return false;
}

}  // namespace

bool TensorArgument::read(PyObject* object, const char* name, TensorView& view) {
  api_ = exchange_api(Py_TYPE(object));
  if (api_ == nullptr) {
    if (!read_by_protocol(object, name)) return false;
  } else if (api_->tensor_from_object(object, &tensor_) != 0) {
    return refuse_in_one_line(name);
  }
  if (tensor_.rank > kMaxRank) {
    PyErr_Format(PyExc_ValueError, "%s: expected at most %d dimensions, got %d", name, kMaxRank, tensor_.rank);
    return false;
  }
  if (tensor_.strides == nullptr) {
    std::int64_t stride = 1;
    for (int i = tensor_.rank - 1; i >= 0; stride *= tensor_.shape[i--]) dense_strides_[i] = stride;
    tensor_.strides = dense_strides_;
  }
  char* data = static_cast<char*>(tensor_.data);
  view.name = name;
  view.data = data == nullptr ? nullptr : data + tensor_.byte_offset;
  view.type = element_type(tensor_.type);
  view.type_code = tensor_.type.code;
  view.type_bits = tensor_.type.bits;
  view.device_kind = static_cast<DeviceKind>(tensor_.device.type);
  view.device = tensor_.device.id;
  view.rank = tensor_.rank;
  view.shape = tensor_.shape;
  view.strides = tensor_.strides;
  return true;
}

bool TensorArgument::read_mn_major(PyObject* object, const char* name, PyObject* copy, TensorView& view) {
  if (!read(object, name, view)) return false;
  const bool scales = view.type == ElementType::kF32 && (view.rank == 2 || view.rank == 3);
  if (!scales || (is_mn_major(view) && is_aligned(view, kAlignmentBytes)) || copy == Py_None) return true;
  copied_ = PyObject_CallFunctionObjArgs(copy, object, nullptr);
  return copied_ != nullptr && read(copied_, name, view);
}

bool TensorArgument::read_by_protocol(PyObject* object, const char* name) {
  PyObject* device = PyObject_CallMethod(object, "__dlpack_device__", nullptr);
  if (device == nullptr) {
    PyErr_Clear();
    return refuse_object(object, name);
  }
  PyObject* kind = PySequence_GetItem(device, 0);
  const long device_type = kind == nullptr ? -1 : PyLong_AsLong(kind);
  Py_XDECREF(kind);
  Py_DECREF(device);
  if (PyErr_Occurred() != nullptr) return false;
  PyObject* method = PyObject_GetAttrString(object, "__dlpack__");
  PyObject* none = PyTuple_New(0);
  PyObject* options = device_type == dlpack::kCuda ? Py_BuildValue("{s:i}", "stream", kLegacyStream) : nullptr;
  Py_CLEAR(capsule_);
  if (method != nullptr && none != nullptr) capsule_ = PyObject_Call(method, none, options);
  Py_XDECREF(options);
  Py_XDECREF(none);
  Py_XDECREF(method);
  if (capsule_ == nullptr) return refuse_in_one_line(name);
  auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule_, dlpack::kTensorCapsule));
  if (managed == nullptr) return false;
  tensor_ = managed->tensor;
  return true;
}

bool TensorArgument::current_stream(void** stream) const {
  if (api_ != nullptr) return api_->current_stream(tensor_.device.type, tensor_.device.id, stream) == 0;
  *stream = reinterpret_cast<void*>(static_cast<std::uintptr_t>(kLegacyStream));
  return true;
}

}  // namespace deep_gemm
