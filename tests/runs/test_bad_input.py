"""Every table that cannot be used gives one sentence with file, column, row, value and expectation."""

from __future__ import annotations

import gzip
import io
import pickle
import sys
import zipfile

import numpy as np
import polars as pl
import pytest

from similitude._errors import ArgumentError, DataError
from similitude.runs import read_runs

GOOD = "params,tokens,loss\n1e8,2e9,3.2\n2e8,4e9,2.9\n"


def refusal(source, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_runs(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert not message.endswith(".")
    assert caught.value.exit_code == 3
    return message


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name: str = "sweep.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "sweep.csv is empty; expected a header line and one run a line"),
        ("\n\n  \n", "sweep.csv is empty; expected a header line and one run a line"),
        ("params,tokens,loss\n", "sweep.csv has a header and no rows; expected one run a line"),
        ("1e8,2e9,3.2\n2e8,4e9,2.9\n", "sweep.csv, line 1: 1e8, 2e9, 3.2; expected the names of the columns"),
        ("params,loss,params\n1,2,3\n", "sweep.csv: columns 1 and 3 are both named 'params'; expected a name each"),
        (GOOD + "3e8,1e9\n", "sweep.csv, row 3: 2 fields where the header has 3; expected the same number"),
        (GOOD + "3e8,1e9,2.8,x\n", "sweep.csv, row 3: 4 fields where the header has 3; expected the same number"),
        ("params,tokens,loss\n1e8,2e9\n2e8,4e9,2.9\n", "sweep.csv, row 1: 2 fields where the header has 3"),
        (GOOD + "3e8,-3,2.8\n", "sweep.csv, column 'tokens', row 3: -3; expected tokens that are positive"),
        (GOOD + "0,3e9,2.8\n", "sweep.csv, column 'params', row 3: 0; expected parameters that are positive"),
        (GOOD + "3e8,inf,2.8\n", "sweep.csv, column 'tokens', row 3: inf; expected tokens that are finite"),
        (GOOD + "3e8,many,2.8\n", "sweep.csv, column 'tokens', row 3: 'many' is not a number such as"),
        (GOOD + "3e8,1;000,2.8\n", "sweep.csv, column 'tokens', row 3: '1;000' is not a number such as"),
        (
            GOOD + '3e8,"3,5",2.8\n',
            "'3,5' is not a number such as 6e21, 1.3B, '20T tokens' or '3 PF-days'; a comma may",
        ),
        (GOOD + "3e8,3e9,nan\n", "sweep.csv, column 'loss', row 3: nan; expected a finite number: leave such runs out"),
        (GOOD + "3e8,3e9,inf\n", "sweep.csv, column 'loss', row 3: inf; expected a finite number"),
        (GOOD + "3e8,3e9,3000\n", "sweep.csv, column 'loss', row 3: 3000 nats/token cannot be right"),
        (GOOD + "3e8,3e9,-2\n", "sweep.csv, column 'loss', row 3: -2 nats/token cannot be right"),
        ("params,tokens,loss\n1e8,2e9,\n1e8,2e9,-\n", "sweep.csv, column 'loss': no run has a value"),
        ("params,tokens,loss\n0.07,1.4,3\n1.3,26,2\n", "column 'params', row 1: 0.07 parameters cannot be right"),
        ("params,tokens,loss\n7,140e9,2\n", "in billions pass units={'N': 'B'}, else check=False"),
        (
            "params,tokens,loss\n7e9,140,2\n",
            "140 tokens cannot be right for a language model; if the column is in billions",
        ),
        ("params,tokens,C,loss\n7e9,1e12,120,2\n", "column 'C', row 1: 120 FLOP cannot be right"),
        ("params,tokens,C,loss\n7000,1e12,4.2e22,2\n", "cannot belong together, C is 1e+06 times 6ND; state the units"),
        ("params,tokens,loss\n1.3B tokens,2e9,3\n", "column 'params': the values are in tokens; expected parameters"),
        (
            "params,tokens,loss\n1e8,2B tokens,3\n1e8,2 PF-days,3\n",
            "are in different units; expected one unit a column",
        ),
        ("params,tokens,loss,diverged\n1e8,2e9,3,perhaps\n", "row 1: 'perhaps'; expected true or false"),
    ],
)
def test_bad_csv(write, content, expected):
    assert expected in refusal(write(content))


def test_plausibility_can_be_turned_off_but_not_signs(write):
    assert len(read_runs(write("params,tokens,loss\n7,140e9,3000\n"), check=False)) == 1
    assert "expected tokens that are positive" in refusal(write("params,tokens,loss\n7e9,0,2\n"), check=False)


def test_plausibility_is_for_language_models_only(write):
    runs = read_runs(write("D,loss\n10,3000\n20,-2\n"))
    np.testing.assert_array_equal(runs.column("loss"), [3000, -2])


def test_remedy_of_an_implausible_unit_works(write):
    path = write("params,tokens,loss\n7,140,2\n")
    runs = read_runs(path, units={"N": "B", "D": "B"})
    assert runs.column("N")[0] == 7e9
    assert runs.column("D")[0] == 1.4e11


def test_remedy_of_a_single_cell_works(write):
    assert "write '7 B' there, else check=False" in refusal(write(GOOD + "7,3e9,2.8\n"))
    assert read_runs(write(GOOD + "7 B,3e9,2.8\n")).column("N")[2] == 7e9


def test_a_scale_beside_text_with_its_own_scale_is_refused(write):
    message = refusal(write("params,tokens,loss\n7B,140e9,2\n"), units={"N": "B"})
    assert "column 'params': values such as '1.3B' carry their own scale" in message


def test_missing_column(write):
    message = refusal(write(GOOD), D="tokns")
    assert message == (
        "sweep.csv: no column 'tokns' for D; the columns are: params, tokens, loss; did you mean 'tokens'?"
    )
    assert "no column 'x' for censored" in refusal(write(GOOD), censored="x")
    assert "no column 'N2'; the columns are: N, D, loss; did you mean" in refusal(write(GOOD), units={"N2": "B"})
    with pytest.raises(
        DataError, match=r"no column 'C' \(training FLOP\).*name it when reading, as in C='your column'"
    ):
        read_runs(write(GOOD)).column("C")


def test_arguments(write):
    with pytest.raises(ArgumentError, match="column 'loss' is given both as N and as D"):
        read_runs(write(GOOD), N="loss", D="loss")
    with pytest.raises(ArgumentError, match="not_finite = 'ignore'; expected error, drop or censored"):
        read_runs(write(GOOD), not_finite="ignore")
    with pytest.raises(ArgumentError, match="already Runs; use its methods"):
        read_runs(read_runs(write(GOOD)), counts="total")
    with pytest.raises(ArgumentError, match=r"no FLOP rule '6DN'; the rules are: 6ND, 2ND; did you mean '6ND'\?"):
        read_runs(write(GOOD), flop_rule="6DN")


def test_paths(tmp_path):
    assert "holds no logs of runs" in refusal(tmp_path)
    assert "absent.csv: there is no such file" in refusal(tmp_path / "absent.csv")
    assert "int is no table; expected a path, a data frame" in refusal(3)


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (pickle.dumps({"a": 1}), "a.csv", "is a Python pickle, which can run code and is not read"),
        (b"junk", "a.pkl", "is a Python pickle, which can run code and is not read"),
        (b"\xd0\xcf\x11\xe0rest", "a.xls", "is an old Excel workbook, which is not read"),
        (b"\x89HDF\r\n", "a.h5", "is an HDF5 file, which is not read"),
        (GOOD.encode("utf-16"), "a.csv", "is UTF-16 text; expected UTF-8"),
        (GOOD.encode() + "1e8,2e9,é\n".encode("latin-1"), "a.csv", "a.csv, line 4: byte 0xe9 is not UTF-8"),
        (GOOD.encode() + "é".encode()[:1], "a.csv", "a.csv, line 4: the file ends within a character"),
        (b"", "a.parquet", "a.parquet is empty"),
        (b"PAR1" + bytes(100), "a.parquet", "a.parquet is not a complete Parquet file"),
        (b"ARROW1\0\0" + bytes(100), "a.arrow", "a.arrow is not a complete Arrow file"),
        (gzip.compress(GOOD.encode(), mtime=0)[:30], "a.csv.gz", "a.csv.gz is not a complete gzip file"),
        (b'{"N": 1e8}\n{"N": ', "a.jsonl", "a.jsonl, row 2: not complete JSON"),
        (b'{"N": 1e8, "loss": 3}\n[1, 2]\n', "a.jsonl", "a.jsonl, row 2: [1, 2]; expected an object with named values"),
        (b'[{"N": 1e8}, 3]', "a.json", "a.json, row 2: 3; expected an object with named values"),
        (b'[{"N": 1e8}, {"N"', "a.json", "a.json is not complete JSON"),
        (b"[]", "a.json", "a.json has no rows"),
        (b'{"N": [1e8, 2e8], "loss": [3]}', "a.json", "the columns have [1, 2] values; expected as many in each"),
        (
            b'{"N": 1e8, "D": 2e9, "loss": NaN}\n',
            "a.jsonl",
            "a.jsonl, column 'loss', row 1: nan; expected a finite number",
        ),
    ],
)
def test_other_files(write, content, name, expected):
    assert expected in refusal(write(content, name))


def test_workbook(write):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    assert "is a zip archive or an Excel workbook, which is not read" in refusal(write(data.getvalue(), "a.xlsx"))


def test_truncated_parquet(tmp_path):
    path = tmp_path / "sweep.parquet"
    pl.DataFrame({"N": np.arange(1e3) + 1e8, "loss": np.ones(1000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert "sweep.parquet is not a complete Parquet file; it may be cut off" in refusal(path)
    pl.DataFrame({"N": [], "loss": []}).write_parquet(path)
    assert "has columns and no rows" in refusal(path)


class _EndlessLine(io.RawIOBase):
    """A line that is served block by block and counts what was asked of it."""

    def __init__(self) -> None:
        self.served = 0

    def read(self, size: int = -1) -> bytes:
        self.served += size
        return b"1" * size


@pytest.mark.parametrize("start", [b"", b'{"a": "'])
def test_a_line_without_end_is_not_read_to_its_end(monkeypatch, start):
    stream = _EndlessLine()
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": stream}))
    assert "line 1: the line is longer than 1 MB; expected one run a line" in refusal("-")
    assert stream.served <= 4 << 20


def test_a_line_of_200_megabytes(tmp_path):
    path = tmp_path / "wide.csv"
    with open(path, "wb") as file:
        file.write(GOOD.encode())
        file.truncate(200 << 20)
    assert "wide.csv, line 4: the line is longer than 1 MB" in refusal(path)


def test_tables_in_memory():
    assert "column 'D' has 1 values and 'N' has 2; expected as many in each" in refusal({"N": [1e8, 2e8], "D": [1e9]})
    assert "expected one value a run, a list or 1-d array" in refusal({"N": 3})
    assert "table has no rows" in refusal({"N": [], "loss": []})
    assert "records, row 2: 3; expected an object with named values" in refusal([{"N": 1e8}, 3])
    assert "records has no rows" in refusal([])


def test_a_unit_that_makes_sizes_absurd_is_noticed():
    table = {"N": [2e7, 4e7], "D": [1e9, 2e9], "loss": [3.4, 3.1]}
    with pytest.raises(DataError, match=r"column 'N', row 1: 2e\+16 parameters cannot be right"):
        read_runs(table, units={"N": "B"})


def test_sizes_in_billions_are_noticed_beside_compute_too():
    with pytest.raises(DataError, match="N"):
        read_runs({"N": [7.0, 13.0], "C": [1e21, 2e21], "loss": [2.4, 2.2]})
