"""A store under kill -9 and on full disks: what had finished is there whole, nothing by half, it opens at once.

    python tests/stress/interruptions.py [import|track|disk] --times 100 --seed 0

`import` kills imports of a folder of logs, `track` four processes that track runs, `disk` both on a disk that is full,
each at random moments, `--times` of them; after each the store is opened and looked through. What `finish` returned
for, or what was visible once, must be there whole ever after. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

import similitude as sim
from similitude.runs.store import Store
from similitude.runs.store._live import live_runs

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "logs"
COPIED = ("wandb", "tensorboard", "mlflow", "lightning", "huggingface", "lm_eval")  # golden logs that are imported too
TRAINERS = 4
SLOW = 5000.0  # milliseconds: an opening that takes longer is wrong
MOMENTS = {"": "starting", "began": "logging", "finishing": "finishing"}  # after what a trainer said last
ROUND = 8  # kills on one small disk before it is made larger


@dataclass
class Report:
    """What was done and found; `wrong` are sentences."""

    what: str
    kills: int = 0
    killed: int = 0  # processes
    moments: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    lost: int = 0
    half: int = 0
    told: int = 0  # runs that could not be kept, which was said
    resumed: int = 0
    opened: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        moments = ", ".join(f"{k} {n}" for k, n in sorted(self.moments.items()))
        runs = f"finished {self.finished}, lost {self.lost}, half {self.half}"
        more = f"resumed {self.resumed}, not kept and said {self.told}"
        middle, worst = statistics.median(self.opened or [0]), max(self.opened, default=0)
        lines = (
            f"{self.what}: {self.kills} kills of {self.killed} processes ({moments})",
            f"  runs {runs}, {more}",
            f"  opened {len(self.opened)} times, median {middle:.1f} ms, worst {worst:.1f} ms",
            f"  wrong: {len(self.wrong)}",
            *(f"    {s}" for s in self.wrong[:20]),
        )
        return "\n".join(lines)


@contextmanager
def opened(path: Path, report: Report) -> Iterator[Store]:
    """The store, its opening and first answer timed; damage, or a file that is gone, is wrong."""
    begun = time.perf_counter()
    with Store(path, create=False) as store:
        len(store)
        report.opened.append(1000 * (time.perf_counter() - begun))
        if report.opened[-1] > SLOW:
            report.wrong.append(f"opening took {report.opened[-1]:.0f} ms")
        yield store


def checked(store: Store, report: Report) -> None:
    """All of the store; files that an interrupted import left are no damage."""
    report.wrong += [s for s in store.check() if "belongs to no run" not in s]


# -- imports --------------------------------------------------------------------------------------------------------


def write_logs(folder: Path, steps: int, count: int) -> None:
    """Logs of `count` runs of three kinds, and copies of the golden ones; more steps are the same logs, grown."""
    folder.mkdir(parents=True)
    for i in range(count):
        rows = [
            {"step": s, "loss": 4 / (s + 1 + i) ** 0.3, "lr": 1e-3 / (s + 1), "val_loss": 2 + i / (s + 7)}
            for s in range(steps + i)
        ]
        if i % 4 == 0:
            state = {"global_step": steps + i, "max_steps": 100_000 + i, "log_history": rows}
            (folder / f"trainer-{i}").mkdir()
            (folder / f"trainer-{i}" / "trainer_state.json").write_text(json.dumps(state))
        elif i % 4 == 1:
            (folder / f"lines-{i}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        else:
            pl.DataFrame(rows).write_csv(folder / f"table-{i}.csv")
    for kind in COPIED:
        shutil.copytree(GOLDEN / kind / "files", folder / "golden" / kind)


def importing(folder: Path, path: Path) -> subprocess.Popen[str]:
    """The command line at work."""
    command = [sys.executable, "-m", "similitude.cli", "runs", "import", str(folder), "--store", str(path)]
    return subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def import_whole(folder: Path, path: Path) -> float:
    """An import that nobody disturbs: how long it took."""
    begun = time.perf_counter()
    process = importing(folder, path)
    said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"an undisturbed import failed: {said}")
    return time.perf_counter() - begun


def contents(store: Store, tracked: bool = False) -> dict[str, str]:
    """Fingerprint of all that is kept of each imported run, by key; a key that comes twice is an error."""
    found: dict[str, str] = {}
    for row in store._all(f"select * from run where complete and kind {'=' if tracked else '!='} 'track' order by id"):
        said: list[Any] = [row[k] for k in ("key", "hash", "kind", "name", "source", "state", "started", "ended")]
        for table, columns in (
            ("setting", "name, kind, number, text"),
            ("final", "name, value"),
            ("metric", "name, points, first_step, last_step, last, least, greatest"),
            ("part", "what, place, sha256, rows"),
        ):
            said += [tuple(r) for r in store._all(f"select {columns} from {table} where run = ? order by 1", row["id"])]
        said += [r[0] for r in store._all("select says from note where run = ? and kind != 'history'", row["id"])]
        if row["key"] in found:
            raise AssertionError(f"{row['key']} is there twice")
        found[row["key"]] = hashlib.sha256(repr(said).encode()).hexdigest()
    return found


@dataclass
class Logs:
    """A folder of logs, what an undisturbed import makes of it, how long that takes, and how long it writes."""

    folder: Path
    contents: dict[str, str]
    seconds: float
    writing: float


def prepared(folder: Path, steps: int, count: int) -> Logs:
    """Logs written and imported without disturbance."""
    write_logs(folder / "logs", steps, count)
    seconds = import_whole(folder / "logs", folder / "whole.db")
    with Store(folder / "whole.db") as store:
        times = [p.stat().st_mtime for p in store.folder.glob("??/*")]
        return Logs(folder / "logs", contents(store), seconds, 1.2 * (max(times) - min(times)))


def imports(times: int, chance: random.Random, folder: Path, steps: int = 400, count: int = 28) -> Report:
    """Imports killed within the time they take, or that they write; then imported to the end, and logs that grew."""
    report = Report("import")
    short, grown = (prepared(folder / n, s, count) for n, s in (("short", steps), ("grown", 2 * steps)))
    place = 0
    while report.kills < times:
        place += 1
        (at := folder / f"store-{place}").mkdir()
        known = {k: {v} for k, v in short.contents.items()}
        for logs, ends in ((short, chance.random() < 0.5), (grown, True)):
            for key, value in logs.contents.items():
                known.setdefault(key, set()).add(value)
            for _ in range(chance.randint(1, 3)):
                if report.kills < times and _is_open(logs, at / "s.db"):
                    _kill_an_import(logs, known, at / "s.db", chance, report)
            if ends:
                _finish_an_import(logs, at / "s.db", report)
        shutil.rmtree(at)
    return report


def _is_open(logs: Logs, path: Path) -> bool:
    """Whether there is anything left to import."""
    if not path.exists():
        return True
    with Store(path) as store:
        return contents(store) != logs.contents


def _wait(logs: Logs, path: Path, chance: random.Random) -> None:
    """A moment of the whole import, or, as that is mostly start and reading, of the time that it writes."""
    if chance.random() < 0.4:
        time.sleep(chance.uniform(0, logs.seconds))
        return
    begun, curves = time.time(), path.with_name("s.curves")
    while time.time() - begun < 5 * logs.seconds + 5:
        if any(p.stat().st_mtime > begun for p in curves.glob("??")):
            break
        time.sleep(0.002)
    time.sleep(chance.uniform(0, logs.writing))


def _kill_an_import(logs: Logs, known: dict[str, set[str]], path: Path, chance: random.Random, report: Report) -> None:
    before = _visible(path, known, report) if path.exists() else {}
    process = importing(logs.folder, path)
    _wait(logs, path, chance)
    process.kill()
    process.communicate()
    report.kills, report.killed = report.kills + 1, report.killed + 1
    after = _visible(path, known, report) if path.exists() else {}
    gone = before.keys() - after.keys()
    back = [k for k in before if before[k] == logs.contents[k] and after.get(k) != before[k]]
    report.lost += len(gone) + len(back)
    report.wrong += [f"{k} was there before a kill and is not after it" for k in (*gone, *back)]
    to_do = {k for k, v in logs.contents.items() if before.get(k) != v}
    done = {k for k in to_do if after.get(k) == logs.contents[k]}
    moment = "before the first run" if not done else "after the last" if done == to_do else "between runs"
    report.moments[moment] += 1


def _visible(path: Path, known: dict[str, set[str]], report: Report) -> dict[str, str]:
    """The imported runs of a store, each of which must be as an undisturbed import makes it."""
    with opened(path, report) as store:
        checked(store, report)
        found = contents(store)
        half = [k for k, v in found.items() if v not in known.get(k, ())]
        report.half += len(half)
        report.wrong += [f"{k} is not as an undisturbed import makes it" for k in half]
    return found


def _finish_an_import(logs: Logs, path: Path, report: Report) -> None:
    """To the end, now and then twice: as if nothing had happened."""
    for _ in range(1 + (report.kills % 3 == 0)):
        import_whole(logs.folder, path)
        with opened(path, report) as store:
            checked(store, report)
            if contents(store) != logs.contents or sum(r.curves().height for r in store.logged()) == 0:
                report.wrong.append("imported to the end, the store is not what an undisturbed import makes")
            store.check(tidy=True)
            report.wrong += [f"after tidying: {s}" for s in store.check()]
    report.finished += len(logs.contents)


# -- tracking -------------------------------------------------------------------------------------------------------


def value(name: str, step: int) -> float:
    """What run `name` logs at a step, known to whoever looks it up."""
    return (sum(name.encode()) * 7919 + step * 104_729) % 100_003 / 7.0


def trainer(path: str, label: str, seed: int, resume: int, first: int, name: str, total: int) -> None:
    """A training process: runs one after another, some long, each step of a run said in a line; ends when asked."""
    from similitude.track import _run as tracking

    tracking.EVERY = 0.2
    chance = random.Random(seed)
    stop, place = Path(path + ".stop"), 0
    while True:
        if resume < 0:
            name, first, total = f"{label}-{place}", 0, chance.choice((3, 30, 30, 300, 3000))
        pause = chance.choice((0.0, 0.0, 2.0 / total))
        run = sim.track.run(path, {"total": total}, name=name, resume=resume if resume >= 0 else None)
        print("began", name, flush=True)
        for step in range(first, total):
            run.log({"loss": value(name, step), "step": float(step)}, step)
            if pause:
                time.sleep(pause)
        print("finishing", name, flush=True)
        run.finish()
        print("told" if run._said else "finished", name, flush=True)
        resume, place = -1, place + 1
        if stop.exists():
            return
        time.sleep(chance.uniform(0, 0.3))


@dataclass
class Trainer:
    """One of the training processes, and the files with what it said."""

    process: subprocess.Popen[Any]
    out: Path
    err: Path
    resumed: str = ""  # name of the run it begins with

    def said(self) -> list[tuple[str, str]]:
        """What happened, and to which run."""
        return [(w[0], w[1]) for line in self.out.read_text().splitlines() if len(w := line.split()) == 2]


class Trainers:
    """Four at a time, killed and begun again; what they said is kept."""

    def __init__(self, path: Path, words: Path, chance: random.Random) -> None:
        self.path, self.words, self.chance = path, words, chance
        self.all: list[Trainer] = []
        self.now: list[Trainer] = [self._begun() for _ in range(TRAINERS)]

    def _begun(self, *resumed: str) -> Trainer:
        label = f"t{len(self.all)}"
        out, err = (self.words / f"{label}.{end}" for end in ("out", "err"))
        command = [sys.executable, __file__, "trainer", str(self.path), label, str(self.chance.randrange(1 << 30))]
        with open(out, "w") as stdout, open(err, "w") as stderr:
            process = subprocess.Popen([*command, *(resumed or ("-1", "0", "-", "0"))], stdout=stdout, stderr=stderr)
        self.all.append(Trainer(process, out, err, resumed[2] if resumed else ""))
        return self.all[-1]

    def kill(self, places: list[int], report: Report) -> None:
        """Kill these at once, and note what they were at."""
        for place in places:
            self.now[place].process.kill()
        for place in places:
            one = self.now[place]
            if one.process.wait() == 0:
                report.wrong.append("a training process had ended by itself")
            last = one.said()[-1][0] if one.said() else ""
            report.moments[
                {"": "starting", "began": "logging", "finishing": "finishing"}.get(last, "between runs")
            ] += 1
        report.killed += len(places)

    def begin_again(self, places: list[int], stopped: list[tuple[str, ...]], report: Report) -> None:
        """New ones in the place of the killed; some go on with a run that was stopped."""
        for place in places:
            resumed: tuple[str, ...] = ()
            stopped = [s for s in stopped if s[2] not in (one.resumed for one in self.now)]
            if stopped and self.chance.random() < 0.5:
                resumed = stopped.pop(self.chance.randrange(len(stopped)))
                report.resumed += 1
            self.now[place] = self._begun(*resumed)

    def names(self, what: str) -> list[str]:
        """Runs of which this was said."""
        return [name for one in self.all for said, name in one.said() if said == what]

    def end(self, report: Report) -> None:
        """Ask them to stop after their runs, and wait; each must end well."""
        Path(f"{self.path}.stop").touch()
        for one in self.now:
            if (code := one.process.wait(120)) != 0:
                report.wrong.append(f"a training process ended with {code}: {one.err.read_text()[-300:]}")

    def abandon(self) -> None:
        """End all at once."""
        for one in self.now:
            one.process.kill()
            one.process.wait()


class Watcher:
    """Looks through the tracked runs of a store; knows what it has seen before."""

    def __init__(self, path: Path, trainers: Trainers, report: Report) -> None:
        self.path, self.trainers, self.report = path, trainers, report
        self.seen: dict[int, str] = {}
        self.names: set[str] = set()
        self.stopped: dict[int, tuple[str, ...]] = {}

    def look(self) -> list[tuple[str, ...]]:
        """Everything that must hold now; the runs that were stopped, as arguments to go on with them."""
        reported = set(self.trainers.names("finished"))  # before the store is read
        if not self.path.exists():
            return []
        with opened(self.path, self.report) as store:
            rows = store._all("select id, name, state, hash from run where complete and kind = 'track'")
            self._finished(store, {r["id"]: r for r in rows}, reported)
            return self._under_way(store)

    def _finished(self, store: Store, rows: dict[int, Any], reported: set[str]) -> None:
        names = Counter(r["name"] for r in rows.values())
        gone = [i for i, h in self.seen.items() if i not in rows or rows[i]["hash"] != h]
        lost = reported - names.keys()
        self.report.lost += len(gone) + len(lost - self.names)
        self.report.wrong += [f"run {i} was there and is gone or another" for i in gone]
        for name in sorted(lost - self.names):
            left = [tuple(r) for r in store._all("select id, state, complete from run where name = ?", name)]
            self.report.wrong.append(f"{name} had finished and is not there, but for {left}")
        self.report.wrong += [f"{n} is there {c} times" for n, c in names.items() if c > 1]
        self.names |= lost
        for number, row in rows.items():
            if number not in self.seen:
                self.seen[number] = row["hash"]
                run = store[number]
                said = wrong_points(run.name, run.curves(), _whole(run.config["total"]))
                if said or row["state"] != "finished":
                    self.report.half += 1
                    self.report.wrong.append(f"{row['name']} is listed as {row['state']}: {said or 'whole'}")
        self.report.finished = len(self.seen)

    def _under_way(self, store: Store) -> list[tuple[str, ...]]:
        stopped = {}
        for live in live_runs(store):
            if live.run.state != ("running" if live.alive else "unknown"):
                self.report.wrong.append(f"{live.run.name} is shown as {live.run.state}")
            count = store._one("select count(*) from live_point where run = ?", live.number)
            if not live.alive and self.stopped.get(live.number, ("", ""))[1] == str(count // 2):
                stopped[live.number] = self.stopped[live.number]  # as it was when it was last looked at
                continue
            points = live.run.curves()
            if said := wrong_points(live.run.name, points, points.height // 2):
                self.report.half += 1
                self.report.wrong.append(f"{live.run.name}, under way: {said}")
            if not live.alive:
                total = str(live.run.config["total"])
                stopped[live.number] = str(live.number), str(points.height // 2), live.run.name, total
        self.stopped = stopped
        return list(stopped.values())


def _whole(setting: Any) -> int:
    return setting if isinstance(setting, int) else 0


def wrong_points(name: str, curves: pl.DataFrame, total: int) -> str:
    """What is wrong with the points of a run that logged `total` steps; empty where each is there once, in order."""
    for metric, expected in (("loss", lambda s: value(name, s)), ("step", float)):
        points = curves.filter(pl.col("metric") == metric)
        if points["step"].to_list() != list(range(total)):
            steps = points["step"].to_list()
            return f"{len(steps)} points of {metric}, {len(set(steps))} steps; expected {total}"
        if points["value"].to_list() != [expected(s) for s in range(total)]:
            return f"wrong values of {metric}"
    return "" if curves.height == 2 * total else f"{curves.height} points; expected {2 * total}"


def tracking(times: int, chance: random.Random, folder: Path, longest: float = 6.0) -> Report:
    """Four processes that track; one or all of them killed, and begun again."""
    report = Report("track")
    path = folder / "tracked.db"
    trainers = Trainers(path, folder, chance)
    watcher = Watcher(path, trainers, report)
    try:
        while report.kills < times:
            time.sleep(chance.uniform(0, longest))
            places = list(range(TRAINERS)) if chance.random() < 0.25 else [chance.randrange(TRAINERS)]
            trainers.kill(places, report)
            report.kills += 1
            stopped = watcher.look()
            trainers.begin_again(places, stopped, report)
        trainers.end(report)
    finally:
        trainers.abandon()
    watcher.look()
    with opened(path, report) as store:
        checked(store, report)
        store.check(tidy=True)
        report.wrong += store.check()
        if len(store) != len(store.logged()) or any(r.state != "finished" for r in store.logged()):
            report.wrong.append("a run that had not finished is listed")
    report.wrong += [f"a trainer said: {t.err.read_text()[-300:]}" for t in trainers.all if t.err.read_text()]
    return report


# -- full disks -----------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A disk of this size at a folder, and what makes it another size; RuntimeError where none can be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        raise RuntimeError("no small disk can be mounted here")
    try:
        yield lambda to: subprocess.run(["mount", "-o", f"remount,size={to}", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def disks(times: int, chance: random.Random, folder: Path, steps: int = 400, count: int = 28) -> Report:
    """Small disks, one after another, on which imports and tracking run full; then there is room again."""
    report = Report("disk")
    logs = prepared(folder / "logs", steps, count)
    place = 0
    while report.kills < times:
        place += 1
        disk = folder / f"disk-{place}"
        with small_disk(disk, f"{chance.randint(500, 2500)}k") as resize:
            (words := folder / f"words-{place}").mkdir()
            trainers = Trainers(disk / "s.db", words, chance)
            try:
                _a_full_disk(min(ROUND, times - report.kills), logs, disk, trainers, resize, report)
            finally:
                trainers.abandon()
    return report


def _a_full_disk(
    times: int, logs: Logs, disk: Path, trainers: Trainers, resize: Callable[[str], None], report: Report
) -> None:
    """One disk until it has been made larger, and all is there that was, and what there was no room for."""
    path, chance, earlier = trainers.path, trainers.chance, report.finished
    watcher = Watcher(path, trainers, report)
    known, before = {k: {v} for k, v in logs.contents.items()}, dict[str, str]()
    for _ in range(times):
        process = importing(logs.folder, path)
        time.sleep(chance.uniform(0, 2 * logs.seconds))
        full = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize < 1 << 16
        process.kill()
        _ended_well(process, report)
        places = list(range(TRAINERS)) if chance.random() < 0.3 else [chance.randrange(TRAINERS)]
        trainers.kill(places, report)
        report.kills, report.killed = report.kills + 1, report.killed + 1
        report.moments["on a full disk" if full else "with room left"] += 1
        stopped = watcher.look()
        before = _nothing_gone(path, known, before, report)
        trainers.begin_again(places, stopped, report)
    resize("200m")
    import_whole(logs.folder, path)
    trainers.end(report)
    watcher.look()
    if _nothing_gone(path, known, before, report) != logs.contents:
        report.wrong.append("imported again with room on the disk, the store is not what an undisturbed import makes")
    report.told += len(trainers.names("told"))
    report.finished += earlier + len(logs.contents)
    said = [t.err.read_text() for t in trainers.all]
    report.wrong += [f"a trainer said: {s[-300:]}" for s in said if "Traceback" in s]


def _ended_well(process: subprocess.Popen[str], report: Report) -> None:
    """Killed, at its end, or refused in one sentence for want of room."""
    said = process.communicate()[1]
    if process.returncode not in (-9, 0) and "the disk is full" not in said:
        report.wrong.append(f"an import ended with {process.returncode}: {said[-300:]}")


def _nothing_gone(path: Path, known: dict[str, set[str]], before: dict[str, str], report: Report) -> dict[str, str]:
    after = _visible(path, known, report) if path.exists() else {}
    gone = before.keys() - after.keys()
    report.lost += len(gone)
    report.wrong += [f"{k} was there before a kill and is not after it" for k in gone]
    return after


MODES: dict[str, Callable[..., Report]] = {"import": imports, "track": tracking, "disk": disks}


def main() -> None:
    """All three, or the one that is named."""
    if sys.argv[1:2] == ["trainer"]:
        path, label, seed, resume, first, name, total = sys.argv[2:]
        return trainer(path, label, int(seed), int(resume), int(first), name, int(total))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*MODES, []], help="import, track, disk; all where none is named")
    parser.add_argument("--times", type=int, default=100, help="kills of each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    bad = False
    for what in options.what or MODES:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.time()
            try:
                report = MODES[what](options.times, random.Random(options.seed), Path(folder))
            except RuntimeError as error:
                print(f"{what}: left out, {error}")
                continue
            print(f"{report}\n  {time.time() - begun:.0f} s", flush=True)
            bad |= bool(report.wrong)
    sys.exit(bad)


if __name__ == "__main__":
    main()
