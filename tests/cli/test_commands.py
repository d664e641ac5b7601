"""Every command as a user runs it: what it prints, what it writes, what its JSON holds."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest

import similitude as sim
from similitude._errors import DataError


def _ordered(interval) -> bool:
    return interval["low"] <= interval["value"] <= interval["high"]


# -- fit ----------------------------------------------------------------------------------------------------------


def test_fit_prints_and_writes(sweep, run):
    ended = run("fit", sweep, "--law", "chinchilla", "-o", "fit.json")
    assert ended.code == 0
    assert "E + A/N^alpha + B/D^beta" in ended.out
    assert all(len(line) <= 80 for line in ended.out.splitlines())
    assert "column 'params' is N" in ended.err
    assert json.loads(Path("fit.json").read_text(encoding="utf-8"))["converged"] is True


def test_fit_as_a_document(sweep, run):
    document = run("fit", sweep, "--law", "chinchilla", "--json").document
    assert document["law"] == "chinchilla"
    assert document["converged"] is True
    assert document["runs"] == 25
    assert 0 < document["objective"] < 1
    assert document["interval"] == {"level": 0.9, "method": "profile, F cut", "resamples": 0}
    assert list(document["parameters"]) == ["E", "A", "alpha", "B", "beta"]
    assert all(_ordered(p) and isinstance(p["unit"], str) for p in document["parameters"].values())
    assert document["parameters"]["E"]["unit"] == "nats/token"
    assert document["parameters"]["E"]["low"] < 1.8172 < document["parameters"]["E"]["high"]
    assert isinstance(document["warnings"], list)
    assert "data" not in document


def test_fit_is_what_the_library_gives(sweep, run):
    ours = sim.fit(sim.laws.chinchilla, sim.read_runs(sweep), fix={"E": 1.8}, tie=[("alpha", "beta")], delta=1e-3)
    options = ("--fix", "E=1.8", "--tie", "alpha=beta", "--delta", "1e-3")
    document = run("fit", sweep, "--law", "chinchilla", *options, "--json").document
    assert {k: v["value"] for k, v in document["parameters"].items()} == dict(ours.values)
    assert document["objective"] == ours.objective_value


def test_bounds_priors_and_starts_arrive(sweep, run):
    bounded = run("fit", sweep, "--law", "chinchilla", "--bound", "alpha=0.4:1", "--json").document
    assert bounded["parameters"]["alpha"]["value"] == pytest.approx(0.4)
    assert any("alpha" in w and "bound" in w for w in bounded["warnings"])
    pulled = run("fit", sweep, "--law", "chinchilla", "--prior", "E=1.6:0.0001", "--json").document
    assert pulled["parameters"]["E"]["value"] == pytest.approx(1.6, abs=0.01)
    started = run(
        "fit", sweep, "--law", "chinchilla", "--start", "alpha=.2,.6", "--start", "beta=.3", "--json"
    ).document
    assert started["parameters"]["E"]["low"] < 1.8172 < started["parameters"]["E"]["high"]


def test_a_formula_is_the_law_it_writes(sweep, run):
    named = run("fit", sweep, "--law", "chinchilla", "--json").document
    ended = run("fit", sweep, "--law", "E + A/N^alpha + B/D^beta", "-o", "f.json", "--json")
    for name, found in ended.document["parameters"].items():
        assert found["value"] == pytest.approx(named["parameters"][name]["value"], rel=1e-4)
    assert "inputs N, D; parameters E, A, alpha, B, beta" in ended.err
    assert run("predict", "f.json", "--at", "N=1B,D=20B", "--json").document["predictions"][0]["value"] > 1.8


def test_a_law_of_one_input_takes_the_columns_name(write, run):
    table = write(
        "one.csv", [["1e8", "4.1"], ["1e9", "3.3"], ["1e10", "2.81"], ["1e11", "2.5"], ["1e12", "2.3"]], "D,loss"
    )
    assert run("fit", table, "--law", "power_floor", "-o", "fit.json").code == 0
    (made,) = run("predict", "fit.json", "--at", "D=1e9", "--json").document["predictions"]
    assert made["at"] == {"D": 1e9}
    assert made["value"] == pytest.approx(3.3, rel=0.01)


def test_an_input_and_an_output_of_ones_own(write, run):
    rows = [[f"{10.0**k:g}", f"{0.02 + 3 * 10 ** (-0.3 * k):.5f}", str(k % 3)] for k in range(3, 9)]
    table = write("curve.csv", rows, "images,error_rate,fold")
    ended = run("fit", table, "--law", "power_floor", "--loss", "error_rate", "--input", "x=images", "-o", "fit.json")
    assert ended.code == 0
    (made,) = run("predict", "fit.json", "--at", "images=1e9", "--json").document["predictions"]
    assert made["value"] == pytest.approx(0.02 + 3 * 10**-2.7, rel=0.1)


def test_the_name_of_the_column_stands_for_the_input(fitted, run):
    by_symbol = run("predict", fitted, "--at", "N=1B,D=20B", "--json").document
    assert run("predict", fitted, "--at", "params=1B,tokens=20B", "--json").document == by_symbol


def test_fits_by_group(write, rows, run):
    table = write("sweep.csv", [[*r, g] for g in "ab" for r in rows], "params,tokens,val_loss,arch")
    document = run("fit", table, "--law", "chinchilla", "--by", "arch", "--json", "-o", "fits.json").document
    assert document["by"] == "arch"
    assert list(document["fits"]) == ["a", "b"]
    assert document["fits"]["a"]["parameters"] == document["fits"]["b"]["parameters"]
    made = run("predict", "fits.json", "--group", "b", "--at", "N=1B,D=20B", "--json")
    assert made.document["predictions"][0]["value"] > 1.8
    unsaid = run("predict", "fits.json", "--at", "N=1B,D=20B")
    assert (unsaid.code, "a, b" in unsaid.err, "--group" in unsaid.err) == (2, True, True)


def test_where_outliers_and_units(write, rows, run):
    billions = [
        [f"{float(n) / 1e9:g}", f"{float(d) / 1e9:g}", loss, str(i == 3)] for i, (n, d, loss) in enumerate(rows)
    ]
    table = write("sweep.csv", billions, "size,toks,score,bad")
    columns = ("--N", "size", "--D", "toks", "--loss", "score", "--units", "N=B", "--units", "D=B tokens")
    columns = (*columns, "--law", "chinchilla", "--json", "--counts", "total")
    assert run("fit", table, *columns).document["runs"] == 25
    assert run("fit", table, *columns, "--outliers", "bad").document["runs"] == 24
    assert run("fit", table, *columns, "--outliers", "bad", "--keep-outliers").document["runs"] == 25
    assert run("fit", table, *columns, "--where", "N > '30M'").document["runs"] == 20
    assert run("fit", table, *columns, "--drop-outliers", "N > '300M'").document["runs"] == 20


def test_a_bootstrap_is_seeded(sweep, run):
    options = ("fit", sweep, "--law", "chinchilla", "--method", "case", "--resamples", "30", "--json", "--level", "0.8")
    first, again = (run(*options, "--seed", "1").document for _ in range(2))
    other = run(*options, "--seed", "2").document
    assert first == again
    assert first["parameters"] != other["parameters"]
    assert first["interval"]["resamples"] == 30
    assert first["interval"]["level"] == 0.8


def test_standard_input_and_output_make_a_pipe(sweep, run):
    made = run("fit", "-", "--law", "chinchilla", "-o", "-", stdin=Path(sweep).read_bytes())
    assert "standard input" in made.err
    assert json.loads(made.out)["schema"] == "similitude/fit"
    ended = run("predict", "-", "--at", "N=1B,D=20B", "--json", stdin=made.out)
    assert ended.document["predictions"][0]["extrapolation"] > 1


def test_an_optimum_that_is_none(sweep, run, monkeypatch):
    from similitude.fitting import _solve

    certified = _solve._certify
    monkeypatch.setattr(_solve, "_certify", lambda *a: (*certified(*a)[:2], False, 0.5))
    ended = run("fit", sweep, "--law", "chinchilla", "--json", "-o", "fit.json")
    assert ended.code == 4
    assert ended.document["converged"] is False
    assert list(ended.document["parameters"]) == ["E", "A", "alpha", "B", "beta"]
    assert ended.document["parameters"]["E"]["low"] is None
    assert ended.document["parameters"]["E"]["value"] > 0
    assert "gradient test" in ended.document["warnings"][0]
    assert len(ended.err.splitlines()) == 1
    assert not Path("fit.json").exists()
    assert run("fit", sweep, "--law", "chinchilla").out == ""


# -- predict ------------------------------------------------------------------------------------------------------


def test_a_fit_survives_its_file(sweep, fitted, run):
    ours = sim.fit(sim.laws.chinchilla, sim.read_runs(sweep)).predict(N=7e9, D=1e12)
    (made,) = run("predict", fitted, "--at", "N=7B,D=1T", "--json").document["predictions"]
    for name in ("value", "low", "high", "level", "extrapolation"):
        assert made[name] == pytest.approx(getattr(ours, name), rel=1e-9), name
    assert made["low"] < made["value"] < made["high"]
    assert made["new_run"]["low"] < made["low"]


def test_many_points_keep_their_order(fitted, write, run):
    sizes = ["3B", "1e9", "7e9", "2000000000"]
    points = write("points.csv", [[f"p{i}", n, "", "20e9"] for i, n in enumerate(sizes)], "name,params,loss,tokens")
    made = run("predict", fitted, "--points", points, "--json").document["predictions"]
    assert [m["at"]["N"] for m in made] == [3e9, 1e9, 7e9, 2e9]
    for one in made:
        at = f"N={one['at']['N']:g},D={one['at']['D']:g}"
        (alone,) = run("predict", fitted, "--at", at, "--json").document["predictions"]
        assert one["value"] == pytest.approx(alone["value"], rel=1e-12)
        assert one["low"] == pytest.approx(alone["low"], rel=1e-6)


def test_points_from_standard_input(fitted, run):
    lines = '{"N": 1e9, "D": 2e10}\n{"N": "7B", "D": "1T"}\n'
    made = run("predict", fitted, "--points", "-", "--json", stdin=lines).document["predictions"]
    assert [m["at"]["N"] for m in made] == [1e9, 7e9]


def test_many_points_are_quick_and_compact(fitted, write, run):
    points = write("points.csv", [[f"{n:g}", f"{20 * n:g}"] for n in np.geomspace(1e7, 1e10, 300)], "N,D")
    ended = run("predict", fitted, "--points", points, "--json")
    assert len(ended.document["predictions"]) == 300
    assert ended.out.count("\n") == 1


def test_a_published_set_predicts_without_an_interval(run):
    (made,) = run("predict", "chinchilla:hoffmann2022", "--at", "N=70B,D=1.4T", "--json").document["predictions"]
    assert made["value"] == pytest.approx(1.69 + 406.4 / 70e9**0.34 + 410.7 / 1.4e12**0.28)
    assert (made["low"], made["high"], made["level"], made["extrapolation"]) == (None, None, None, None)
    text = run("predict", "chinchilla:hoffmann2022", "--at", "N=70B,D=1.4T")
    assert "no interval" in text.out


# -- plan ---------------------------------------------------------------------------------------------------------


def test_plan_as_a_document(fitted, run):
    document = run("plan", fitted, "--flop", "1e22", "--json").document
    assert document["flop"] == 1e22
    for name in ("N", "D", "loss", "tokens_per_parameter"):
        assert _ordered(document[name]), name
    assert 6 * document["N"]["value"] * document["D"]["value"] == pytest.approx(1e22)
    assert "curves" not in document


def test_plans_of_published_sets_are_the_papers(run):
    ratios = {}
    for key in ("hoffmann2022", "hoffmann2022-tex", "besiroglu2024"):
        document = run("plan", f"chinchilla:{key}", "--flop", "5.76e23", "--json").document
        ratios[key] = round(document["tokens_per_parameter"]["value"])
        assert document["N"]["low"] is None
    assert ratios == {"hoffmann2022": 93, "hoffmann2022-tex": 59, "besiroglu2024": 18}


def test_questions_of_a_plan(fitted, run):
    def plan(*options):
        return run("plan", "chinchilla:besiroglu2024", *options, "--json").document

    free = plan("--flop", "1e23")
    assert plan("--flop", "1e23", "--max-params", "8B")["N"]["value"] == pytest.approx(8e9)
    assert plan("--flop", "1e23", "--inference-tokens", "5T")["N"]["value"] < free["N"]["value"]
    assert plan("--loss", "2.1")["loss"]["value"] == pytest.approx(2.1)
    gpus = plan("--gpus", "64xH100", "--days", "14")
    assert gpus["flop"] == pytest.approx(64 * 989.4e12 * 0.4 * 14 * 86400)
    assert plan("--gpus", "64xH100", "--dollars", "200k", "--price", "2")["dollars"]["value"] == pytest.approx(2e5)
    largest = plan("--flop", "1e23", "--tokens-per-parameter", "20")
    assert largest["tokens_per_parameter"]["value"] == pytest.approx(20)
    fixed = plan("--flop", "1e23", "--at", "N=8B")
    assert fixed["N"]["value"] == pytest.approx(8e9)
    repeated = run("plan", "data_constrained:muennighoff2023", "--flop", "1e24", "--at", "U=100B", "--json").document
    assert repeated["at"] == {"U": 1e11}


def test_a_requirement_is_a_gate(fitted, run):
    met = run("plan", fitted, "--flop", "1e22", "--require", "loss < 5", "--require", "N >= 1M", "--json")
    assert met.code == 0
    missed = run("plan", fitted, "--flop", "1e22", "--require", "loss.high <= 0.1", "--json")
    assert missed.code == 1
    assert missed.document["N"] == met.document["N"]
    assert "loss.high <= 0.1" in missed.err
    unknown = run("plan", "chinchilla:besiroglu2024", "--flop", "1e22", "--require", "loss.high <= 9")
    assert unknown.code == 1


# -- the others ---------------------------------------------------------------------------------------------------


def test_compare(sweep, run):
    formula = "E + A/(N*D)^alpha"
    document = run("compare", sweep, "--laws", "kaplan", "--laws", formula, "--json").document
    assert {score["law"] for score in document["laws"]} == {"kaplan", formula}
    errors = [score["held_out_error"] for score in document["laws"]]
    assert errors == sorted(errors)
    assert document["runs"]["train"] == 20
    text = run("compare", sweep, "--laws", "kaplan_c", "--hold-out", "largest 30%")
    assert "largest 30%" in text.out


def test_laws(run):
    listing = run("laws")
    assert listing.code == 0
    assert all(len(line) <= 80 for line in listing.out.splitlines())
    names = [law["name"] for law in run("laws", "--json").document["laws"]]
    assert {"chinchilla", "power", "power_floor"} <= set(names)
    document = run("laws", "chinchilla", "--json").document
    assert document["published"]["hoffmann2022"]["digits"]["E"] == "1.69"
    assert "@" in document["bibtex"]
    for name in names:
        assert run("laws", name).code == 0


def test_laws_are_filtered_by_input_output_family_and_words(run):
    def names(*filters):
        return {law["name"] for law in run("laws", *filters, "--json").document["laws"]}

    everything = names()
    assert len(everything) >= 100
    assert "routed" in names("--family", "routing")
    assert "chinchilla" not in names("--family", "routing")
    assert {"chinchilla", "farseer"} <= names("--input", "D")
    assert names("--input", "tokens") <= everything
    assert "steplaw_batch" in names("--output", "tokens")
    assert "steplaw_lr" not in names("--output", "tokens")
    assert "ema_rule" in names("--about", "moving average")
    entry = next(law for law in run("laws", "--json").document["laws"] if law["name"] == "kaplan_n")
    assert entry["form"] == "power_scale"
    assert entry["sets"] == 1
    assert len({law["form"] for law in run("laws", "--json").document["laws"]}) >= 50


def test_data(run, tmp_path, monkeypatch, data_home):
    monkeypatch.setenv("SIMILITUDE_DATA", str(data_home))
    monkeypatch.chdir(tmp_path)
    assert "chinchilla-epoch" in [entry["name"] for entry in run("data", "--json").document["data"]]
    assert "licence" in run("data", "chinchilla-epoch").out
    assert run("data", "chinchilla-epoch", "-o", "runs.csv").code == 0
    assert len(sim.read_runs("runs.csv")) == 245
    assert run("data", "data:chinchilla-epoch", "-o", "-").out == Path("runs.csv").read_text(encoding="utf-8")
    assert run("data", "chinchilla-epoch", "-o", "runs.parquet", "--json").document["rows"] == 245


def test_fit_published_data(run, data_home, monkeypatch):
    monkeypatch.setenv("SIMILITUDE_DATA", str(data_home))
    for name in ("data:chinchilla-epoch", "chinchilla-epoch"):
        document = run("fit", name, "--law", "chinchilla", "--delta", "1e-3", "--json").document
        assert document["runs"] == 240
        assert document["objective"] <= 1.0182741e-3
        expected = {"E": 1.81720, "A": 477.8, "alpha": 0.347306, "B": 2142.9, "beta": 0.367161}
        for parameter, value in expected.items():
            assert document["parameters"][parameter]["value"] == pytest.approx(value, rel=0.005)
    everything = run("fit", name, "--law", "chinchilla", "--delta", "1e-3", "--keep-outliers", "--json").document
    assert everything["runs"] == 245
    assert everything["objective"] <= 1.82601053e-3


def test_cite(fitted, run):
    document = run("cite", fitted, "chinchilla:besiroglu2024", "data:porian-resolving", "--json").document
    assert "{besiroglu2024," in document["bibtex"]
    assert "{hoffmann2022," in document["bibtex"]
    assert "@software{similitude," in document["bibtex"]
    assert document["bibtex"].count("{hoffmann2022,") == 1


def test_report(fitted, run):
    ended = run("report", fitted, "-o", "r.html", "--flop", "1e22", "--laws", "chinchilla,kaplan", "--json")
    page = Path("r.html").read_text(encoding="utf-8")
    assert ended.document == {"report": "r.html", "bytes": len(page.encode())}
    assert page.startswith("<!")
    assert len(page.encode()) < 400_000
    assert run("report", fitted, "-o", "shared.html", "--no-runs").code == 0
    assert Path("shared.html").stat().st_size < len(page)
    assert run("report", "chinchilla:besiroglu2024", "-o", "p.html", "--flop", "1e24").code == 0


def test_reproduce_and_its_gate(run, monkeypatch):
    import similitude.studies as studies
    from similitude._view import Interval

    claim = studies.Claim("exponent", "0.513", "table 1", Interval(0.7), "data", studies.RULES[0])
    study = studies.Study("paper2024", "A paper", "besiroglu2024", (claim,))
    monkeypatch.setattr(studies, "reproduce", lambda name, **_: study)
    monkeypatch.setattr(studies, "catalogue", lambda: {"paper2024": study})
    document = run("reproduce", "paper2024", "--json").document
    assert document["claims"][0]["verdict"] == "differs"
    assert run("reproduce", "--json").document["studies"] == [document]
    assert run("reproduce").code == 0
    strict = run("reproduce", "--strict")
    assert strict.code == 1
    assert "differs" in strict.err


def test_demo_with_simulated_runs_says_so(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMILITUDE_DATA", str(tmp_path))
    ended = run("demo", "--simulated")
    assert ended.code == 0
    *_, report, plan = ended.out.strip().splitlines()
    assert report.startswith(f"Report: {Path('out') / 'report.html'}")
    assert "SIMULATED" in report
    assert plan.startswith("Plan(")
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert json.loads(Path("out/fit.json").read_text(encoding="utf-8"))["converged"] is True


def test_demo_on_published_runs(run, tmp_path, monkeypatch, data_home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMILITUDE_DATA", str(data_home))
    document = run("demo", "-o", "made", "--json").document
    assert document["runs"] == "chinchilla-epoch"
    assert math.log10(document["plan"]["N"]["value"]) == pytest.approx(math.log10(75e9), abs=0.2)
    assert "SIMULATED" not in Path(document["report"]).read_text(encoding="utf-8")


def test_demo_without_published_runs_uses_the_ladder_that_comes_with_it(run, tmp_path, monkeypatch):
    from similitude.runs import datasets

    load = datasets.load

    def offline(name, *rest, **more):
        if name == "chinchilla-epoch":
            raise DataError("it cannot be fetched")
        return load(name, *rest, **more)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load", offline)
    ended = run("demo", "--json")
    assert ended.code == 0
    assert ended.document["runs"] == "ladder/runs"
    assert "A ladder of small runs that comes with the package is used instead" in ended.err
    assert 0.9 < ended.document["predictions"][0]["value"] < 1.4


def test_completion(run):
    for shell in ("bash", "zsh", "fish"):
        assert "_SIMILITUDE_COMPLETE" in run("completion", shell).out


# -- files --------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_and_keeps_its_mode(sweep, run):
    Path("fit.json").write_text("before", encoding="utf-8")
    os.chmod("fit.json", 0o640)
    assert run("fit", sweep, "--law", "chinchilla", "-o", "fit.json").code == 0
    assert stat.S_IMODE(os.stat("fit.json").st_mode) == 0o640
    assert sorted(p.name for p in Path().iterdir()) == ["fit.json", "sweep.csv"]


def test_a_write_that_fails_leaves_what_was_there(sweep, run, monkeypatch):
    Path("fit.json").write_text("before", encoding="utf-8")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ended = run("fit", sweep, "--law", "chinchilla", "-o", "fit.json")
    assert ended.code == 2
    assert "No space left on device" in ended.err
    assert Path("fit.json").read_text(encoding="utf-8") == "before"
    assert sorted(p.name for p in Path().iterdir()) == ["fit.json", "sweep.csv"]


def test_a_link_is_followed(sweep, run):
    Path("kept").mkdir()
    Path("fit.json").symlink_to(Path("kept") / "real.json")
    assert run("fit", sweep, "--law", "chinchilla", "-o", "fit.json").code == 0
    assert Path("fit.json").is_symlink()
    assert json.loads(Path("kept/real.json").read_text(encoding="utf-8"))["law"] == "chinchilla"


def test_a_formula_may_use_the_columns_own_names(sweep, run):
    own = run("fit", sweep, "--law", "E + A/params^a + B/tokens^b", "--json")
    assert own.code == 0, own
    ours = run("fit", sweep, "--law", "E + A/N^a + B/D^b", "--json")
    found, expected = (e.document["parameters"]["E"]["value"] for e in (own, ours))
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_formula_without_a_column_lists_the_users_columns(sweep, run):
    ended = run("fit", sweep, "--law", "E + A/parms^a")
    assert ended.code == 2
    assert "params, tokens, val_loss" in ended.err


def test_a_file_of_groups_is_cited_whole(sweep, rows, write, run):
    write("two.csv", [[*r, g] for g in "ab" for r in rows], "params,tokens,val_loss,data")
    assert run("fit", "two.csv", "--law", "chinchilla", "--by", "data", "-o", "g.json").code == 0
    ended = run("cite", "g.json")
    assert ended.code == 0, ended
    assert "hoffmann2022" in ended.out
    assert ended.out.count("{hoffmann2022") == 1


def test_a_law_without_a_unit_of_its_own_says_whose_output_it_has(run):
    assert "Output: that of the runs." in run("laws", "power_floor").out


def test_remedies_in_a_fits_warnings_are_options(fitted, sweep, run):
    ended = run("fit", sweep, "--law", "chinchilla")
    text = " ".join(ended.out.split())
    assert "undeclared" in text
    assert "say --counts total" in text
    assert "counts='" not in text
    assert "--counts" not in run("fit", sweep, "--law", "chinchilla", "-o", "-").out


def test_an_input_keeps_the_name_that_the_law_gives_it(write, run):
    curve = [[f"{x:g}", f"{0.1 + 30 * x**-0.4:.5f}"] for x in (1e3, 3e3, 1e4, 3e4, 1e5, 3e5)]
    write("curve.csv", curve, "images,error_rate")
    options = ("--law", "power_floor", "--loss", "error_rate", "--input", "x=images")
    assert run("fit", "curve.csv", *options, "-o", "f.json").code == 0
    own, ours = (run("predict", "f.json", "--at", f"{name}=1e7", "--json") for name in ("images", "x"))
    assert ours.code == 0, ours
    assert ours.document == own.document


def test_compute_that_contradicts_its_sweep_is_said(write, rows, run):
    table = [[*r, f"{6 * float(r[0]) * float(r[1]) * (3000 if i % 2 else 1):g}"] for i, r in enumerate(rows)]
    write("odd.csv", table, "params,tokens,val_loss,flops")
    ended = run("fit", "odd.csv", "--law", "chinchilla")
    assert ended.code == 0
    assert "'flops' disagrees with N and D" in ended.err


def test_two_counts_of_parameters_in_one_table_are_refused(write, rows, run):
    table = [[*r, ("total", "without embeddings")[i % 2]] for i, r in enumerate(rows)]
    write("mixed.csv", table, "params,tokens,val_loss,counts")
    ended = run("fit", "mixed.csv", "--law", "chinchilla")
    assert ended.code == 3
    assert "--counts total" in ended.err
    assert "row 2" in ended.err
    one = run("fit", "mixed.csv", "--law", "chinchilla", "--where", "counts == 'total'", "--json")
    assert one.code == 0, one
