"""Published data by name: what the reader makes of an original is what the tidy table holds."""

from __future__ import annotations

import hashlib
import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import polars as pl
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError
from similitude._quantity import NATS_PER_TOKEN
from similitude.runs import Runs, datasets, read_runs
from similitude.runs import _provider as provider

NAMES = (
    "chinchilla-epoch",
    "datablations",
    "isoflops-openathena",
    "misfitting",
    "overtraining-gadre",
    "porian-resolving",
)


def data_folder() -> Path | None:
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SIMILITUDE_DATA", beside))
    return folder if folder.is_dir() else None


DATA = data_folder()
needs_data = pytest.mark.skipif(DATA is None, reason="no published data: set SIMILITUDE_DATA")


@pytest.fixture
def data(monkeypatch) -> Path:
    assert DATA is not None
    monkeypatch.setenv("SIMILITUDE_DATA", str(DATA))
    return DATA


@pytest.fixture
def nowhere(monkeypatch, tmp_path) -> Path:
    """No data folder, an empty cache and no network."""
    monkeypatch.delenv("SIMILITUDE_DATA", raising=False)
    monkeypatch.setenv("SIMILITUDE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def tidy(data: Path, name: str, file: str = "data.csv") -> pl.DataFrame:
    return pl.read_csv(data / name / file, infer_schema_length=None)


def same(runs: Runs, table: pl.DataFrame, **columns: str) -> None:
    for name, other in columns.items():
        np.testing.assert_allclose(runs.column(name), table[other].cast(pl.Float64).to_numpy(), rtol=1e-8, err_msg=name)


def test_every_data_set_is_declared_whole():
    names = [entry.name for entry in datasets.list()]
    assert set(NAMES) <= set(names)
    assert names == sorted(names)
    for entry in datasets.list():
        assert entry.title
        assert entry.about
        assert entry.licence
        assert entry.reference.count("(20") == 1
        assert entry.citation == f"{entry.reference} [{entry.paper}]"
        assert entry.provider in datasets.PROVIDERS
        assert (entry.provider == "original") == entry.repository.startswith("https://raw.githubusercontent.com/")
        assert (entry.provider == "local") == bool(entry.not_downloadable)
        for table in entry.tables.values():
            assert len(table.sha256) == 64
        if entry.provider == "original":
            assert len(entry.repository.rsplit("/", 1)[1]) == 40
        text = str(entry)
        assert entry.licence in text
        assert ("not downloadable" in text) == (entry.provider == "local")


def test_our_own_ladder_comes_with_the_package(nowhere):
    runs = datasets.load("ladder")
    assert (len(runs), runs.counts) == (123, "total")
    main = runs.where(group="ladder")
    n, d = main.column("N"), main.column("D")
    assert len(main) == 82
    assert np.log10(n.max() / n.min()) > 1.5
    assert np.log10(d.max() / d.min()) > 1.5
    shape = sim.shape(layers=3, width=64, heads=4, vocabulary=256, context=128, feed_forward=176, gated=True)
    for at in np.flatnonzero(main.column("N") == shape.parameters("total")):
        assert main.column("C")[at] == shape.flop(128).training * d[at]
    assert runs.where(group="seeds").labels("seed").tolist().count("1") == 4


def test_unknown_names():
    with pytest.raises(ArgumentError, match=r"no data set 'chinchila-epoch'; .*; did you mean 'chinchilla-epoch'\?"):
        datasets.load("chinchila-epoch")
    with pytest.raises(ArgumentError, match="misfitting has no table 'last'; it has: final, best_lr, checkpoints"):
        datasets.load("misfitting", "last")
    with pytest.raises(ArgumentError, match="outliers = 'yes'; expected marked, dropped or unmarked"):
        datasets.load("misfitting", outliers="yes")


@needs_data
def test_chinchilla(data):
    runs, table = datasets.load("chinchilla-epoch"), tidy(data, "chinchilla-epoch")
    assert len(runs) == 245
    same(runs, table, N="params", C="flops", D="tokens", loss="loss")
    assert runs.outliers.tolist() == (table["outlier"] == 1).to_list()
    assert len(runs.kept) == 240
    assert len(datasets.load("chinchilla-epoch", outliers="dropped")) == 240
    assert not datasets.load("chinchilla-epoch", outliers="unmarked").outliers.any()
    assert runs.kept.where("flops < 1e21").column("N").size == 217
    assert runs.counts == "total"
    assert runs.units["loss"] == NATS_PER_TOKEN
    assert "besiroglu2024" in runs.citation
    assert f"cite: {runs.citation}" in str(runs)
    assert f"licence: {runs.licence}" in str(runs)
    assert any("five runs of highest loss" in step for step in runs.provenance)
    assert Runs.from_dict(runs.to_dict()).citation == runs.citation


@needs_data
def test_isoflops(data):
    runs, table = datasets.load("isoflops-openathena"), tidy(data, "isoflops-openathena")
    assert len(runs) == 947
    assert runs.counts == "undeclared"
    table = table.sort("experiment", "tokens", "params", "loss")
    columns = {name: runs.column(name) for name in ("D", "N", "loss", "C")}
    ours = pl.DataFrame({"experiment": runs.labels("experiment").tolist(), **columns, "outlier": runs.outliers})
    ours = ours.sort("experiment", "D", "N", "loss")
    assert ours["experiment"].to_list() == table["experiment"].to_list()
    assert ours["outlier"].to_list() == (table["outlier"] == 1).to_list()
    for name, other in {"D": "tokens", "N": "params", "loss": "loss", "C": "flops_budget"}.items():
        np.testing.assert_allclose(ours[name], table[other].cast(float), rtol=1e-8)
    llama = datasets.load("isoflops-openathena", experiment="llama_3__raw_loss")
    assert (len(llama), len(llama.kept), llama.counts) == (133, 116, "undeclared")
    marin = datasets.load("isoflops-openathena", experiment="marin_202603__comma__llama_2")
    assert (len(marin), len(marin.kept), marin.counts) == (85, 80, "total")
    with pytest.raises(DataError, match=r"has no run with experiment = 'llama_3'; experiment is one of: epochai"):
        datasets.load("isoflops-openathena", experiment="llama_3")


@needs_data
def test_misfitting(data):
    table = tidy(data, "misfitting")
    every = datasets.load("misfitting", "checkpoints")
    pairs = {
        "N": "params",
        "N_no_emb": "params_non_embedding",
        "D": "tokens",
        "loss": "loss",
        "C": "flops",
        "step": "step",
    }
    ours = np.sort(np.column_stack([every.column(n) for n in pairs]).view([("", float)] * 6), axis=0)
    theirs = np.sort(
        table.select(pl.col(*pairs.values()).cast(float)).to_numpy(order="c").view([("", float)] * 6), axis=0
    )
    np.testing.assert_allclose(ours.view(float), theirs.view(float), rtol=1e-8)
    assert len(set(every.labels("run"))) == table["run"].n_unique() == 240
    final = datasets.load("misfitting")
    assert (len(final), final.counts) == (261, "total")
    narrow = final.count("N", embeddings=False)
    assert (narrow.column("N") < final.column("N")).all()
    assert narrow.counts == "without embeddings"
    best = datasets.load("misfitting", "best_lr")
    expected = table.filter(pl.col("is_final") == 1).group_by("model", "total_steps").agg(pl.col("loss").min())
    assert len(best) == 81
    np.testing.assert_allclose(np.sort(best.column("loss")), expected["loss"].sort(), rtol=1e-8)
    first, older = datasets.load("misfitting", "first_sweep"), tidy(data, "misfitting", "data_v1.csv")
    assert len(first) == older.height == 222
    same(first, older, N="params", D="tokens", loss="loss_c4", lr="lr")


@needs_data
def test_porian(data):
    runs = datasets.load("porian-resolving")
    assert (len(runs), runs.counts) == (1745, "undeclared")
    assert len(runs.groups("config")) == 10
    same(runs, tidy(data, "porian-resolving"), N="params", D="tokens", C="flops", loss="loss")
    np.testing.assert_allclose(runs.column("C"), 6 * runs.column("N") * runs.column("D"), rtol=1e-6)
    for config, counts in (
        ("1_reproducing_kaplan", "without embeddings and head"),
        ("5_optimizer_tuning_no_decay", "without embeddings"),
        ("att_3_correcting_warmup", "undeclared"),
    ):
        assert datasets.load("porian-resolving", config=config, dataset="refinedweb").counts == counts
    optima = datasets.load("porian-resolving", "optima")
    known = tidy(data, "porian-resolving", "optima.csv").filter(pl.col("loss_opt").is_not_nan())
    same(optima, known, N="params_opt", D="tokens_opt", C="flops", loss="loss_opt")


@needs_data
def test_gadre(data):
    runs, table = datasets.load("overtraining-gadre"), tidy(data, "overtraining-gadre")
    same(runs, table, N="params", D="tokens", C="flops", M="token_multiplier", loss="loss_c4_val")
    assert (len(runs), runs.counts, runs.output, runs.licence) == (104, "total", "loss", "MIT")
    other = datasets.load("overtraining-gadre", loss="loss_openlm", dataset="rpj")
    np.testing.assert_allclose(other.column("loss"), table.filter(pl.col("dataset") == "rpj")["loss_openlm"])
    error = datasets.load("overtraining-gadre", loss="err_avg17")
    assert error.output == "err_avg17"
    assert error.unit("err_avg17").name == ""
    assert "loss_c4_val" in error


@needs_data
def test_datablations(data):
    runs, table = datasets.load("datablations"), tidy(data, "datablations")
    same(runs, table, N="params", D="tokens", U="unique_tokens", C="flops", loss="loss")
    assert (len(runs), runs.counts) == (308, "undeclared")
    assert len(datasets.load("datablations", in_fit=1)) == 182


@needs_data
def test_originals_pass_the_checks_of_any_table(data):
    for name in NAMES:
        assert len(read_runs(datasets.show(name).path())) == len(datasets.load(name))


@needs_data
def test_a_changed_file_is_refused(data, monkeypatch, tmp_path):
    folder = tmp_path / "datablations"
    folder.mkdir()
    (folder / "data.csv").write_text((data / "datablations" / "data.csv").read_text() + "\n")
    monkeypatch.setenv("SIMILITUDE_DATA", str(tmp_path))
    with pytest.raises(
        DataError, match=r"data.csv is not the published file: its SHA-256 begins \w{12}, expected a6284b"
    ):
        datasets.load("datablations")


@needs_data
def test_the_cache_serves_and_is_checked(data, nowhere):
    target = nowhere / "cache" / "chinchilla-epoch" / "data__svg_extracted_data.csv"
    target.parent.mkdir(parents=True)
    shutil.copy(DATA / "chinchilla-epoch" / "original" / target.name, target)
    assert len(datasets.load("chinchilla-epoch")) == 245
    target.chmod(0o644)
    target.write_text("x")
    with pytest.raises(DataError, match="is not the published file"):
        datasets.load("chinchilla-epoch")


def test_local_tables_say_why_and_where(nowhere):
    with pytest.raises(DataError) as caught:
        datasets.load("porian-resolving")
    assert str(caught.value) == (
        "porian-resolving cannot be downloaded, its originals are Python pickles, which are never opened here; "
        "put its table at porian-resolving/data.csv under a folder of yours and set SIMILITUDE_DATA to that folder"
    )


def test_offline_is_one_sentence(nowhere, monkeypatch):
    import pooch

    def fail(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", fail)
    with pytest.raises(
        DataError, match=r"cannot be fetched \(ConnectionError\); connect to the network once, or put the"
    ):
        datasets.load("chinchilla-epoch")


@pytest.fixture
def server(nowhere):
    """A file of two lines served on this machine, and its address."""
    (nowhere / "served").mkdir()
    source = nowhere / "served" / "other.csv"
    source.write_text("a,b\n1,2\n")
    handler = partial(_Quiet, directory=str(source.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield source, f"http://127.0.0.1:{running.server_port}/other.csv"
        running.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_a_download_that_is_another_file(nowhere, server):
    with pytest.raises(DataError, match="no longer gives the published file"):
        provider._download(server[1], nowhere / "cache" / "x" / "other.csv", "0" * 64)


def test_a_download_is_kept(nowhere, server):
    source, url = server
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    path = provider.find_original("x", url, "data/other.csv", digest)
    assert path == nowhere / "cache" / "x" / "data__other.csv"
    assert path.read_bytes() == source.read_bytes()
    source.unlink()
    assert provider.find_original("x", url, "data/other.csv", digest) == path
    with pytest.raises(DataError, match=r"cannot be fetched \(HTTPError\)"):
        provider.find_original("y", url, "data/other.csv", digest)


@needs_data
@pytest.mark.usefixtures("data")
def test_the_unit_of_a_published_loss_is_no_assumption():
    assert not any("nats/token" in note for note in datasets.load("chinchilla-epoch").assumed)
