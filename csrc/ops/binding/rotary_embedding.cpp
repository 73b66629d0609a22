#include "shared/rotary_embedding.hpp"

#include "binding/operator.hpp"
#include "binding/tensors.hpp"

namespace vllm {
namespace {

// Distances in a tensor of heads: (tokens, heads * head_size) or (tokens, heads, head_size).
struct Heads {
  std::int64_t count;
  std::int64_t token;
  std::int64_t head;
};

Heads heads_of(const Tensor& tensor, const char* name, std::int64_t tokens, std::int64_t head_size) {
  const std::int64_t dim = tensor.dim();
  expect((dim == 2 && tensor.size(1) % head_size == 0) || (dim == 3 && tensor.size(2) == head_size), name,
         ": expected (tokens, heads * ", head_size, ") or (tokens, heads, ", head_size, "), got ", ShapeOf{tensor});
  expect(tensor.size(0) == tokens, name, ": expected ", tokens, " tokens as positions has, got ", tensor.size(0));
  expect(tensor.stride(dim - 1) == 1 || tensor.size(dim - 1) <= 1, name,
         ": expected a dense last dimension, got stride ", tensor.stride(dim - 1));
  if (dim == 2) return {tensor.size(1) / head_size, tensor.stride(0), head_size};
  return {tensor.size(1), tensor.stride(0), tensor.stride(1)};
}

RotaryHeads rotary_heads(const Tensor& in, const Tensor& out, const char* name, std::int64_t tokens,
                         std::int64_t head_size, const Tensor& first) {
  const Heads from = heads_of(in, name, tokens, head_size), to = heads_of(out, name, tokens, head_size);
  expect(from.count == to.count, name, ": expected as many heads in as out, got ", from.count, " and ", to.count);
  for (const Tensor& tensor : {in, out}) {
    expect_type_of(tensor, name, first);
    expect_beside(tensor, name, first);
  }
  return {in.data_ptr(), out.data_ptr(), from.count, from.token, from.head, to.token, to.head};
}

// On a CPU a position beyond the table is an error; a GPU's positions are not looked at from here.
void expect_in_table(const RotaryEmbedding& p, std::int64_t rows) {
  for (std::int64_t token = 0; token < p.tokens; ++token) {
    const std::int64_t position = p.long_positions ? static_cast<const std::int64_t*>(p.positions)[token]
                                                   : static_cast<const std::int32_t*>(p.positions)[token];
    expect(position >= 0 && position < rows, "positions: expected less than the table's ", rows, " rows, got ",
           position, " for token ", token);
  }
}

void rotate(const Tensor& positions, const Tensor& query, const std::optional<Tensor>& key, std::int64_t head_size,
            const Tensor& table, bool is_neox, const Tensor& query_out, const std::optional<Tensor>& key_out) {
  expect(head_size > 0, "head_size: expected more than 0, got ", head_size);
  expect(positions.dim() == 1, "positions: expected (tokens), got ", ShapeOf{positions});
  expect_dense(positions, "positions");
  expect_beside(positions, "positions", query);
  expect_beside(table, "cos_sin_cache", query);
  const Matrix angles = matrix_of(table, "cos_sin_cache");
  expect(table.dim() == 2 && angles.columns % 2 == 0 && angles.columns <= head_size,
         "cos_sin_cache: expected (positions, rotary_dim) with an even rotary_dim of at most ", head_size, ", got ",
         ShapeOf{table});
  const bool float_angles = is(table, kFloat32);
  if (!float_angles) expect_type_of(table, "cos_sin_cache", query);
  expect(key.has_value() == key_out.has_value(), "key: expected it both in and out, or not at all");
  RotaryEmbedding problem{};
  const std::int64_t tokens = positions.size(0);
  problem.tensors[0] = rotary_heads(query, query_out, "query", tokens, head_size, query);
  if (key) problem.tensors[1] = rotary_heads(*key, *key_out, "key", tokens, head_size, query);
  problem.positions = positions.data_ptr();
  problem.long_positions = has_long_indices(positions, "positions");
  problem.angles = angles.data;
  problem.float_angles = float_angles;
  problem.angles_row = table.stride(0);
  problem.element = element_of(query, "query");
  problem.tokens = tokens;
  problem.head_size = head_size;
  problem.pairs = angles.columns / 2;
  problem.neox = is_neox;
  if (tokens == 0 || problem.tensors[0].heads + problem.tensors[1].heads == 0) return;
  if (!query.is_cuda()) expect_in_table(problem, table.size(0));
  run(query, problem, rotary_embedding_cpu, VLLM_CUDA_VERSION(rotary_embedding_cuda));
}

void rotate_in_place(const Tensor& positions, const Tensor& query, const std::optional<Tensor>& key,
                     std::int64_t head_size, const Tensor& table, bool is_neox) {
  rotate(positions, query, key, head_size, table, is_neox, query, key);
}

const Operator in_place("rotary_embedding",
                        "(Tensor positions, Tensor(a!) query, Tensor(b!)? key, int head_size, Tensor cos_sin_cache, "
                        "bool is_neox) -> ()",
                        TORCH_BOX(&rotate_in_place));
const Operator out_of_place("rotary_embedding_out",
                            "(Tensor positions, Tensor query, Tensor? key, int head_size, Tensor cos_sin_cache, "
                            "bool is_neox, Tensor(a!) query_out, Tensor(b!)? key_out) -> ()",
                            TORCH_BOX(&rotate));

}  // namespace
}  // namespace vllm
