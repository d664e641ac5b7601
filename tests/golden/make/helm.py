# /// script
# dependencies = ["crfm-helm==0.5.16", "torch==2.13.0"]
# ///
"""Run folders of HELM: its test model and one of a plugin, on a scenario of its own and one of two splits in parts.

One run is perturbed as HELM does it by a word in the run's name, one by two of its perturbations and one of the plugin,
which does not change all questions.

Taken out: the scenario states, which are large. In the names of folders "_" stands for ":", which not every disk takes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", HF_HOME="hub")
from helm.benchmark.adaptation.scenario_state import ScenarioState
from helm.benchmark.metrics.metric import PerInstanceStats, Stat
from helm.benchmark.metrics.metric_name import MetricName
from helm.benchmark.presentation.schema import MetricNameMatcher
from helm.benchmark.presentation.summarize import get_unique_stat_by_matcher
from helm.benchmark.run import build_parser, helm_run
from helm.benchmark.run_spec import RunSpec
from helm.common.codec import from_json

out = Path(sys.argv[1])
sys.path.insert(0, str(Path.cwd()))
Path("tiny.py").write_text(
    '''import re
from dataclasses import replace

from helm.benchmark.adaptation.common_adapter_specs import get_generation_adapter_spec
from helm.benchmark.augmentations.data_augmenter import DataAugmenterSpec
from helm.benchmark.augmentations.perturbation import PerturbationSpec, TextPerturbation
from helm.benchmark.augmentations.perturbation_description import PerturbationDescription
from helm.benchmark.metrics.common_metric_specs import get_generic_metric_specs
from helm.benchmark.metrics.evaluate_reference_metrics import exact_match
from helm.benchmark.metrics.metric import Metric, MetricName, MetricSpec, Stat
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import CORRECT_TAG, Input, Instance, Output, Reference, Scenario, ScenarioSpec
from helm.clients.simple_client import SimpleClient


class ParityClient(SimpleClient):
    """Repeats the answer of its example for numbers above ten, and takes questions in lower case for even."""

    def invoke_model(self, raw_request):
        *before, asked = raw_request["prompt"].split("Question: ")
        number = int(re.findall("[0-9]+", asked)[-1])
        if number > 10 and before:
            said = before[-1].split()[-1]
        else:
            said = "Odd" if number % 2 and "Is" in asked else "Even"
        return {"completions": [said] * raw_request["num_completions"]}


class PartsScenario(Scenario):
    name = "parts"
    description = "Numbers in two splits, small and large ones"
    tags = []

    def get_instances(self, output_path):
        parts = {n: ("train", None) for n in range(6)} | {7: ("valid", "small")}
        parts |= {6: ("test", "small"), 9: ("test", "small"), 17: ("test", "large")}
        return [
            Instance(
                Input(text=f"Is {n} even or odd?"),
                [Reference(Output(text="Odd" if n % 2 else "Even"), tags=[CORRECT_TAG])],
                split=split,
                sub_split=part,
            )
            for n, (split, part) in parts.items()
        ]


class PartsMetric(Metric):
    def evaluate_generation(self, adapter_spec, request_state, metric_service, eval_cache_path):
        (right,) = request_state.instance.references
        said = request_state.result.completions[0].text
        found = {"exact_match": exact_match(right.output.text, said), "length": len(said) / 7}
        return [Stat(MetricName(name)).add(value) for name, value in found.items()]


@run_spec_function("parts")
def parts():
    return RunSpec(
        name="parts",
        scenario_spec=ScenarioSpec(class_name="tiny.PartsScenario"),
        adapter_spec=get_generation_adapter_spec(input_noun="Question", output_noun="Answer", max_train_instances=1),
        metric_specs=[MetricSpec(class_name="tiny.PartsMetric"), *get_generic_metric_specs()],
        groups=["parts"],
    )


class PastPerturbation(TextPerturbation):
    """Asks of nine in the past."""

    name = "past"

    @property
    def description(self):
        return PerturbationDescription(name=self.name, fairness=True)

    def perturb(self, text, rng):
        return text.replace("Is 9", "Was 9")


@run_spec_function("altered")
def altered():
    kinds = {
        "helm.benchmark.augmentations.lowercase_perturbation.LowerCasePerturbation": {},
        "helm.benchmark.augmentations.extra_space_perturbation.ExtraSpacePerturbation": {"num_spaces": 2},
        "tiny.PastPerturbation": {},
    }
    augmented = DataAugmenterSpec(
        perturbation_specs=[PerturbationSpec(class_name=name, args=args) for name, args in kinds.items()],
        should_augment_eval_instances=True,
        should_include_original_eval=True,
        should_skip_unchanged_eval=True,
    )
    return replace(parts(), name="altered", data_augmenter_spec=augmented)
'''
)
Path("prod_env").mkdir()
Path("prod_env/model_deployments.yaml").write_text(
    """model_deployments:
  - name: tiny/parity
    model_name: tiny/parity
    tokenizer_name: simple/tokenizer1
    max_sequence_length: 2048
    client_spec:
      class_name: "tiny.ParityClient"
"""
)
Path("prod_env/model_metadata.yaml").write_text(
    """models:
  - name: tiny/parity
    display_name: Parity
    description: Tells even numbers from odd ones, up to ten.
    creator_organization_name: Tiny
    access: open
    release_date: 2026-01-01
    tags: [TEXT_MODEL_TAG, FULL_FUNCTIONALITY_TEXT_MODEL_TAG]
"""
)
ENTRIES = [  # scenario, model, what is said beyond them, instances at most, trials
    ("simple_classification", "tiny/parity", "", 2, 1),
    ("parts", "tiny/parity", "data_augmentation=lower", 10, 2),
    ("parts", "simple/model1", "eval_split=valid", 10, 1),
    ("altered", "tiny/parity", "", 10, 1),
]
runs = []
for scenario, model, more, instances, trials in ENTRIES:
    entry = ",".join(filter(None, (f"{scenario}:model={model}", more)))
    asked = ["--run-entries", entry, "--max-eval-instances", str(instances), "--num-train-trials", str(trials)]
    rest = ["--suite", "tiny", "--plugins", "tiny", "--num-threads", "1", "--disable-cache", "--exit-on-error"]
    helm_run(build_parser().parse_args([*asked, *rest]))
    folder = Path("benchmark_output/runs/tiny") / entry.replace("/", "_")
    target = out / "files" / folder.with_name(folder.name.replace(":", "_"))
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("scenario_state.json"))
    described = target / "scenario.json"
    described.write_text(described.read_text().replace(f"{Path.cwd()}/", ""))
    spec = from_json((folder / "run_spec.json").read_text(), RunSpec)
    stats = from_json((folder / "stats.json").read_text(), list[Stat])
    state = from_json((folder / "scenario_state.json").read_text(), ScenarioState)
    items = from_json((folder / "per_instance_stats.json").read_text(), list[PerInstanceStats])

    task = f"{scenario}:{more}" if more else scenario
    ending = {"test": "", "valid": ",valid"}
    final, samples = {}, []
    # the mean that HELM's own tables show: over trials, and over the parts of a split
    for name, split in sorted({(s.name.name, s.name.split) for s in stats if s.name.perturbation is None}):
        stat = get_unique_stat_by_matcher(stats, MetricNameMatcher(name=name, split=split))
        if stat.count:
            final[f"{task}/{name}{ending[split]}"] = stat.mean
    found: dict[tuple[str, str, str, str], Stat] = {}
    for stat in stats:
        if (kind := stat.name.perturbation) is not None:
            key = stat.name.name, stat.name.split, kind.name, kind.computed_on
            found.setdefault(key, Stat(MetricName(stat.name.name))).merge(stat)
    kinds = [
        s.name.perturbation for s in stats if s.name.perturbation and s.name.perturbation.computed_on == "perturbed"
    ]
    for (name, split, kind, on), stat in found.items():
        if on == "worst":  # which is what HELM's own tables show; it has them where there was no such perturbation
            matcher = MetricNameMatcher(name=name, split=split, perturbation_name=kind)
            assert get_unique_stat_by_matcher(stats, matcher).mean == stat.mean
        if stat.count and (kind not in ("robustness", "fairness") or any(getattr(k, kind) for k in kinds)):
            final[f"{task}/{name}@{kind}.{on}{ending[split]}"] = stat.mean
    whole = {(r.instance.id, r.instance.split) for r in state.request_states if r.instance.perturbation is None}
    for split in {split for _, split in whole}:
        final[f"{task}/n{ending[split]}"] = float(sum(s == split for _, s in whole))
    for item in items:
        if item.perturbation is None:
            trial = f" ({item.train_trial_index + 1})" if item.train_trial_index else ""
            for s in item.stats:
                if s.count:
                    samples.append([task, f"{item.instance_id}{trial}", f"{s.name.name}{ending[s.name.split]}", s.mean])
    config = {"name": spec.name, "groups": str(spec.groups), "scenario_spec.class_name": spec.scenario_spec.class_name}
    for key in ("model", "method", "instructions", "num_train_trials", "max_eval_instances", "temperature"):
        config[f"adapter_spec.{key}"] = getattr(spec.adapter_spec, key)
    config["data_augmenter_spec.seeds_per_instance"] = spec.data_augmenter_spec.seeds_per_instance
    told = {"name": f"{spec.adapter_spec.model} on {task}", "state": "finished", "config": config}
    runs.append({**told, "final": final, "samples": sorted(samples)})
kept = {"library": "crfm-helm", "version": version("crfm-helm"), "reader": "helm", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
