"""Shapes of models from the settings that logs hold: configurations of known families, names of known models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError

from ._logged import Scalar
from ._meanings import as_number
from ._roles import fold

if TYPE_CHECKING:
    from similitude._known_shapes import Shape

__all__ = ["Counted", "counted"]

_SIZES = {
    "layers": "num_hidden_layers n_layer n_layers num_layers",
    "width": "hidden_size n_embd d_model dim embed_dim model_dim",
    "heads": "num_attention_heads n_head n_heads num_heads",
    "kv_heads": "num_key_value_heads n_kv_heads n_kv_head n_query_groups num_kv_heads",
    "vocabulary": "vocab_size padded_vocab_size n_vocab vocabulary_size",
    "context": "max_position_embeddings n_positions n_ctx block_size max_seq_len seq_len max_sequence_length",
    "feed_forward": "intermediate_size n_inner d_ff ffn_dim mlp_hidden_size intermediate_dim",
    "head_width": "head_dim head_size",
    "experts": "num_local_experts num_experts n_experts n_expert",
    "experts_per_token": "num_experts_per_tok num_experts_per_token n_expert_per_token",
    "expert_width": "moe_intermediate_size",
    "tied": "tie_word_embeddings weight_tying tied_embeddings tie_embeddings",
}
_ALIASES = {name: size for size, names in _SIZES.items() for name in names.split()}
_TRUTHS: Mapping[Scalar, bool] = {"true": True, "True": True, "false": False, "False": False, True: True, False: False}
_NEEDED = ("layers", "width", "heads", "vocabulary")
_ROTARY: dict[str, Any] = {"gated": True, "tied": False}
# model_type of Hugging Face's configurations -> what the family fixes; sizes in a configuration go before
_FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {"biases": True, "learned_positions": True, "tied": True},
    "gpt_neox": {"biases": True, "tied": False},
    "llama": _ROTARY,
    "mistral": _ROTARY,
    "mixtral": _ROTARY,
    "phi3": _ROTARY,
    "olmo": {**_ROTARY, "norms": False},  # its norms have no weights
    "olmo2": _ROTARY,
    "qwen2": _ROTARY,
    "qwen3": _ROTARY,
    "qwen3_moe": _ROTARY,
    "gemma": {"gated": True, "tied": True},
    "litgpt": {"tied": False, "norms": False},  # whatever its configuration says, norms of any number among it
}
_NAMES = ("_name_or_path", "model_name_or_path", "model_name", "pretrained", "hf_model", "model")


@dataclass(frozen=True, slots=True)
class Counted:
    """Parameters of a run's model by convention, and how they are known."""

    total: float
    without_embeddings: float
    says: str


def counted(config: Mapping[str, Scalar]) -> Counted | None:
    """The parameters that settings tell: by the sizes of a family, or the name of a known model; None where neither.

    >>> counted({"model._name_or_path": "meta-llama/Llama-2-7b-hf"}).total
    6738415616.0
    """
    for prefix in dict.fromkeys(k[: len(k) - len(k.rpartition(".")[2])] for k in config if fold(_last(k)) in _ALIASES):
        own = {fold(k[len(prefix) :]): v for k, v in config.items() if k.startswith(prefix) and v is not None}
        if "mlp_class_name" in own:  # litgpt names no type, and keeps with the training whether weights are tied
            own |= {"model_type": "litgpt", "tie_embeddings": config.get("train.tie_embeddings")}
        family = own.get("model_type")
        if isinstance(family, str) and family in _FAMILIES:
            return _by_sizes(own, family)
    return _by_name(config)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _by_sizes(own: Mapping[str, Scalar], family: str) -> Counted | None:
    from similitude._known_shapes import shape

    sizes: dict[str, Any] = dict(_FAMILIES[family])
    if family == "litgpt":
        if "padded_vocab_size" not in own or any(name.startswith("latent_attention_") for name in own):
            return None
        sizes |= _litgpt_kind(own)
    for name, size in _ALIASES.items():
        value = own.get(name)
        if size == "tied":
            if value in _TRUTHS:
                sizes[size] = _TRUTHS[value]
        elif (number := as_number(value)) is not None:
            sizes[size] = int(number)
    if any(k not in sizes for k in _NEEDED):
        return None
    sizes.setdefault("context", 1)
    if not sizes.get("experts"):
        sizes = {k: v for k, v in sizes.items() if "expert" not in k and k != "dense_layers"}
    try:
        made = shape(**sizes)
    except ArgumentError:
        return None
    more = _beyond_litgpt(own, made) if family == "litgpt" else _beyond(family, made)
    return _counted(made, more, f"N is counted from the {family} configuration")


def _beyond(family: str, made: Any) -> int:
    """Parameters of a family that the plain shape does not have."""
    keys = (made.kv_heads or made.heads) * made.one_head
    queries = made.attention_width
    return made.layers * {
        "qwen2": queries + 2 * keys,  # biases of the three maps into attention
        "qwen3": 2 * made.one_head,  # norms of queries and keys, a head's width each
        "qwen3_moe": 2 * made.one_head,
        "olmo2": queries + keys,  # norms of queries and keys over all heads
    }.get(family, 0)


def _is(own: Mapping[str, Scalar], name: str, default: bool = False) -> bool:
    return _TRUTHS.get(own.get(name), default)


def _litgpt_kind(own: Mapping[str, Scalar]) -> dict[str, Any]:
    """What litgpt's configuration says beside sizes."""
    gated = own["mlp_class_name"] != "GptNeoxMLP"
    shared, dense = (int(as_number(own.get(n)) or 0) for n in ("n_shared_expert", "first_k_dense_replace"))
    return {"gated": gated, "biases": _is(own, "bias", True), "shared_experts": shared, "dense_layers": dense}


def _beyond_litgpt(own: Mapping[str, Scalar], made: Any) -> int:
    """Norms, biases of the maps into attention alone and of the head; shared experts are one wide one."""
    layered = own.get("norm_class_name", "LayerNorm") == "LayerNorm"
    weights = 1 if not layered else 0 if "OLMo" in str(own.get("name")) else 2  # of a norm, for each of its width
    norms = _is(own, "norm_1", True) + (_is(own, "norm_2", True) and not _is(own, "shared_attention_norm"))
    norms += _is(own, "post_attention_norm") + _is(own, "post_mlp_norm")
    both = made.attention_width + made.kv_width if own.get("norm_qk_type") == "olmo2" else 2 * made.one_head
    layer = weights * (norms * made.width + both * _is(own, "norm_qk"))
    if _is(own, "attn_bias") and not made.biases:
        layer += made.attention_width + 2 * made.kv_width
    once = weights * made.width + made.vocabulary * _is(own, "lm_head_bias")
    return made.layers * layer + once - made.expert_layers * max(made.shared_experts - 1, 0) * made.width * made.biases


def _by_name(config: Mapping[str, Scalar]) -> Counted | None:
    from similitude._known_shapes import architectures

    known = architectures()
    for key, value in config.items():
        if fold(_last(key)) not in _NAMES or not isinstance(value, str):
            continue
        name = (
            value.rstrip("/")
            .rpartition("/")[2]
            .casefold()
            .replace("_", "-")
            .replace("gpt2", "gpt-2")
            .removesuffix("-hf")
        )
        for form in (name, name.replace("meta-", ""), name.removesuffix("-v0.1")):
            if form in known:
                return _counted(known[form].shape, 0, f"N is that of the known model {form}")
    return None


def _counted(made: Shape, more: int, says: str) -> Counted:
    total, bare = (made.parameters(c) + more for c in ("total", "without embeddings"))
    return Counted(float(total), float(bare), says)
