"""Parameters of families from their configurations, held against what transformers makes of the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from similitude._known_shapes import architectures
from similitude.runs._families import counted
from similitude.runs._logged import flat

LOGS = Path(__file__).parent.parent / "golden" / "logs"
KEPT = json.loads((LOGS / "families" / "values.json").read_text())
LITGPT = json.loads((LOGS / "litgpt" / "values.json").read_text())


@pytest.mark.parametrize("model", KEPT["models"], ids=lambda m: m["name"])
@pytest.mark.parametrize("prefix", ["", "model.", "cfg.arch."])
def test_parameters_are_those_of_the_library(model, prefix):
    found = counted(flat(model["config"], prefix))
    assert found is not None
    assert found.total == model["total"]
    assert found.without_embeddings == model["without embeddings"]
    assert model["name"].split()[0] in found.says


@pytest.mark.parametrize("model", LITGPT["models"], ids=lambda m: m["name"])
@pytest.mark.parametrize("prefix", ["", "model_config."])
def test_parameters_of_litgpts_own_models_are_those_of_the_library(model, prefix):
    found = counted(flat(model["config"], prefix))
    if model["config"]["latent_attention"]:
        assert found is None
    else:
        assert found is not None
        assert (found.total, found.without_embeddings) == (model["total"], model["without embeddings"])
        assert "litgpt" in found.says


def test_litgpts_vocabulary_is_the_padded_one_or_not_known():
    config = LITGPT["models"][0]["config"]
    assert config["padded_vocab_size"] > config["vocab_size"]
    assert counted({k: v for k, v in flat(config).items() if k != "padded_vocab_size"}) is None


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("meta-llama/Llama-2-7b-hf", "llama-2-7b"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3-8b"),
        ("mistralai/Mixtral-8x7B-v0.1", "mixtral-8x7b"),
        ("EleutherAI/pythia-1.4b", "pythia-1.4b"),
        ("openai-community/gpt2-xl", "gpt-2-xl"),
        ("acme/Llama-2-7b-but-smaller", None),
    ],
)
def test_a_known_name_has_its_parameters_and_no_other(name, known):
    found = counted({"model_args.pretrained": name, "lr": 0.1})
    if known is None:
        assert found is None
    else:
        assert found is not None
        assert found.total == architectures()[known].shape.parameters("total")


def test_an_unknown_family_is_not_guessed():
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
    assert counted(sizes) is None
    assert counted({**sizes, "model_type": "a family of tomorrow"}) is None
    assert counted({"model_type": "llama", "hidden_size": 32}) is None
    assert counted({**sizes, "model_type": "llama", "num_attention_heads": 5}) is None
